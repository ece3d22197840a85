#include "services/reservation/saga/runner.h"

#include <algorithm>
#include <ranges>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"
#include "platform/obs/log.h"
#include "services/reservation/saga/run_trace.h"

namespace boxoffice::reservation {
namespace {

// With the pauses between them they take longer than the queue needs to elect another leader.
constexpr int kCompleteTries = 10;
// Said by payment: a way to pay that there is not.
constexpr std::string_view kMethodUnknown = "method_unknown";
// How the timeline calls what keeps the seats of a reservation that becomes HELD again.
constexpr std::string_view kKeepSeats = "keep-seats";
// Codes of refusals that compensations are counted by, and reasons to wait; they come from our own services,
// which have fewer.
constexpr size_t kMaxCauses = 64;

// `name`, or "other" where that would be one more than are counted.
template <typename Known>
std::string NameIn(const Known& known, std::string name) {
  return known.contains(name) || known.size() < kMaxCauses ? std::move(name) : "other";
}

// What the buyer is told of a step that did not succeed.
Refusal FailureOf(const StepResult& result, std::string_view step) {
  if (result.refusal) return *result.refusal;
  Refusal refusal;
  refusal.code = "saga_timed_out";
  refusal.detail = fmt::format("{} gave no certain answer in time ({})", step, KindName(result.kind));
  return refusal;
}

// What operators are told of a step that waits: of a refusal also the payment provider's own code.
std::string LastErrorOf(const StepResult& result, std::string_view step) {
  std::string said = fmt::format("{}: {} {}", step, KindName(result.kind), ReasonOf(result));
  const std::string& more = result.refusal ? result.refusal->provider_code : result.error.detail;
  if (!more.empty()) said.append(" ").append(more);
  return said;
}

// The step that a saga which was postponed has waited for, as its timeline has it; the last one where nothing
// is on record, as where the process that ran it died.
int StepWaitedFor(const Saga& saga) {
  const std::vector<Step>& steps = DefinitionOf(saga.kind).steps;
  for (const TimelineEntry& entry : saga.timeline | std::views::reverse) {
    const auto step = std::ranges::find(steps, std::string_view(entry.step), &Step::name);
    if (!entry.undo && step != steps.end()) return static_cast<int>(step - steps.begin());
  }
  return static_cast<int>(steps.size()) - 1;
}

void LogStep(const Reservation& reservation, std::string_view step, bool undo, const StepResult& result) {
  obs::Log(obs::Level::kDebug, "saga_step",
           {{"reservation", reservation.id.ToString()},
            {"saga", reservation.saga.id.ToString()},
            {"step", step},
            {"direction", undo ? "undo" : "forward"},
            {"outcome", KindName(result.kind)}},
           reservation.saga.traceparent);
}

}  // namespace

Runner::Runner(asio::any_io_executor executor, Participants& participants, Book& book, const Clock& clock,
               Random& random, const Policy& policy, RetryPolicy retry, obs::Registry& metrics)
    : executor_(std::move(executor)),
      participants_(participants),
      book_(book),
      clock_(clock),
      random_(random),
      policy_(policy),
      retry_(retry),
      metrics_(metrics),
      saga_seconds_(metrics.GetHistogram("boxoffice_saga_seconds",
                                         "One run of a saga, of which one that has to wait has several",
                                         obs::SecondsBounds())) {}

asio::awaitable<Result<Answer>> Runner::Run(Shared<Reservation> reservation) {
  const ReservationId id = reservation->id;
  const uint64_t epoch = reservation->saga.epoch;
  const auto [entry, added] = running_.emplace(id, epoch);
  if (!added) {
    // A claim of what this replica still runs: the newer epoch takes over, the older run is refused at its
    // next write.
    entry->second = std::max(entry->second, epoch);
  }
  const Timestamp start = clock_.Now();
  const RunTrace trace(reservation.Own().saga);
  const auto ended = co_await RunOwned(reservation, start);
  Result<Answer> answer = AnswerOf(ended, std::move(reservation));
  trace.End(answer);
  saga_seconds_.Observe(std::chrono::duration<double>(clock_.Now() - start).count());
  if (const auto found = running_.find(id); found != running_.end() && found->second == epoch)
    running_.erase(found);
  if (answer) {
    RunsOf(answer->reservation->saga.kind, answer->reservation->state).Add();
  }
  co_return answer;
}

Result<Answer> Runner::AnswerOf(const Result<Ended>& ended, Shared<Reservation>&& reservation) {
  if (!ended) return std::unexpected(ended.error());
  Answer answer{std::move(reservation), std::nullopt};
  if (*ended == Ended::kOver) answer.refusal = answer.reservation->failure;
  return answer;
}

obs::Counter& Runner::RunsOf(SagaKind kind, State state) {
  obs::Counter*& runs = runs_[{kind, state}];
  if (runs == nullptr) {
    runs = &metrics_.GetCounter(
        "boxoffice_saga_runs_total", "Runs of sagas by kind and the state they ended in",
        {{"kind", std::string(KindName(kind))}, {"state", std::string(StateName(state))}});
  }
  return *runs;
}

void Runner::CountTry(TryMetrics& tries, std::string_view step, bool undo, StepResult::Kind kind,
                      std::chrono::duration<double> time) {
  const char* const direction = undo ? "undo" : "forward";
  if (tries.seconds == nullptr) {
    tries.seconds =
        &metrics_.GetHistogram("boxoffice_saga_step_seconds",
                               "One try of a saga's step, or of its undo, to what the participant said",
                               obs::SecondsBounds(), {{"step", std::string(step)}, {"direction", direction}});
  }
  tries.seconds->Observe(time.count());
  obs::Counter*& counter = tries.by_kind[static_cast<size_t>(kind)];
  if (counter == nullptr) {
    counter = &metrics_.GetCounter(
        "boxoffice_saga_steps_total", "Tries of sagas' steps and undos, by what the participant said",
        {{"step", std::string(step)}, {"direction", direction}, {"outcome", std::string(KindName(kind))}});
  }
  counter->Add();
}

void Runner::CountCompensation(const Reservation& reservation, std::string_view step) {
  const std::string cause = NameIn(causes_, reservation.failure ? reservation.failure->code : "none");
  causes_.insert(cause);
  metrics_
      .GetCounter("boxoffice_saga_compensations_total",
                  "Decisions to undo, by the step that did not succeed and the code of its refusal",
                  {{"kind", std::string(KindName(reservation.saga.kind))},
                   {"step", std::string(step)},
                   {"cause", cause}})
      .Add();
}

asio::awaitable<Result<Runner::Ended>> Runner::RunOwned(Shared<Reservation>& reservation,
                                                        Timestamp run_start) {
  const Saga& saga = reservation->saga;
  // While two versions of the program run side by side: a list that is not ours is left to those who know it.
  if (saga.kind == SagaKind::kUnknown || saga.definition_version != DefinitionOf(saga.kind).version) {
    co_return Fail(Code::kUnavailable, "saga_version_unknown",
                   fmt::format("version {}", saga.definition_version));
  }
  if (saga.undoing) co_return co_await GoBack(reservation, run_start);
  if (IsLate(reservation)) {
    StepResult late;
    late.kind = StepResult::Kind::kUnknown;
    late.error = Error{Code::kUnknown, "saga_deadline", "the saga's deadline has passed"};
    co_return co_await DecideToUndo(reservation, run_start, StepWaitedFor(saga), std::move(late));
  }
  co_return co_await GoForward(reservation, run_start);
}

bool Runner::IsLate(const Reservation& reservation) const {
  if (MUTANT("saga_keeps_deadline")) return false;
  return DefinitionOf(reservation.saga.kind).can_undo && clock_.Now() > reservation.saga.deadline;
}

asio::awaitable<Result<Runner::Ended>> Runner::GoForward(Shared<Reservation>& reservation,
                                                         Timestamp run_start) {
  const SagaDefinition& definition = DefinitionOf(reservation->saga.kind);
  std::vector<TimelineEntry>& timeline = reservation.Own().saga.timeline;
  timeline.reserve(timeline.size() + definition.steps.size());
  for (size_t i = 0; i < definition.steps.size(); ++i) {
    const Step& step = definition.steps[i];
    StepResult result =
        co_await Perform(reservation.Own(), run_start, step.name, step.action, /*undo=*/false);
    if (result.kind == StepResult::Kind::kDone) continue;
    if (MUTANT("saga_unknown_is_done") && result.kind == StepResult::Kind::kUnknown) continue;
    const bool taken_for_no = MUTANT("saga_unknown_is_refused") && result.kind == StepResult::Kind::kUnknown;
    const bool wait = MayComeRight(result.kind) && !IsLate(reservation) && !taken_for_no;
    const bool ends = result.kind == StepResult::Kind::kRefused && step.on_refusal == OnRefusal::kEndThere;
    if (wait || !(definition.can_undo || ends))
      co_return co_await PostponeIt(reservation, std::move(result), step.name);
    co_return co_await DecideToUndo(reservation, run_start, static_cast<int>(i), std::move(result));
  }
  Settle(reservation.Own(), definition.done);
  co_return co_await FinishIt(reservation);
}

// The step that was refused is undone too: its tombstone keeps a late duplicate from succeeding. How far an
// earlier run got is not on record, so a later one undoes all that the first may have done, from the last
// step.
asio::awaitable<Result<Runner::Ended>> Runner::DecideToUndo(Shared<Reservation>& reservation,
                                                            Timestamp run_start, int failed_step,
                                                            StepResult result) {
  Reservation& next = reservation.Own();
  const SagaDefinition& definition = DefinitionOf(next.saga.kind);
  const Step& step = definition.steps[static_cast<size_t>(failed_step)];
  const std::optional<int> undo_to = co_await KeepHold(next, run_start, failed_step, result);
  next.saga.undoing = true;
  const bool first_run = next.saga.epoch == 1;
  next.saga.undo_from = first_run || MUTANT("saga_undo_from_failed")
                            ? failed_step
                            : static_cast<int>(definition.steps.size()) - 1;
  if (MUTANT("saga_undo_forgets_failed")) --next.saga.undo_from;
  next.saga.undo_to = undo_to.value_or(0);
  next.saga.undone_state = undo_to ? State::kHeld : definition.undone;
  next.failure = FailureOf(result, step.name);
  CountCompensation(next, step.name);
  if (MUTANT("saga_undo_not_written")) co_return co_await GoBack(reservation, run_start);
  Command undo = Undo{reservation};
  auto written = co_await Write(undo, reservation);
  if (!written) co_return std::unexpected(written.error());
  co_return co_await GoBack(reservation, run_start);
}

asio::awaitable<std::optional<int>> Runner::KeepHold(Reservation& reservation, Timestamp run_start,
                                                     int failed_step, const StepResult& result) {
  const auto& steps = DefinitionOf(reservation.saga.kind).steps;
  const OnRefusal on_refusal = steps[static_cast<size_t>(failed_step)].on_refusal;
  if (result.kind != StepResult::Kind::kRefused) co_return std::nullopt;
  const int hold = static_cast<int>(std::ranges::find(steps, true, &Step::is_hold) - steps.begin());
  if (on_refusal == OnRefusal::kKeepHold) co_return std::min(failed_step, hold);
  if (on_refusal != OnRefusal::kGrace) co_return std::nullopt;
  // No provider was asked, and the buyer only has to correct it.
  const bool is_mistake = result.refusal && result.refusal->code == kMethodUnknown;
  if (is_mistake && reservation.saga.kind == SagaKind::kConfirm) co_return hold;
  if (reservation.grace == milliseconds(0)) co_return std::nullopt;
  // Before the decision, so that it stands on seats that are held for certain.
  const StepResult held = co_await Perform(reservation, run_start, kKeepSeats, HoldForGrace, /*undo=*/false);
  if (held.kind != StepResult::Kind::kDone) co_return std::nullopt;
  co_return hold;
}

asio::awaitable<Result<Runner::Ended>> Runner::GoBack(Shared<Reservation>& reservation, Timestamp run_start) {
  Reservation& next = reservation.Own();
  const SagaDefinition& definition = DefinitionOf(next.saga.kind);
  for (int i = next.saga.undo_from; i >= next.saga.undo_to; --i) {
    const Step& step = definition.steps[static_cast<size_t>(i)];
    const bool keeps = step.is_hold && next.saga.undone_state == State::kHeld;
    const Action undo = keeps ? &KeepSeats : step.undo;
    if (undo == kNothingToUndo) continue;
    const std::string_view name = keeps ? kKeepSeats : step.name;
    StepResult result = co_await Perform(next, run_start, name, undo, /*undo=*/!keeps);
    // An undo has no business reason to fail: whatever it is, it is tried again.
    if (result.kind != StepResult::Kind::kDone && !MUTANT("saga_undo_forward")) {
      auto postponed = co_await PostponeIt(reservation, std::move(result), name);
      // The buyer has everything back, and does not wait for the rest.
      if (postponed && !step.gives_back) postponed = Ended::kOver;
      co_return postponed;
    }
  }
  next.state = next.saga.undone_state;
  next.returned.reset();
  co_return co_await FinishIt(reservation);
}

asio::awaitable<Result<Runner::Ended>> Runner::PostponeIt(Shared<Reservation>& reservation, StepResult result,
                                                          std::string_view step) {
  Reservation& next = reservation.Own();
  next.saga.last_error = LastErrorOf(result, step);
  LogPostponed(next, fmt::format("{} {}", step, ReasonOf(result)));
  Command postpone = Postpone{reservation};
  auto written = co_await Write(postpone, reservation);
  if (!written) co_return std::unexpected(written.error());
  co_return Ended::kLater;
}

// Each saga's own error is with its reservation, too; its line, at debug level.
void Runner::LogPostponed(const Reservation& reservation, std::string reason) {
  obs::WarningPace& pace = postponed_[NameIn(postponed_, std::move(reason))];
  const auto [level, others] = pace.Next(clock_.Now().time_since_epoch());
  if (!obs::Logs(level)) return;
  obs::Log(level, "saga_postponed",
           {{"reservation", reservation.id.ToString()},
            {"saga", reservation.saga.id.ToString()},
            {"error", reservation.saga.last_error},
            {"others", others}},
           reservation.saga.traceparent);
}

asio::awaitable<Result<Runner::Ended>> Runner::FinishIt(Shared<Reservation>& reservation) {
  if (reservation->state != State::kHeld) reservation.Own().hold_expires_at = Timestamp();
  Command finish = Finish{reservation};
  auto written = co_await Write(finish, reservation);
  if (!written) co_return std::unexpected(written.error());
  const bool bought = reservation->state == State::kConfirmed && IsPurchase(reservation->saga.kind);
  if (bought && !reservation->from_waitlist)
    asio::co_spawn(executor_, CompleteQueue(reservation), asio::detached);
  co_return Ended::kOver;
}

asio::awaitable<StepResult> Runner::Perform(Reservation& reservation, Timestamp run_start,
                                            std::string_view step, Action action, bool undo) {
  Timestamp start = clock_.Now();
  StepContext context{participants_, reservation, policy_, start};
  milliseconds pause = retry_.first_pause;
  Known& known = KnownOf(step);
  known.budget.CountCall(start.time_since_epoch());
  for (int retry = 0;; ++retry) {
    const StepTrace trace(reservation.saga);
    StepResult result = co_await action(context);
    trace.End(reservation.saga, step, undo, result);
    const Timestamp end = std::max(clock_.Now(), start);  // it may be set back
    CountTry(known.measured[undo ? 1 : 0], step, undo, result.kind, end - start);
    if (obs::Logs(obs::Level::kDebug)) LogStep(reservation, step, undo, result);
    const auto took = std::chrono::microseconds(end - start).count();
    AddToTimeline(reservation.saga, {std::string(step), undo, std::string(KindName(result.kind)),
                                     std::string(ReasonOf(result)), start, static_cast<uint32_t>(took)});
    const bool again = MayComeRight(result.kind) && retry < retry_.retries &&
                       end - run_start < retry_.give_up_after && TakeRetry(known.budget, step);
    if (!again) co_return result;
    co_await Pause(pause);
    pause *= 2;
    start = clock_.Now();
  }
}

Runner::Known& Runner::KnownOf(std::string_view step) {
  auto found = steps_.find(step);
  if (found == steps_.end())
    found = steps_.try_emplace(std::string(step), resilience::RetryBudget(retry_.budget)).first;
  return found->second;
}

bool Runner::TakeRetry(resilience::RetryBudget& budget, std::string_view step) {
  if (budget.TakeRetry(clock_.Now().time_since_epoch())) return true;
  metrics_
      .GetCounter("boxoffice_saga_retries_refused_total",
                  "Steps that were not repeated at once because the budget for it is used",
                  {{"step", std::string(step)}})
      .Add();
  return false;
}

asio::awaitable<Result<void>> Runner::Write(Command& command, Shared<Reservation>& reservation) {
  auto outcome = co_await book_.Write(command);
  if (!outcome) co_return std::unexpected(outcome.error());
  auto* written = std::get_if<Written>(&*outcome);
  if (written == nullptr) {
    obs::Log(obs::Level::kWarning, "saga_not_owner",
             {{"reservation", reservation->id.ToString()}, {"epoch", reservation->saga.epoch}},
             reservation->saga.traceparent);
    co_return Fail(Code::kUnavailable, "not_owner", "another replica runs this saga");
  }
  reservation = std::move(written->reservation);
  co_return Result<void>();
}

asio::awaitable<void> Runner::CompleteQueue(Shared<Reservation> reservation) {
  milliseconds pause = retry_.first_pause;
  for (int tries = 1;; ++tries) {
    const StepResult result = co_await participants_.CompleteQueue(*reservation);
    const bool again =
        MayComeRight(result.kind) && tries < kCompleteTries && uncompleted_ < retry_.max_uncompleted;
    if (!again) co_return;
    ++uncompleted_;
    co_await Pause(pause);
    --uncompleted_;
    pause *= 2;
  }
}

asio::awaitable<void> Runner::Pause(milliseconds longest) {
  asio::steady_timer timer(executor_);
  timer.expires_after(milliseconds(random_.Below(static_cast<uint64_t>(longest.count()) + 1)));
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace boxoffice::reservation
