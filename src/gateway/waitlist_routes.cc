// Waitlists of shows that are sold out, as buyers join and leave them, and as operators see them.
#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/reservations.h"
#include "gateway/routes.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;
using reservation::v1::ListWaitlistResponse;
using reservation::v1::WaitlistEntry;

Response EntryResponse(const WaitlistEntry& entry) {
  return ObjectResponse(
      [&](http::JsonWriter& writer) { WriteWaitlistEntry(writer, entry, Audience::kBuyer); });
}

asio::awaitable<Response> Join(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  http::ObjectReader reader(request.body());
  reservation::v1::JoinWaitlistRequest query;
  *query.mutable_wish() = ReadWish(reader);
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  // The reservation service knows of shows that buyers don't.
  const Result<void> known = co_await edge.RequireShow(*show_id, request);
  if (!known) co_return ServiceFailure(known.error());
  query.set_show_id(*show_id);
  query.set_user_id(caller.user);
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->JoinWaitlist(a...); };
  const Result<WaitlistEntry> entry =
      co_await edge.backends.Ask<WaitlistEntry>(query, request.traceparent(), start);
  if (!entry) co_return ServiceFailure(entry.error());
  co_return EntryResponse(*entry);
}

asio::awaitable<Response> Leave(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  reservation::v1::LeaveWaitlistRequest query;
  query.set_show_id(*show_id);
  query.set_user_id(caller.user);
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->LeaveWaitlist(a...); };
  const Result<WaitlistEntry> entry =
      co_await edge.backends.Ask<WaitlistEntry>(query, request.traceparent(), start);
  if (!entry) co_return ServiceFailure(entry.error());
  co_return EntryResponse(*entry);
}

asio::awaitable<Response> GetOne(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  reservation::v1::ListWaitlistRequest query;
  query.set_show_id(*show_id);
  query.set_user_id(caller.user);
  query.set_open_only(true);
  query.set_limit(1);
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->ListWaitlist(a...); };
  const Result<ListWaitlistResponse> list =
      co_await edge.backends.Ask<ListWaitlistResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  if (list->entries().empty()) co_return RefusalResponse("not_on_waitlist");
  co_return EntryResponse(list->entries(0));
}

// The cursor is "show/place" of the last entry.
Result<void> ReadCursor(const std::string& after, reservation::v1::ListWaitlistRequest& query) {
  if (after.empty()) return {};
  const size_t slash = after.find('/');
  const auto show_id = ParseNumber(std::string_view(after).substr(0, slash));
  const auto place =
      slash == std::string::npos ? std::nullopt : ParseNumber(std::string_view(after).substr(slash + 1));
  if (!show_id || !place) return Fail(Code::kInvalidArgument, "cursor_invalid");
  query.set_after_show_id(*show_id);
  query.set_after_place(static_cast<uint64_t>(*place));
  return {};
}

asio::awaitable<Response> List(Edge& edge, Request& request, reservation::v1::ListWaitlistRequest query,
                               Audience audience) {
  const Result<Page> page = ReadPage(request, "waitlist");
  if (!page) co_return FailureResponse(page.error());
  const Result<void> cursor = ReadCursor(page->after, query);
  if (!cursor) co_return FailureResponse(cursor.error());
  query.set_limit(page->limit);
  if (const auto state = request.query("state")) {
    if (*state != "open" && *state != "all") {
      co_return RefusalResponse("parameter_invalid", "field `state` is open or all");
    }
    query.set_open_only(*state == "open");
  }
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->ListWaitlist(a...); };
  const Result<ListWaitlistResponse> list =
      co_await edge.backends.Ask<ListWaitlistResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->entries().empty()) {
    const WaitlistEntry& last = *list->entries().rbegin();
    next = EncodeCursor("waitlist", fmt::format("{}/{}", last.show_id(), last.place()));
  }
  co_return ListResponse(list->entries(), next, [audience](http::JsonWriter& writer, const auto& entry) {
    WriteWaitlistEntry(writer, entry, audience);
  });
}

asio::awaitable<Response> ListMine(Edge& edge, Request& request, const auth::Principal& caller) {
  reservation::v1::ListWaitlistRequest query;
  query.set_user_id(caller.user);
  return List(edge, request, std::move(query), Audience::kBuyer);
}

asio::awaitable<Response> ListOfShow(Edge& edge, Request& request) {
  const Result<int64_t> show_id = NumberInPath(request, "show", "show_not_found");
  if (!show_id) co_return FailureResponse(show_id.error());
  const Result<void> known = co_await edge.RequireShow(*show_id, request, /*drafts=*/true);
  if (!known) co_return ServiceFailure(known.error());
  reservation::v1::ListWaitlistRequest query;
  query.set_show_id(*show_id);
  query.set_open_only(true);
  Response response = co_await List(edge, request, std::move(query), Audience::kOperator);
  co_return response;
}

}  // namespace

void AddWaitlistRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  constexpr std::string_view kPath = "/v1/shows/{show}/waitlist";
  routes.Buyer(Method::kPost, kPath, [&edge](Request& request, const auth::Principal& caller) {
    return Join(edge, request, caller);
  });
  routes.Buyer(Method::kGet, kPath, [&edge](Request& request, const auth::Principal& caller) {
    return GetOne(edge, request, caller);
  });
  routes.Buyer(Method::kDelete, kPath,
               Limited(edge.limits.leaves, [&edge](Request& request, const auth::Principal& caller) {
                 return Leave(edge, request, caller);
               }));
  routes.Buyer(Method::kGet, "/v1/waitlist",
               Limited(edge.limits.lists, [&edge](Request& request, const auth::Principal& caller) {
                 return ListMine(edge, request, caller);
               }));
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/waitlist",
                  [&edge](Request& request, const auth::Principal&) { return ListOfShow(edge, request); });
}

}  // namespace boxoffice::gateway
