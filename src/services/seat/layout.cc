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

void Layout::NotePrices() {
  for (Category& category : categories) category.lowest = category.highest = 0;
  if (seat_prices.empty()) return;
  for (SeatNo seat_no = 1; seat_no <= capacity(); ++seat_no) {
    Category& category = categories[At(seat_no).category];
    const int64_t price = PriceOf(seat_no);
    if (category.lowest == 0 || price < category.lowest) category.lowest = price;
    category.highest = std::max(category.highest, price);
  }
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
