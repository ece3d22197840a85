// A seat map as buyers see it, and how they choose on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace boxoffice::rehearsal {

// What is free, by the answer of GET /v1/shows/{show}/seat-map. A value.
class SeatMap {
 public:
  // False, and nothing has changed: it is no seat map.
  [[nodiscard]] bool Read(std::string_view json);
  // `count` neighbours of one row somewhere, or failing that any seats; none: there are not so many.
  // Accessible seats and their companions' are left to those who need them.
  [[nodiscard]] std::vector<uint32_t> Choose(size_t count, Random& random) const;
  [[nodiscard]] size_t free() const { return free_.size(); }

 private:
  struct Seat {
    uint32_t seat_no;
    uint32_t row;  // counted through the map
  };
  std::vector<Seat> free_;  // in the order of seat_no
};

}  // namespace boxoffice::rehearsal
