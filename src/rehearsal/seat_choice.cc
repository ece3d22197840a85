#include "rehearsal/seat_choice.h"

#include <utility>

#include <boost/json.hpp>

namespace boxoffice::rehearsal {
namespace {

namespace json = boost::json;

std::string_view TextOf(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

}  // namespace

bool SeatMap::Read(std::string_view text) {
  boost::system::error_code error;
  json::monotonic_resource memory;
  const json::value map = json::parse(text, error, &memory);
  const json::value* items = error || !map.is_object() ? nullptr : map.as_object().if_contains("items");
  if (items == nullptr || !items->is_array()) return false;
  std::vector<Seat> free;
  std::string_view section;
  std::string_view row;
  uint32_t row_no = 0;
  for (const json::value& item : items->as_array()) {
    const json::object* seat = item.if_object();
    const json::value* seat_no = seat == nullptr ? nullptr : seat->if_contains("seat_no");
    if (seat_no == nullptr || !seat_no->is_int64()) return false;
    if (TextOf(*seat, "section") != section || TextOf(*seat, "row") != row) ++row_no;
    section = TextOf(*seat, "section");
    row = TextOf(*seat, "row");
    if (TextOf(*seat, "state") != "free" || seat->contains("accessible") || seat->contains("companion_of"))
      continue;
    free.push_back({static_cast<uint32_t>(seat_no->as_int64()), row_no});
  }
  free_ = std::move(free);
  return true;
}

std::vector<uint32_t> SeatMap::Choose(size_t count, Random& random) const {
  if (count == 0 || free_.size() < count) return {};
  const size_t start = random.Below(free_.size());
  std::vector<uint32_t> seats;
  for (size_t i = 0; i < free_.size() + count - 1 && seats.size() < count; ++i) {
    const Seat& seat = free_[(start + i) % free_.size()];
    const Seat& before = free_[(start + i + free_.size() - 1) % free_.size()];
    if (seat.row != before.row || seat.seat_no != before.seat_no + 1) seats.clear();
    seats.push_back(seat.seat_no);
  }
  if (seats.size() == count) return seats;
  seats.clear();
  for (size_t i = 0; i < count; ++i) seats.push_back(free_[(start + i) % free_.size()].seat_no);
  return seats;
}

}  // namespace boxoffice::rehearsal
