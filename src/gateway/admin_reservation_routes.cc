// What operators find of reservations and do to them: search, cancel, move. Their sagas are in
// admin_saga_routes.cc.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/reservations.h"
#include "gateway/routes.h"
#include "platform/auth/token.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

asio::awaitable<Response> List(Edge& edge, Request& request) {
  reservation::v1::ListReservationsRequest query;
  if (const auto user = request.query("user_id")) {
    if (!auth::IsUserName(*user)) {
      co_return RefusalResponse("parameter_invalid", "field `user_id` is no user's name");
    }
    query.set_user_id(std::string(*user));
  }
  Response response = co_await ListReservations(edge, request, std::move(query), Audience::kOperator);
  co_return response;
}

Result<reservation::v1::Cancel> ReadCancel(const Request& request) {
  http::ObjectReader reader(request.body());
  reservation::v1::Cancel cancel;
  const std::optional<std::vector<int64_t>> seats = reader.OptionalArray<int64_t>("seats", 1'000);
  cancel.set_only_held(reader.Optional<bool>("only_held").value_or(false));
  cancel.set_reason(ReasonInBody(reader));
  BOXOFFICE_TRY(reader.Finish());
  if (seats) BOXOFFICE_TRY(TakeSeats(*seats, *cancel.mutable_seat_nos()));
  cancel.set_by_operator(true);
  return cancel;
}

asio::awaitable<Response> Cancel(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  const Result<ReservationId> id = ReservationInPath(request);
  if (!id) co_return FailureResponse(id.error());
  Result<reservation::v1::Cancel> cancel = ReadCancel(request);
  if (!cancel) co_return FailureResponse(cancel.error());
  cancel->set_reservation_id(std::string(id->bytes()));
  // What the release before could say has the same text as there.
  const std::string canonical = fmt::format("{}seats={};reason={}", cancel->only_held() ? "only_held;" : "",
                                            fmt::join(cancel->seat_nos(), ","), cancel->reason());
  reservation::v1::Command command = NewCommand(caller, *key, request, canonical);
  *command.mutable_cancel() = *std::move(cancel);
  Response response = co_await ExecuteCommand(edge, std::move(command), request, 200, Audience::kOperator);
  co_return response;
}

Result<reservation::v1::Move> ReadMove(const Request& request) {
  http::ObjectReader reader(request.body());
  reservation::v1::Move move;
  const std::vector<int64_t> from = reader.RequiredArray<int64_t>("from", 1'000);
  const std::vector<int64_t> to = reader.RequiredArray<int64_t>("to", 1'000);
  move.set_reason(ReasonInBody(reader));
  if (from.size() != to.size()) reader.Refuse("to", "field_invalid", "has as many seats as `from`");
  BOXOFFICE_TRY(reader.Finish());
  // In the order given: the first gets the place of the first.
  BOXOFFICE_ASSIGN(const std::vector<uint32_t> from_seats, CheckSeats(from));
  BOXOFFICE_ASSIGN(const std::vector<uint32_t> to_seats, CheckSeats(to));
  move.mutable_from_seat_nos()->Assign(from_seats.begin(), from_seats.end());
  move.mutable_to_seat_nos()->Assign(to_seats.begin(), to_seats.end());
  return move;
}

asio::awaitable<Response> Move(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  const Result<ReservationId> id = ReservationInPath(request);
  if (!id) co_return FailureResponse(id.error());
  Result<reservation::v1::Move> move = ReadMove(request);
  if (!move) co_return FailureResponse(move.error());
  move->set_reservation_id(std::string(id->bytes()));
  const std::string canonical = fmt::format("from={};to={};reason={}", fmt::join(move->from_seat_nos(), ","),
                                            fmt::join(move->to_seat_nos(), ","), move->reason());
  reservation::v1::Command command = NewCommand(caller, *key, request, canonical);
  *command.mutable_move() = *std::move(move);
  Response response = co_await ExecuteCommand(edge, std::move(command), request, 200, Audience::kOperator);
  co_return response;
}

}  // namespace

void AddAdminReservationRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/reservations",
                  [&edge](Request& request, const auth::Principal&) { return List(edge, request); });
  routes.Operator(
      Method::kPost, "/v1/admin/reservations/{reservation}/cancel",
      [&edge](Request& request, const auth::Principal& caller) { return Cancel(edge, request, caller); });
  routes.Operator(
      Method::kPost, "/v1/admin/reservations/{reservation}/move",
      [&edge](Request& request, const auth::Principal& caller) { return Move(edge, request, caller); });
}

}  // namespace boxoffice::gateway
