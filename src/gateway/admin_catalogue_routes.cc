// Concerts and shows, as operators make and change them.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "gateway/show_body.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

constexpr size_t kMaxPlanBytes = 32UL << 20;
constexpr size_t kMaxPrices = 1'000;
constexpr size_t kMaxGridSections = 200;

// The operator's key, apart from every other operator's.
std::string OperationKey(const auth::Principal& caller, std::string_view key) {
  return fmt::format("{}:{}", caller.user, key);
}

// Where operators read it: buyers have no concert without a show, and no draft.
Response Created(Response response, std::string_view location) {
  response.headers.Add("Location", location);
  return response;
}

// A whole number that fits; refuses with field_invalid. The range that makes sense is the seat service's to
// say.
uint32_t ReadCount(http::ObjectReader& reader, std::string_view name, int64_t times = 1) {
  const int64_t value = reader.Optional<int64_t>(name).value_or(0);
  if (value < 0 || value > std::numeric_limits<uint32_t>::max() / times) {
    reader.Refuse(name, "field_invalid", "is out of range");
    return 0;
  }
  return static_cast<uint32_t>(value * times);
}

// The same of what has a default, which the services take 0 for.
uint32_t ReadCountOrDefault(http::ObjectReader& reader, std::string_view name, int64_t times = 1) {
  const uint32_t value = ReadCount(reader, name, times);
  if (value == 0 && reader.Has(name)) reader.Refuse(name, "field_invalid", "is out of range");
  return value;
}

// The whole numbers of a text that are milliseconds, as seconds.
std::string InSeconds(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  std::string seconds;
  while (!text.empty()) {
    const size_t begin = std::min(text.find_first_of(kDigits), text.size());
    seconds += text.substr(0, begin);
    text.remove_prefix(begin);
    const std::string_view digits = text.substr(0, text.find_first_not_of(kDigits));
    text.remove_prefix(digits.size());
    if (const auto ms = boxoffice::ParseNumber<int64_t>(digits)) seconds += fmt::format("{}", *ms / 1000);
  }
  return seconds;
}

// What the service says of times that are seconds here and milliseconds there, in the terms of here.
Response ShowFailure(Error error) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {{"hold_ttl_ms: ", "hold_ttl_s: "},
                                                                      {"grace_ms: ", "grace_s: "}};
  for (const auto& [theirs, ours] : kNames) {
    if (error.detail.starts_with(theirs))
      error.detail = fmt::format("{}{}", ours, InSeconds(error.detail.substr(theirs.size())));
  }
  return ServiceFailure(error);
}

asio::awaitable<Response> CreateConcert(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  http::ObjectReader reader(request.body());
  seat::v1::CreateConcertRequest query;
  query.set_operation_key(OperationKey(caller, *key));
  query.set_title(reader.Required<std::string>("title"));
  query.set_artist(reader.Required<std::string>("artist"));
  query.set_venue(reader.Required<std::string>("venue"));
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->CreateConcert(arguments...); };
  const Result<seat::v1::Concert> concert =
      co_await edge.backends.Ask<seat::v1::Concert>(query, request.traceparent(), start);
  if (!concert) co_return ServiceFailure(concert.error());
  Response response = ObjectResponse([&](http::JsonWriter& writer) { WriteConcert(writer, *concert); }, 201);
  co_return Created(std::move(response), fmt::format("/v1/admin/concerts/{}", concert->id()));
}

asio::awaitable<Response> UpdateConcert(Edge& edge, Request& request, const auth::Principal&) {
  const Result<int64_t> id = NumberInPath(request, "concert", "concert_not_found");
  if (!id) co_return FailureResponse(id.error());
  http::ObjectReader reader(request.body());
  seat::v1::UpdateConcertRequest query;
  query.set_id(*id);
  if (reader.Has("title")) query.set_title(reader.Required<std::string>("title"));
  if (reader.Has("artist")) query.set_artist(reader.Required<std::string>("artist"));
  if (reader.Has("venue")) query.set_venue(reader.Required<std::string>("venue"));
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->UpdateConcert(arguments...); };
  const Result<seat::v1::Concert> concert =
      co_await edge.backends.Ask<seat::v1::Concert>(query, request.traceparent(), start);
  if (!concert) co_return ServiceFailure(concert.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteConcert(writer, *concert); });
}

void ReadPrices(http::ObjectReader& reader, seat::v1::CreateShowRequest& query) {
  http::ObjectReader* prices = reader.RequiredObject("prices");
  const std::vector<std::string_view> names = prices->Names();
  if (names.size() > kMaxPrices) {
    reader.Refuse("prices", "field_too_long", "has too many categories");
    return;
  }
  for (const std::string_view name : names) {
    (*query.mutable_prices())[std::string(name)] = prices->Required<int64_t>(name);
  }
}

void ReadGrid(http::ObjectReader& reader, seat::v1::CreateShowRequest& query) {
  for (http::ObjectReader* section : reader.OptionalObjects("grid", kMaxGridSections)) {
    seat::v1::GridSection& one = *query.add_grid();
    one.set_name(section->Required<std::string>("name"));
    one.set_rows(ReadCount(*section, "rows"));
    one.set_seats_per_row(ReadCount(*section, "seats_per_row"));
    one.set_category(section->Required<std::string>("category"));
    one.set_accessible(ReadCount(*section, "accessible"));
  }
}

// Where the seats come from: one of three.
void ReadSeats(http::ObjectReader& reader, std::string plan, seat::v1::CreateShowRequest& query) {
  const bool has_csv = reader.Has("seating_csv");
  const bool has_grid = reader.Has("grid");
  const bool has_plan = reader.Has("seating_plan");
  if (!plan.empty()) {
    reader.Ignore("seating_plan");
    query.set_seating_plan(std::move(plan));
  } else if (!has_plan && !has_csv && !has_grid) {
    reader.Refuse("seating_plan", "field_missing",
                  "is missing, or `seating_csv` or `grid`: one of the three is needed");
  } else if (has_plan) {
    query.set_seating_plan(reader.Required<std::string>("seating_plan"));
  }
  if (has_csv) query.set_seating_csv(reader.Required<std::string>("seating_csv"));
  ReadGrid(reader, query);
  if (has_csv && has_plan) reader.Refuse("seating_csv", "field_invalid", "excludes `seating_plan`");
  if (has_grid && (has_plan || has_csv)) {
    reader.Refuse("grid", "field_invalid", "excludes `seating_plan` and `seating_csv`");
  }
  if (has_csv && query.seating_csv().empty()) reader.Refuse("seating_csv", "field_invalid", "is empty");
  if (has_grid && query.grid().empty()) reader.Refuse("grid", "field_invalid", "has no section");
  if (http::ObjectReader* stage = reader.OptionalObject("stage")) {
    query.mutable_stage()->set_x(stage->Required<double>("x"));
    query.mutable_stage()->set_y(stage->Required<double>("y"));
  }
}

Result<seat::v1::CreateShowRequest> ReadShow(const Request& request) {
  BOXOFFICE_ASSIGN(ShowBody body, SplitShowBody(request.body()));
  http::ObjectReader reader(body.fields);
  seat::v1::CreateShowRequest query;
  query.set_concert_id(NumberInBody(reader, "concert_id"));
  query.set_starts_at_ms(TimeInBody(reader, "starts_at"));
  if (!reader.Has("starts_at")) reader.Refuse("starts_at", "field_missing", "is missing");
  query.set_on_sale_at_ms(TimeInBody(reader, "on_sale_at"));
  query.set_sale_ends_at_ms(TimeInBody(reader, "sale_ends_at"));
  query.set_currency(reader.Required<std::string>("currency"));
  query.set_seat_limit(ReadCountOrDefault(reader, "seat_limit"));
  query.set_hold_ttl_ms(ReadCountOrDefault(reader, "hold_ttl_s", 1000));
  query.set_cancel_deadline_ms(MaybeTimeInBody(reader, "cancel_deadline"));
  ReadPrices(reader, query);
  ReadSeats(reader, std::move(body.plan), query);
  query.set_orphan_rule(reader.Optional<bool>("orphan_rule").value_or(false));
  query.set_draft(reader.Optional<bool>("draft").value_or(false));
  query.set_cancel_fee_per_seat(reader.Optional<int64_t>("cancel_fee_per_seat").value_or(0));
  query.set_cancel_fee_percent(ReadCount(reader, "cancel_fee_percent"));
  query.set_grace_ms(ReadCount(reader, "grace_s", 1000));
  BOXOFFICE_TRY(reader.Finish());
  return query;
}

asio::awaitable<Response> CreateShow(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  Result<seat::v1::CreateShowRequest> query = ReadShow(request);
  if (!query) {
    // Broken JSON inside the plan is the plan's fault: 422, as for all that is wrong with one.
    if (query.error().reason == "seating_plan_invalid") co_return ServiceFailure(query.error());
    co_return FailureResponse(query.error());
  }
  query->set_operation_key(OperationKey(caller, *key));
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->CreateShow(arguments...); };
  const milliseconds timeout = edge.backends.limits().import_timeout;
  const Result<seat::v1::Show> show = co_await edge.backends.AskWithin<seat::v1::Show>(
      timeout, std::move(*query), request.traceparent(), start);
  if (!show) co_return ShowFailure(show.error());
  Response response = ObjectResponse([&](http::JsonWriter& writer) { WriteShow(writer, *show); }, 201);
  co_return Created(std::move(response), fmt::format("/v1/admin/shows/{}", show->id()));
}

asio::awaitable<Response> UpdateShow(Edge& edge, Request& request, const auth::Principal&) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  http::ObjectReader reader(request.body());
  seat::v1::UpdateShowRequest query;
  query.set_id(*id);
  if (reader.Has("on_sale_at")) query.set_on_sale_at_ms(TimeInBody(reader, "on_sale_at"));
  if (reader.Has("sale_ends_at")) query.set_sale_ends_at_ms(TimeInBody(reader, "sale_ends_at"));
  if (reader.Has("seat_limit")) query.set_seat_limit(ReadCount(reader, "seat_limit"));
  if (reader.Has("hold_ttl_s")) query.set_hold_ttl_ms(ReadCount(reader, "hold_ttl_s", 1000));
  if (reader.Has("cancel_deadline")) {
    query.set_cancel_deadline_ms(MaybeTimeInBody(reader, "cancel_deadline"));
  }
  if (reader.Has("orphan_rule")) query.set_orphan_rule(reader.Required<bool>("orphan_rule"));
  if (reader.Has("cancel_fee_per_seat")) {
    query.set_cancel_fee_per_seat(reader.Required<int64_t>("cancel_fee_per_seat"));
  }
  if (reader.Has("cancel_fee_percent")) {
    query.set_cancel_fee_percent(ReadCount(reader, "cancel_fee_percent"));
  }
  if (reader.Has("grace_s")) query.set_grace_ms(ReadCount(reader, "grace_s", 1000));
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->UpdateShow(arguments...); };
  const Result<seat::v1::Show> show =
      co_await edge.backends.Ask<seat::v1::Show>(query, request.traceparent(), start);
  if (!show) co_return ShowFailure(show.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteShow(writer, *show); });
}

}  // namespace

void AddAdminCatalogueRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kPost, "/v1/admin/concerts",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return CreateConcert(edge, request, caller);
                  });
  routes.Operator(Method::kPatch, "/v1/admin/concerts/{concert}",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return UpdateConcert(edge, request, caller);
                  });
  routes.Operator(
      Method::kPost, "/v1/admin/shows",
      [&edge](Request& request, const auth::Principal& caller) { return CreateShow(edge, request, caller); },
      http::RouteOptions{.max_body = kMaxPlanBytes});
  routes.Operator(
      Method::kPatch, "/v1/admin/shows/{show}",
      [&edge](Request& request, const auth::Principal& caller) { return UpdateShow(edge, request, caller); });
}

}  // namespace boxoffice::gateway
