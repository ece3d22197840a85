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
  ReservationId reservation;  // nil if free or blocked; and so is all down to the price
  std::string user_id;
  Timestamp hold_expires_at{};
  Timestamp held_since{};  // the reservation's first hold; see kMaxHold
  int64_t price = 0;       // that it was held at, and is sold at; 0: held by a replica that did not note it
  std::string channel;  // whose buyers alone may take it, also when it has come free again; empty: everybody
  Timestamp channel_until{};  // when it becomes everybody's by itself; the epoch: never
  int64_t version = 0;

  bool operator==(const SeatRow&) const = default;
  // Free to anybody: also once a hold's deadline has passed, whether or not the row has been tidied.
  [[nodiscard]] bool IsFree(Timestamp now) const {
    return state == SeatState::kFree || (state == SeatState::kHeld && hold_expires_at <= now);
  }
  // Whose buyers alone may take it, now; empty: everybody.
  [[nodiscard]] std::string_view ChannelAt(Timestamp now) const {
    return channel_until != Timestamp{} && channel_until <= now ? std::string_view()
                                                                : std::string_view(channel);
  }
  // Not to be had by everybody, though nobody has it: blocked, or kept for a channel.
  [[nodiscard]] bool IsWithheld(Timestamp now) const {
    return state == SeatState::kBlocked || (IsFree(now) && !ChannelAt(now).empty());
  }
  // A reservation has it; also a hold past its deadline.
  [[nodiscard]] bool IsOwned() const { return state == SeatState::kHeld || state == SeatState::kSold; }
  // Also a hold past its deadline, as long as nobody else has taken the seat.
  [[nodiscard]] bool BelongsTo(ReservationId id) const { return IsOwned() && reservation == id; }
};
// What whoever has the seat pays for it; of a seat that nobody has, what it costs now.
[[nodiscard]] int64_t PriceOf(const SeatRow& row, const Layout& layout);

struct SagaRow {
  SagaId id;
  bool undone = false;
  ReservationId reservation;
  int64_t show_id = 0;
  std::string choice;         // what a best-available hold or a move asked for; empty for named seats
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
  uint32_t blocked = 0;  // or kept for a channel
  bool doubted = false;  // these counts may be old: no sell-out is told by them
};

// What is on record of a show that replicas must agree on at once, and not when they hear of each other: its
// marks, and of its phase whether it is cancelled.
struct ShowRow {
  int64_t show_id = 0;
  ShowPhase phase = ShowPhase::kPublished;
  ShowMarks marks;
};

// What the rules need to know. Each list is sorted by key and has a row for every key asked for.
struct Rows {
  std::vector<SagaRow> sagas;
  std::vector<BuyerRow> buyers;
  std::vector<SeatRow> seats;
  std::vector<ShowRow> show_rows;  // those that exist
  std::vector<ShowFacts> shows;    // those that exist
};
// Sorted, without repeats. Rows of seats that are listed in a saga's or a buyer's row are needed as well.
struct Keys {
  std::vector<SagaId> sagas;
  std::vector<BuyerKey> buyers;
  std::vector<SeatKey> seats;
  std::vector<int64_t> shows = {};
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
  // With these, and with a proposal of seats that are not next to each other: what was taken then only as
  // earlier commands of the batch may take it, which name it. Where that was in vain, it is decided again.
  std::vector<SeatNo> assumed;
  // An offer to somebody on the waitlist.
  bool from_waitlist = false;
  std::vector<std::string> channels;  // whose contingents the buyer may take from
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
// The saga is undone, but the reservation keeps its seats: what the saga's hold has added to their time ends.
struct KeepSeats {
  SagaId saga;
  ReservationId reservation;
  int64_t show_id = 0;
  std::vector<SeatNo> seats;
  Timestamp until{};  // what is held for longer is held until then; what is not, stays as it is
};
// By an operator: the reservation's sold seats `from` become free, and `to`, which are free or blocked, are
// sold to it instead, one for one in this order, at the lesser of the two prices. The buyer's limit does not
// count. A refusal for seats or show is for good: a copy of the command is refused too, whatever has come
// free.
struct MoveSeats {
  SagaId saga;
  ReservationId reservation;
  int64_t show_id = 0;
  std::vector<SeatNo> from;
  std::vector<SeatNo> to;  // as many
  // The buyer, as the rows of `from` have it when they are looked at beforehand. The rows decide whether it
  // is still so.
  std::string user_id;
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
// By an operator: keeps seats that nobody has, and no other channel, for the buyers of a channel, also when
// they come free again; or gives seats, whoever has them, to everybody again. All or none.
struct AssignChannel {
  int64_t show_id = 0;
  std::vector<SeatNo> seats;  // sorted, without repeats
  std::string channel;        // empty: everybody
  Timestamp until{};          // when it becomes everybody's by itself; the epoch: never
  std::string reason;
  std::string operator_id;
  std::string from_channel;  // with an empty channel: of these seats, only those of this one; empty: of any
};
struct Command {
  std::variant<HoldSeats, ConfirmSeats, ReleaseSeats, KeepSeats, MoveSeats, SweepSeats, TellSoldOut,
               BlockSeats, AssignChannel>
      body;
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
  kWaitlistFirst,
};
// Stable, snake_case: "seats_taken".
[[nodiscard]] std::string_view RefusalName(Refusal refusal);

// kFree: only with kHoldLost, a seat that nobody has any more. kOrphan: only with kOrphanSeat. kChannel: it
// is kept for the buyers of a channel that is none of this one's.
enum class ConflictReason { kHeld, kSold, kUnknown, kFree, kBlocked, kOrphan, kChannel };
struct Conflict {
  SeatNo seat_no = 0;
  ConflictReason reason = ConflictReason::kHeld;
  bool operator==(const Conflict&) const = default;
};

struct Outcome {
  enum class Kind { kDone, kRefused, kAborted, kMismatch };
  Kind kind = Kind::kDone;
  std::shared_ptr<const Show> show;  // for labels and prices; null if there is no such show
  std::vector<SeatNo> seats;         // with kDone of a hold, a confirmation and a move: sorted
  std::vector<int64_t> prices;       // of each of them
  int64_t amount = 0;                // Σ of their prices
  Timestamp hold_expires_at{};       // of a hold; the epoch if all are sold
  milliseconds grace{0};             // of a hold: for which the show lets it stay after a refused payment
  Refusal refusal = Refusal::kNone;
  std::vector<Conflict>
      conflicts;  // with kSeatsTaken, kSeatUnknown, kHoldLost, kOrphanSeat: every seat in the way, sorted
  uint32_t seat_limit = 0;   // with kSeatLimit
  uint32_t seats_owned = 0;  // with kSeatLimit: what the buyer has besides this reservation's seats
  std::optional<Rung> rung;  // with kDone of a hold of the best available
  // With kSeatsTaken and kOrphanSeat of named seats: what the map proposes instead, once the batch is saved.
  std::vector<SeatNo> alternative;
  uint32_t changed = 0;  // with kDone of BlockSeats and AssignChannel: so many seats are not as they were
  // With kSeatsTaken of AssignChannel: whose the first of the seats is that another channel has.
  std::string channel;
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

// What an operator blocked, or kept for a channel, or gave back, for the record.
struct BlockNote {
  int64_t show_id = 0;
  std::vector<SeatNo> seats;  // that this changed, sorted
  bool release = false;
  std::string reason;
  std::string operator_id;
  Timestamp at{};
  int64_t id = 0;  // given when it is stored
  bool about_channel = false;
  std::string
      channel;  // that it was kept for, or given back from; of one that gives back, empty: from several
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
  // One per command, in order. None: what the map proposed is not true any more, or was so only on an
  // assumption; propose and decide again.
  std::vector<std::optional<Outcome>> outcomes;
  Changes changes;
  std::vector<Touch> touches;
};

// The rows that commands name. Commands which are malformed (too many seats) name none.
[[nodiscard]] Keys KeysOf(std::span<const Command> commands);

// Decides commands in their order, each on what the earlier ones left. `loaded` has at least the rows of
// KeysOf(commands), and of the seats that their sagas and buyers list. The tombstones of sagas that were made
// before `forgotten_before` may have been forgotten: one that is not on record is taken for undone.
[[nodiscard]] Decision Decide(const Rows& loaded, std::span<const Command> commands, Timestamp now,
                              Timestamp forgotten_before = {});

}  // namespace boxoffice::seat
