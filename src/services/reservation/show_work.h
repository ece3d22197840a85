// What is done for a whole show in the background, as values: its cancellation, and its waitlist. Each is a
// row that one replica at a time works on, by a lease and an epoch, as sagas have them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "services/reservation/reservation.h"

namespace boxoffice::reservation {

enum class WorkKind { kCancellation = 1, kWaitlist = 2 };

struct WorkKey {
  int64_t show_id = 0;
  WorkKind kind = WorkKind::kCancellation;
  auto operator<=>(const WorkKey&) const = default;
};

enum class CancellationState {
  kRunning,
  kDone,     // nothing of the show is held or sold, and all money is back
  kRefused,  // the show began before it could be cancelled
};
[[nodiscard]] std::string_view CancellationStateName(CancellationState state);

// What has become of a cancelled show's reservations.
struct CancellationProgress {
  uint64_t refunded = 0;                            // were CONFIRMED, are CANCELLED
  uint64_t released = 0;                            // were HELD
  uint64_t waiting = 0;                             // not ended yet
  uint64_t parked = 0;                              // not ended: their sagas need an operator
  std::map<std::string, int64_t> refunded_amounts;  // minor units, by currency
  bool operator==(const CancellationProgress&) const = default;
};
// Counts one reservation of the show. What ended without the cancellation counts nowhere.
void CountReservation(CancellationProgress& progress, const Reservation& reservation);

struct Cancellation {
  CancellationState state = CancellationState::kRunning;
  std::string reason;
  std::string operator_id;
  Timestamp started_at{};
  Timestamp closed_at{};          // when the seat service had ended its sale; zero: not yet
  Timestamp finished_at{};        // zero: it runs
  CancellationProgress progress;  // once it is done; before that it is counted where somebody asks for it
  std::string last_error;         // why it waits; empty: it does not
  bool operator==(const Cancellation&) const = default;
};
// Whether the show is cancelled, or about to be: its buyers get all back.
[[nodiscard]] inline bool Stands(const Cancellation& cancellation) {
  return cancellation.state != CancellationState::kRefused;
}

struct ShowWork {
  WorkKey key;
  uint64_t version = 0;  // 0: not stored yet; grows with each write
  uint64_t epoch = 0;    // grows with each owner
  std::string owner;     // the replica that works on it
  uint32_t tries = 0;    // that failed, since the last that did not
  // When somebody has to look at it: the owner's lease, or the next round. None: nothing to do.
  std::optional<Timestamp> due_at;
  Cancellation cancellation;  // of that kind
  uint64_t places = 0;        // on the waitlist, given so far
  bool operator==(const ShowWork&) const = default;
};

enum class EntryState {
  kWaiting = 1,
  kOffered,   // seats are held for the buyer, who confirms or cancels that reservation
  kAccepted,  // bought
  kLapsed,    // the offer's deadline passed, its payment was refused, or the show came to its end
  kLeft,      // gave the place up, or declined the offer
};
[[nodiscard]] inline bool IsOpen(EntryState state) {
  return state == EntryState::kWaiting || state == EntryState::kOffered;
}

// A place on a show's waitlist.
struct WaitlistEntry {
  int64_t show_id = 0;
  uint64_t place = 0;  // 1, 2, …: the order of joining
  std::string user_id;
  SeatChoice wish;  // best_count, section, category, max_price
  EntryState state = EntryState::kWaiting;
  // The offer. While it still waits: seats are being sought for it under this id.
  ReservationId reservation;
  Timestamp offered_until{};  // of an offer: the hold's deadline
  std::string ended_because;  // offer_lapsed, show_cancelled, sale_ended, declined, left, or a refusal's code
  Timestamp joined_at{};
  Timestamp updated_at{};
  uint64_t version = 0;  // 0: not stored yet; grows with each write
  bool operator==(const WaitlistEntry&) const = default;
};
// Waits, and has no offer yet.
[[nodiscard]] inline bool IsWaiting(const WaitlistEntry& entry) {
  return entry.state == EntryState::kWaiting && entry.reservation.IsNil();
}
// Waits, and seats are just being sought for it.
[[nodiscard]] inline bool IsPending(const WaitlistEntry& entry) {
  return entry.state == EntryState::kWaiting && !entry.reservation.IsNil();
}

}  // namespace boxoffice::reservation
