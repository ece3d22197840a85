// The batch executor: turns commands that arrive one by one into transactions of many.
//
// Commands wait in a bounded queue; one thread takes all that wait (at most max_batch), and hands them to the
// service's run function, which loads, decides, saves and commits. No timer: a lone command runs at once, and
// under load a batch is what has gathered while the last one was being committed.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/burst.h"
#include "base/check.h"
#include "base/result.h"
#include "platform/batch/batch_trace.h"
#include "platform/obs/log.h"
#include "platform/obs/metrics.h"
#include "platform/obs/span_context.h"
#include "platform/obs/warning_pace.h"
#include "platform/resilience/admission.h"

namespace boxoffice::batch {

struct Limits {
  size_t max_batch = 256;
  // Commands beyond this are refused with "overloaded"; new work is from four fifths of it on.
  size_t max_queue = 16'384;
  // A command whose rows keep moving, or whose database keeps failing, is given up after this many runs.
  int max_runs = 20;
  // And so is one whose COMMIT stays unknown, so long after it came: its caller no longer waits.
  std::chrono::milliseconds retry_for{10'000};
  // Where there is one, the executor has no thread: it asks this to call `turn` once, after `pause`, and runs
  // a batch then. For simulation, where everything runs on one thread.
  std::function<void(std::chrono::milliseconds pause, std::function<void()> turn)> turns;
};

// Thread-safe. Runs `run` on a thread of its own, so `run` and what it owns need no lock.
template <typename Command, typename Outcome>
class Executor {
 public:
  // Called once per command, on the executor's thread, after the commit; must not block.
  using Done = std::move_only_function<void(Result<Outcome>)>;
  // Runs commands as one transaction. An outcome per command, in order; nullopt: a row had moved meanwhile,
  // decide that command again. An error concerns the whole batch and says that nothing was done, or
  // (Code::kUnknown) that the commit may have been done: it runs again, so commands must be idempotent.
  using Run = std::function<Result<std::vector<std::optional<Outcome>>>(std::span<const Command>)>;

  // `name` labels metrics and logs.
  Executor(std::string name, Limits limits, Run run, obs::Registry& metrics)
      : name_(std::move(name)),
        limits_(limits),
        run_(std::move(run)),
        batch_size_(metrics.GetHistogram("boxoffice_batch_size", "Commands in one transaction",
                                         obs::SizeBounds(), {{"executor", name_}})),
        wait_seconds_(metrics.GetHistogram("boxoffice_batch_wait_seconds",
                                           "From arrival to the start of the transaction",
                                           obs::SecondsBounds(), {{"executor", name_}})),
        run_seconds_(metrics.GetHistogram("boxoffice_batch_run_seconds",
                                          "Load, decide, save and commit of one batch", obs::SecondsBounds(),
                                          {{"executor", name_}})),
        refused_(metrics.GetCounter("boxoffice_batch_refused_total",
                                    "Commands refused because the queue was full", {{"executor", name_}})),
        overdue_(metrics.GetCounter("boxoffice_batch_overdue_total",
                                    "Commands dropped unstarted because their callers had given up",
                                    {{"executor", name_}})),
        reruns_(metrics.GetCounter("boxoffice_batch_reruns_total",
                                   "Commands decided again because a row had moved", {{"executor", name_}})),
        queue_depth_(metrics.GetGauge("boxoffice_batch_queue_depth", "Commands that wait for a transaction",
                                      {{"executor", name_}})),
        metrics_(metrics) {
    metrics
        .GetGauge("boxoffice_batch_queue_limit",
                  "Commands that may wait; beyond, and new work from four fifths of it on, they are refused",
                  {{"executor", name_}})
        .Set(static_cast<double>(limits_.max_queue));
    for (const Code code : {Code::kUnavailable, Code::kUnknown})
      FailuresOf(code);  // the store's, to be seen at 0
    if (!limits_.turns) thread_ = std::thread([this] { Loop(); });
  }

  // Runs what waits, then ends the thread.
  ~Executor() { Stop(); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Queues a command. Errors (through `done`, at once, on this thread): overloaded (kResourceExhausted),
  // stopping (kUnavailable); and later deadline_passed (kUnavailable): it was never started.
  void Submit(Command command, Done done, resilience::Terms terms = {}) {
    std::unique_lock lock(mutex_);
    if (stopping_ || !resilience::Admits(terms.priority, queue_.size(), limits_.max_queue)) {
      const bool stopping = stopping_;
      lock.unlock();
      if (!stopping) refused_.Add();
      done(stopping ? Fail(Code::kUnavailable, "stopping", name_)
                    : Fail(Code::kResourceExhausted, "overloaded", name_));
      return;
    }
    queue_.push_back({std::move(command), std::move(done), SteadyClock::now(), terms.deadline, terms.trace});
    queue_depth_.Set(static_cast<double>(queue_.size()));
    const bool wake = idle_;
    lock.unlock();
    // With the rest of what comes in one go, so that its transaction has it all.
    if (wake) Burst::AtEnd([this] { wake_.notify_one(); });
    if (limits_.turns) AskForTurn({});
  }

  // Refuses new commands, runs what waits, ends the thread. Again: no effect.
  void Stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
    if (limits_.turns) Loop();
  }

 private:
  using SteadyClock = std::chrono::steady_clock;
  struct Item {
    Command command;
    Done done;
    SteadyClock::time_point arrived;
    SteadyClock::time_point deadline;
    obs::SpanContext trace;  // none, unless it is sampled
    int runs = 0;
    bool unknown = false;  // a run of it may have been committed
  };

  static constexpr std::chrono::milliseconds kFirstBackoff{5};
  static constexpr std::chrono::milliseconds kMaxBackoff{500};

  void Loop() {
    std::vector<Item> items;
    while (Take(items)) {
      RunTaken(items);
      items.clear();
    }
  }

  void RunTaken(std::vector<Item>& items) {
    const auto now = SteadyClock::now();
    for (const Item& item : items) {
      if (item.runs == 0) wait_seconds_.Observe(std::chrono::duration<double>(now - item.arrived).count());
    }
    DropOverdue(items, now);
    if (!items.empty()) RunItems(items);
  }

  // With limits_.turns, whose thread is the only one.
  void AskForTurn(std::chrono::milliseconds pause) {
    if (turn_asked_) return;
    turn_asked_ = true;
    limits_.turns(pause, [this] {
      turn_asked_ = false;
      pause_ = {};
      std::vector<Item> items;
      if (!queue_.empty() && Take(items)) RunTaken(items);
      if (!queue_.empty()) AskForTurn(pause_);
    });
  }

  bool Take(std::vector<Item>& items) {
    // Lets whoever is ready to run on this processor go first, so that what they submit is in this batch too.
    // Returns at once if nobody is, so that a lone command is not delayed.
    std::this_thread::yield();
    std::unique_lock lock(mutex_);
    idle_ = true;
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    idle_ = false;
    const size_t count = std::min(queue_.size(), limits_.max_batch);
    items.reserve(count);
    std::move(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(count), std::back_inserter(items));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(count));
    queue_depth_.Set(static_cast<double>(queue_.size()));
    return count > 0;
  }

  // Nobody waits for these any more, and they have certainly had no effect. What was run before is decided
  // again all the same: its commit may have been done.
  void DropOverdue(std::vector<Item>& items, SteadyClock::time_point now) {
    const size_t dropped = std::erase_if(items, [&](Item& item) {
      if (item.runs > 0 || item.deadline > now) return false;
      item.done(Fail(Code::kUnavailable, "deadline_passed", name_));
      return true;
    });
    overdue_.Add(dropped);
  }

  void RunItems(std::span<Item> items) {
    std::vector<Command> commands;
    commands.reserve(items.size());
    for (Item& item : items) {
      ++item.runs;
      commands.push_back(std::move(item.command));
    }
    batch_size_.Observe(static_cast<double>(items.size()));
    const auto start = SteadyClock::now();
    auto outcomes = RunGuarded(commands);
    run_seconds_.Observe(std::chrono::duration<double>(SteadyClock::now() - start).count());
    if (!outcomes) {
      for (size_t i = 0; i < items.size(); ++i) items[i].command = std::move(commands[i]);
      HandleFailure(items, start, outcomes.error());
      return;
    }
    Trace(items, start, nullptr, /*always=*/false);
    CHECK(outcomes->size() == items.size(), "{}: an outcome for each command", name_);
    std::vector<Item> moved;
    const Burst burst;
    for (size_t i = 0; i < items.size(); ++i) {
      if ((*outcomes)[i].has_value()) {
        items[i].done(std::move(*(*outcomes)[i]));
      } else if (items[i].runs >= limits_.max_runs) {
        const std::string kept_moving = name_ + ": the row kept moving";
        items[i].done(items[i].unknown ? Fail(Code::kUnknown, "commit_unknown", kept_moving)
                                       : Fail(Code::kUnavailable, "contention", kept_moving));
      } else {
        items[i].command = std::move(commands[i]);
        moved.push_back(std::move(items[i]));
      }
    }
    reruns_.Add(moved.size());
    PutBack(moved);
  }

  void Trace(std::span<const Item> items, SteadyClock::time_point start, const Error* error,
             bool always) const {
    if (!obs::TracingOn()) [[likely]]
      return;
    BatchTrace trace;
    for (const Item& item : items) {
      if (item.trace) trace.Add(item.trace, item.arrived);
    }
    trace.End(name_, items.size(), start, error, always);
  }

  Result<std::vector<std::optional<Outcome>>> RunGuarded(std::span<const Command> commands) {
    try {
      return run_(commands);
    } catch (const std::exception& e) {  // a third party's throw becomes an error of this batch
      return Fail(Code::kInternal, "exception", e.what());
    }
  }

  // One bad command never fails its neighbours: the batch is halved until the bad one is alone. Only the
  // store's own trouble is everybody's, and asking it again for each command would take as long for each.
  void HandleFailure(std::span<Item> items, SteadyClock::time_point start, const Error& error) {
    const bool of_the_store = error.code == Code::kUnknown || error.code == Code::kUnavailable;
    if (!of_the_store && items.size() > 1) {
      Trace(items, start, &error, /*always=*/false);
      RunItems(items.first(items.size() / 2));
      RunItems(items.subspan(items.size() / 2));
      return;
    }
    TellFailure(items, start, error);
    std::vector<Item> again;
    for (Item& item : items) {
      item.unknown |= error.code == Code::kUnknown;
      const bool in_time = SteadyClock::now() - item.arrived < limits_.retry_for;
      if (item.unknown && item.runs < limits_.max_runs && in_time) {
        again.push_back(std::move(item));
        continue;
      }
      // A later run that did nothing does not say that an earlier one did nothing.
      item.done(item.unknown ? Fail(Code::kUnknown, "commit_unknown", error.detail) : std::unexpected(error));
    }
    if (again.empty()) return;
    // The result of a COMMIT is unknown: after a pause, decide again; commands are idempotent.
    const auto pause = std::min(kFirstBackoff * (1 << std::min(again.front().runs, 10)), kMaxBackoff);
    if (limits_.turns) {
      pause_ = pause;
    } else {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, pause, [this] { return stopping_; });
    }
    PutBack(again);
  }

  // While the store is away, each call is a batch of its own that fails at once: all are counted; of each
  // reason a warning a second is told, and a span with it.
  void TellFailure(std::span<const Item> items, SteadyClock::time_point start, const Error& error) {
    FailuresOf(error.code).Add();
    const auto [level, others] = failed_[error.reason].Next(SteadyClock::now().time_since_epoch());
    Trace(items, start, &error, /*always=*/level == obs::Level::kWarning);
    if (!obs::Logs(level)) return;
    obs::Log(level, "batch_failed",
             {{"executor", name_},
              {"reason", error.reason},
              {"detail", error.detail},
              {"commands", items.size()},
              {"runs", items.front().runs},
              {"others", others}});
  }

  obs::Counter& FailuresOf(Code code) {
    return metrics_.GetCounter(
        "boxoffice_batch_failures_total",
        "Transactions that failed: in the store, or by a command that had to be singled out",
        {{"executor", name_}, {"code", std::string(CodeName(code))}});
  }

  void PutBack(std::vector<Item>& items) {
    if (items.empty()) return;
    const std::scoped_lock lock(mutex_);
    queue_.insert(queue_.begin(), std::make_move_iterator(items.begin()),
                  std::make_move_iterator(items.end()));
    queue_depth_.Set(static_cast<double>(queue_.size()));
  }

  const std::string name_;
  const Limits limits_;
  const Run run_;
  obs::Histogram& batch_size_;
  obs::Histogram& wait_seconds_;
  obs::Histogram& run_seconds_;
  obs::Counter& refused_;
  obs::Counter& overdue_;
  obs::Counter& reruns_;
  obs::Gauge& queue_depth_;  // set with the lock, so that the last to set it saw the queue last
  obs::Registry& metrics_;
  std::map<std::string, obs::WarningPace> failed_;  // by reason; of the thread alone
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  bool idle_ = false;
  bool stopping_ = false;
  bool turn_asked_ = false;            // these two with limits_.turns only
  std::chrono::milliseconds pause_{};  // before the next turn
  std::thread thread_;                 // last: starts when all else is made
};

}  // namespace boxoffice::batch
