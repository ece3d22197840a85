// Runs sagas: forward through the steps of the table, or back through their undos, with the durable moments
// in between.
//
// Two writes per saga that goes well: the intent was written before Run, and Finish is written at its end.
// The decision to undo is written before the first undo. When a participant does not answer, the saga is
// postponed: it is written down, and whoever claims it later runs the list again, because every step is
// idempotent.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "platform/obs/metrics.h"
#include "platform/obs/warning_pace.h"
#include "platform/resilience/retry_budget.h"
#include "services/reservation/reservation_book.h"
#include "services/reservation/saga/definition.h"

namespace boxoffice::reservation {

// Where the durable moments are written: the batch executor, or a fake. Resumes on the saga's thread. The
// command is moved from, and must live until then.
class Book {
 public:
  virtual ~Book() = default;
  virtual asio::awaitable<Result<Outcome>> Write(Command& command) = 0;
};

// How patiently a step is repeated before the saga is postponed. This is the only place where commands are
// repeated at once, and each step has a budget: when its participant is in trouble, most sagas wait instead.
struct RetryPolicy {
  int retries = 3;
  milliseconds first_pause{100};           // doubles; full jitter
  milliseconds give_up_after{5'000};       // from the run's start; then no step is repeated: the buyer waits
  size_t max_uncompleted = 10'000;         // purchases that are done, of which the queue is told once more
  resilience::RetryBudgetConfig budget{};  // of a step, over all sagas of this replica
};

// Runs on one thread: that of the executor given.
class Runner {
 public:
  Runner(asio::any_io_executor executor, Participants& participants, Book& book, const Clock& clock,
         Random& random, const Policy& policy, RetryPolicy retry, obs::Registry& metrics);

  // Runs the saga in `reservation`, as stored and owned by this replica. The answer has a refusal if it did
  // not succeed; its state is CONFIRMING, COMPENSATING or CANCELLING if it goes on later (with a refusal: for
  // the undo of a step that gives nothing back). Errors: not_owner (somebody else runs it),
  // saga_version_unknown (it is left to replicas that know it), and those of Book.
  asio::awaitable<Result<Answer>> Run(Shared<Reservation> reservation);

  // Sagas that run now, with their epochs: for leases and draining.
  [[nodiscard]] const std::map<ReservationId, uint64_t>& running() const { return running_; }

 private:
  [[nodiscard]] obs::Counter& RunsOf(SagaKind kind, State state);
  // Of a step, or of its undo.
  struct TryMetrics {
    obs::Histogram* seconds = nullptr;
    std::array<obs::Counter*, 6> by_kind{};  // of StepResult::Kind; when first needed
  };
  // What is known of a step, over all sagas.
  struct Known {
    resilience::RetryBudget budget;
    std::array<TryMetrics, 2> measured{};  // forward, undo
  };
  [[nodiscard]] Known& KnownOf(std::string_view step);
  void CountTry(TryMetrics& tries, std::string_view step, bool undo, StepResult::Kind kind,
                std::chrono::duration<double> time);
  void CountCompensation(const Reservation& reservation, std::string_view step);
  // How a run ended; the reservation is what the book has of it.
  enum class Ended {
    kOver,   // for who asked, with what the reservation says: done, or its failure
    kLater,  // it goes on
  };
  static Result<Answer> AnswerOf(const Result<Ended>& ended, Shared<Reservation>&& reservation);
  asio::awaitable<Result<Ended>> RunOwned(Shared<Reservation>& reservation, Timestamp run_start);
  asio::awaitable<Result<Ended>> GoForward(Shared<Reservation>& reservation, Timestamp run_start);
  asio::awaitable<Result<Ended>> DecideToUndo(Shared<Reservation>& reservation, Timestamp run_start,
                                              int failed_step, StepResult result);
  // Down to which step a refusal is undone where the hold is kept; nullopt: it is not.
  asio::awaitable<std::optional<int>> KeepHold(Reservation& reservation, Timestamp run_start, int failed_step,
                                               const StepResult& result);
  asio::awaitable<Result<Ended>> GoBack(Shared<Reservation>& reservation, Timestamp run_start);
  asio::awaitable<Result<Ended>> PostponeIt(Shared<Reservation>& reservation, StepResult result,
                                            std::string_view step);
  asio::awaitable<Result<Ended>> FinishIt(Shared<Reservation>& reservation);
  // Runs one action or undo with its inline retries, and writes the timeline. It is tried once, however late
  // in the run.
  asio::awaitable<StepResult> Perform(Reservation& reservation, Timestamp run_start, std::string_view step,
                                      Action action, bool undo);
  asio::awaitable<Result<void>> Write(Command& command, Shared<Reservation>& reservation);
  asio::awaitable<void> CompleteQueue(Shared<Reservation> reservation);
  asio::awaitable<void> Pause(milliseconds longest);  // with full jitter
  [[nodiscard]] bool TakeRetry(resilience::RetryBudget& budget, std::string_view step);
  [[nodiscard]] bool IsLate(const Reservation& reservation) const;
  void LogPostponed(const Reservation& reservation, std::string reason);

  asio::any_io_executor executor_;
  Participants& participants_;
  Book& book_;
  const Clock& clock_;
  Random& random_;
  const Policy& policy_;
  const RetryPolicy retry_;
  obs::Registry& metrics_;
  obs::Histogram& saga_seconds_;
  std::map<std::pair<SagaKind, State>, obs::Counter*> runs_;
  std::map<std::string, Known, std::less<>> steps_;
  std::set<std::string> causes_;  // that compensations were counted by
  // By step and reason: while a participant is away, hundreds of sagas say the same at each try.
  std::map<std::string, obs::WarningPace> postponed_;
  std::map<ReservationId, uint64_t> running_;
  size_t uncompleted_ = 0;  // see RetryPolicy
};

}  // namespace boxoffice::reservation
