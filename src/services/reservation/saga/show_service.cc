#include "services/reservation/saga/show_service.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "platform/obs/log.h"
#include "services/reservation/saga/participants.h"
#include "services/reservation/saga/show_reads.h"

namespace boxoffice::reservation {
namespace {

constexpr milliseconds kDrainPoll{10};
constexpr uint32_t kMaxDoublings = 16;

}  // namespace

ShowService::ShowService(ShowServiceConfig config, asio::any_io_executor executor, ShowStore& store,
                         ShowReader& reader, Reader& reservations, Service& sagas, Shows& shows,
                         const Clock& clock, Random& random, obs::Registry& metrics)
    : config_(std::move(config)),
      executor_(executor),
      store_(store),
      reader_(reader),
      reservations_(reservations),
      sagas_(sagas),
      shows_(shows),
      clock_(clock),
      random_(random),
      inbox_(executor),
      scan_timer_(executor),
      renew_timer_(executor),
      seats_(executor, clock),
      progress_(executor, clock),
      rounds_(metrics.GetCounter("boxoffice_show_work_rounds_total",
                                 "Rounds of work on cancelled shows and waitlists")),
      failed_rounds_(metrics.GetCounter("boxoffice_show_work_failed_total",
                                        "Rounds that failed, and are done again later")) {
  batches_ = std::make_unique<batch::Executor<ShowCommand, ShowOutcome>>(
      "reservation_shows", config_.limits,
      [this](std::span<const ShowCommand> commands) { return RunBatch(commands); }, metrics);
  if (!config_.limits.turns) readers_ = std::make_unique<asio::thread_pool>(1);
}

ShowService::~ShowService() {
  if (readers_) readers_->join();
  batches_->Stop();
}

// A claim whose COMMIT ends unknown, and that runs again, finds nothing due any more: what it took over is
// told to it, or nobody would work on that until the lease ends.
Result<ShowService::Outcomes> ShowService::RunBatch(std::span<const ShowCommand> commands) {
  if (unsure_.empty()) return LoadDecideSave(commands);
  std::vector<ShowCommand> told(commands.begin(), commands.end());
  for (ShowCommand& command : told) {
    if (auto* claim = std::get_if<ClaimWork>(&command)) claim->unsure = unsure_;
  }
  return LoadDecideSave(told);
}

void ShowService::NoteUnsure(const ShowDecision& decision) {
  for (const ShowOutcome& outcome : decision.outcomes) {
    const auto* claimed = std::get_if<ClaimedWork>(&outcome);
    if (claimed == nullptr) continue;
    for (const ShowWork& work : claimed->works) unsure_[work.key] = work.epoch;
  }
}

// One transaction for all commands that waited.
Result<ShowService::Outcomes> ShowService::LoadDecideSave(std::span<const ShowCommand> commands) {
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(const ShowRows rows, store_.Load(KeysOf(commands), now));
  ShowDecision decision = Decide(rows, commands, now, config_.policy);
  Outcomes outcomes(commands.size());
  if (!decision.changes.empty()) {
    const Result<bool> saved = store_.Save(decision.changes);
    if (!saved && saved.error().code == Code::kUnknown) NoteUnsure(decision);
    if (!saved) return std::unexpected(saved.error());
    if (!*saved) return outcomes;  // another replica was faster: all are decided again
  }
  for (const ShowOutcome& outcome : decision.outcomes) {
    if (std::holds_alternative<ClaimedWork>(outcome)) unsure_.clear();  // all of it has been told
  }
  std::ranges::move(decision.outcomes, outcomes.begin());
  return outcomes;
}

asio::awaitable<Result<ShowOutcome>> ShowService::Write(ShowCommand command) {
  auto outcome = co_await batch::Execute(*batches_, inbox_, command);
  if (outcome) {
    if (auto* error = std::get_if<Error>(&*outcome)) outcome = std::unexpected(std::move(*error));
  }
  co_return outcome;
}

asio::awaitable<Result<Cancellation>> ShowService::Cancel(BeginCancellation command) {
  const int64_t show_id = command.show_id;
  auto show = co_await shows_.Get(show_id);
  if (!show) co_return std::unexpected(ErrorOfSeat(show.error()));
  if (show->phase != ShowPhase::kCancelled && clock_.Now() >= show->starts_at) {
    co_return Fail(Code::kConflict, "show_state", "a show that has begun can't be cancelled");
  }
  ShowCommand begin = std::move(command);
  auto outcome = co_await Write(std::move(begin));
  if (!outcome) co_return std::unexpected(outcome.error());
  scan_timer_.cancel();  // there is something to do
  Cancellation cancellation = std::get<ShowWork>(*outcome).cancellation;
  if (cancellation.state != CancellationState::kRunning) co_return cancellation;
  // Its first round may have to wait for others, and nothing is sold meanwhile. That round asks again, and
  // goes by what it is answered.
  if (cancellation.closed_at == Timestamp()) (void)co_await shows_.Cancel(show_id);
  co_return cancellation;
}

asio::awaitable<Result<std::optional<Cancellation>>> ShowService::CancellationOf(int64_t show_id) {
  auto read = [this, show_id] { return reader_.Work({show_id, WorkKind::kCancellation}); };
  auto work = co_await ReadOn(readers_.get(), read);
  if (!work) co_return std::unexpected(work.error());
  std::optional<Cancellation> cancellation;
  if (!*work) co_return cancellation;
  cancellation = std::move((*work)->cancellation);
  if (cancellation->state == CancellationState::kRunning) {
    auto count = [this, show_id] { return CountProgress(show_id); };
    auto progress = co_await progress_.Get(show_id, count);
    if (!progress) co_return std::unexpected(progress.error());
    cancellation->progress = *std::move(progress);
  }
  co_return cancellation;
}

asio::awaitable<Result<WaitlistPage>> ShowService::OpenPlaceOf(int64_t show_id, std::string user_id) {
  auto list = [this, show_id, &user_id] {
    WaitlistQuery query;
    query.show_id = show_id;
    query.user_id = user_id;
    query.which = Places::kOpen;
    return reader_.List(query);
  };
  auto found = co_await ReadOn(readers_.get(), list);
  co_return found;
}

// What the next look would write: it may be late, as it waits for the seat service, too.
asio::awaitable<Result<std::optional<WaitlistEntry>>> ShowService::EndOf(WaitlistEntry entry) {
  std::optional<WaitlistEntry> ended;
  if (entry.reservation.IsNil()) co_return ended;
  auto get = [&] { return reservations_.Get(entry.reservation); };
  auto offer = co_await ReadOn(readers_.get(), get);
  if (!offer) co_return std::unexpected(offer.error());
  if (!*offer) co_return ended;  // it has not begun
  if (IsEnding(**offer, clock_.Now())) {
    co_return Fail(Code::kUnavailable, "waitlist_offer_ending", "what becomes of the offer is not known yet");
  }
  ended = Settle(entry, **offer);
  if (ended && IsOpen(ended->state)) ended.reset();
  co_return ended;
}

asio::awaitable<Result<ShowService::Counts>> ShowService::CountSeats(int64_t show_id) {
  auto hall = co_await shows_.SeeSeats(show_id);
  if (!hall) co_return std::unexpected(hall.error());
  co_return std::make_shared<const HallCounts>(*hall);
}

asio::awaitable<Result<WaitlistEntry>> ShowService::Join(JoinWaitlist command) {
  auto known = co_await OpenPlaceOf(command.show_id, command.user_id);
  if (!known) co_return std::unexpected(known.error());
  if (!known->entries.empty()) {
    auto ended = co_await EndOf(known->entries.front());
    if (!ended) co_return std::unexpected(ended.error());
    command.ended = *std::move(ended);
  }
  if (known->entries.empty() || command.ended) {
    auto show = co_await shows_.Get(command.show_id);
    if (!show) co_return std::unexpected(ErrorOfSeat(show.error()));
    auto count = [this, show_id = command.show_id] { return CountSeats(show_id); };
    auto hall = co_await seats_.Get(command.show_id, count);
    if (!hall) co_return std::unexpected(ErrorOfSeat(hall.error()));
    if (auto refused = CheckWish(command.wish, *show, **hall)) co_return std::unexpected(*std::move(refused));
    command.wish_checked = true;
  }
  ShowCommand join = std::move(command);
  auto outcome = co_await Write(std::move(join));
  if (!outcome) co_return std::unexpected(outcome.error());
  co_return std::get<WaitlistEntry>(*std::move(outcome));
}

asio::awaitable<Result<WaitlistEntry>> ShowService::Leave(LeaveWaitlist command) {
  // By its place the command knows its own work where it runs again, as it does when its COMMIT ends unknown.
  auto open = co_await OpenPlaceOf(command.show_id, command.user_id);
  if (!open) co_return std::unexpected(open.error());
  if (!open->entries.empty()) {
    command.place = open->entries.front().place;
    auto ended = co_await EndOf(open->entries.front());
    if (!ended) co_return std::unexpected(ended.error());
    command.ended = *std::move(ended);
  }
  ShowCommand leave = std::move(command);
  auto outcome = co_await Write(std::move(leave));
  if (!outcome) co_return std::unexpected(outcome.error());
  co_return std::get<WaitlistEntry>(*std::move(outcome));
}

void ShowService::StartWorking() {
  working_ = true;
  asio::co_spawn(executor_, ScanLoop(), asio::detached);
  asio::co_spawn(executor_, RenewLoop(), asio::detached);
}

asio::awaitable<void> ShowService::Drain(milliseconds grace) {
  working_ = false;
  scan_timer_.cancel();
  renew_timer_.cancel();
  asio::steady_timer poll(executor_);
  const Timestamp end = clock_.Now() + grace;
  while (claiming_ || (!running_.empty() && clock_.Now() < end)) {
    poll.expires_after(kDrainPoll);
    co_await poll.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> ShowService::ScanLoop() {
  while (working_) {
    claiming_ = true;
    const bool more = co_await ClaimDue();
    claiming_ = false;
    if (!working_) co_return;
    scan_timer_.expires_after(more ? milliseconds(0) : config_.scan_every);
    boost::system::error_code ended;
    co_await scan_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  }
}

// By kind: cancellations, whose rounds may be long, leave waitlists their places, and the other way round.
std::map<WorkKind, uint32_t> ShowService::Room() const {
  std::map<WorkKind, uint32_t> room;
  for (const WorkKind kind : {WorkKind::kCancellation, WorkKind::kWaitlist}) {
    const auto is_of_kind = [kind](const auto& running) { return running.first.kind == kind; };
    const auto busy = static_cast<size_t>(std::ranges::count_if(running_, is_of_kind));
    if (busy < config_.max_works) room[kind] = static_cast<uint32_t>(config_.max_works - busy);
  }
  return room;
}

// True: there may be more that is due.
asio::awaitable<bool> ShowService::ClaimDue() {
  const std::map<WorkKind, uint32_t> room = Room();
  if (room.empty()) co_return false;
  ClaimWork claim;
  claim.owner = config_.owner;
  claim.limits = room;
  ShowCommand command = std::move(claim);
  auto outcome = co_await Write(std::move(command));
  if (!outcome) {
    obs::Log(obs::Level::kWarning, "show_work_scan_failed",
             {{"reason", outcome.error().reason}, {"detail", outcome.error().detail}});
    co_return false;
  }
  auto& works = std::get<ClaimedWork>(*outcome).works;
  const bool more = std::ranges::any_of(room, [&works](const auto& of) {
    const auto is_of_kind = [&of](const ShowWork& work) { return work.key.kind == of.first; };
    return std::ranges::count_if(works, is_of_kind) == static_cast<ptrdiff_t>(of.second);
  });
  for (ShowWork& work : works) asio::co_spawn(executor_, WorkOn(std::move(work)), asio::detached);
  co_return more;
}

// A round, and what it leaves. Where that can't be written, the lease ends by itself, and the round is done
// again.
asio::awaitable<void> ShowService::WorkOn(ShowWork work) {
  const WorkKey key = work.key;
  const auto lease = std::make_shared<Lease>();
  lease->epoch = work.epoch;
  // One that this replica still works on was claimed anew: its lease had ended.
  if (const auto older = running_.find(key); older != running_.end()) older->second->lost = true;
  running_[key] = lease;
  rounds_.Add();
  const bool cancels = key.kind == WorkKind::kCancellation;
  Result<ShowWork> done = Fail(Code::kUnavailable, "stopping");
  if (working_) {
    if (cancels) {
      done = co_await RunCancellation(work, lease);
    } else {
      done = co_await RunWaitlist(work, lease);
    }
  }
  if (done) {
    done->tries = 0;
  } else {
    const Error error = done.error();
    done = work;
    const uint32_t tries = working_ ? ++done->tries : done->tries;
    const auto backoff = config_.policy.first_backoff * (int64_t{1} << std::min(tries, kMaxDoublings));
    done->due_at =
        clock_.Now() + (working_ ? std::min(backoff, config_.policy.max_backoff) : milliseconds(0));
    done->cancellation.last_error = error.reason + ": " + error.detail;
    failed_rounds_.Add();
    obs::Log(obs::Level::kWarning, "show_work_failed",
             {{"show", key.show_id}, {"reason", error.reason}, {"detail", error.detail}});
  }
  if (!lease->lost) {
    KeepWork keep;
    keep.work = *std::move(done);
    ShowCommand command = std::move(keep);
    auto kept = co_await Write(std::move(command));
    if (!kept) obs::Log(obs::Level::kWarning, "show_work_not_kept", {{"reason", kept.error().reason}});
  }
  if (const auto found = running_.find(key); found != running_.end() && found->second == lease)
    running_.erase(found);
}

asio::awaitable<void> ShowService::RenewLoop() {
  while (working_) {
    renew_timer_.expires_after(config_.policy.renew_every);
    boost::system::error_code ended;
    co_await renew_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    if (!working_) co_return;
    const auto running = running_;
    for (const auto& [key, lease] : running) {
      ShowCommand command = RenewWork{key, lease->epoch};
      auto outcome = co_await Write(std::move(command));
      if (outcome && std::holds_alternative<StaleWork>(*outcome)) lease->lost = true;
    }
  }
}

}  // namespace boxoffice::reservation
