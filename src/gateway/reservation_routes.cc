// Reservations, as buyers make, pay and give them up.
#include <optional>
#include <ranges>
#include <utility>

#include <fmt/format.h>

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

constexpr size_t kMaxMethodLength = 64;  // of a payment method

// What the buyer chose, checked as far as it needs no data: what can never be right starts no saga.
struct Choice {
  reservation::v1::Reserve reserve;
  std::string canonical;  // the body's meaning
};

std::string ReadMethod(http::ObjectReader& reader) {
  return TextInBody(reader, "payment_method", kMaxMethodLength);
}

seat::v1::BestAvailable ReadBestAvailable(http::ObjectReader& reader) {
  seat::v1::BestAvailable best = ReadWish(reader);
  const int64_t accessible = reader.Optional<int64_t>("accessible").value_or(0);
  if (accessible < 0 || accessible > int64_t{best.count()}) {
    reader.Refuse("accessible", "field_invalid", "is within 0 and `count`");
  }
  best.set_accessible(static_cast<uint32_t>(accessible));
  return best;
}

// A method with a semicolon has its length before it, behind a semicolon, with which no other begins; so it
// does not look like a method and a seat. All others stay as answers that are kept have them.
std::string CanonicalMethod(const std::string& method) {
  return method.contains(';') ? fmt::format(";{}:{}", method.size(), method) : method;
}

std::string Canonical(const reservation::v1::Reserve& reserve) {
  std::string text = fmt::format("show={};pay={};method={};", reserve.show_id(), reserve.pay(),
                                 CanonicalMethod(reserve.payment_method()));
  for (const uint32_t seat_no : reserve.seats().seat_nos())
    fmt::format_to(std::back_inserter(text), "seat={};", seat_no);
  if (reserve.has_best_available()) {
    const seat::v1::BestAvailable& best = reserve.best_available();
    // The lengths keep a section with a semicolon from looking like two fields.
    fmt::format_to(std::back_inserter(text), "best={};section={}:{};category={}:{};", best.count(),
                   best.section().size(), best.section(), best.category().size(), best.category());
    if (best.max_price() != 0) fmt::format_to(std::back_inserter(text), "max_price={};", best.max_price());
    if (best.accessible() != 0) fmt::format_to(std::back_inserter(text), "accessible={};", best.accessible());
  }
  return text;
}

Result<Choice> ReadChoice(const Request& request) {
  http::ObjectReader reader(request.body());
  Choice choice;
  reservation::v1::Reserve& reserve = choice.reserve;
  reserve.set_show_id(NumberInBody(reader, "show_id"));
  reserve.set_pay(reader.Optional<bool>("pay").value_or(false));
  reserve.set_payment_method(ReadMethod(reader));
  // Enough room for the answer to be "too many" rather than "too long".
  const std::optional<std::vector<int64_t>> seats = reader.OptionalArray<int64_t>("seats", 1'000);
  http::ObjectReader* best = reader.OptionalObject("best_available");
  if (seats && best != nullptr) reader.Refuse("best_available", "field_invalid", "excludes `seats`");
  if (!seats && best == nullptr) reader.Refuse("seats", "no_seats", "or `best_available` is missing");
  if (best != nullptr) *reserve.mutable_best_available() = ReadBestAvailable(*best);
  BOXOFFICE_TRY(reader.Finish());
  if (seats) BOXOFFICE_TRY(TakeSeats(*seats, *reserve.mutable_seats()->mutable_seat_nos()));
  choice.canonical = Canonical(reserve);
  return choice;
}

// The token is genuine and the caller's; whether it is their turn is the queue's to say (AskQueue, and once
// the saga binds it). A forged one must not cost a durable write. What it says, if it is this caller's for
// this show; nothing where there is no queue, hence no token.
Result<queue::v1::TokenClaims> CheckToken(const Edge& edge, std::string_view token,
                                          const auth::Principal& caller, int64_t show_id) {
  if (token.empty()) {
    // While no queue is known, nor is whether one is needed.
    BOXOFFICE_ASSIGN(const queue::v1::Queue queue, edge.waiting_room.View(show_id));
    if (queue.state() == queue::v1::OFF) return queue::v1::TokenClaims();
  }
  BOXOFFICE_ASSIGN(const queue::v1::TokenClaims claims, ReadQueueToken(edge.queue_keys, token));
  if (claims.user_id() != caller.user) return Fail(Code::kPermissionDenied, "token_wrong_user");
  if (claims.show_id() != show_id) return Fail(Code::kPermissionDenied, "token_wrong_show");
  return claims;
}

// What the queue says against a reservation by this token, before anything is begun for it: one that the
// queue refuses later has been written down three times, and whoever is not in may come with ever new keys.
// Nothing: the buyer is in, there is no queue, or it can't be asked, and the saga hears what it says.
asio::awaitable<std::optional<reservation::v1::Refusal>> AskQueue(Edge& edge, const Request& request,
                                                                  const auth::Principal& caller,
                                                                  const queue::v1::TokenClaims& claims) {
  std::optional<reservation::v1::Refusal> refusal;
  const bool is_in = claims.active_until_ms() > ToUnixMs(edge.clock.Now());
  if (claims.sequence() == 0 || is_in) co_return refusal;
  const Result<queue::v1::Queue> queue = edge.waiting_room.View(claims.show_id());
  if (queue && queue->state() == queue::v1::OFF) co_return refusal;
  // Of one who waits, the heads here may be older than the call that let her in.
  const Result<queue::v1::Session> session = co_await edge.PollQueue(request, caller.user);
  if (!session || session->queue_state() == queue::v1::OFF) co_return refusal;
  const queue::v1::SessionState state = session->state();
  if (!session->refusal().empty()) {
    refusal.emplace().set_code(session->refusal());
  } else if (state == queue::v1::WAITING || state == queue::v1::COMPLETED || state == queue::v1::EXPIRED) {
    refusal.emplace().set_code("session_not_active");
    refusal->set_queue_state(queue::v1::SessionState_Name(state));
  }
  co_return refusal;
}

asio::awaitable<Response> Create(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  Result<Choice> choice = ReadChoice(request);
  if (!choice) co_return FailureResponse(choice.error());
  const std::string_view token = QueueToken(request);
  const int64_t show_id = choice->reserve.show_id();
  const Result<queue::v1::TokenClaims> checked = CheckToken(edge, token, caller, show_id);
  if (!checked) {
    // A show that is not there has no token: say that rather than whose the token is, or that there is none.
    if (token.empty() || checked.error().reason == "token_wrong_show") {
      const Result<void> known = co_await edge.RequireShow(show_id, request);
      if (!known && known.error().code == Code::kNotFound) co_return ServiceFailure(known.error());
    }
    co_return FailureResponse(checked.error());
  }
  std::optional<reservation::v1::Refusal> refusal = co_await AskQueue(edge, request, caller, *checked);
  reservation::v1::Command command = NewCommand(caller, *key, request, choice->canonical);
  *command.mutable_reserve() = std::move(choice->reserve);
  // Not answered here: under a key that was used before, it is asked for what came of that.
  if (refusal) *command.mutable_reserve()->mutable_queue_refusal() = *std::move(refusal);
  command.mutable_reserve()->set_queue_token(std::string(token));
  for (const std::string& channel : caller.channels) command.mutable_reserve()->add_channels(channel);
  command.mutable_reserve()->set_active_until_ms(checked->active_until_ms());
  Response response = co_await ExecuteCommand(edge, std::move(command), request, 201, Audience::kBuyer);
  co_return response;
}

// The show of a confirmation's token, which need not have one: 0. With one that is not the caller's, a saga
// that has to pass the queue again would be refused there.
Result<int64_t> CheckOwnToken(const Edge& edge, std::string_view token, const auth::Principal& caller) {
  if (token.empty()) return 0;
  BOXOFFICE_ASSIGN(const queue::v1::TokenClaims claims, ReadQueueToken(edge.queue_keys, token));
  if (claims.user_id() != caller.user) return Fail(Code::kPermissionDenied, "token_wrong_user");
  return claims.show_id();
}

asio::awaitable<Response> Confirm(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  const Result<ReservationId> id = ReservationInPath(request);
  if (!id) co_return FailureResponse(id.error());
  const std::string_view token = QueueToken(request);
  const Result<int64_t> token_show_id = CheckOwnToken(edge, token, caller);
  if (!token_show_id) co_return FailureResponse(token_show_id.error());
  std::string method;
  if (!request.body().empty()) {
    http::ObjectReader reader(request.body());
    method = ReadMethod(reader);
    const Result<void> read = reader.Finish();
    if (!read) co_return FailureResponse(read.error());
  }
  reservation::v1::Command command = NewCommand(caller, *key, request, "method=" + method);
  reservation::v1::Confirm& confirm = *command.mutable_confirm();
  confirm.set_reservation_id(std::string(id->bytes()));
  // Without it the reservation's own is used.
  confirm.set_queue_token(std::string(token));
  confirm.set_token_show_id(*token_show_id);
  confirm.set_payment_method(method);
  Response response = co_await ExecuteCommand(edge, std::move(command), request, 200, Audience::kBuyer);
  co_return response;
}

// What a cancellation says, which may be nothing. Its seats may be named; none: all.
Result<reservation::v1::Cancel> ReadCancel(const Request& request) {
  reservation::v1::Cancel cancel;
  if (request.body().empty()) return cancel;
  http::ObjectReader reader(request.body());
  const std::optional<std::vector<int64_t>> seats = reader.OptionalArray<int64_t>("seats", 1'000);
  cancel.set_only_held(reader.Optional<bool>("only_held").value_or(false));
  BOXOFFICE_TRY(reader.Finish());
  if (seats) BOXOFFICE_TRY(TakeSeats(*seats, *cancel.mutable_seat_nos()));
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
  std::string canonical = cancel->only_held() ? "only_held;" : "";
  for (const uint32_t seat_no : cancel->seat_nos()) canonical += fmt::format("seat={};", seat_no);
  reservation::v1::Command command = NewCommand(caller, *key, request, canonical);
  *command.mutable_cancel() = *std::move(cancel);
  Response response = co_await ExecuteCommand(edge, std::move(command), request, 200, Audience::kBuyer);
  co_return response;
}

// "1,2" in the query `seats`; nothing: all.
Result<std::vector<uint32_t>> SeatsInQuery(const Request& request) {
  const auto text = request.query("seats");
  if (!text) return std::vector<uint32_t>();
  std::vector<int64_t> seats;
  for (const auto part : *text | std::views::split(',')) {
    const std::optional<int64_t> seat = ParseNumber(std::string_view(part.begin(), part.end()));
    if (!seat) return Fail(Code::kInvalidArgument, "parameter_invalid", "field `seats` is like 1,2");
    seats.push_back(*seat);
  }
  return CheckSeats(seats);
}

asio::awaitable<Response> QuoteCancellation(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<ReservationId> id = ReservationInPath(request);
  if (!id) co_return FailureResponse(id.error());
  const Result<std::vector<uint32_t>> seats = SeatsInQuery(request);
  if (!seats) co_return FailureResponse(seats.error());
  reservation::v1::QuoteCancellationRequest query;
  query.set_id(std::string(id->bytes()));
  query.set_user_id(caller.user);
  query.mutable_seat_nos()->Assign(seats->begin(), seats->end());
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->QuoteCancellation(a...); };
  const Result<reservation::v1::CancellationQuote> quote =
      co_await edge.backends.Ask<reservation::v1::CancellationQuote>(query, request.traceparent(), start);
  if (!quote) co_return ServiceFailure(quote.error());
  if (quote->has_refusal()) co_return RefusalResponse(quote->refusal());
  co_return ObjectResponse([&](http::JsonWriter& writer) {
    writer.BeginObject();
    WriteReturn(writer, quote->returned());
    writer.Field("currency", quote->currency());
    WriteTime(writer, "until", quote->until_ms());
    writer.EndObject();
  });
}

asio::awaitable<Response> GetOne(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<ReservationId> id = ReservationInPath(request);
  if (!id) co_return FailureResponse(id.error());
  reservation::v1::GetReservationRequest query;
  query.set_id(std::string(id->bytes()));
  query.set_user_id(caller.user);
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->GetReservation(a...); };
  const Result<reservation::v1::Reservation> found =
      co_await edge.backends.Ask<reservation::v1::Reservation>(query, request.traceparent(), start);
  if (!found) co_return ServiceFailure(found.error());
  // The service has checked the owner; a second look costs nothing and a mistake there would show a
  // stranger's seats.
  if (found->user_id() != caller.user) co_return RefusalResponse("reservation_not_found");
  co_return ReservationResponse(*found, Audience::kBuyer);
}

asio::awaitable<Response> List(Edge& edge, Request& request, const auth::Principal& caller) {
  reservation::v1::ListReservationsRequest query;
  query.set_user_id(caller.user);
  return ListReservations(edge, request, std::move(query), Audience::kBuyer);
}

}  // namespace

void AddReservationRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  CallerLimits& limits = edge.limits;
  routes.Buyer(Method::kPost, "/v1/reservations",
               Limited(limits.reservations, [&edge](Request& request, const auth::Principal& caller) {
                 return Create(edge, request, caller);
               }));
  routes.Buyer(Method::kGet, "/v1/reservations",
               Limited(limits.lists, [&edge](Request& request, const auth::Principal& caller) {
                 return List(edge, request, caller);
               }));
  routes.Buyer(
      Method::kGet, "/v1/reservations/{reservation}",
      [&edge](Request& request, const auth::Principal& caller) { return GetOne(edge, request, caller); });
  routes.Buyer(Method::kPost, "/v1/reservations/{reservation}/confirm",
               Limited(limits.reservations, [&edge](Request& request, const auth::Principal& caller) {
                 return Confirm(edge, request, caller);
               }));
  routes.Buyer(
      Method::kPost, "/v1/reservations/{reservation}/cancel",
      [&edge](Request& request, const auth::Principal& caller) { return Cancel(edge, request, caller); });
  routes.Buyer(Method::kGet, "/v1/reservations/{reservation}/cancellation",
               Limited(limits.lists, [&edge](Request& request, const auth::Principal& caller) {
                 return QuoteCancellation(edge, request, caller);
               }));
}

}  // namespace boxoffice::gateway
