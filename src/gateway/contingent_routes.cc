// Seats that are kept for the buyers of a channel: as operators assign them, and as these buyers see them.
#include "gateway/edge.h"
#include "gateway/named_seats.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

Result<seat::v1::AssignChannelRequest> ReadAssignment(const Request& request, const auth::Principal& caller) {
  http::ObjectReader reader(request.body());
  seat::v1::AssignChannelRequest query;
  query.set_operator_id(caller.user);
  query.set_channel(reader.Required<std::string>("channel"));
  if (reader.Has("channel") && !auth::IsChannel(query.channel())) {
    reader.Refuse("channel", "field_invalid", "has 1 to 50 of a-z 0-9 _ -");
  }
  query.set_until_ms(TimeInBody(reader, "until"));
  const std::vector<int64_t> seats = ReadNamedSeats(reader, query);
  BOXOFFICE_TRY(reader.Finish());
  BOXOFFICE_TRY(NameSeats(seats, query));
  return query;
}

// Of named seats or an area, and with a channel only those of it; or all of a channel.
Result<seat::v1::AssignChannelRequest> ReadRelease(const Request& request, const auth::Principal& caller) {
  http::ObjectReader reader(request.body());
  seat::v1::AssignChannelRequest query;
  query.set_operator_id(caller.user);
  query.set_from_channel(reader.Optional<std::string>("channel").value_or(""));
  const bool named = reader.Has("channel");
  if (named && !auth::IsChannel(query.from_channel())) {
    reader.Refuse("channel", "field_invalid", "has 1 to 50 of a-z 0-9 _ -");
  }
  const std::vector<int64_t> seats = ReadNamedSeats(reader, query, /*optional=*/named);
  BOXOFFICE_TRY(reader.Finish());
  BOXOFFICE_TRY(NameSeats(seats, query));
  return query;
}

asio::awaitable<Response> Assign(Edge& edge, Request& request, const auth::Principal& caller, bool release) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  Result<seat::v1::AssignChannelRequest> query =
      release ? ReadRelease(request, caller) : ReadAssignment(request, caller);
  if (!query) co_return FailureResponse(query.error());
  query->set_show_id(*id);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->AssignChannel(arguments...); };
  const Result<seat::v1::BlockSeatsResponse> answer =
      co_await edge.backends.Ask<seat::v1::BlockSeatsResponse>(*query, request.traceparent(), start);
  if (!answer) co_return ServiceFailure(answer.error());
  co_return NamedSeatsResponse(*answer);
}

void WriteContingent(http::JsonWriter& writer, const seat::v1::Contingent& contingent) {
  writer.BeginObject().Field("channel", contingent.channel()).Field("capacity", contingent.seats());
  writer.Field("free", contingent.free_seat_nos_size()).Key("free_seats").BeginArray();
  for (const uint32_t seat_no : contingent.free_seat_nos()) writer.Value(seat_no);
  writer.EndArray();
  WriteTime(writer, "next_until", contingent.next_until_ms());
  writer.EndObject();
}

// Those of the caller's channels; of all, where an operator asks.
asio::awaitable<Response> List(Edge& edge, Request& request, const auth::Principal& caller, bool all) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  if (!all) {
    const Result<void> known = co_await edge.RequireShow(*id, request);
    if (!known) co_return ServiceFailure(known.error());
  }
  seat::v1::ListContingentsRequest query;
  query.set_show_id(*id);
  query.set_all(all);
  for (const std::string& channel : caller.channels) query.add_channels(channel);
  const auto start = [&edge](auto... arguments) {
    edge.backends.seat->async()->ListContingents(arguments...);
  };
  const Result<seat::v1::ListContingentsResponse> list =
      co_await edge.backends.Ask<seat::v1::ListContingentsResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  co_return ListResponse(list->contingents(), {}, WriteContingent);
}

}  // namespace

void AddContingentRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Buyer(Method::kGet, "/v1/shows/{show}/contingents",
               [&edge](Request& request, const auth::Principal& caller) {
                 return List(edge, request, caller, /*all=*/false);
               });
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/contingents",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return List(edge, request, caller, /*all=*/true);
                  });
  routes.Operator(Method::kPost, "/v1/admin/shows/{show}/contingents",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return Assign(edge, request, caller, /*release=*/false);
                  });
  routes.Operator(Method::kPost, "/v1/admin/shows/{show}/contingents/release",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return Assign(edge, request, caller, /*release=*/true);
                  });
}

}  // namespace boxoffice::gateway
