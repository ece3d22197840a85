#include "gateway/reservations.h"

#include <algorithm>

#include <fmt/format.h>

#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/request_hash.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

constexpr size_t kMaxNameLength = 200;  // of sections and categories

bool GoesOn(const reservation::v1::Reservation& reservation) {
  switch (reservation.state()) {
    case reservation::v1::CONFIRMING:
    case reservation::v1::COMPENSATING:
    case reservation::v1::CANCELLING:
      return true;
    case reservation::v1::CONFIRMED:  // and about to get other seats
      return reservation.saga().status() == "running";
    case reservation::v1::HELD:  // or about to be: nothing is held before there is a deadline
      return reservation.hold_expires_at_ms() == 0;
    default:
      return false;
  }
}

Response OutcomeResponse(const reservation::v1::Outcome& outcome, int done_status, Audience audience) {
  const reservation::v1::Reservation& reservation = outcome.reservation();
  if (outcome.has_refusal() && !outcome.refusal().code().empty()) {
    return RefusalResponse(outcome.refusal(), [&](http::JsonWriter& writer) {
      if (!outcome.has_reservation()) return;
      writer.Key("reservation");
      WriteReservation(writer, reservation, Audience::kBuyer);
    });
  }
  http::JsonWriter writer;
  if (outcome.has_reservation()) WriteReservation(writer, reservation, audience);
  Response response = http::JsonResponse(writer.Take(), GoesOn(reservation) ? 202 : done_status);
  if (response.status != 200) {
    const std::optional<ReservationId> id = ReservationId::FromBytes(reservation.id());
    const std::string_view whose = audience == Audience::kOperator ? "/v1/admin" : "/v1";
    response.headers.Add("Location",
                         fmt::format("{}/reservations/{}", whose, id.value_or(ReservationId()).ToString()));
  }
  return response;
}

Result<void> ReadFilters(const Request& request, reservation::v1::ListReservationsRequest& query) {
  const auto bad = [](std::string_view detail) {
    return Fail(Code::kInvalidArgument, "parameter_invalid", std::string(detail));
  };
  if (const auto state = request.query("state")) {
    reservation::v1::ReservationState value{};
    if (!reservation::v1::ReservationState_Parse(std::string(*state), &value) ||
        value == reservation::v1::RESERVATION_STATE_UNSPECIFIED) {
      return bad("field `state` is a reservation's state");
    }
    query.set_state(value);
  }
  if (const auto show = request.query("show_id")) {
    const std::optional<int64_t> id = ParseNumber(*show);
    if (!id) return bad("field `show_id` is an id");
    query.set_show_id(*id);
  }
  BOXOFFICE_ASSIGN(const Period created, PeriodInQuery(request));
  query.set_created_from_ms(created.from_ms);
  query.set_created_until_ms(created.until_ms);
  return {};
}

}  // namespace

Result<std::vector<uint32_t>> CheckSeats(const std::vector<int64_t>& seats) {
  if (seats.empty()) return Fail(Code::kInvalidArgument, "no_seats");
  if (seats.size() > kMaxSeats) return Fail(Code::kInvalidArgument, "too_many_seats", "at most 8");
  std::vector<uint32_t> seat_nos;
  for (const int64_t seat : seats) {
    if (seat < 1 || seat > UINT32_MAX) {
      return Fail(Code::kInvalidArgument, "seat_unknown", fmt::format("there is no seat {}", seat));
    }
    if (std::ranges::find(seat_nos, static_cast<uint32_t>(seat)) != seat_nos.end()) {
      return Fail(Code::kInvalidArgument, "duplicate_seat", fmt::format("seat {} is named twice", seat));
    }
    seat_nos.push_back(static_cast<uint32_t>(seat));
  }
  return seat_nos;
}

Result<void> TakeSeats(const std::vector<int64_t>& seats, google::protobuf::RepeatedField<uint32_t>& field) {
  BOXOFFICE_ASSIGN(std::vector<uint32_t> seat_nos, CheckSeats(seats));
  std::ranges::sort(seat_nos);
  field.Assign(seat_nos.begin(), seat_nos.end());
  return {};
}

seat::v1::BestAvailable ReadWish(http::ObjectReader& reader) {
  seat::v1::BestAvailable wish;
  const int64_t count = reader.Required<int64_t>("count");
  if (count < 1) reader.Refuse("count", "no_seats", "is at least 1");
  if (count > static_cast<int64_t>(kMaxSeats)) reader.Refuse("count", "too_many_seats", "is at most 8");
  wish.set_count(static_cast<uint32_t>(count));
  wish.set_section(TextInBody(reader, "section", kMaxNameLength));
  wish.set_category(TextInBody(reader, "category", kMaxNameLength));
  const std::optional<int64_t> max_price = reader.Optional<int64_t>("max_price");
  if (max_price && *max_price < 1) reader.Refuse("max_price", "field_invalid", "is at least 1");
  wish.set_max_price(max_price.value_or(0));
  return wish;
}

Response ReservationResponse(const reservation::v1::Reservation& reservation, Audience audience) {
  return ObjectResponse([&](http::JsonWriter& writer) { WriteReservation(writer, reservation, audience); });
}

Response ReservationsResponse(const reservation::v1::ListReservationsResponse& list, std::string_view kind,
                              Audience audience) {
  std::string next;
  if (list.more() && !list.next_before_id().empty()) {
    next = EncodeCursor(kind, list.next_before_id());
  } else if (list.more() && !list.reservations().empty()) {
    next = EncodeCursor(kind, list.reservations().rbegin()->id());
  }
  return ListResponse(list.reservations(), next, [audience](http::JsonWriter& writer, const auto& one) {
    WriteReservation(writer, one, audience);
  });
}

reservation::v1::Command NewCommand(const auth::Principal& caller, std::string_view key,
                                    const Request& request, std::string_view canonical_body) {
  reservation::v1::Command command;
  command.set_user_id(caller.user);
  command.set_idempotency_key(std::string(key));
  command.set_request_hash(HashRequest("POST", request.path(), canonical_body));
  return command;
}

asio::awaitable<Response> ExecuteCommand(Edge& edge, reservation::v1::Command command, const Request& request,
                                         int done_status, Audience audience) {
  const Result<reservation::v1::Outcome> outcome =
      co_await edge.backends.Execute(std::move(command), request);
  // Unknown is no answer of ours either: the client repeats with its key, and gets what became of it.
  if (!outcome) co_return ServiceFailure(outcome.error());
  co_return OutcomeResponse(*outcome, done_status, audience);
}

asio::awaitable<Response> ListReservations(Edge& edge, const Request& request,
                                           reservation::v1::ListReservationsRequest query,
                                           Audience audience) {
  const Result<Page> page = ReadPage(request, "reservations");
  if (!page) co_return FailureResponse(page.error());
  if (!page->after.empty() && !Uuid::FromBytes(page->after)) co_return RefusalResponse("cursor_invalid");
  query.set_limit(page->limit);
  query.set_before_id(page->after);
  const Result<void> read = ReadFilters(request, query);
  if (!read) co_return FailureResponse(read.error());
  const auto start = [&edge](auto... a) { edge.backends.reservation->async()->ListReservations(a...); };
  const Result<reservation::v1::ListReservationsResponse> list =
      co_await edge.backends.Ask<reservation::v1::ListReservationsResponse>(query, request.traceparent(),
                                                                            start);
  if (!list) co_return ServiceFailure(list.error());
  co_return ReservationsResponse(*list, "reservations", audience);
}

}  // namespace boxoffice::gateway
