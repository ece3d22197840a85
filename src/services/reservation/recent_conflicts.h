// What was sold when somebody just asked for it: whoever asks for the same seats in the next moments is told
// so at once, without a saga of her own. In a race for a seat nearly everybody is told "no", so a "no" must
// be cheap.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <tuple>

#include "base/clock.h"
#include "services/reservation/reservation.h"

namespace boxoffice::reservation {

// Not thread-safe.
//
// Only refusals because of sold seats are kept. Those become free by a saga alone, so this replica, which
// forgets what its own sagas free, tells nothing that is no longer true; of what another replica's saga has
// freed it may say so for kTold more.
class RecentConflicts {
 public:
  static constexpr milliseconds kTold{500};
  static constexpr milliseconds kAsking{100};
  static constexpr size_t kMost = 10'000;

  // Keeps the refusal of the seats that `choice` names, if it is one of seats_taken and every conflict is
  // sold; else nothing.
  void Note(int64_t show_id, const SeatChoice& choice, const Refusal& refusal, Timestamp now);
  // The refusal of the same choice, if it is not older than kTold, else nullptr. Then one caller hears
  // nothing, and asks for all: the others are told so for kAsking more.
  [[nodiscard]] std::shared_ptr<const Refusal> Find(int64_t show_id, const SeatChoice& choice, Timestamp now);
  // Seats of this show became free, or may have.
  void Forget(int64_t show_id);
  // How often that was.
  [[nodiscard]] uint64_t forgotten(int64_t show_id) const;

 private:
  struct Told {
    std::shared_ptr<const Refusal> refusal;
    Timestamp until;
  };
  // By show and choice; looked up by what refers to a choice, too.
  std::map<std::tuple<int64_t, SeatChoice>, Told, std::less<>> told_;
  std::map<int64_t, uint64_t> forgotten_;  // by show
};

// Whether the end of this reservation's saga, as it is now, may have freed seats that were sold.
[[nodiscard]] bool MayHaveFreed(const Reservation& reservation);

}  // namespace boxoffice::reservation
