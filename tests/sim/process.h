// A process of the simulation: it can die and stand still at any of its effects, its clock is off, and
// whoever comes after it finds what was committed, and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "platform/batch/executor.h"
#include "platform/bus/bus.h"
#include "platform/obs/metrics.h"
#include "platform/outbox/outbox.h"
#include "sim/faults.h"
#include "sim/outside.h"
#include "sim/scheduler.h"

namespace boxoffice::sim {

// What all processes share.
struct Ground {
  Scheduler& scheduler;
  Injector& injector;
  Rng& rng;
  obs::Registry& metrics;
  SimBus& bus;
  std::function<void(std::string)> note;  // for the timeline; empty: nobody reads it
  bool reading = false;                   // somebody takes time to read
};

// Past every deadline of a call and of a saga (see SimPolicy).
inline constexpr int64_t kLateUs = 14'000'000;
inline constexpr int64_t kPastLeaseUs = 4'500'000;

class ProcessClock final : public Clock {
 public:
  ProcessClock(const Scheduler& scheduler, milliseconds skew) : scheduler_(scheduler), skew_(skew) {}
  [[nodiscard]] Timestamp Now() const override { return scheduler_.Now() + skew_; }

 private:
  const Scheduler& scheduler_;
  const milliseconds skew_;
};

class Process {
 public:
  Process(Ground& ground, std::string name, milliseconds skew)
      : ground_(ground),
        name_(std::move(name)),
        clock_(ground.scheduler, skew),
        life_(std::make_shared<Life>()) {}
  virtual ~Process() { life_->dead = true; }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool dead() const { return life_->dead; }
  [[nodiscard]] const std::shared_ptr<Life>& life() const { return life_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] Ground& ground() { return ground_; }
  void Die(std::string_view why);
  void Pause(int64_t us);
  void After(int64_t delay_us, Scheduler::Task task) {
    ground_.scheduler.After(delay_us, life_, std::move(task));
  }
  [[nodiscard]] Fault At(PointKind kind, std::string_view what, bool action = false);
  // Between two of its statements that read, and between the last of them and its commit: by chance others go
  // on meanwhile, and commit, while it stands still. One at a time. Errors: dead.
  [[nodiscard]] Result<void> TakeTime();
  // For its batch executor.
  [[nodiscard]] batch::Limits BatchLimits();
  static Error Dead() { return {Code::kUnavailable, "dead", "the process has died"}; }

  // Does `apply`, which commits, with what goes wrong at that point.
  template <typename T, typename Apply>
  Result<T> Commit(std::string_view what, Apply apply) {
    if (dead()) return std::unexpected(Dead());
    const Error unknown{Code::kUnknown, "commit_unknown", std::string(what)};
    switch (At(PointKind::kCommit, what)) {
      case Fault::kCrashBefore:
        Die(what);
        return std::unexpected(Dead());
      case Fault::kCrashAfter:
        (void)apply();
        Die(what);
        return std::unexpected(Dead());
      case Fault::kReplyLost:
        (void)apply();
        return std::unexpected(unknown);
      case Fault::kDuplicated:  // a write that was not synced, and is lost
        return std::unexpected(unknown);
      case Fault::kNotDone:
        return Fail(Code::kUnavailable, "database_unavailable", std::string(what));
      case Fault::kDelayed: {
        Result<T> result = apply();
        Pause(kPastLeaseUs);
        return result;
      }
      default:
        return apply();
    }
  }

  // The publisher of its service's outbox.
  void OpenPublisher(Outbox& outbox);
  void Nudge();

 protected:
  Ground& ground_;

 private:
  class PublisherBus;
  class PublisherTable;
  void Publish();
  void PollOutbox();

  const std::string name_;
  const ProcessClock clock_;
  const std::shared_ptr<Life> life_;
  Outbox* outbox_ = nullptr;
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<outbox::Publisher> publisher_;
  bool nudged_ = false;
};

}  // namespace boxoffice::sim
