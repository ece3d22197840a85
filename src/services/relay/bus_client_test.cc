#include "services/relay/bus_client.h"

#include <fstream>
#include <map>
#include <regex>
#include <string>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "base/id.h"
#include "boxoffice/bus/v1/events.pb.h"

namespace boxoffice::relay {
namespace {

namespace events = boxoffice::bus::v1;
namespace json = boost::json;
using google::protobuf::FieldDescriptor;

constexpr int64_t kTimeMs = 1'800'000'000'000;

// With something in each field.
template <typename Body>
Body Full() {
  Body body;
  const google::protobuf::Reflection& reflection = *body.GetReflection();
  for (int i = 0; i < Body::descriptor()->field_count(); ++i) {
    const FieldDescriptor* field = Body::descriptor()->field(i);
    switch (field->type()) {
      case FieldDescriptor::TYPE_BYTES:
        reflection.SetString(&body, field, std::string(16, '\1'));
        break;
      case FieldDescriptor::TYPE_STRING:
        reflection.SetString(&body, field, "text");
        break;
      case FieldDescriptor::TYPE_INT64:
        reflection.SetInt64(&body, field, kTimeMs);
        break;
      case FieldDescriptor::TYPE_UINT64:
        reflection.SetUInt64(&body, field, 2);
        break;
      case FieldDescriptor::TYPE_UINT32:
        reflection.AddUInt32(&body, field, 3);  // all are lists
        break;
      case FieldDescriptor::TYPE_BOOL:
        reflection.SetBool(&body, field, true);
        break;
      default:
        ADD_FAILURE() << std::string(field->full_name()) << " is of a type that no event had";
    }
  }
  return body;
}

template <typename Body>
json::object DataOf(const std::string& type, const Body& body) {
  const Result<InboxEvent> kept = ToInboxEvent({.type = type, .body = body.SerializeAsString()});
  EXPECT_TRUE(kept) << type;
  const json::value all = json::parse(kept ? kept->body : R"({"data":{}})");
  return all.at("data").as_object();
}

std::string FormOf(const json::value& value) {
  if (value.is_number()) return "number";
  if (value.is_bool()) return "true";
  if (value.is_array()) return "list of numbers";
  const std::string text(value.as_string());
  if (Uuid::Parse(text)) return "UUID";
  return text == ToRfc3339(FromUnixMs(kTimeMs)) ? "RFC 3339" : "text";
}

// {"hold_expires_at": "RFC 3339, may be absent"}: the column "in webhooks" of a message.
std::map<std::string, std::string> OnThePage(const std::string& message) {
  std::ifstream page(BOXOFFICE_SOURCE_DIR "/docs/reference/events.md");
  EXPECT_TRUE(page.good());
  const std::regex row(R"(\| `\w+` \| [^|]* \| `(\w+)`: ([^|]*) \|.*)");
  std::map<std::string, std::string> fields;
  std::smatch match;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) inside = line == "## " + message;
    if (inside && std::regex_match(line, match, row)) fields[match[1].str()] = match[2].str();
  }
  return fields;
}

template <typename Body>
void ExpectAsOnThePage(const std::string& type) {
  const json::object empty = DataOf(type, Body());
  const json::object full = DataOf(type, Full<Body>());
  std::map<std::string, std::string> sent;
  for (const auto& [name, value] : full) {
    sent[std::string(name)] = FormOf(value) + (empty.contains(name) ? "" : ", may be absent");
  }
  EXPECT_EQ(sent, OnThePage(std::string(Body::descriptor()->name()))) << type;
}

TEST(BusClient, WebhooksHaveTheFieldsThatThePageOfEventsSaysInTheFormThatItSays) {
  ExpectAsOnThePage<events::ReservationEvent>("reservation.held");
  ExpectAsOnThePage<events::SeatEvent>("seat.held");
  ExpectAsOnThePage<events::ShowSoldOut>("show.sold_out");
  ExpectAsOnThePage<events::WalletEvent>("wallet.charged");
  ExpectAsOnThePage<events::PaymentEvent>("payment.approved");
}

}  // namespace
}  // namespace boxoffice::relay
