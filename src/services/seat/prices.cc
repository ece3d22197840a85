#include "services/seat/prices.h"

#include <fmt/format.h>

namespace boxoffice::seat {
namespace {

Result<void> CheckPrice(std::string_view field, int64_t price) {
  if (price >= 1 && price <= kMaxPrice) return {};
  return Fail(Code::kInvalidArgument, "price_invalid",
              fmt::format("{}: {} is not within 1 and {}", field, price, kMaxPrice));
}

Result<void> Check(const Layout& layout, const PriceChange& change) {
  if (change.categories.empty() == change.seats.empty()) {
    return Fail(Code::kInvalidArgument, "price_invalid",
                "categories: either these or seats have a new price");
  }
  for (const auto& [name, price] : change.categories) {
    if (!layout.FindCategory(name)) {
      return Fail(Code::kInvalidArgument, "category_unknown",
                  fmt::format("categories: the show has no category \"{}\"", name));
    }
    BOXOFFICE_TRY(CheckPrice(fmt::format("categories.{}", name), price));
  }
  if (change.seats.empty()) return {};
  BOXOFFICE_TRY(CheckPrice("price", change.price));
  for (const SeatNo seat_no : change.seats) {
    if (layout.Has(seat_no)) continue;
    return Fail(Code::kInvalidArgument, "seat_unknown", fmt::format("there is no seat {}", seat_no));
  }
  return {};
}

PriceNote NoteOf(int64_t show_id, const Layout& layout, const PriceChange& change, Timestamp now) {
  PriceNote note;
  note.show_id = show_id;
  note.layout_version = layout.version;
  note.reason = change.reason;
  note.operator_id = change.operator_id;
  note.at = now;
  return note;
}

// Whether any seat of the category costs something else now.
bool PriceCategory(Layout& layout, uint32_t category, int64_t price) {
  bool changed = layout.categories[category].price != price;
  layout.categories[category].price = price;
  for (size_t i = 0; i < layout.seat_prices.size(); ++i) {
    if (layout.seats[i].category != category || layout.seat_prices[i] == 0) continue;
    layout.seat_prices[i] = 0;
    changed = true;
  }
  return changed;
}

}  // namespace

Result<Repriced> ChangePrices(const Layout& layout, int64_t show_id, const PriceChange& change,
                              Timestamp now) {
  BOXOFFICE_TRY(Check(layout, change));
  Repriced repriced;
  Layout changed = layout;
  ++changed.version;
  if (changed.first_prices.empty()) {
    for (const Category& category : layout.categories) changed.first_prices.push_back(category.price);
  }
  for (const auto& [name, price] : change.categories) {
    if (!PriceCategory(changed, *layout.FindCategory(name), price)) continue;
    PriceNote& note = repriced.notes.emplace_back(NoteOf(show_id, changed, change, now));
    note.category = name;
    note.price = price;
  }
  std::vector<SeatNo> seats;
  for (const SeatNo seat_no : change.seats) {
    if (layout.PriceOf(seat_no) == change.price) continue;
    changed.seat_prices.resize(layout.seats.size());
    changed.seat_prices[seat_no - 1] = change.price;
    seats.push_back(seat_no);
  }
  if (!seats.empty()) {
    PriceNote& note = repriced.notes.emplace_back(NoteOf(show_id, changed, change, now));
    note.seats = std::move(seats);
    note.price = change.price;
  }
  if (repriced.notes.empty()) return repriced;
  changed.NotePrices();
  repriced.layout = ShareLayout(std::move(changed));
  return repriced;
}

}  // namespace boxoffice::seat
