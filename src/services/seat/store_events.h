// The seat service's events as the bus carries them: topic seat, bodies of boxoffice/bus/v1/events.proto.
#pragma once

#include "base/random.h"
#include "platform/bus/bus.h"
#include "services/seat/seat_book.h"

namespace boxoffice::seat {

// With a new event id. The key is the reservation's id as text; of show.sold_out the show's number.
[[nodiscard]] bus::Event ToBusEvent(const Event& event, Random& random);

}  // namespace boxoffice::seat
