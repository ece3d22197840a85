#include "rehearsal/seat_choice.h"

#include <set>
#include <utility>

#include <boost/json.hpp>

#include "platform/auth/base64url.h"

namespace boxoffice::rehearsal {
namespace {

namespace json = boost::json;

const json::array* ArrayAt(const json::value& map, std::string_view pointer) {
  boost::system::error_code error;
  const json::value* value = map.find_pointer(pointer, error);
  return value == nullptr ? nullptr : value->if_array();
}

int64_t Integer(const json::value& value) { return value.is_int64() ? value.as_int64() : -1; }

// Two bits a seat, the first in the lowest; "": there are none.
std::string StatesOf(const json::value& map) {
  boost::system::error_code error;
  const json::value* states = map.find_pointer("/states", error);
  if (states == nullptr || !states->is_string()) return {};
  return auth::DecodeBase64Url(states->as_string()).value_or("");
}

bool IsFree(std::string_view states, size_t index) {
  return (static_cast<unsigned char>(states[index / 4]) >> (index % 4 * 2) & 3U) == 0;
}

// Those for wheelchairs, and their companions'.
std::set<int64_t> KeptSeats(const json::array& accessible, const json::array& companions) {
  std::set<int64_t> kept;
  for (const json::value& seat_no : accessible) kept.insert(Integer(seat_no));
  for (const json::value& pair : companions) {
    if (pair.is_array() && !pair.as_array().empty()) kept.insert(Integer(pair.as_array().front()));
  }
  return kept;
}

}  // namespace

bool SeatMap::Read(std::string_view text) {
  boost::system::error_code error;
  json::monotonic_resource memory;
  const json::value map = json::parse(text, error, &memory);
  const json::array* lengths = ArrayAt(map, "/rows/seats");
  const json::array* accessible = ArrayAt(map, "/accessible");
  const json::array* companions = ArrayAt(map, "/companions");
  if (lengths == nullptr || accessible == nullptr || companions == nullptr) return false;
  const std::string states = StatesOf(map);
  const std::set<int64_t> kept = KeptSeats(*accessible, *companions);
  std::vector<Seat> free;
  uint32_t row = 0;
  size_t index = 0;  // of a seat: its number, from 0
  for (const json::value& length : *lengths) {
    const int64_t count = Integer(length);
    if (count < 0 || static_cast<size_t>(count) > states.size() * 4 - index) return false;
    ++row;
    for (const size_t end = index + static_cast<size_t>(count); index < end; ++index) {
      const auto seat_no = static_cast<uint32_t>(index + 1);
      if (IsFree(states, index) && !kept.contains(seat_no)) free.push_back({seat_no, row});
    }
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
