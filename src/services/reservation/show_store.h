// What the work on whole shows asks of storage.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "services/reservation/show_book.h"
#include "services/reservation/store.h"

namespace boxoffice::reservation {

// The commands' side. Used by one thread.
class ShowStore {
 public:
  virtual ~ShowStore() = default;
  // The rows that `keys` names and that exist, and of each kind in keys.due_limits up to so many works with
  // due_at ≤ now, its oldest first.
  [[nodiscard]] virtual Result<ShowRows> Load(const ShowKeys& keys, Timestamp now) = 0;
  // Writes all in one transaction; or nothing, and says false: a row was not at its expected version. Error
  // kUnknown: the commit may have been done.
  [[nodiscard]] virtual Result<bool> Save(const ShowChanges& changes) = 0;
};

enum class Places : uint8_t {
  kAll,
  kOpen,       // who waits or has an offer
  kOffered,    // who has an offer, or is being sought seats for
  kUnindexed,  // open, and written by a replica of the version before, so that no wish finds them
};
struct WaitlistQuery {
  int64_t show_id = 0;  // 0: all shows of the user
  std::string user_id;  // empty: all users of the show
  Places which = Places::kAll;
  // Of a show: by place, beyond this one. Of a user in all shows: by show and place, before this one; 0: from
  // the newest.
  int64_t after_show_id = 0;
  uint64_t after_place = 0;
  uint32_t limit = 50;
};
struct WaitlistPage {
  std::vector<WaitlistEntry> entries;
  bool more = false;
};
// How many wait before a place is counted so far: it may be that many, or more.
inline constexpr uint64_t kMaxBefore = 1'000;
// Of those who wait (IsWaiting): who wishes for the number, section and category of one of `wishes`, and
// pays its max_price or more.
struct WishQuery {
  int64_t show_id = 0;
  std::vector<SeatChoice> wishes;
  uint64_t after_place = 0;
  uint32_t limit = 50;
};

// The queries' side. Thread-safe; never waits for commands.
class ShowReader {
 public:
  virtual ~ShowReader() = default;
  // nullopt: there is none.
  [[nodiscard]] virtual Result<std::optional<ShowWork>> Work(const WorkKey& key) = 0;
  // Of a show, by place; of a user in all shows, by (show, place), the highest first.
  [[nodiscard]] virtual Result<WaitlistPage> List(const WaitlistQuery& query) = 0;
  // What those who wait (IsWaiting) wish for: each number, section and category once, at the highest price
  // that one of them pays (0: any). At most `limit`. Costs a step for each wish, not for each who has it.
  [[nodiscard]] virtual Result<std::vector<SeatChoice>> Wishes(int64_t show_id, uint32_t limit) = 0;
  // By place. Whoever wishes for something else is not read on the way.
  [[nodiscard]] virtual Result<WaitlistPage> ListByWish(const WishQuery& query) = 0;
  // How many with an earlier place wait or have an offer; kMaxBefore: so many or more.
  [[nodiscard]] virtual Result<uint64_t> CountBefore(int64_t show_id, uint64_t place) = 0;
  // The show's reservations in one of these states, by id.
  [[nodiscard]] virtual Result<Page> OfShow(int64_t show_id, std::span<const State> states,
                                            ReservationId after, uint32_t limit) = 0;
};

}  // namespace boxoffice::reservation
