// A reader of what is done for whole shows, for tests that have none.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "services/reservation/show_store.h"

namespace boxoffice::reservation {

// Finds nothing.
class EmptyShowReader : public ShowReader {
 public:
  Result<std::optional<ShowWork>> Work(const WorkKey&) override { return std::nullopt; }
  Result<WaitlistPage> List(const WaitlistQuery&) override { return WaitlistPage(); }
  Result<std::vector<SeatChoice>> Wishes(int64_t, uint32_t) override { return std::vector<SeatChoice>(); }
  Result<WaitlistPage> ListByWish(const WishQuery&) override { return WaitlistPage(); }
  Result<uint64_t> CountBefore(int64_t, uint64_t) override { return 0; }
  Result<Page> OfShow(int64_t, std::span<const State>, ReservationId, uint32_t) override { return Page(); }
};

}  // namespace boxoffice::reservation
