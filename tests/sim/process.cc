#include "sim/process.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"
#include "testing/fake_bus.h"

namespace boxoffice::sim {
namespace {

// How much a read takes that takes time: also longer than a call waits, so that it comes again elsewhere.
constexpr int64_t kSlowestUs = 1'500'000;

}  // namespace

void Process::Die(std::string_view why) {
  if (life_->dead) return;
  life_->dead = true;
  if (ground_.note) ground_.note(fmt::format("{} dies at {}", name_, why));
}

void Process::Pause(int64_t us) {
  life_->paused_until_us = ground_.scheduler.now_us() + us;
  if (ground_.note) ground_.note(fmt::format("{} stands still for {} ms", name_, us / 1'000));
}

Fault Process::At(PointKind kind, std::string_view what, bool action) {
  const Fault fault = ground_.injector.At(kind, what, ground_.scheduler.Since(), action);
  if (ground_.note) {
    const std::string_view met = fault == Fault::kNone ? "" : ": ";
    ground_.note(fmt::format("{} {} {}{}{}", name_, PointKindName(kind), what, met,
                             fault == Fault::kNone ? "" : FaultName(fault)));
  }
  return fault;
}

Result<void> Process::TakeTime() {
  const Injector::Slow slow = ground_.injector.slow();
  const bool is_slow = name_.starts_with(slow.service) && ground_.rng.Chance(slow.percent);
  if (!dead() && !ground_.reading && is_slow) {
    ground_.reading = true;
    Pause(ground_.rng.Between(1'000, kSlowestUs));
    // What it has to do itself comes once it goes on.
    while (!dead() && ground_.scheduler.Step(life_->paused_until_us - 1)) {
    }
    ground_.reading = false;
  }
  if (dead()) return std::unexpected(Dead());
  return {};
}

batch::Limits Process::BatchLimits() {
  batch::Limits limits;
  limits.turns = [this](milliseconds pause, std::function<void()> turn) {
    After(pause.count() * 1'000 + ground_.rng.Between(20, 800), std::move(turn));
  };
  return limits;
}

class Process::PublisherBus final : public testbed::FakeBus {
 public:
  explicit PublisherBus(Process& process) : process_(process) {}
  Result<void> Publish(std::span<const bus::Event> events) override {
    if (process_.dead()) return std::unexpected(Dead());
    SimBus& bus = process_.ground_.bus;
    switch (process_.At(PointKind::kPublish, events.front().topic)) {
      case Fault::kCrashBefore:
        process_.Die("publish");
        return std::unexpected(Dead());
      case Fault::kCrashAfter:
        bus.Append(events);
        process_.Die("publish");
        return std::unexpected(Dead());
      case Fault::kReplyLost:
        bus.Append(events);
        return Fail(Code::kUnknown, "publish_unknown");
      case Fault::kNotDone:
        return Fail(Code::kUnavailable, "bus_unavailable");
      case Fault::kDuplicated:
        bus.Append(events);
        break;
      case Fault::kDelayed:
        // It comes to the bus once its sender's lease has ended, and others have published the same rows.
        process_.Pause(kPastLeaseUs);
        process_.ground_.scheduler.After(
            kPastLeaseUs, nullptr,
            [&bus, late = std::vector(events.begin(), events.end())] { bus.AppendLate(late); });
        return Fail(Code::kUnknown, "publish_unknown");
      default:
        break;
    }
    bus.Append(events);
    return {};
  }

 private:
  Process& process_;
};

// One publisher at a time has an outbox, by a lease; its mark that a row was published is the row's end.
class Process::PublisherTable final : public outbox::Table {
 public:
  PublisherTable(Process& process, Outbox& outbox) : process_(process), outbox_(outbox) {}
  Result<void> Lease() {
    const int64_t now = process_.ground_.scheduler.now_us();
    if (outbox_.owner != process_.life() && outbox_.leased_until_us > now)
      return Fail(Code::kUnavailable, "leased", "another replica publishes");
    outbox_.owner = process_.life();
    outbox_.leased_until_us = now + kPastLeaseUs - 1'500'000;
    return {};
  }
  Result<bool> Read(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    if (process_.dead()) return std::unexpected(Dead());
    if (!Lease()) return false;
    for (const auto& [seq, event] : outbox_.rows) {
      if (seqs.size() == limit) break;
      if (MUTANT("outbox_after_last") && seq <= last_erased_) continue;
      if (events.size() <= seqs.size()) events.resize(seqs.size() + 1);
      events[seqs.size()] = event;
      seqs.push_back(seq);
    }
    return seqs.size() == limit;
  }
  Result<void> Erase(std::span<const int64_t> seqs) override {
    return process_.Commit<void>("outbox", [&]() -> Result<void> {
      for (const int64_t seq : seqs) {
        outbox_.rows.erase(seq);
        last_erased_ = std::max(last_erased_, seq);
      }
      return {};
    });
  }
  Result<outbox::Status> Count() override { return outbox::Status{}; }

 private:
  Process& process_;
  Outbox& outbox_;
  int64_t last_erased_ = 0;
};

void Process::OpenPublisher(Outbox& outbox) {
  outbox_ = &outbox;
  bus_ = std::make_unique<PublisherBus>(*this);
  outbox::PublisherConfig config;
  config.service = "sim";
  config.open_table = [this]() -> Result<std::unique_ptr<outbox::Table>> {
    return std::make_unique<PublisherTable>(*this, *outbox_);
  };
  publisher_ = std::make_unique<outbox::Publisher>(config, *bus_, clock_, ground_.metrics);
  CHECK(publisher_->Open().has_value());
  PollOutbox();
}

void Process::Nudge() {
  if (nudged_ || dead()) return;
  nudged_ = true;
  After(ground_.rng.Between(1'000, 25'000), [this] { Publish(); });
}

void Process::Publish() {
  nudged_ = false;
  if (outbox_->rows.empty()) return;
  const Result<size_t> published = publisher_->PublishBatch();
  if (dead() || outbox_->rows.empty()) return;
  // After a failure, or where another replica has the lease.
  nudged_ = true;
  const bool again = published && *published > 0;
  After(again ? 25'000 : ground_.rng.Between(100'000, 1'000'000), [this] { Publish(); });
}

// What others have written and do not publish, as they stand still.
void Process::PollOutbox() {
  if (!outbox_->rows.empty()) Nudge();
  After(1'000'000, [this] { PollOutbox(); });
}

}  // namespace boxoffice::sim
