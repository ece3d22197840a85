// What the auditor knows when it judges: rows that the services gave, side by side. Values only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/id.h"

namespace boxoffice::audit {

enum class State {
  kHeld,
  kConfirming,
  kConfirmed,
  kCompensating,
  kFailed,
  kCancelling,
  kCancelled,
  kExpired,
  kReleased,
};
// "HELD", "CONFIRMING", …
[[nodiscard]] std::string_view StateName(State state);

enum class SagaStatus { kRunning, kDone, kParked };

// A reservation as its service tells it.
struct ReservationFact {
  struct Seat {
    uint32_t seat_no = 0;
    int64_t price = 0;  // minor units
  };
  std::string user_id;
  int64_t show_id = 0;
  std::vector<Seat> seats;
  int64_t amount = 0;  // minor units
  std::string currency;
  int64_t fees = 0;  // kept of seats that its buyer has cancelled, minor units
  State state = State::kHeld;
  Timestamp hold_expires_at{};
  SagaStatus saga_status = SagaStatus::kDone;
  std::string saga_kind;  // hold, confirm, one_shot, cancel, release, expire, cancel_seats, move
  Timestamp saga_started_at{};
  Timestamp saga_deadline{};  // moved by an operator's retry; zero: it was not told
  uint64_t epoch = 1;
  uint64_t version = 1;
  Timestamp created_at{};
  Timestamp updated_at{};
};

// The effect on a user's wallet, in one currency.
struct DebitFact {
  std::string user_id;
  std::string currency;
  int64_t debited = 0;
  int64_t refunded = 0;
  uint32_t effective_debits = 0;  // debits that were not refunded
};

enum class PaymentState { kPending, kApproved, kDeclined, kCancelled };

struct PaymentFact {
  uint32_t attempt = 1;
  PaymentState state = PaymentState::kPending;
  std::string user_id;
  int64_t amount = 0;
  std::string currency;
  std::string resolution;  // with kCancelled: never_sent, voided, refunded; empty: not certain yet
  int64_t refunded = 0;    // given back in parts; what is left of an approved one is approved
  int64_t refunding = 0;   // asked for, and not certain yet
};

// What stands for a buyer's name where there are millions of them; 0: the name is not known.
[[nodiscard]] inline uint64_t UserHash(std::string_view user_id) {
  return user_id.empty() ? 0 : std::hash<std::string_view>()(user_id);
}

// A seat that has an owner.
struct SeatFact {
  int64_t show_id = 0;
  uint32_t seat_no = 0;
  bool sold = false;
  ReservationId owner;
  Timestamp hold_expires_at{};
  int64_t price = 0;       // that it was held at, minor units; 0: not known
  uint64_t user_hash = 0;  // of its buyer; 0: not known
};

enum class EventType : uint8_t {
  kHeld,
  kConfirmed,
  kFailed,
  kCancelled,
  kExpired,
  kReleased,
  kSeatsCancelled,  // some of them: it stays CONFIRMED
  kMoved,           // as does this one
};
inline constexpr EventType kEventTypes[] = {
    EventType::kHeld,    EventType::kConfirmed, EventType::kFailed,         EventType::kCancelled,
    EventType::kExpired, EventType::kReleased,  EventType::kSeatsCancelled, EventType::kMoved,
};
// "reservation.held", …
[[nodiscard]] std::string_view EventTypeName(EventType type);

// An event of a reservation on the bus.
struct EventFact {
  EventId id;
  EventType type = EventType::kHeld;
  uint64_t version = 0;        // of the reservation
  int64_t amount = 0;          // of no cancellation: of the seats that it has, minor units
  int64_t fee = 0;             // kept by this cancellation, minor units
  bool from_waitlist = false;  // of an offer to somebody on the waitlist
};

enum class PlaceState : uint8_t { kWaiting, kOffered, kAccepted, kLapsed, kLeft };
// "WAITING", "OFFERED", …
[[nodiscard]] std::string_view StateName(PlaceState state);
// Who waits, or has an offer.
[[nodiscard]] inline bool IsOpen(PlaceState state) {
  return state == PlaceState::kWaiting || state == PlaceState::kOffered;
}

// A place on a show's waitlist, that has an offer or had one.
struct PlaceFact {
  int64_t show_id = 0;
  uint64_t place = 0;
  uint64_t user_hash = 0;
  PlaceState state = PlaceState::kWaiting;
  Timestamp updated_at{};
};

// Everything that the services know of one reservation id.
struct Case {
  ReservationId id;
  std::optional<ReservationFact> reservation;  // none: its service has never heard of it
  std::vector<DebitFact> debits;
  std::vector<PaymentFact> payments;
  std::vector<SeatFact> seats;         // that it owns
  std::vector<SeatFact> others_seats;  // that the reservation names, and another owns
  std::vector<EventFact> events;       // in the bus's order, repeated deliveries included
  std::vector<PlaceFact> places;       // on waitlists, whose offer it is
};

// The wallet service's ledger in one currency.
struct LedgerFact {
  std::string currency;
  int64_t sum_of_all_accounts = 0;
  int64_t wallets_unequal_entries = 0;
  int64_t wallets_negative = 0;
};

// A show's seats, counted twice: by the seat service, and here from its list of owned seats.
struct ShowFact {
  int64_t show_id = 0;
  int64_t capacity = 0;
  int64_t free = 0;  // what the others leave of the capacity
  int64_t held = 0;
  int64_t sold = 0;
  int64_t blocked = 0;  // by operators
  int64_t sold_in_list = 0;
  // Whether the counts were the same before and after the list was read; else the two can't be compared.
  bool still = true;
  uint32_t highest_seat_limit = 0;  // per buyer, that the show ever had; 0: not known
  bool keeps_seats = false;         // it is on sale, and what is free is sold to its waitlist alone
  bool cancelled = false;
  bool cancellation_runs = false;  // its reservations are being cancelled; only asked where seats are sold
  std::map<std::string, uint32_t> owned;  // seats by buyer, sold or held and not expired
};

// A show's waitlist.
struct WaitlistFact {
  int64_t show_id = 0;
  uint64_t open = 0;                             // places
  std::map<std::string, uint32_t> open_of_user;  // of those who have several
  Timestamp changed_at{};                        // the last of its places
  bool kept = false;                             // as ShowFact::keeps_seats
};

// A show's queue, read twice.
struct QueueFact {
  int64_t show_id = 0;
  uint64_t active_cap = 0;
  uint64_t active_before = 0;
  uint64_t active = 0;
};

// What the ranking counted of a show, between two folds of the events on the bus. With `lag` 0 before it was
// asked, and unless it counts anew, it must have counted all of the first.
struct RankingFact {
  struct Counts {
    uint64_t confirmed = 0;
    uint64_t cancelled = 0;
    int64_t seats = 0;  // of confirmed reservations less those that were given back
    bool operator==(const Counts&) const = default;
  };
  int64_t show_id = 0;
  Counts before;
  Counts counted;
  Counts after;
};

// One portion of what is checked; any part may be empty.
struct Facts {
  std::vector<Case> cases;
  std::vector<LedgerFact> ledgers;
  std::vector<std::string> bad_wallet_users;
  std::vector<ShowFact> shows;
  std::vector<WaitlistFact> waitlists;
  std::vector<QueueFact> queues;
  std::vector<RankingFact> rankings;
};

}  // namespace boxoffice::audit
