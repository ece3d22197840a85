// The use cases of reservations: reserve, confirm, cancel (service_cancel.cc), expire, and an operator's
// word. Owns the batch executor, the runner, and the scan that takes over what is due.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/clock.h"
#include "base/random.h"
#include "platform/batch/executor.h"
#include "platform/batch/health.h"
#include "platform/obs/metrics.h"
#include "services/reservation/recent_conflicts.h"
#include "services/reservation/reservation_book.h"
#include "services/reservation/saga/participants.h"
#include "services/reservation/saga/runner.h"
#include "services/reservation/same_seats.h"
#include "services/reservation/show_store.h"
#include "services/reservation/store.h"

namespace boxoffice::reservation {

// A buyer's request, once per key.
struct Request {
  RequestKey key;
  std::string request_hash;
  std::string traceparent;
  bool sent_before = false;  // by the same caller, who did not hear the answer
  RequestDeadline deadline = RequestDeadline::max();
};
struct ReserveRequest {
  Request request;
  int64_t show_id = 0;
  SeatChoice choice;
  bool pay = false;
  std::string queue_token;
  std::string payment_method;
  Timestamp active_until{};  // as in Reservation
  // The queue refuses the buyer, as the caller has heard there.
  std::optional<Refusal> queue_refusal{};
};
struct ConfirmRequest {
  Request request;
  ReservationId reservation_id;
  std::string queue_token;
  std::string payment_method;
  int64_t token_show_id = 0;  // as in BeginOn
};
struct CancelRequest {
  Request request;
  ReservationId reservation_id;
  std::vector<uint32_t> seat_nos;  // none: all
  bool by_operator = false;        // as in BeginOn
  std::string reason;
  bool only_held = false;  // as in BeginOn
};
// By an operator, whose key it is.
struct MoveRequest {
  Request request;
  ReservationId reservation_id;
  SeatMove move;
  std::string reason;
};
// What a cancellation would give back now; or why it can't be.
struct CancelQuote {
  Return returned;
  std::string currency;
  Timestamp until{};
  std::optional<Refusal> refusal;
};

struct ServiceConfig {
  std::string owner;  // unique to this process
  Policy policy;
  RetryPolicy retry;
  batch::Limits limits;
  milliseconds scan_every{1'000};
  uint32_t claim_limit = 200;  // a scan that finds as many goes on at once
  // Sagas that run at once; beyond, and new reservations from four fifths of it on: overloaded.
  size_t max_running = 20'000;
};

// Runs on one thread, that of `executor`; Execute… and Stop are the exception as said there.
class Service {
 public:
  // `nudge` is called after a commit that may have written events; on the batch executor's thread.
  Service(ServiceConfig config, asio::any_io_executor executor, Store& store, Reader& reader,
          ShowReader& show_reader, Participants& participants, const Clock& clock, Random& random,
          obs::Registry& metrics, std::function<void()> nudge);
  // Waits for reads that run.
  ~Service();

  // Told on the service's thread, later.
  using Done = std::move_only_function<void(Result<Answer>)>;

  // Each answers once per (user, key); a repeat gets the same answer, the other errors are
  // idempotency_key_reused and idempotency_key_running (kConflict), reservation_not_found (kNotFound),
  // overloaded (kResourceExhausted), deadline_passed (kUnavailable): it did not begin in its time, and never
  // will. What was sent before, by a caller that lost the connection, is not told that it runs already, but
  // how far it is: the saga goes on, here or at whoever claims it. Where there is no room for another saga, a
  // repeat still gets its answer.
  // A reservation is refused without being made, and the answer's has no id then, if its seats were just
  // sold, or others ask for the same and are told that they are taken, or the queue refuses the buyer.
  void Reserve(ReserveRequest request, Done done);
  asio::awaitable<Result<Answer>> Confirm(ConfirmRequest request);
  // Errors also: seat_unavailable (kUnavailable), where a buyer cancels what is CONFIRMED.
  asio::awaitable<Result<Answer>> Cancel(CancelRequest request);
  // Ends a reservation whose show is cancelled, if it rests: see BeginEndForShow. With it as it is then.
  asio::awaitable<Result<Answer>> EndForShow(ReservationId id);
  // Seeks seats for somebody on the waitlist; id, user, show and choice are filled in. Again, with the same
  // id: what became of it.
  asio::awaitable<Result<Answer>> Offer(Reservation offer);
  asio::awaitable<Result<Answer>> Move(MoveRequest request);
  // Changes nothing. Errors: reservation_not_found, show_not_found, seat_unavailable.
  asio::awaitable<Result<CancelQuote>> QuoteCancel(ReservationId id, std::string user_id,
                                                   std::vector<uint32_t> seat_nos);
  // By an operator. Errors: reservation_not_found, saga_done, saga_not_undoable.
  asio::awaitable<Result<Reservation>> ResolveSaga(Resolve command);

  // Starts the scans for what is due. From then on this replica recovers others' sagas.
  void StartScanning();
  // Claims nothing any more, lets what runs finish within `grace`, and gives up the leases of the rest, and
  // of what was just being claimed, so that others take over at once.
  asio::awaitable<void> Drain(milliseconds grace);
  // Whether the last batch met a store that works. Thread-safe.
  [[nodiscard]] bool store_works() const { return health_.works(); }
  // Thread-safe.
  [[nodiscard]] size_t running() const { return running_count_.load(std::memory_order_relaxed); }

 private:
  class ExecutorBook;
  void Refuse(Request request, std::shared_ptr<const Refusal> refusal, Done done);
  void Ask(ReserveRequest request, Done done);
  void AskLater(ReserveRequest request, Done done);
  void Wait(ReserveRequest request, Done done);
  void WatchPatience();
  asio::awaitable<void> ReserveSeats(ReserveRequest request, SameSeats::Question question, Done done);
  asio::awaitable<Result<Answer>> BeginReservation(ReserveRequest request, ReservationId id);
  asio::awaitable<Result<Answer>> BeginAndRun(Command command, bool sent_before);
  // What the request is answered where no saga starts, and where none may.
  asio::awaitable<Result<Answer>> AnswerWithout(Result<Outcome> outcome, bool sent_before);
  asio::awaitable<Result<Answer>> AnswerWithoutRoom(Command command, bool sent_before);
  asio::awaitable<void> TellWithout(Result<Outcome> outcome, bool sent_before, Done done);
  asio::awaitable<Result<Answer>> StillRunning(Running request, bool sent_before);
  // Reads block, for other readers too, and sagas don't wait for that.
  asio::awaitable<Result<std::optional<Reservation>>> Read(ReservationId id);
  asio::awaitable<void> ScanLoop();
  asio::awaitable<void> RenewLoop();
  // True: there may be more that is due, and room for it.
  asio::awaitable<bool> ClaimDue();
  // What a request on a reservation begins, as far as all have it in common.
  [[nodiscard]] BeginOn MakeBeginOn(Request& request, ReservationId id);
  // Errors: reservation_not_found (also if it is somebody else's).
  asio::awaitable<Result<Reservation>> Find(ReservationId id, std::string user_id);
  // What the show says, but that it keeps nothing from the intent of its cancellation on. Errors:
  // show_not_found, seat_unavailable.
  asio::awaitable<Result<CancelPolicy>> PolicyNow(int64_t show_id);
  asio::awaitable<void> ReleaseLeases();
  // Sagas and their epochs.
  asio::awaitable<void> RenewAll(std::map<ReservationId, uint64_t> sagas, bool give_up);
  asio::awaitable<void> RunDetached(Shared<Reservation> reservation);
  asio::awaitable<Result<Answer>> RunCounted(Shared<Reservation> reservation);
  using Outcomes = std::vector<std::optional<Outcome>>;
  [[nodiscard]] Result<Outcomes> RunBatch(std::span<const Command> commands);
  [[nodiscard]] Result<Outcomes> LoadDecideSave(std::span<const Command> commands);
  void NoteUnsure(const Outcomes& outcomes);
  void ClaimAgain(Outcomes& outcomes);
  // Owners' writes whose rows had moved: those moved by the same write, whose commit was done though nobody
  // knew, are told as written.
  void TellOwnWrites(std::span<const Change* const> moved, Timestamp now, Outcomes& outcomes);
  // Answers are kept for a day; once an hour the older ones go.
  void ForgetOldRequests(Timestamp now);

  const ServiceConfig config_;
  asio::any_io_executor executor_;
  Store& store_;
  Reader& reader_;
  ShowReader& show_reader_;
  Participants& participants_;
  const Clock& clock_;
  Random& random_;
  const std::function<void()> nudge_;
  std::unique_ptr<batch::Executor<Command, Outcome>> batches_;
  std::unique_ptr<ExecutorBook> book_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<asio::thread_pool> readers_;  // none in simulation, where everything runs on one thread
  asio::steady_timer scan_timer_;
  asio::steady_timer renew_timer_;
  asio::steady_timer patience_timer_;
  bool scanning_ = false;
  bool claiming_ = false;
  batch::StoreHealth health_;
  // These two of the batch executor's thread; see Claim.
  Timestamp next_forgetting_{};
  std::map<ReservationId, TakenOver> unsure_;
  std::atomic<size_t> running_count_{0};
  RecentConflicts conflicts_;
  SameSeats same_seats_;
  bool watches_patience_ = false;
  const Shared<Reservation> none_;  // that was never made
  obs::Counter& claimed_;
  obs::Counter& refused_at_once_;
  obs::Counter& forgotten_;
};

}  // namespace boxoffice::reservation
