// How a layout is stored: one compact BLOB, little-endian, 20 bytes and the number's text for a seat; and
// another of what was changed since.
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

// The prices of a layout that differ from those that its stored form has: they stand beside it, so that that
// never changes. Empty: none does.
[[nodiscard]] std::string EncodePrices(const Layout& layout);
// Puts them on the layout that its show was made with. Errors: layout_corrupt (kInternal).
[[nodiscard]] Result<void> DecodePrices(std::string_view bytes, Layout& layout);

// Which seats are accessible or companions', as it stands beside the layout. Empty: none are.
[[nodiscard]] std::string EncodeAccess(const Layout& layout);
// Errors: layout_corrupt (kInternal).
[[nodiscard]] Result<void> DecodeAccess(std::string_view bytes, Layout& layout);

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
