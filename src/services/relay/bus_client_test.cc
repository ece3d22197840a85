#include "services/relay/bus_client.h"

#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <span>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "boxoffice/bus/v1/events.pb.h"
#include "services/relay/store_memory.h"

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

// Fails as it is told to.
class FailingStore final : public MemoryStore {
 public:
  struct Failures {
    std::optional<Error> targets;  // of the look at the targets
    std::optional<Error> events;   // of the look at events
  };
  explicit FailingStore(const Failures& failures) : failures_(failures) {}
  Result<std::vector<Target>> LoadTargets() override {
    if (failures_.targets) return std::unexpected(*failures_.targets);
    return MemoryStore::LoadTargets();
  }
  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override {
    if (failures_.events) return std::unexpected(*failures_.events);
    return MemoryStore::AreProcessed(ids);
  }

 private:
  const Failures& failures_;
};

// The bus parks what any other code than kUnavailable blames.
TEST(BusClient, WhatTheStoreFailsWithIsNoFaultOfAnEventButAValueThatItCantHold) {
  const ManualClock clock;
  SeededRandom random(1);
  FailingStore::Failures failures;
  RelayService service(std::make_unique<FailingStore>(failures), clock, random,
                       [] { return std::string(kSecretBytes, 's'); });
  ASSERT_TRUE(service.Load());
  ASSERT_TRUE(service.CreateTarget("op-1", {.url = "http://example/"}));
  const bus::Record record{.event = {.id = EventId::Make(clock.Now(), random),
                                     .topic = "seat",
                                     .key = "k",
                                     .type = "seat.held",
                                     .body = events::SeatEvent().SerializeAsString(),
                                     .time = clock.Now()}};
  int accepted = 0;
  const auto consume = [&] { return Consume(service, {&record, 1}, [&] { ++accepted; }); };
  for (const Code code : {Code::kInternal, Code::kConflict, Code::kUnknown, Code::kUnavailable}) {
    for (std::optional<Error>* failure : {&failures.targets, &failures.events}) {
      *failure = Error{code, "sql_error", "no such column"};
      const bus::Consumed consumed = consume();
      EXPECT_EQ(consumed.done, 0U) << CodeName(code);
      EXPECT_EQ(consumed.error, (Error{Code::kUnavailable, "sql_error", "no such column"})) << CodeName(code);
      failure->reset();
    }
  }
  failures.events = Error{Code::kInvalidArgument, "invalid_value", ""};
  EXPECT_EQ(consume().error.code, Code::kInvalidArgument);
  EXPECT_EQ(accepted, 0);
  failures.events.reset();
  EXPECT_EQ(consume().done, 1U);
  EXPECT_EQ(accepted, 1);
}

}  // namespace
}  // namespace boxoffice::relay
