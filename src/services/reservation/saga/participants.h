// What a saga asks of the other services, in its own words. Each call is one command, keyed by the saga and
// the step, so that asking twice is harmless.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "services/reservation/reservation.h"

namespace boxoffice::reservation {

namespace asio = boost::asio;

// What a step, or its undo, answered.
struct StepResult {
  enum class Kind {
    kDone,
    kRefused,      // a business refusal
    kAborted,      // this saga was undone at that participant before
    kMismatch,     // the saga did this step with other content: a bug or a forgery
    kUnavailable,  // certainly not done
    kUnknown,      // may or may not have been done: nobody acts on a guess
  };
  Kind kind = Kind::kDone;
  std::optional<Refusal> refusal;  // with kRefused, and only there
  Error error;                     // with kUnavailable and kUnknown
};
[[nodiscard]] std::string_view KindName(StepResult::Kind kind);
// Why it was not done: the refusal's code or the error's reason.
[[nodiscard]] std::string_view ReasonOf(const StepResult& result);
// Whether the participant gave no answer that says something for certain: it is worth asking again.
[[nodiscard]] bool MayComeRight(StepResult::Kind kind);

// What a request is told that needs to hear something of the seat service first, and meets this error. Of
// what there is not, that; else seat_unavailable (kUnavailable): nothing was done, and it is not this service
// that does not answer, so no breaker of its callers opens.
[[nodiscard]] Error ErrorOfSeat(const Error& error);

// Thread: that of the saga. Every call has a deadline of its own.
class Participants {
 public:
  virtual ~Participants() = default;

  virtual asio::awaitable<StepResult> BindQueue(const Reservation& reservation) = 0;
  // Frees the session that `bound_saga` has bound.
  virtual asio::awaitable<StepResult> UnbindQueue(const Reservation& reservation, SagaId bound_saga) = 0;
  // The purchase is done; frees the buyer's slot. Not a step: nothing depends on it, and the slot's own
  // expiry is its safety net.
  virtual asio::awaitable<StepResult> CompleteQueue(const Reservation& reservation) = 0;

  // Holds reservation.seats, or chosen ones, at least until `until`; fills in seats, amount, currency and
  // hold_expires_at.
  virtual asio::awaitable<StepResult> HoldSeats(Reservation& reservation, Timestamp until) = 0;
  // Undoes the saga's hold but for the seats, which stay held until hold_expires_at and no longer. A seat
  // replica of the version before keeps them for longer; then hold_expires_at says so.
  virtual asio::awaitable<StepResult> KeepSeats(Reservation& reservation) = 0;
  virtual asio::awaitable<StepResult> ConfirmSeats(const Reservation& reservation) = 0;
  virtual asio::awaitable<StepResult> ReleaseSeats(const Reservation& reservation) = 0;
  // Frees these of its seats alone; none: leaves the saga's tombstone, and no more.
  virtual asio::awaitable<StepResult> ReleaseOnly(const Reservation& reservation,
                                                  std::vector<uint32_t> seat_nos) = 0;
  // Fills in move.seats.
  virtual asio::awaitable<StepResult> MoveSeats(Reservation& reservation) = 0;

  virtual asio::awaitable<StepResult> DebitWallet(const Reservation& reservation) = 0;
  // Gives back what `debit_saga` took.
  virtual asio::awaitable<StepResult> RefundWallet(const Reservation& reservation, SagaId debit_saga) = 0;
  // Gives back `amount` (above 0) of what the reservation's paid_saga took.
  virtual asio::awaitable<StepResult> RefundPartOfDebit(const Reservation& reservation, int64_t amount) = 0;

  virtual asio::awaitable<StepResult> ApprovePayment(const Reservation& reservation) = 0;
  virtual asio::awaitable<StepResult> CancelPayment(const Reservation& reservation, uint32_t attempt) = 0;
  // Gives back `amount` (above 0) of the payment of the reservation's paid_attempt.
  virtual asio::awaitable<StepResult> RefundPartOfPayment(const Reservation& reservation, int64_t amount) = 0;

  // What the show says of cancellations. Errors: show_not_found and those of the call.
  virtual asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t show_id) = 0;
};

}  // namespace boxoffice::reservation
