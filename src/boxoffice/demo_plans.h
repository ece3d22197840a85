// Seating plans for demonstrations and rehearsals, as pretix's seating-plan JSON: made up, but shaped like
// real halls. Pure, and the same text every time.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace boxoffice::demo {

struct Plan {
  std::string name;
  std::string seating_plan;               // JSON
  std::map<std::string, int64_t> prices;  // of each of its categories, in KRW
  uint32_t seats = 0;
};

// 50,000 seats: floor blocks before the stage, and two rings of blocks around the pitch. Categories VIP, R,
// S, A, B.
[[nodiscard]] Plan Stadium();
// 2,000 seats: stalls, two side boxes and a balcony in gentle arcs. Categories VIP, R, S, A.
[[nodiscard]] Plan Hall();
// 50 seats in five rows. Categories R and S.
[[nodiscard]] Plan Club();

}  // namespace boxoffice::demo
