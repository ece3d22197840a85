#include "platform/servers/supervised.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace boxoffice::servers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kSteady{10};
constexpr seconds kFirstPause{1};
constexpr seconds kLongestPause{30};
constexpr milliseconds kAwaitStep{50};
constexpr seconds kForcedEnd{5};

}  // namespace

milliseconds RestartPause::After(milliseconds ran) {
  if (ran >= kSteady) next_ = milliseconds(0);
  const milliseconds pause = next_;
  next_ = std::clamp<milliseconds>(2 * pause, kFirstPause, kLongestPause);
  return pause;
}

Supervised::Supervised(std::string name, std::vector<std::string> command, Child::Options options,
                       Child child)
    : name_(std::move(name)),
      command_(std::move(command)),
      options_(std::move(options)),
      child_(std::move(child)),
      started_(std::chrono::steady_clock::now()) {}

Result<Supervised> Supervised::Start(std::string name, std::vector<std::string> command,
                                     Child::Options options) {
  BOXOFFICE_ASSIGN(Child child, Child::Start(command, options));
  return Supervised(std::move(name), std::move(command), std::move(options), std::move(child));
}

bool Supervised::Await(const std::function<bool()>& serves, milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!child_.Wait(kAwaitStep) && std::chrono::steady_clock::now() < end) {
    if (serves()) return true;
  }
  return false;
}

void Supervised::Stop(int ask, int force, milliseconds limit) {
  child_.Signal(ask);
  if (!child_.Wait(limit)) child_.Signal(force);
  (void)child_.Wait(kForcedEnd);
}

std::optional<std::string> Supervised::Look(TimePoint now) {
  const auto pause = [&] { return pause_.After(std::chrono::duration_cast<milliseconds>(now - started_)); };
  if (!start_at_) {
    const auto code = child_.Wait(milliseconds(0));
    if (!code) return std::nullopt;
    const milliseconds wait = pause();
    start_at_ = now + wait;
    const std::string when = wait.count() == 0 ? "" : fmt::format(" in {} s", wait.count() / 1000);
    return fmt::format("{} (pid {}) ended with {}; starting it again{}; see {}", name_, child_.pid(), *code,
                       when, options_.log.string());
  }
  if (now < *start_at_) return std::nullopt;
  started_ = now;
  auto child = Child::Start(command_, options_);
  if (!child) {
    start_at_ = now + std::max<milliseconds>(pause(), kFirstPause);
    return fmt::format("{} can't be started: {}", name_, child.error().detail);
  }
  child_ = *std::move(child);
  start_at_.reset();
  ++restarts_;
  return std::nullopt;
}

}  // namespace boxoffice::servers
