#include "platform/bus/forgetting.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "platform/obs/log.h"

namespace boxoffice::bus {
namespace {

constexpr std::chrono::minutes kLookEvery{10};
// Between two transactions, for those of the consumer.
constexpr milliseconds kPause{20};
// With so many dead letters it can't be told whose the others are.
constexpr size_t kManyDeadLetters = 1'000;

}  // namespace

Result<void> CheckKept(milliseconds kept) {
  if (kept >= kLeastKept) return {};
  return Fail(
      Code::kInvalidArgument, "config",
      fmt::format("processed_event.kept_ms must be {} or more (an event that had to wait is published "
                  "with an id of up to {} days, and clocks differ): it could be taken for one that "
                  "has been consumed",
                  milliseconds(kLeastKept).count(), kOldestPublished.count() / 24));
}

std::optional<Timestamp> ForgettingRule::After(const ForgettingLook& look) {
  if (look.set_aside) {
    caught_up_.reset();
    return std::nullopt;
  }
  std::optional<Timestamp> before;
  if (caught_up_ && look.at - *caught_up_ >= kSettling) {
    before = *caught_up_ - kept_;
    caught_up_.reset();
  }
  if (!caught_up_ && look.lag == 0) caught_up_ = look.at;
  return before;
}

Forgetter::Forgetter(std::string group, std::vector<std::string> topics, milliseconds kept, Bus& bus,
                     const Clock& clock, obs::Registry& metrics, Forget forget)
    : group_(std::move(group)),
      topics_(std::move(topics)),
      bus_(bus),
      clock_(clock),
      forgotten_(metrics.GetCounter("boxoffice_retention_deleted_total", "Rows deleted because of their age",
                                    {{"service", group_}, {"kind", "processed_event"}})),
      forget_(std::move(forget)),
      rule_(kept) {}

Forgetter::~Forgetter() { Stop(); }

void Forgetter::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Forgetter::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Forgetter::Wait(milliseconds time) {
  std::unique_lock lock(mutex_);
  return !stop_.wait_for(lock, time, [this] { return stopping_; });
}

void Forgetter::Loop() {
  do {
    if (const Result<void> done = LookAndForget(); !done) {
      obs::Log(obs::Level::kWarning, "forgetting_failed",
               {{"group", group_}, {"reason", done.error().reason}, {"detail", done.error().detail}});
    }
  } while (Wait(kLookEvery));
}

Result<ForgettingLook> Forgetter::Look() {
  ForgettingLook look{.at = clock_.Now(), .lag = 0, .set_aside = false};
  BOXOFFICE_ASSIGN(look.lag, bus_.Lag(group_, topics_));
  BOXOFFICE_ASSIGN(const std::vector<DeadLetter> letters, bus_.DeadLetters(kManyDeadLetters));
  look.set_aside =
      letters.size() == kManyDeadLetters ||
      std::ranges::any_of(letters, [this](const DeadLetter& letter) { return letter.group == group_; });
  return look;
}

Result<void> Forgetter::LookAndForget() {
  const Result<ForgettingLook> look = Look();
  if (!look) {
    rule_.AfterFailure();
    return std::unexpected(look.error());
  }
  const std::optional<Timestamp> before = rule_.After(*look);
  if (!before) return {};
  while (true) {
    BOXOFFICE_ASSIGN(const Forgotten forgotten, forget_(*before));
    forgotten_.Add(forgotten.count);
    if (!forgotten.more || !Wait(kPause)) return {};
  }
}

}  // namespace boxoffice::bus
