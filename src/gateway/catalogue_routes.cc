// Concerts, shows, seats and rankings: open to everybody.
#include <algorithm>
#include <array>
#include <ranges>

#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

asio::awaitable<Response> ListConcerts(Edge& edge, Request& request, bool drafts) {
  const Result<NumberedPage> page = ReadNumberedPage(request, "concerts");
  if (!page) co_return FailureResponse(page.error());
  seat::v1::ListConcertsRequest query;
  query.set_limit(page->limit);
  query.set_after_id(page->after);
  query.set_drafts(drafts);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->ListConcerts(arguments...); };
  const Result<seat::v1::ListConcertsResponse> list =
      co_await edge.backends.Ask<seat::v1::ListConcertsResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->concerts().empty()) {
    next = EncodeCursor("concerts", std::to_string(list->concerts().rbegin()->id()));
  }
  co_return ListResponse(list->concerts(), next, WriteConcert);
}

asio::awaitable<Response> GetConcert(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "concert", "concert_not_found");
  if (!id) co_return FailureResponse(id.error());
  seat::v1::GetConcertRequest query;
  query.set_id(*id);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->GetConcert(arguments...); };
  const Result<seat::v1::Concert> concert =
      co_await edge.backends.Ask<seat::v1::Concert>(query, request.traceparent(), start);
  if (!concert) co_return ServiceFailure(concert.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteConcert(writer, *concert); });
}

asio::awaitable<Response> GetShow(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  seat::v1::GetShowRequest query;
  query.set_id(*id);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->GetShow(arguments...); };
  const Result<seat::v1::Show> show =
      co_await edge.backends.Ask<seat::v1::Show>(query, request.traceparent(), start);
  if (!show) co_return ServiceFailure(show.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteShow(writer, *show); });
}

// Whether the header If-None-Match names `etag` (RFC 9110, section 13.1.2: compared weakly).
bool Matches(std::string_view header, std::string_view etag) {
  return header == "*" || header.contains(etag);
}

asio::awaitable<Response> GetSeats(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  // The map of a draft is nobody's business yet.
  const Result<void> known = co_await edge.RequireShow(*id, request);
  if (!known) co_return ServiceFailure(known.error());
  const Result<std::shared_ptr<SeatPicture>> picture = co_await edge.seat_maps.Get(*id);
  if (!picture) co_return ServiceFailure(picture.error());
  const std::string etag = '"' + (*picture)->tag() + '"';
  Response response;
  response.headers.emplace_back("ETag", etag);
  response.headers.emplace_back("Cache-Control", "no-cache");
  const std::optional<std::string_view> known = request.header("If-None-Match");
  if (known && Matches(*known, etag)) {
    response.status = 304;
  } else {
    response.content_type = "application/json";
    response.shared_body = (*picture)->Body();
  }
  co_return response;
}

asio::awaitable<Response> FollowSeats(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  // An unknown show, or one that is a draft, is said before the stream begins.
  const Result<void> known = co_await edge.RequireShow(*id, request);
  if (!known) co_return ServiceFailure(known.error());
  const Result<std::shared_ptr<SeatPicture>> picture = co_await edge.seat_maps.Get(*id);
  if (!picture) co_return ServiceFailure(picture.error());
  std::string tag(request.header("Last-Event-ID").value_or(request.query("from").value_or("")));
  std::erase(tag, '"');
  co_return http::SseResponse([&edge, show_id = *id, tag](http::SseStream& stream) {
    return edge.seat_maps.Follow(show_id, tag, stream);
  });
}

asio::awaitable<Response> GetRanking(Edge& edge, Request& request) {
  constexpr std::array<std::string_view, 2> kBy = {"bookings", "sellout"};
  constexpr std::array<std::string_view, 4> kWindows = {"hour", "day", "week", "all"};
  const std::string_view by = request.query("by").value_or("bookings");
  const std::string_view window = request.query("window").value_or("all");
  if (std::ranges::find(kBy, by) == kBy.end()) {
    co_return RefusalResponse("parameter_invalid", "field `by` is bookings or sellout");
  }
  if (std::ranges::find(kWindows, window) == kWindows.end()) {
    co_return RefusalResponse("parameter_invalid", "field `window` is hour, day, week or all");
  }
  const Result<Page> page = ReadPage(request, "ranking");
  if (!page) co_return FailureResponse(page.error());
  std::string chosen_by(by);
  std::string chosen_window(window);
  std::string traceparent(request.traceparent());
  const Result<Rankings::Answer> answer =
      co_await edge.rankings.Get(std::move(chosen_by), std::move(chosen_window), std::move(traceparent));
  if (!answer) co_return ServiceFailure(answer.error());
  const ranking::v1::GetRankingResponse& ranking = **answer;
  http::JsonWriter writer;
  writer.BeginObject();
  WriteTime(writer, "as_of", ranking.as_of_ms());
  writer.Key("items").BeginArray();
  for (const auto& row : std::views::take(ranking.rows(), page->limit)) {
    writer.BeginObject().Field("rank", row.rank());
    WriteNumberId(writer, "show_id", row.show_id());
    writer.Field("bookings", row.bookings()).Field("seats", row.seats()).Key("sellout_s");
    if (by == "sellout") {
      writer.Raw(fmt::format("{}", static_cast<double>(row.sellout_ms()) / 1000));
    } else {
      writer.Null();
    }
    WriteTime(writer, "on_sale_at", row.on_sale_at_ms());
    writer.EndObject();
  }
  writer.EndArray().Key("next_cursor").Null().EndObject();
  co_return http::JsonResponse(writer.Take());
}

}  // namespace

void AddCatalogueRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, "/v1/concerts",
                [&edge](Request& request) { return ListConcerts(edge, request, /*drafts=*/false); });
  routes.Public(Method::kGet, "/v1/concerts/{concert}",
                [&edge](Request& request) { return GetConcert(edge, request); });
  routes.Public(Method::kGet, "/v1/shows/{show}",
                [&edge](Request& request) { return GetShow(edge, request); });
  routes.Public(Method::kGet, "/v1/shows/{show}/seats",
                [&edge](Request& request) { return GetSeats(edge, request); });
  routes.Public(Method::kGet, "/v1/shows/{show}/seats/events",
                [&edge](Request& request) { return FollowSeats(edge, request); });
  routes.Public(Method::kGet, "/v1/rankings",
                [&edge](Request& request) { return GetRanking(edge, request); });
  // The same list for operators, with drafts.
  routes.Operator(Method::kGet, "/v1/admin/concerts", [&edge](Request& request, const auth::Principal&) {
    return ListConcerts(edge, request, /*drafts=*/true);
  });
}

}  // namespace boxoffice::gateway
