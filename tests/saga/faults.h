// What goes wrong between the reservation service and the others: participants that fail, lose, repeat and
// delay calls as a test has ordered, for one buyer at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/clock.h"
#include "base/random.h"
#include "services/reservation/saga/participants.h"

namespace boxoffice::faults {

namespace asio = boost::asio;
using reservation::Participants;
using reservation::Reservation;
using reservation::StepResult;

// What happens to one call.
enum class Fault {
  kNotSent,    // it is not sent, and the caller knows
  kReplyLost,  // done, but nobody is told
  kRepeated,   // delivered twice; the second answer counts
  kDelayed,    // not delivered yet, and the caller knows nothing; ResendAll delivers it
};
inline constexpr Fault kFaults[] = {Fault::kNotSent, Fault::kReplyLost, Fault::kRepeated, Fault::kDelayed};
[[nodiscard]] std::string_view FaultName(Fault fault);

// Which calls of a buyer's sagas are hit: `times` of them from number `from` on (counted from 0, each try
// counts), or all of one name.
struct Injection {
  int from = 0;
  int times = 0;
  std::string all_of;
  Fault fault = Fault::kNotSent;
};

struct Orders {
  std::optional<Injection> injection;
  // Before the first call of this name, the reservation's seats go to somebody else. Empty: they don't.
  // MoveSeats: the seat that it would get.
  std::string lose_seats_before;
  milliseconds grace{0};  // of the buyer's show
};

// A call as it was sent again later.
struct Resent {
  std::string call;
  bool action = true;  // else an undo
  SagaId saga;         // that it is keyed by
  StepResult::Kind answer = StepResult::Kind::kDone;
};

// The real participants, with faults before and behind them. Calls are named as the methods of Participants.
// CompleteQueue is no step: it is passed on, and neither counted nor hit.
class FaultyParticipants final : public Participants {
 public:
  FaultyParticipants(asio::any_io_executor executor, std::unique_ptr<Participants> real, const Clock& clock,
                     Random& random);

  // From any thread, while the executor runs.
  // From now on the buyer's calls are counted from 0 and meet these orders.
  void Arm(const std::string& user_id, Orders orders);
  // The calls since Arm, by name.
  [[nodiscard]] std::vector<std::string> Journal(const std::string& user_id);
  // Whoever got the seats that were lost; nil: nobody.
  [[nodiscard]] ReservationId Thief(const std::string& user_id);
  // Gives them back.
  void ReleaseThieves();
  // Sends every call that was ever sent for these buyers once more, and those that were delayed: in the order
  // of sending, or backwards. Blocks.
  std::map<std::string, std::vector<Resent>> ResendAll(const std::vector<std::string>& user_ids,
                                                       bool backwards);

  asio::awaitable<StepResult> BindQueue(const Reservation& reservation) override;
  asio::awaitable<StepResult> UnbindQueue(const Reservation& reservation, SagaId bound_saga) override;
  asio::awaitable<StepResult> CompleteQueue(const Reservation& reservation) override;
  asio::awaitable<StepResult> HoldSeats(Reservation& reservation, Timestamp until) override;
  asio::awaitable<StepResult> KeepSeats(Reservation& reservation) override;
  asio::awaitable<StepResult> ConfirmSeats(const Reservation& reservation) override;
  asio::awaitable<StepResult> ReleaseSeats(const Reservation& reservation) override;
  asio::awaitable<StepResult> ReleaseOnly(const Reservation& reservation,
                                          std::vector<uint32_t> seat_nos) override;
  asio::awaitable<StepResult> MoveSeats(Reservation& reservation) override;
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation& reservation, int64_t amount) override;
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation& reservation, int64_t amount) override;
  asio::awaitable<StepResult> DebitWallet(const Reservation& reservation) override;
  asio::awaitable<StepResult> RefundWallet(const Reservation& reservation, SagaId debit_saga) override;
  asio::awaitable<StepResult> ApprovePayment(const Reservation& reservation) override;
  asio::awaitable<StepResult> CancelPayment(const Reservation& reservation, uint32_t attempt) override;
  asio::awaitable<Result<reservation::CancelPolicy>> GetCancelPolicy(int64_t show_id) override;

 private:
  using Forward = std::function<asio::awaitable<StepResult>(Participants& real, Reservation& reservation)>;
  struct Sent {
    std::string call;
    bool action;
    Reservation reservation;  // as it was then
    Forward forward;
  };
  struct Buyer {
    Orders orders;
    int calls = 0;
    std::vector<std::string> journal;
    std::vector<Sent> sent;
    std::optional<Reservation> thief;
  };
  struct Ordered {
    std::optional<Fault> fault;
    bool lose_seats = false;
  };

  asio::awaitable<StepResult> Carry(Sent sent, Reservation* filled_in = nullptr);
  asio::awaitable<StepResult> Send(Sent sent);
  asio::awaitable<void> LoseSeats(Reservation reservation);
  Ordered Count(const Sent& sent);

  const asio::any_io_executor executor_;
  const std::unique_ptr<Participants> real_;
  const Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  std::map<std::string, Buyer> buyers_;  // guarded by mutex_
};

}  // namespace boxoffice::faults
