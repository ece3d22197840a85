// What routes have in common for reservations: how seats, wishes and filters are read, how a command is made
// and answered, and how reservations are told.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "boxoffice/reservation/v1/reservation.pb.h"
#include "gateway/edge.h"
#include "gateway/render.h"
#include "platform/auth/token.h"
#include "platform/http/json_reader.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

inline constexpr size_t kMaxSeats = 8;  // per reservation

// Seats by their numbers, in the order given. Errors: kInvalidArgument no_seats, too_many_seats,
// seat_unknown, duplicate_seat.
[[nodiscard]] Result<std::vector<uint32_t>> CheckSeats(const std::vector<int64_t>& seats);
// The same, where the order in which seats are named means nothing: into a command's field, by number.
[[nodiscard]] Result<void> TakeSeats(const std::vector<int64_t>& seats,
                                     google::protobuf::RepeatedField<uint32_t>& field);
// How many seats are wished for and which: count, section, category, max_price. Refuses with no_seats and
// too_many_seats a count, and with field_invalid whatever else can't be meant.
[[nodiscard]] seat::v1::BestAvailable ReadWish(http::ObjectReader& reader);

[[nodiscard]] http::Response ReservationResponse(const reservation::v1::Reservation& reservation,
                                                 Audience audience);
// A page of them, whose cursor is of this `kind` of list (pages.h).
[[nodiscard]] http::Response ReservationsResponse(const reservation::v1::ListReservationsResponse& list,
                                                  std::string_view kind, Audience audience);

// A command of this caller, under the request's key. `canonical_body` is what the body means.
[[nodiscard]] reservation::v1::Command NewCommand(const auth::Principal& caller, std::string_view key,
                                                  const http::Request& request,
                                                  std::string_view canonical_body);

// Sends a command and answers: `done_status` where it was done; 202 where it still goes on.
[[nodiscard]] asio::awaitable<http::Response> ExecuteCommand(Edge& edge, reservation::v1::Command command,
                                                             const http::Request& request, int done_status,
                                                             Audience audience);

// A page of reservations, newest first, by the queries limit, cursor, state, show_id, from, until. `query`
// says of whom. Bad ones: limit_invalid, cursor_invalid, parameter_invalid, which names it.
[[nodiscard]] asio::awaitable<http::Response> ListReservations(Edge& edge, const http::Request& request,
                                                               reservation::v1::ListReservationsRequest query,
                                                               Audience audience);

}  // namespace boxoffice::gateway
