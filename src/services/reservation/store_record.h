// A reservation as protobuf: for callers (v1::Reservation) and for storage (v1::Record).
#pragma once

#include <string>
#include <string_view>

#include "boxoffice/reservation/v1/record.pb.h"
#include "boxoffice/reservation/v1/reservation.pb.h"
#include "platform/bus/bus.h"
#include "services/reservation/reservation_book.h"

namespace boxoffice::reservation {

[[nodiscard]] v1::Reservation ToProto(const Reservation& reservation);
[[nodiscard]] v1::Refusal ToProto(const Refusal& refusal);

// What Decode gives back equals what was encoded.
[[nodiscard]] std::string Encode(const Reservation& reservation);
// Error kInternal record_unreadable: the bytes are no record.
[[nodiscard]] Result<Reservation> Decode(std::string_view bytes);

// The event as it goes to the bus: topic "reservation", key: the reservation's id.
[[nodiscard]] bus::Event ToBusEvent(const std::string& type, const Reservation& reservation, EventId id);

}  // namespace boxoffice::reservation
