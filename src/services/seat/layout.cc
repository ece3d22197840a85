#include "services/seat/layout.h"

#include <algorithm>

#include <fmt/format.h>

namespace boxoffice::seat {
namespace {

template <typename T>
std::optional<uint32_t> FindByName(const std::vector<T>& items, std::string_view name) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].name == name) return static_cast<uint32_t>(i);
  }
  return std::nullopt;
}

}  // namespace

void Layout::NotePlaces() {
  has_places = std::ranges::any_of(
      seats, [this](const Seat& seat) { return seat.x != seats[0].x || seat.y != seats[0].y; });
}

std::string Layout::LabelOf(SeatNo seat_no) const {
  return fmt::format("{} {}-{}", SectionOf(seat_no).name, RowOf(seat_no).name, At(seat_no).number);
}

std::optional<uint32_t> Layout::FindSection(std::string_view name) const {
  return FindByName(sections, name);
}
std::optional<uint32_t> Layout::FindCategory(std::string_view name) const {
  return FindByName(categories, name);
}

}  // namespace boxoffice::seat
