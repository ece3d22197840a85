// How operators change what seats cost. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "services/seat/layout.h"
#include "services/seat/seating_plan.h"

namespace boxoffice::seat {

// What an operator asks for: new prices of categories, or one of some seats.
struct PriceChange {
  Prices categories;
  int64_t price = 0;          // of the seats below
  std::vector<SeatNo> seats;  // sorted, without repeats
  std::string reason;
  std::string operator_id;
};

// One price that was changed, for the record.
struct PriceNote {
  int64_t show_id = 0;
  uint64_t layout_version = 0;  // that came of it
  std::string category;         // or
  std::vector<SeatNo> seats;    // that this changed, sorted
  int64_t price = 0;
  std::string reason;
  std::string operator_id;
  Timestamp at{};
  int64_t id = 0;  // given when it is stored
  bool operator==(const PriceNote&) const = default;
};

struct Repriced {
  std::shared_ptr<const Layout> layout;  // null: all cost that already
  std::vector<PriceNote> notes;
};

// The layout with these prices and the next version. A category's price becomes that of all of its seats,
// also of those that had one of their own; the price of a seat alone holds until its category's is changed.
// Errors (kInvalidArgument): price_invalid (neither categories nor seats, both, or a price that is not within
// 1 and kMaxPrice), category_unknown, seat_unknown, too_many_seats (more than kMaxSeatsPerBlock).
[[nodiscard]] Result<Repriced> ChangePrices(const Layout& layout, int64_t show_id, const PriceChange& change,
                                            Timestamp now);

}  // namespace boxoffice::seat
