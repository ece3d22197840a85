// What tests of the waitlist wish for.
#pragma once

#include <string>
#include <utility>

#include "services/reservation/reservation.h"

namespace boxoffice::reservation {

inline SeatChoice Wish(uint32_t count, std::string section = "", std::string category = "",
                       int64_t max_price = 0) {
  SeatChoice wish;
  wish.best_count = count;
  wish.section = std::move(section);
  wish.category = std::move(category);
  wish.max_price = max_price;
  return wish;
}

}  // namespace boxoffice::reservation
