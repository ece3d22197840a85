// How a layout is stored: one compact BLOB, little-endian, 20 bytes and the number's text for a seat.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "services/seat/layout.h"

namespace boxoffice::seat {

[[nodiscard]] std::string EncodeLayout(const Layout& layout);
// Errors: layout_corrupt (kInternal).
[[nodiscard]] Result<Layout> DecodeLayout(std::string_view bytes);

// Where the stage is, as it stands beside a show: in thousandths of the plan's unit. ranks 0: the plan's
// order counts.
struct StoredStage {
  int64_t ranks = 0;
  int64_t x_milli = 0;
  int64_t y_milli = 0;
};
[[nodiscard]] StoredStage StageToStore(const std::optional<Point>& stage);
[[nodiscard]] std::optional<Point> StageFrom(const StoredStage& stored);

// A list of seats, 4 bytes each.
[[nodiscard]] std::string EncodeSeats(const std::vector<SeatNo>& seats);
[[nodiscard]] std::vector<SeatNo> DecodeSeats(std::string_view bytes);

}  // namespace boxoffice::seat
