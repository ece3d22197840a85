// The rules of holding, confirming and releasing seats: from rows that were loaded and commands that came, to
// what each command is answered and which rows change. Pure: no I/O, no clock, no thread.
//
// A saga's hold is on record in its SagaRow, so a repeat is known by its content; a release marks that row as
// undone, and whatever the saga sends later is aborted. Who has a seat is in the SeatRow alone. A BuyerRow
// lists seats that may be the buyer's (it is not told of releases), and its version makes holds of one buyer
// take turns, for the seat limit.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "services/seat/best_seats.h"
#include "services/seat/layout.h"
#include "services/seat/show.h"

namespace boxoffice::seat {

// No hold outlives this, counted from the reservation's first hold …
inline constexpr milliseconds kMaxHold = std::chrono::minutes(30);
// … but a saga that has begun within it gets the time to end.
inline constexpr milliseconds kSagaSlack = std::chrono::minutes(5);

struct SeatKey {
  int64_t show_id = 0;
  SeatNo seat_no = 0;
  auto operator<=>(const SeatKey&) const = default;
};
struct BuyerKey {
  int64_t show_id = 0;
  std::string user_id;
  auto operator<=>(const BuyerKey&) const = default;
};

// kBlocked: an operator keeps it back from buyers.
enum class SeatState : uint8_t { kFree = 0, kHeld = 1, kSold = 2, kBlocked = 3 };

// Versions count a row's changes; 0 is a row that is not stored yet.
struct SeatRow {
  SeatKey key;
  SeatState state = SeatState::kFree;
  ReservationId reservation;  // nil if free or blocked; so are all below
  std::string user_id;
  Timestamp hold_expires_at{};
  Timestamp held_since{};  // the reservation's first hold; one that has passed its deadline is over
  int64_t version = 0;

  bool operator==(const SeatRow&) const = default;
  // Free to anybody: also once a hold's deadline has passed, whether or not the row has been tidied.
  [[nodiscard]] bool IsFree(Timestamp now) const {
    return state == SeatState::kFree || (state == SeatState::kHeld && hold_expires_at <= now);
  }
  // A reservation has it; also a hold past its deadline.
  [[nodiscard]] bool IsOwned() const { return state == SeatState::kHeld || state == SeatState::kSold; }
  // Also a hold past its deadline, as long as nobody else has taken the seat.
  [[nodiscard]] bool BelongsTo(ReservationId id) const { return IsOwned() && reservation == id; }
};
struct SagaRow {
  SagaId id;
  bool undone = false;
  ReservationId reservation;
  int64_t show_id = 0;
  std::string choice;         // what a best-available hold asked for; empty for named seats
  std::vector<SeatNo> seats;  // what it holds, sorted; empty if it never held
  int64_t version = 0;

  bool operator==(const SagaRow&) const = default;
};
struct BuyerRow {
  BuyerKey key;
  std::vector<SeatNo> seats;  // sorted
  int64_t version = 0;

  bool operator==(const BuyerRow&) const = default;
};
// What is known of a show without its seats' rows.
struct ShowFacts {
  std::shared_ptr<const Show> show;
  ShowMarks marks;
  uint32_t sold = 0;
  uint32_t blocked = 0;
};

// What the rules need to know. Each list is sorted by key and has a row for every key asked for.
struct Rows {
  std::vector<SagaRow> sagas;
  std::vector<BuyerRow> buyers;
  std::vector<SeatRow> seats;
  std::vector<ShowFacts> shows;  // those that exist
};
// Sorted, without repeats. Rows of seats that are listed in a saga's or a buyer's row are needed as well.
struct Keys {
  std::vector<SagaId> sagas;
  std::vector<BuyerKey> buyers;
  std::vector<SeatKey> seats;
};

struct HoldSeats {
  SagaId saga;
  ReservationId reservation;
  std::string user_id;
  int64_t show_id = 0;
  std::vector<SeatNo> seats;          // as the buyer named them, or
  std::optional<BestAvailable> best;  // the best that are free
  Timestamp hold_at_least_until{};    // the end of the saga; the epoch: no more than the show's hold time
  // With `best`: what the map in memory proposes. The rows decide whether it is true.
  Proposal proposal;
  // With `seats`, where the show has the orphan rule: seats that they would leave over alone, and need not,
  // as the map in memory has it.
  std::vector<SeatNo> orphans;
};
struct ConfirmSeats {
  SagaId saga;
  ReservationId reservation;
  int64_t show_id = 0;
  std::vector<SeatNo> seats;
};
struct ReleaseSeats {
  SagaId saga;
  ReservationId reservation;
  int64_t show_id = 0;
  std::vector<SeatNo> seats;  // besides those that are on the saga's record
};
// The service's own: frees what is past its deadline and has not been taken by anybody.
struct SweepSeats {
  std::vector<SeatKey> seats;
};
// The service's own: tells that a show is sold out, if nobody has. Two replicas may sell the last seats at
// once, neither of which is the last one to its seller.
struct TellSoldOut {
  int64_t show_id = 0;
};
// By an operator: keeps free seats back from buyers, or gives blocked ones to buyers again. All or none.
struct BlockSeats {
  int64_t show_id = 0;
  std::vector<SeatNo> seats;  // sorted, without repeats
  bool release = false;
  std::string reason;
  std::string operator_id;
};
struct Command {
  std::variant<HoldSeats, ConfirmSeats, ReleaseSeats, SweepSeats, TellSoldOut, BlockSeats> body;
  std::string traceparent;
};

enum class Refusal {
  kNone,
  kSeatsTaken,
  kSeatLimit,
  kShowNotOnSale,
  kNotEnoughSeats,
  kSeatUnknown,
  kShowNotFound,
  kHoldLost,
  kTooManySeats,
  kNoSeats,
  kDuplicateSeat,
  kSectionUnknown,
  kCategoryUnknown,
  kShowCancelled,
  kOrphanSeat,
  kRowUnknown,
};
// Stable, snake_case: "seats_taken".
[[nodiscard]] std::string_view RefusalName(Refusal refusal);

// kFree: only with kHoldLost, a seat that nobody has any more. kOrphan: only with kOrphanSeat.
enum class ConflictReason { kHeld, kSold, kUnknown, kFree, kBlocked, kOrphan };
struct Conflict {
  SeatNo seat_no = 0;
  ConflictReason reason = ConflictReason::kHeld;
  bool operator==(const Conflict&) const = default;
};

struct Outcome {
  enum class Kind { kDone, kRefused, kAborted, kMismatch };
  Kind kind = Kind::kDone;
  std::shared_ptr<const Show> show;  // for labels and prices; null if there is no such show
  std::vector<SeatNo> seats;         // with kDone of a hold and a confirmation: sorted
  int64_t amount = 0;                // Σ of their prices
  Timestamp hold_expires_at{};       // of a hold; the epoch if all are sold
  Refusal refusal = Refusal::kNone;
  std::vector<Conflict>
      conflicts;  // with kSeatsTaken, kSeatUnknown, kHoldLost, kOrphanSeat: every seat in the way, sorted
  uint32_t seat_limit = 0;   // with kSeatLimit
  uint32_t seats_owned = 0;  // with kSeatLimit: what the buyer has besides this reservation's seats
  std::optional<Rung> rung;  // with kDone of a hold of the best available
  // With kSeatsTaken and kOrphanSeat of named seats: what the map proposes instead, once the batch is saved.
  std::vector<SeatNo> alternative;
};

struct Event {
  enum class Kind { kHeld, kSold, kReleased, kSoldOut };
  Kind kind = Kind::kHeld;
  ReservationId reservation;  // nil for kSoldOut
  int64_t show_id = 0;
  std::vector<SeatNo> seats;  // sorted
  Timestamp hold_expires_at{};
  Timestamp on_sale_at{};  // of kSoldOut
  Timestamp at{};
  std::string traceparent;
};

struct MarkedShow {
  int64_t show_id = 0;
  ShowMarks marks;   // as they shall be
  ShowMarks before;  // as they were loaded
};

// What an operator blocked or gave back, for the record.
struct BlockNote {
  int64_t show_id = 0;
  std::vector<SeatNo> seats;  // that this changed, sorted
  bool release = false;
  std::string reason;
  std::string operator_id;
  Timestamp at{};
  int64_t id = 0;  // given when it is stored
  bool operator==(const BlockNote&) const = default;
};

// Rows as they shall be, with the versions that they had when loaded; sorted by key.
struct Changes {
  std::vector<SagaRow> sagas;
  std::vector<BuyerRow> buyers;
  std::vector<SeatRow> seats;
  std::vector<MarkedShow> shows;
  std::vector<Event> events;      // in order
  std::vector<BlockNote> blocks;  // in order

  [[nodiscard]] bool empty() const {
    return sagas.empty() && buyers.empty() && seats.empty() && shows.empty();
  }
};

// Which command changed which seat: if the row had moved, that command is to be decided again.
struct Touch {
  size_t command = 0;
  SeatKey seat;
};

struct Decision {
  // One per command, in order. None: what the map proposed is not true any more; propose and decide again.
  std::vector<std::optional<Outcome>> outcomes;
  Changes changes;
  std::vector<Touch> touches;
};

// The rows that commands name. Commands which are malformed (too many seats) name none.
[[nodiscard]] Keys KeysOf(std::span<const Command> commands);

// Decides commands in their order, each on what the earlier ones left. `loaded` has at least the rows of
// KeysOf(commands), and of the seats that their sagas and buyers list.
[[nodiscard]] Decision Decide(const Rows& loaded, std::span<const Command> commands, Timestamp now);

}  // namespace boxoffice::seat
