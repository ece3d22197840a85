// What the reservation service asks of storage.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "services/reservation/reservation_book.h"

namespace boxoffice::reservation {

// Of a look at old requests.
struct Forgotten {
  int64_t count = 0;
  bool more = false;  // a look at once may find more
};

// The commands' side. Used by one thread.
class Store {
 public:
  virtual ~Store() = default;
  // The rows that `keys` names and that exist (a request's answer is the row of its reservation, if that
  // rests, or the one that was kept: Change::answered), up to keys.due_limit rows with due_at ≤ now whose
  // saga's definition version is known here, oldest first, and which of keys.fee_shows are cancelled.
  [[nodiscard]] virtual Result<Rows> Load(const Keys& keys, Timestamp now) = 0;
  // Writes all in one transaction. Says for each change whether it was written; one whose row is not at the
  // expected version and epoch (or, expected absent, exists), or whose key another replica's request has
  // taken (see Change::replaces), or whose fee a cancelled show does not keep (Change::takes_fee), is left
  // out, row, request and event. Error kUnknown: the commit may have been done.
  [[nodiscard]] virtual Result<std::vector<bool>> Save(std::span<const Change> changes) = 0;
  // Forgets requests that have an answer and were made before `before`, `limit` of them at most. Buyers'
  // commands wait meanwhile, so it takes no longer for how much is stored: where no index leads to old ones,
  // it looks at `limit` of all, and the next call goes on behind them.
  [[nodiscard]] virtual Result<Forgotten> ForgetRequests(Timestamp before, int64_t limit) = 0;
};

struct ListQuery {
  std::string user_id;                  // empty: all
  std::optional<ReservationId> before;  // newest first, older than this
  std::optional<State> state;
  int64_t show_id = 0;                     // 0: all
  Timestamp created_from{};                // at or after
  std::optional<Timestamp> created_until;  // before
  uint32_t limit = 50;
};

struct Page {
  std::vector<Reservation> reservations;
  bool more = false;
  // Of List, with `more`: the next page is of those before it.
  std::optional<ReservationId> next_before;
};
// So many of one user's reservations, or of a show's, are looked at for a page, at most, however many there
// are.
inline constexpr uint32_t kMaxLookedAt = 1'000;
inline constexpr uint32_t kMaxLookedAtOfShow = 10'000;

// How many sagas have not ended, of those that are alike.
struct SagaCount {
  SagaStatus status = SagaStatus::kRunning;
  State state = State::kHeld;  // of the reservation
  int64_t count = 0;
  bool operator==(const SagaCount&) const = default;
};

// The queries' side. Thread-safe; never waits for commands.
class Reader {
 public:
  virtual ~Reader() = default;
  // nullopt: there is none.
  [[nodiscard]] virtual Result<std::optional<Reservation>> Get(ReservationId id) = 0;
  // Newest first. Of one user and of one state or show, and of a show and of one state, a page may be short
  // or empty and have a next one (kMaxLookedAt, kMaxLookedAtOfShow).
  [[nodiscard]] virtual Result<Page> List(const ListQuery& query) = 0;
  // Reservations whose saga has this status (nullopt: running or parked), by id.
  [[nodiscard]] virtual Result<Page> ListSagas(std::optional<SagaStatus> status, ReservationId after,
                                               uint32_t limit) = 0;
  // Of those that run and those that are parked; by status and state.
  [[nodiscard]] virtual Result<std::vector<SagaCount>> CountSagas() = 0;
  // All, by id.
  [[nodiscard]] virtual Result<Page> Scan(ReservationId after, uint32_t limit) = 0;
};

}  // namespace boxoffice::reservation
