#include "services/seat/layout.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>

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

// Of most of what layouts differ in: whether they are equal, == says.
uint64_t HashOf(const Layout& layout) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](uint64_t value) { hash = (hash ^ value) * 0x100000001b3; };
  const auto add_text = [&add](const std::string& text) { add(std::hash<std::string>{}(text)); };
  add(layout.version);
  for (const Category& category : layout.categories) {
    add_text(category.name);
    add(static_cast<uint64_t>(category.price));
  }
  for (const Section& section : layout.sections) add_text(section.name);
  for (const Row& row : layout.rows) {
    add_text(row.name);
    add(row.seats);
  }
  for (const int64_t price : layout.seat_prices) add(static_cast<uint64_t>(price));
  return hash;
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

std::shared_ptr<const Layout> ShareLayout(Layout layout) {
  static std::mutex mutex;
  static std::unordered_multimap<uint64_t, std::weak_ptr<const Layout>> shared;
  const uint64_t hash = HashOf(layout);
  const std::scoped_lock lock(mutex);
  std::erase_if(shared, [](const auto& one) { return one.second.expired(); });
  const auto [first, last] = shared.equal_range(hash);
  for (auto one = first; one != last; ++one) {
    std::shared_ptr<const Layout> known = one->second.lock();
    if (known != nullptr && *known == layout) return known;
  }
  auto made = std::make_shared<const Layout>(std::move(layout));
  shared.emplace(hash, made);
  return made;
}

}  // namespace boxoffice::seat
