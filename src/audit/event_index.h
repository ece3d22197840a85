// The reservations' events on the bus, by reservation: what consumers were told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "audit/facts.h"
#include "base/id.h"
#include "base/result.h"
#include "platform/bus/bus.h"

namespace boxoffice::audit {

// Reads the topic once, then only what came since. Holds 64 bytes an event. Not thread-safe.
class EventIndex {
 public:
  struct Row {
    ReservationId reservation;
    EventId id;
    int64_t show_id = 0;
    int64_t number = 0;    // in the order of reading, from 1
    int64_t money = 0;     // of a cancellation, whole or in part, its fee; else the amount
    uint32_t version = 0;  // what does not fit is the highest: no reservation has so many
    uint16_t seats = 0;    // that it names
    EventType type = EventType::kHeld;
    bool from_waitlist = false;
    [[nodiscard]] bool cancels() const {
      return type == EventType::kCancelled || type == EventType::kSeatsCancelled;
    }
    [[nodiscard]] EventFact Fact() const {
      return {id, type, version, cancels() ? 0 : money, cancels() ? money : 0, from_waitlist};
    }
  };
  static_assert(sizeof(Row) == 64);

  explicit EventIndex(bus::Bus& bus) : bus_(bus) {}

  // Reads what the bus has beyond what is known. `go_on` is asked after each page. Errors: its own, and of
  // the bus; then all is as it was before. Events of types that are not known, as a newer program's, are
  // passed over; and what has a type of ours and no body of ours, but that is counted.
  [[nodiscard]] Result<void> Refresh(const std::function<Result<void>()>& go_on);

  // Records whose body is no ReservationEvent: nobody can be told by them.
  [[nodiscard]] int64_t unreadable() const { return unreadable_; }
  // In the order of (reservation, number). Valid until Refresh.
  [[nodiscard]] const std::deque<Row>& rows() const { return rows_; }
  // Those of one reservation, in the bus's order, repeated deliveries included.
  [[nodiscard]] std::vector<EventFact> Of(ReservationId id) const;
  // The number of the last event that was read; 0: none.
  [[nodiscard]] int64_t end() const { return static_cast<int64_t>(rows_.size()); }
  // Of memory, that it holds.
  [[nodiscard]] size_t bytes() const { return rows_.size() * sizeof(Row); }

  // What a consumer that saw the events up to the one of that number has counted per show, each event once.
  [[nodiscard]] std::map<int64_t, RankingFact::Counts> Fold(int64_t number) const;

 private:
  Result<void> ReadFrom(bus::Position& position, const std::function<Result<void>()>& go_on);

  bus::Bus& bus_;
  std::deque<Row> rows_;  // grows without a copy of all, which would need three times its memory meanwhile
  int64_t unreadable_ = 0;
  bus::Position position_;
};

}  // namespace boxoffice::audit
