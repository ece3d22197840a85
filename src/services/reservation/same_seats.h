// Who wants the same seats at the same time: two ask for them, and the others wait for what these hear. When
// a sale opens, hundreds want the best seats within the same few milliseconds; a saga for each, which is
// refused and undone, would cost more than all their other requests.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "base/clock.h"
#include "services/reservation/reservation.h"

namespace boxoffice::reservation {

// Not thread-safe.
class SameSeats {
 public:
  // One who gets the seats, and one who is refused them for all.
  static constexpr size_t kAskers = 2;
  // Whoever waits for longer asks all the same: the seat service may be slow, or away.
  static constexpr milliseconds kPatience{100};

  // What became of the wait: what somebody else was refused, or nullptr: it is her turn to ask.
  using Turn = std::move_only_function<void(std::shared_ptr<const Refusal>)>;

 private:
  struct Asked {
    size_t askers = 0;
    std::list<Turn> waiting;
    Timestamp waiting_since{};  // when the first of them came, or one before whose turn it was
  };
  using Questions = std::map<std::tuple<int64_t, SeatChoice>, Asked, std::less<>>;

 public:
  // Of one who asks; valid until it is Answered.
  using Question = Questions::iterator;

  // Whether enough others ask for the seats that `choice` names. Who leaves the choice to the system never
  // waits, as each gets others.
  [[nodiscard]] bool MustWait(int64_t show_id, const SeatChoice& choice) const;
  // For the caller who must; `turn` is called by Answered or LetGo.
  void Wait(int64_t show_id, const SeatChoice& choice, Timestamp now, Turn turn);
  // The caller asks; Answered must follow.
  [[nodiscard]] Question Ask(int64_t show_id, const SeatChoice& choice);
  // An asker heard this, not long ago. A refusal because the seats are taken is told to all who wait, as it
  // is as true for them; else it is the turn of the next.
  void Answered(Question question, const std::optional<Refusal>& refusal);
  // It is the turn of all who wait for the same seats as somebody who has waited for kPatience.
  void LetGo(Timestamp now);
  [[nodiscard]] bool AnyWaits() const { return waiting_ > 0; }

 private:
  Questions questions_;
  size_t waiting_ = 0;
};

}  // namespace boxoffice::reservation
