// JSON bodies: the strict reader, what a body of POST /v1/reservations becomes as a command, and the plan
// that is cut out of a show's.
//
// How a reservation's body is read is the business of that one file, and in no header; hence the next line.
#include <string>
#include <string_view>

#include <boost/json/parse.hpp>

#include "base/check.h"
#include "gateway/reservation_routes.cc"
#include "gateway/show_body.h"
#include "platform/http/json_writer.h"

namespace boxoffice::gateway {
namespace {

namespace json = boost::json;

// What the strict reader takes is JSON to others too, and has the same members.
void FuzzReader(std::string_view body) {
  http::ObjectReader reader(body);
  const std::vector<std::string_view> names = reader.Names();
  for (const std::string_view name : names) reader.Ignore(name);
  if (!reader.Finish()) return;
  boost::system::error_code error;
  const json::value value = json::parse(body, error);
  CHECK(!error && value.is_object(), "others can't read it: {}", error.message());
  CHECK(value.get_object().size() == names.size());
  for (const std::string_view name : names) CHECK(value.get_object().contains(name), "no member {}", name);
}

std::string BodyOf(const reservation::v1::Reserve& reserve) {
  http::JsonWriter writer;
  writer.BeginObject().Field("show_id", std::to_string(reserve.show_id())).Field("pay", reserve.pay());
  writer.Field("payment_method", reserve.payment_method());
  if (reserve.has_best_available()) {
    const seat::v1::BestAvailable& best = reserve.best_available();
    writer.Key("best_available").BeginObject().Field("count", int64_t{best.count()});
    writer.Field("section", best.section()).Field("category", best.category());
    if (best.max_price() != 0) writer.Field("max_price", best.max_price());
    writer.Field("accessible", int64_t{best.accessible()}).EndObject();
  } else {
    writer.Key("seats").BeginArray();
    for (const uint32_t seat_no : reserve.seats().seat_nos()) writer.Value(int64_t{seat_no});
    writer.EndArray();
  }
  return writer.EndObject().Take();
}

// A body that is accepted is a command within the limits, and means the same when it is written down and read
// again.
void FuzzReservation(std::string_view body) {
  http::Request request;
  request.mutable_body() = body;
  const Result<Choice> choice = ReadChoice(request);
  if (!choice) {
    CHECK(choice.error().code == Code::kInvalidArgument && !choice.error().reason.empty());
    return;
  }
  const reservation::v1::Reserve& reserve = choice->reserve;
  CHECK(reserve.show_id() >= 1);
  CHECK(reserve.has_seats() != reserve.has_best_available());
  if (reserve.has_best_available()) {
    const seat::v1::BestAvailable& best = reserve.best_available();
    CHECK(best.count() >= 1 && best.count() <= kMaxSeats && best.accessible() <= best.count());
  } else {
    const auto& seats = reserve.seats().seat_nos();
    CHECK(!seats.empty() && static_cast<size_t>(seats.size()) <= kMaxSeats);
    CHECK(std::ranges::adjacent_find(seats, std::ranges::greater_equal()) == seats.end(),
          "not sorted, or twice");
    CHECK(*seats.begin() >= 1);
  }
  http::Request again;
  again.mutable_body() = BodyOf(reserve);
  const Result<Choice> same = ReadChoice(again);
  CHECK(same.has_value(), "{}: {}", again.body(), same.error().detail);
  CHECK(same->canonical == choice->canonical);
  CHECK(same->reserve.SerializeAsString() == reserve.SerializeAsString());
}

// Cutting the plan out changes nothing of either part, as a reader of JSON sees them.
void FuzzShow(std::string_view body) {
  const Result<ShowBody> split = SplitShowBody(body);
  boost::system::error_code error;
  json::value whole = json::parse(body, error);
  if (error || !whole.is_object()) return;
  CHECK(split.has_value(), "{}", split.error().detail);
  http::ObjectReader reader(split->fields);
  for (const std::string_view name : reader.Names()) reader.Ignore(name);
  if (!reader.Finish() || split->plan.empty()) return;
  const json::value plan = json::parse(split->plan, error);
  CHECK(!error, "the plan: {}", error.message());
  const json::value fields = json::parse(split->fields, error);
  CHECK(!error, "the fields: {}", error.message());
  CHECK(whole.at("seating_plan") == plan);
  whole.at("seating_plan") = json::object();
  CHECK(whole == fields);
}

}  // namespace
}  // namespace boxoffice::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  boxoffice::gateway::FuzzReader(body);
  boxoffice::gateway::FuzzReservation(body);
  boxoffice::gateway::FuzzShow(body);
  return 0;
}
