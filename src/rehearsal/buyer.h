// One buyer of a rehearsal: what he does next, given what he was told. No I/O, no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace boxoffice::rehearsal {

// What a buyer asks for.
enum class Step : uint8_t {
  kJoin,
  kPoll,  // his place in the queue
  kSeatMap,
  kHold,
  kTopUp,   // the wallet, by what the seats cost
  kPay,     // confirms the reservation
  kAsk,     // for a reservation whose outcome was not known yet (202)
  kCancel,  // a hold that he gives up, or a purchase that he regrets
  kLeave,   // gives up his place in the queue
};
inline constexpr size_t kSteps = 9;
[[nodiscard]] std::string_view StepName(Step step);

// How it ended for him.
enum class Ending : uint8_t {
  kBought,
  kCancelled,    // bought, and gave it back
  kLeftWaiting,  // lost patience in the queue
  kLeftHolding,  // had seats, and did not pay
  kNoSeats,      // there were none for him any more
  kRefused,      // was told no for another reason; the errors and refusals by code say which
  kGaveUp,       // asked as often as he is willing to, and had no answer that is one, no map, or no outcome
};
inline constexpr size_t kEndings = 7;
[[nodiscard]] std::string_view EndingName(Ending ending);
// Whether the system did its part for one who was in: how it ended was his own choice, or there were no
// seats.
[[nodiscard]] bool IsServed(Ending ending);

struct Behaviour {
  double by_map = 0.3;          // choose their seats on the map; the others take the best available
  double leave_waiting = 0.05;  // lose patience in the queue, after a few polls
  double leave_holding = 0.05;  // hold seats and don't pay: half of them say so, the others just go
  double cancel = 0.02;         // of the buyers
  std::chrono::milliseconds think{5'000};  // mean, before seats are chosen and again before they are paid
  int party = 4;                           // 1 to so many seats each
  bool top_up = true;                      // fill the wallet before paying, by what is to be paid
  int attempts = 10;                       // at each step, until he gives up
};

// An answer, as far as a buyer understands it.
struct Told {
  int status = 0;  // 0: none
  std::string_view body;
  int retry_after_s = 0;
};

// Whether an answer says that the system is busy, or there is none: to be asked again, with the same key.
[[nodiscard]] bool IsOverload(const Told& told);
// Whether it is what was asked for. A redirect is not: nothing was done, and nobody follows it.
[[nodiscard]] bool IsGood(const Told& told);

// Not thread-safe. A value.
class Buyer {
 public:
  // `behaviour` outlives it.
  Buyer(const Behaviour& behaviour, int seat_limit, Random& random);

  struct Next {
    std::optional<Ending> ending;  // none: `step` is asked for `after` from now on
    Step step = Step::kJoin;
    std::chrono::nanoseconds after{0};
  };
  // What follows from the answer to `step`, which he asked for last.
  [[nodiscard]] Next Take(Step step, const Told& told, Random& random);
  // Of a kSeatMap that was answered: the seats that he chose; none: there are not enough for him.
  [[nodiscard]] Next Choose(std::vector<uint32_t> seats, Random& random);
  // The show is sold out, as everybody can see. None: he goes on all the same, for he has seats.
  [[nodiscard]] std::optional<Ending> SeeSoldOut() const;

  // What his requests need.
  [[nodiscard]] const std::string& queue_token() const { return queue_token_; }  // empty: he needs none
  [[nodiscard]] const std::string& reservation() const { return reservation_; }
  [[nodiscard]] const std::vector<uint32_t>& seats() const { return seats_; }  // empty: best available
  [[nodiscard]] int party() const { return party_; }
  [[nodiscard]] int64_t amount() const { return amount_; }
  [[nodiscard]] const std::string& currency() const { return currency_; }
  // Grows with each new thing that he wants, and stays as it is when he asks again: of Idempotency-Key.
  [[nodiscard]] int operation() const { return operation_; }
  [[nodiscard]] bool admitted() const { return admitted_; }

 private:
  Next Do(Step step, std::chrono::nanoseconds after = {});
  static Next End(Ending ending);
  // Frees his place for those who wait, if he has one, then ends.
  Next Leave(Ending ending);
  Next AskAgain(Step step, const Told& told, Random& random);
  Next TakePlace(const Told& told, Random& random);
  // To choose seats: he has been admitted, or the show has no queue.
  Next GoIn(Random& random);
  Next TakeHold(const Told& told, Random& random);
  Next TakePaid(const Told& told, Random& random);
  Next TakeReservation(const Told& told, Random& random);
  Next Refused(Step step, const Told& told, Random& random);
  // After a hold that was refused with that code, at once or after a 202: other seats. None: it is no use.
  std::optional<Next> ChooseOthers(std::string_view code, Random& random);
  // So often that he has enough of it: `at_last`.
  Next ChooseAnew(Random& random, Ending at_last = Ending::kNoSeats);

  const Behaviour* behaviour_;
  int party_;
  bool by_map_;
  bool leaves_holding_;
  bool cancels_;
  int patience_;  // polls until he leaves; -1: he stays
  bool admitted_ = false;
  bool paying_ = false;
  bool bought_ = false;
  Ending after_leaving_ = Ending::kLeftWaiting;
  int operation_ = 0;
  int again_ = 0;    // since the last answer that was one
  int choices_ = 0;  // of seats
  int64_t amount_ = 0;
  std::string currency_;
  std::string queue_token_;
  std::string reservation_;
  std::vector<uint32_t> seats_;
};

}  // namespace boxoffice::rehearsal
