#include "services/reservation/service.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/mutant.h"
#include "platform/batch/execute.h"
#include "platform/obs/log.h"
#include "services/reservation/saga/run_trace.h"
#include "services/reservation/saga/show_reads.h"

namespace boxoffice::reservation {
namespace {

constexpr milliseconds kDrainPoll{10};
constexpr size_t kRenewedAtOnce = 256;
constexpr milliseconds kForgetEvery{3'600'000};
constexpr milliseconds kForgetAgain{1'000};  // while there are more
constexpr int64_t kForgetAtOnce = 1'000;     // some 30 ms at PostgreSQL, for which commands wait

// Everything but a new reservation goes on with one that there is.
resilience::Priority PriorityOf(const Command& command) {
  const bool is_new = std::holds_alternative<BeginReserve>(command) ||
                      std::holds_alternative<RefuseReserve>(command) ||
                      std::holds_alternative<BeginOffer>(command);
  return is_new ? resilience::Priority::kNormal : resilience::Priority::kFinishing;
}

// Of a request. What owners write of their sagas has none: it is written however late.
RequestDeadline DeadlineOf(const Command& command) {
  return std::visit(
      []<typename Body>(const Body& body) {
        if constexpr (requires { body.deadline; }) {
          return body.deadline;
        } else {
          return RequestDeadline::max();
        }
      },
      command);
}

// Asks for what the same request was answered before, and begins nothing; nullopt: it has no key.
std::optional<Command> AskAgain(const Command& command) {
  if (const auto* reserve = std::get_if<BeginReserve>(&command))
    return RefuseReserve{reserve->key, reserve->request_hash, reserve->reservation->saga.traceparent,
                         reserve->deadline};
  if (const auto* on = std::get_if<BeginOn>(&command))
    return RefuseReserve{on->key, on->request_hash, on->traceparent, on->deadline};
  return std::nullopt;
}

}  // namespace

// Writes through the batch executor and comes back to the saga's thread.
class Service::ExecutorBook final : public Book {
 public:
  ExecutorBook(asio::any_io_executor executor, batch::Executor<Command, Outcome>& batches)
      : inbox_(std::move(executor)), batches_(batches) {}

  asio::awaitable<Result<Outcome>> Write(Command& command) override {
    return batch::Execute(batches_, inbox_, command, TermsOf(command));
  }

  // The same for who is no coroutine.
  void Submit(Command command, std::move_only_function<void(Result<Outcome>)> done) {
    const resilience::Terms terms = TermsOf(command);
    batch::Submit(batches_, inbox_, std::move(command), std::move(done), terms);
  }

 private:
  static resilience::Terms TermsOf(const Command& command) {
    resilience::Terms terms;
    terms.priority = PriorityOf(command);
    terms.deadline = DeadlineOf(command);
    if (obs::TracingOn()) [[unlikely]]
      terms.trace = TraceOf(command);
    return terms;
  }

  batch::Inbox inbox_;
  batch::Executor<Command, Outcome>& batches_;
};

Service::Service(ServiceConfig config, asio::any_io_executor executor, Store& store, Reader& reader,
                 ShowReader& show_reader, Participants& participants, const Clock& clock, Random& random,
                 obs::Registry& metrics, std::function<void()> nudge)
    : config_(std::move(config)),
      executor_(executor),
      store_(store),
      reader_(reader),
      show_reader_(show_reader),
      participants_(participants),
      clock_(clock),
      random_(random),
      nudge_(std::move(nudge)),
      scan_timer_(executor),
      renew_timer_(executor),
      patience_timer_(executor),
      claimed_(
          metrics.GetCounter("boxoffice_saga_claimed_total", "Sagas taken over and expired holds taken up")),
      refused_at_once_(metrics.GetCounter("boxoffice_reservation_refused_at_once_total",
                                          "Reservations refused without a saga: their seats were just told "
                                          "to be taken, or the queue refuses the buyer")),
      forgotten_(metrics.GetCounter("boxoffice_retention_deleted_total", "Rows deleted because of their age",
                                    {{"service", "reservation"}, {"kind", "answer"}})) {
  batches_ = std::make_unique<batch::Executor<Command, Outcome>>(
      "reservation", config_.limits, [this](std::span<const Command> commands) { return RunBatch(commands); },
      metrics);
  book_ = std::make_unique<ExecutorBook>(executor, *batches_);
  runner_ = std::make_unique<Runner>(executor, participants_, *book_, clock_, random_, config_.policy,
                                     config_.retry, metrics);
  if (!config_.limits.turns) readers_ = std::make_unique<asio::thread_pool>(1);
}

Service::~Service() {
  if (readers_) readers_->join();
  batches_->Stop();
}

// A claim whose COMMIT ends unknown, and that runs again, finds nothing due any more: what it took over is
// told to it, or nobody would work on that until the leases end.
Result<Service::Outcomes> Service::RunBatch(std::span<const Command> commands) {
  std::vector<Command> told;
  if (!unsure_.empty()) {
    told.assign(commands.begin(), commands.end());
    for (Command& command : told) {
      if (auto* claim = std::get_if<Claim>(&command)) claim->unsure = unsure_;
    }
    commands = told;
  }
  auto outcomes = LoadDecideSave(commands);
  if (!outcomes) health_.Note(false);
  const auto is_claimed = [](const auto& one) { return one && std::holds_alternative<Claimed>(*one); };
  if (outcomes && std::ranges::any_of(*outcomes, is_claimed)) unsure_.clear();  // all of it has been told
  return outcomes;
}

void Service::NoteUnsure(const Outcomes& outcomes) {
  for (const std::optional<Outcome>& outcome : outcomes) {
    const auto* claimed = outcome ? std::get_if<Claimed>(&*outcome) : nullptr;
    if (claimed == nullptr) continue;
    for (const Shared<Reservation>& taken : claimed->reservations)
      unsure_[taken->id] = {taken->saga.id, taken->saga.epoch};
  }
}

// Of what has been taken over the next run tells which are its own.
void Service::ClaimAgain(Outcomes& outcomes) {
  NoteUnsure(outcomes);
  for (std::optional<Outcome>& outcome : outcomes) {
    if (outcome && std::holds_alternative<Claimed>(*outcome)) outcome.reset();
  }
}

// One transaction for all commands that waited.
Result<Service::Outcomes> Service::LoadDecideSave(std::span<const Command> commands) {
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(const Rows rows, store_.Load(KeysOf(commands), now));
  Decided decided = Decide(rows, commands, now, config_.policy);
  std::vector<std::optional<Outcome>> outcomes(std::make_move_iterator(decided.decision.outcomes.begin()),
                                               std::make_move_iterator(decided.decision.outcomes.end()));
  for (size_t i = 0; i < commands.size(); ++i) {
    if (decided.deferred[i]) outcomes[i].reset();
  }
  if (decided.decision.changes.empty()) return outcomes;
  const Result<std::vector<bool>> saved = store_.Save(decided.decision.changes);
  if (!saved && saved.error().code == Code::kUnknown) NoteUnsure(outcomes);
  if (!saved) return std::unexpected(saved.error());
  health_.Note(true);
  bool claim_again = false;
  std::vector<const Change*> moved;
  for (size_t i = 0; i < saved->size(); ++i) {
    if ((*saved)[i]) continue;
    const Change& change = decided.decision.changes[i];
    std::optional<Outcome>& outcome = outcomes[change.command];
    const Command& command = commands[change.command];
    if (auto* claimed = outcome ? std::get_if<Claimed>(&*outcome) : nullptr) {
      // Another replica was faster with this one, or the COMMIT that ended unknown is done by now.
      claim_again |= unsure_.contains(change.reservation->id);
      std::erase_if(claimed->reservations,
                    [&](const Reservation& r) { return r.id == change.reservation->id; });
    } else if (std::holds_alternative<BeginReserve>(command) || std::holds_alternative<BeginOn>(command) ||
               std::holds_alternative<BeginOffer>(command) ||
               std::holds_alternative<BeginEndForShow>(command) || std::holds_alternative<Resolve>(command)) {
      outcome.reset();  // the row, or the request, moved: decide again on what it is now
    } else if (!MUTANT("saga_stale_owner_writes")) {
      outcome = Stale{};
      if (!change.lease_only) moved.push_back(&change);
    }
  }
  if (claim_again) ClaimAgain(outcomes);
  nudge_();
  if (!moved.empty()) TellOwnWrites(moved, now, outcomes);
  ForgetOldRequests(now);
  return outcomes;
}

void Service::TellOwnWrites(std::span<const Change* const> moved, Timestamp now, Outcomes& outcomes) {
  Keys keys;
  for (const Change* change : moved) keys.reservations.push_back(change->reservation->id);
  std::ranges::sort(keys.reservations);
  auto rows = store_.Load(keys, now);
  for (const Change* change : moved) {
    std::optional<Outcome>& outcome = outcomes[change->command];
    if (!rows) {
      outcome.reset();  // decide again: it may have been this owner's own
      continue;
    }
    const auto found = rows->reservations.find(change->reservation->id);
    if (found != rows->reservations.end() && IsWritten(*change, found->second))
      outcome = Written{std::move(found->second)};
  }
}

void Service::ForgetOldRequests(Timestamp now) {
  if (now < next_forgetting_) return;
  const auto forgotten = store_.ForgetRequests(now - config_.policy.answers_kept, kForgetAtOnce);
  next_forgetting_ = now + (forgotten && forgotten->more ? kForgetAgain : kForgetEvery);
  if (forgotten) forgotten_.Add(static_cast<uint64_t>(forgotten->count));
  if (!forgotten) obs::Log(obs::Level::kWarning, "forgetting_failed", {{"detail", forgotten.error().detail}});
}

asio::awaitable<Result<Answer>> Service::BeginAndRun(Command command, bool sent_before) {
  if (!resilience::Admits(PriorityOf(command), running(), config_.max_running))
    co_return co_await AnswerWithoutRoom(std::move(command), sent_before);
  auto outcome = co_await book_->Write(command);
  auto* const started = outcome ? std::get_if<Started>(&*outcome) : nullptr;
  if (started == nullptr) co_return co_await AnswerWithout(std::move(outcome), sent_before);
  co_return co_await RunCounted(std::move(started->reservation));
}

asio::awaitable<Result<Answer>> Service::AnswerWithoutRoom(Command command, bool sent_before) {
  const Error overloaded{Code::kResourceExhausted, "overloaded", "too many sagas run"};
  std::optional<Command> again = AskAgain(command);
  if (!again) co_return std::unexpected(overloaded);
  auto outcome = co_await book_->Write(*again);
  if (outcome && std::holds_alternative<Refused>(*outcome)) co_return std::unexpected(overloaded);
  co_return co_await AnswerWithout(std::move(outcome), sent_before);
}

asio::awaitable<Result<Answer>> Service::AnswerWithout(Result<Outcome> outcome, bool sent_before) {
  if (!outcome) co_return std::unexpected(std::move(outcome).error());
  if (auto* error = std::get_if<Error>(&*outcome)) co_return std::unexpected(std::move(*error));
  if (auto* running = std::get_if<Running>(&*outcome)) co_return co_await StillRunning(*running, sent_before);
  auto* answered = std::get_if<Answered>(&*outcome);
  CHECK(answered != nullptr, "a request starts, is answered, or is an error");
  co_return std::move(answered->answer);
}

asio::awaitable<void> Service::TellWithout(Result<Outcome> outcome, bool sent_before, Done done) {
  auto answer = co_await AnswerWithout(std::move(outcome), sent_before);
  done(std::move(answer));
}

asio::awaitable<Result<Answer>> Service::StillRunning(Running request, bool sent_before) {
  const Error running{Code::kConflict, "idempotency_key_running",
                      "the first request with this key is still running"};
  if (!sent_before) co_return std::unexpected(running);
  auto found = co_await Read(request.reservation_id);
  if (!found) co_return std::unexpected(std::move(found).error());
  // Where another saga has begun meanwhile, whoever asks again is told what this one was answered.
  if (!*found || (*found)->saga.id != request.saga_id) co_return std::unexpected(running);
  // It may have ended meanwhile.
  Answer answer{**std::move(found), std::nullopt};
  if (answer.reservation->saga.status == SagaStatus::kDone) answer.refusal = answer.reservation->failure;
  co_return answer;
}

asio::awaitable<Result<std::optional<Reservation>>> Service::Read(ReservationId id) {
  auto get = [this, id] { return reader_.Get(id); };
  auto found = co_await ReadOn(readers_.get(), get);
  co_return found;
}

asio::awaitable<Result<Answer>> Service::RunCounted(Shared<Reservation> reservation) {
  running_count_.fetch_add(1, std::memory_order_relaxed);
  auto answer = co_await runner_->Run(std::move(reservation));
  running_count_.fetch_sub(1, std::memory_order_relaxed);
  if (answer && MayHaveFreed(answer->reservation)) conflicts_.Forget(answer->reservation->show_id);
  co_return answer;
}

void Service::Reserve(ReserveRequest request, Done done) {
  if (request.queue_refusal)
    return Refuse(std::move(request.request),
                  std::make_shared<const Refusal>(*std::move(request.queue_refusal)), std::move(done));
  if (auto known = conflicts_.Find(request.show_id, request.choice, clock_.Now()))
    return Refuse(std::move(request.request), std::move(known), std::move(done));
  if (same_seats_.MustWait(request.show_id, request.choice)) return Wait(std::move(request), std::move(done));
  Ask(std::move(request), std::move(done));
}

void Service::Ask(ReserveRequest request, Done done) {
  const SameSeats::Question question = same_seats_.Ask(request.show_id, request.choice);
  asio::co_spawn(executor_, ReserveSeats(std::move(request), question, std::move(done)), asio::detached);
}

void Service::Wait(ReserveRequest request, Done done) {
  const int64_t show_id = request.show_id;
  const SeatChoice choice = request.choice;
  same_seats_.Wait(show_id, choice, clock_.Now(),
                   [this, request = std::move(request),
                    done = std::move(done)](std::shared_ptr<const Refusal> refusal) mutable {
                     if (refusal == nullptr) return AskLater(std::move(request), std::move(done));
                     Refuse(std::move(request.request), std::move(refusal), std::move(done));
                   });
  WatchPatience();
}

// Not at once: an answer without a saga gives the next her turn, and so on.
void Service::AskLater(ReserveRequest request, Done done) {
  asio::post(executor_, [this, request = std::move(request), done = std::move(done)]() mutable {
    Ask(std::move(request), std::move(done));
  });
}

void Service::WatchPatience() {
  if (watches_patience_ || !same_seats_.AnyWaits()) return;
  watches_patience_ = true;
  patience_timer_.expires_after(SameSeats::kPatience);
  patience_timer_.async_wait([this](boost::system::error_code ended) {
    if (ended) return;
    watches_patience_ = false;
    same_seats_.LetGo(clock_.Now());
    WatchPatience();
  });
}

// No coroutine, as this is what nearly everybody gets in a race for a seat.
void Service::Refuse(Request request, std::shared_ptr<const Refusal> refusal, Done done) {
  RefuseReserve command{std::move(request.key), std::move(request.request_hash),
                        std::move(request.traceparent), request.deadline};
  book_->Submit(std::move(command), [this, refusal = std::move(refusal), done = std::move(done),
                                     sent_before = request.sent_before](Result<Outcome> outcome) mutable {
    if (!outcome || !std::holds_alternative<Refused>(*outcome)) {
      asio::co_spawn(executor_, TellWithout(std::move(outcome), sent_before, std::move(done)),
                     asio::detached);
      return;
    }
    refused_at_once_.Add();
    done(Answer{none_, *refusal});
  });
}

asio::awaitable<void> Service::ReserveSeats(ReserveRequest request, SameSeats::Question question, Done done) {
  const int64_t show_id = request.show_id;
  const Timestamp asked = clock_.Now();
  const auto id = ReservationId::Make(asked, random_);
  const uint64_t forgotten = conflicts_.forgotten(show_id);
  auto answer = co_await BeginReservation(std::move(request), id);
  std::optional<Refusal> refusal;
  // Else it is the answer that the same request got earlier, or the seats may have become free meanwhile.
  const bool is_new = answer && answer->reservation->id == id;
  if (is_new && forgotten == conflicts_.forgotten(show_id)) refusal = answer->refusal;
  const Timestamp now = clock_.Now();
  if (refusal) conflicts_.Note(show_id, answer->reservation->choice, *refusal, now);
  if (now - asked > SameSeats::kPatience) refusal.reset();
  same_seats_.Answered(question, refusal);
  done(std::move(answer));
}

asio::awaitable<Result<Answer>> Service::BeginReservation(ReserveRequest request, ReservationId id) {
  const Timestamp now = clock_.Now();
  const bool sent_before = request.request.sent_before;
  Reservation reservation;
  reservation.id = id;
  reservation.user_id = request.request.key.user_id;
  reservation.show_id = request.show_id;
  reservation.choice = std::move(request.choice);
  reservation.queue_token = std::move(request.queue_token);
  reservation.payment_method = std::move(request.payment_method);
  reservation.active_until = request.active_until;
  reservation.saga.id = SagaId::Make(now, random_);
  reservation.saga.kind = request.pay ? SagaKind::kOneShot : SagaKind::kHold;
  reservation.saga.owner = config_.owner;
  reservation.saga.traceparent = std::move(request.request.traceparent);
  BeginReserve begin{std::move(request.request.key), std::move(request.request.request_hash),
                     std::move(reservation), request.request.deadline};
  return BeginAndRun(std::move(begin), sent_before);
}

BeginOn Service::MakeBeginOn(Request& request, ReservationId id) {
  BeginOn begin;
  begin.key = std::move(request.key);
  begin.request_hash = std::move(request.request_hash);
  begin.traceparent = std::move(request.traceparent);
  begin.deadline = request.deadline;
  begin.reservation_id = id;
  begin.saga_id = SagaId::Make(clock_.Now(), random_);
  begin.owner = config_.owner;
  return begin;
}

asio::awaitable<Result<Answer>> Service::Confirm(ConfirmRequest request) {
  BeginOn begin = MakeBeginOn(request.request, request.reservation_id);
  begin.queue_token = std::move(request.queue_token);
  begin.token_show_id = request.token_show_id;
  begin.payment_method = std::move(request.payment_method);
  return BeginAndRun(std::move(begin), request.request.sent_before);
}

asio::awaitable<Result<Reservation>> Service::Find(ReservationId id, std::string user_id) {
  auto found = co_await Read(id);
  if (!found) co_return std::unexpected(std::move(found).error());
  if (!*found || (*found)->user_id != user_id)
    co_return Fail(Code::kNotFound, "reservation_not_found", "you have no such reservation");
  co_return **std::move(found);
}

asio::awaitable<Result<Answer>> Service::EndForShow(ReservationId id) {
  return BeginAndRun(BeginEndForShow{id, SagaId::Make(clock_.Now(), random_), config_.owner},
                     /*sent_before=*/false);
}

asio::awaitable<Result<Answer>> Service::Offer(Reservation offer) {
  offer.saga.id = SagaId::Make(clock_.Now(), random_);
  offer.saga.owner = config_.owner;
  return BeginAndRun(BeginOffer{std::move(offer)}, /*sent_before=*/false);
}

asio::awaitable<Result<Answer>> Service::Move(MoveRequest request) {
  BeginOn begin = MakeBeginOn(request.request, request.reservation_id);
  begin.move = std::move(request.move);
  begin.by_operator = true;
  begin.reason = std::move(request.reason);
  return BeginAndRun(std::move(begin), request.request.sent_before);
}

asio::awaitable<Result<Reservation>> Service::ResolveSaga(Resolve resolve) {
  Command command = std::move(resolve);
  auto outcome = co_await book_->Write(command);
  if (!outcome) co_return std::unexpected(outcome.error());
  if (auto* error = std::get_if<Error>(&*outcome)) co_return std::unexpected(std::move(*error));
  auto* written = std::get_if<Written>(&*outcome);
  CHECK(written != nullptr);
  co_return *written->reservation;
}

void Service::StartScanning() {
  scanning_ = true;
  asio::co_spawn(executor_, ScanLoop(), asio::detached);
  asio::co_spawn(executor_, RenewLoop(), asio::detached);
}

asio::awaitable<void> Service::Drain(milliseconds grace) {
  scanning_ = false;
  scan_timer_.cancel();
  renew_timer_.cancel();
  asio::steady_timer poll(executor_);
  const Timestamp end = clock_.Now() + grace;
  // A claim that is under way is waited for whatever the grace: what it brings is given up at once.
  while (claiming_ || (running() > 0 && clock_.Now() < end)) {
    poll.expires_after(kDrainPoll);
    co_await poll.async_wait(asio::use_awaitable);
  }
  co_await ReleaseLeases();
}

asio::awaitable<void> Service::ScanLoop() {
  while (scanning_) {
    claiming_ = true;
    const bool more = co_await ClaimDue();
    claiming_ = false;
    if (!scanning_) co_return;
    if (more) continue;
    scan_timer_.expires_after(config_.scan_every);
    boost::system::error_code ended;
    co_await scan_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  }
}

asio::awaitable<bool> Service::ClaimDue() {
  Claim claim;
  claim.owner = config_.owner;
  claim.limit = config_.claim_limit;
  const Timestamp now = clock_.Now();
  for (uint32_t i = 0; i < claim.limit; ++i) claim.saga_ids.push_back(SagaId::Make(now, random_));
  Command command = std::move(claim);
  auto outcome = co_await book_->Write(command);
  if (!outcome) {
    obs::Log(obs::Level::kWarning, "saga_scan_failed",
             {{"reason", outcome.error().reason}, {"detail", outcome.error().detail}});
    co_return false;
  }
  auto* claimed = std::get_if<Claimed>(&*outcome);
  CHECK(claimed != nullptr);
  claimed_.Add(claimed->reservations.size());
  const bool full = claimed->reservations.size() >= config_.claim_limit;
  std::map<ReservationId, uint64_t> given_up;
  for (Shared<Reservation>& reservation : claimed->reservations) {
    if (!scanning_) {
      given_up.emplace(reservation->id, reservation->saga.epoch);
      continue;
    }
    asio::co_spawn(executor_, RunDetached(std::move(reservation)), asio::detached);
  }
  co_await RenewAll(std::move(given_up), /*give_up=*/true);
  if (!full) co_return false;
  // What is due after an outage leaves confirmations their share.
  co_return resilience::Admits(resilience::Priority::kNormal, running(), config_.max_running);
}

asio::awaitable<void> Service::RunDetached(Shared<Reservation> reservation) {
  const ReservationId id = reservation->id;
  auto answer = co_await RunCounted(std::move(reservation));
  if (!answer) {
    obs::Log(obs::Level::kWarning, "saga_run_failed",
             {{"reservation", id.ToString()},
              {"reason", answer.error().reason},
              {"detail", answer.error().detail}});
  }
}

// Only what runs for long needs its lease renewed: what runs at one tick and still at the next.
asio::awaitable<void> Service::RenewLoop() {
  std::map<ReservationId, uint64_t> seen;
  while (scanning_) {
    renew_timer_.expires_after(config_.policy.renew_every);
    boost::system::error_code ended;
    co_await renew_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    if (!scanning_) co_return;
    const std::map<ReservationId, uint64_t> running = runner_->running();
    std::map<ReservationId, uint64_t> long_running;
    for (const auto& saga : running) {
      if (seen.contains(saga.first)) long_running.insert(saga);
    }
    co_await RenewAll(std::move(long_running), /*give_up=*/false);
    seen = running;
  }
}

asio::awaitable<void> Service::ReleaseLeases() { co_await RenewAll(runner_->running(), /*give_up=*/true); }

// Many in one transaction: where thousands wait for a participant, one after the other would take longer than
// the lease. Not all at once: other commands have their share. An owner that can't renew finds out at its
// next write.
asio::awaitable<void> Service::RenewAll(std::map<ReservationId, uint64_t> sagas, bool give_up) {
  size_t left = sagas.size();
  for (const auto& [id, epoch] : sagas) {
    Command command = Renew{id, epoch, give_up};
    if (--left % kRenewedAtOnce != 0) {
      book_->Submit(std::move(command), [](const Result<Outcome>&) {});
    } else {
      (void)co_await book_->Write(command);  // behind the others
    }
  }
}

}  // namespace boxoffice::reservation
