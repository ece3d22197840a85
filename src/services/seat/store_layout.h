// How a layout is stored: one compact BLOB, little-endian, 20 bytes and the number's text for a seat.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "services/seat/layout.h"

namespace boxoffice::seat {

[[nodiscard]] std::string EncodeLayout(const Layout& layout);
// Errors: layout_corrupt (kInternal).
[[nodiscard]] Result<Layout> DecodeLayout(std::string_view bytes);

// A list of seats, 4 bytes each.
[[nodiscard]] std::string EncodeSeats(const std::vector<SeatNo>& seats);
[[nodiscard]] std::vector<SeatNo> DecodeSeats(std::string_view bytes);

}  // namespace boxoffice::seat
