// Concerts, shows and seats: open to everybody.
#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "gateway/transfer.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

asio::awaitable<Response> ListConcerts(Edge& edge, Request& request) {
  const Result<ConcertsQuery> query = ReadConcertsQuery(request);
  if (!query) co_return FailureResponse(query.error());
  Result<ConcertPages::Page> list = co_await edge.concert_pages.Get(*query, request.traceparent());
  if (!list) co_return ServiceFailure(list.error());
  Response response;
  response.content_type = "application/json";
  response.headers.Add("ETag", list->etag);
  response.shared_body = std::move(list->body);
  co_return response;
}

// Asked for each time, so that operators see at once what they have changed.
asio::awaitable<Response> ListAllConcerts(Edge& edge, Request& request) {
  const Result<NumberedPage> page = ReadNumberedPage(request, "concerts");
  if (!page) co_return FailureResponse(page.error());
  seat::v1::ListConcertsRequest query;
  query.set_limit(page->limit);
  query.set_after_id(page->after);
  query.set_drafts(true);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->ListConcerts(arguments...); };
  const Result<seat::v1::ListConcertsResponse> list =
      co_await edge.backends.Ask<seat::v1::ListConcertsResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  co_return ConcertsResponse(*list);
}

asio::awaitable<Response> GetConcert(Edge& edge, Request& request, bool drafts) {
  const Result<int64_t> id = NumberInPath(request, "concert", "concert_not_found");
  if (!id) co_return FailureResponse(id.error());
  seat::v1::GetConcertRequest query;
  query.set_id(*id);
  query.set_drafts(drafts);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->GetConcert(arguments...); };
  const Result<seat::v1::Concert> concert =
      co_await edge.backends.Ask<seat::v1::Concert>(query, request.traceparent(), start);
  if (!concert) co_return ServiceFailure(concert.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteConcert(writer, *concert); });
}

asio::awaitable<Response> GetShow(Edge& edge, Request& request, bool drafts) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  seat::v1::GetShowRequest query;
  query.set_id(*id);
  query.set_drafts(drafts);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->GetShow(arguments...); };
  const Result<seat::v1::Show> show =
      co_await edge.backends.Ask<seat::v1::Show>(query, request.traceparent(), start);
  if (!show) co_return ServiceFailure(show.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteShow(writer, *show); });
}

asio::awaitable<Response> GetSeats(Edge& edge, Request& request, SeatPicture::Form form) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  // The map of a draft is nobody's business yet.
  const Result<void> known = co_await edge.RequireShow(*id, request);
  if (!known) co_return ServiceFailure(known.error());
  const Result<std::shared_ptr<SeatPicture>> picture = co_await edge.seat_maps.Get(*id);
  if (!picture) co_return ServiceFailure(picture.error());
  // Weak, as the version's number in the body may be another.
  const std::string etag = "W/\"" + (*picture)->tag() + '"';
  Response response;
  response.headers.Add("ETag", etag);
  response.headers.Add("Cache-Control", "no-cache");
  const std::optional<std::string_view> kept = request.header("If-None-Match");
  if (kept && MatchesTag(*kept, etag)) {
    response.status = 304;
    response.headers.Add("Vary", "Accept-Encoding");  // as the whole map, which is long, would
  } else {
    Result<std::shared_ptr<const std::string>> body = edge.seat_maps.BodyOf(**picture, form);
    if (!body) co_return ServiceFailure(body.error());
    response.content_type = "application/json";
    response.shared_body = *std::move(body);
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
  if (tag.starts_with("W/")) tag.erase(0, 2);  // an ETag of a map
  std::erase(tag, '"');
  co_return http::SseResponse([&edge, show_id = *id, tag](http::SseStream& stream) {
    return edge.seat_maps.Follow(show_id, tag, stream);
  });
}

}  // namespace

void AddCatalogueRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, "/v1/concerts",
                [&edge](Request& request) { return ListConcerts(edge, request); });
  routes.Public(Method::kGet, "/v1/concerts/{concert}",
                [&edge](Request& request) { return GetConcert(edge, request, /*drafts=*/false); });
  routes.Public(Method::kGet, "/v1/shows/{show}",
                [&edge](Request& request) { return GetShow(edge, request, /*drafts=*/false); });
  routes.Public(Method::kGet, "/v1/shows/{show}/seats",
                [&edge](Request& request) { return GetSeats(edge, request, SeatPicture::Form::kList); });
  routes.Public(Method::kGet, "/v1/shows/{show}/seat-map",
                [&edge](Request& request) { return GetSeats(edge, request, SeatPicture::Form::kRows); });
  routes.Public(Method::kGet, "/v1/shows/{show}/seats/events",
                [&edge](Request& request) { return FollowSeats(edge, request); });
  AddRankingRoutes(routes, edge);
  // The same for operators, with drafts.
  routes.Operator(Method::kGet, "/v1/admin/concerts", [&edge](Request& request, const auth::Principal&) {
    return ListAllConcerts(edge, request);
  });
  routes.Operator(Method::kGet, "/v1/admin/concerts/{concert}",
                  [&edge](Request& request, const auth::Principal&) {
                    return GetConcert(edge, request, /*drafts=*/true);
                  });
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}", [&edge](Request& request, const auth::Principal&) {
    return GetShow(edge, request, /*drafts=*/true);
  });
}

}  // namespace boxoffice::gateway
