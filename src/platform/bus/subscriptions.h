// The consumer groups that a bus has in this process.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"

namespace boxoffice::bus {

// `Subscription` has Start, and Stop, which waits for a delivery that is under way. Thread-safe.
template <typename Subscription>
class Subscriptions {
 public:
  Subscriptions() = default;
  // Stops them all.
  ~Subscriptions() {
    for (auto& [group, subscription] : subscriptions_) subscription->Stop();
  }
  Subscriptions(const Subscriptions&) = delete;
  Subscriptions& operator=(const Subscriptions&) = delete;

  // Starts what `make` makes (a shared_ptr). Errors: already_subscribed (kConflict), and those of Start.
  [[nodiscard]] Result<void> Add(const std::string& group, auto make) {
    const std::scoped_lock lock(mutex_);
    if (subscriptions_.contains(group)) return Fail(Code::kConflict, "already_subscribed", group);
    std::shared_ptr<Subscription> subscription = make();
    BOXOFFICE_TRY(subscription->Start());
    subscriptions_.emplace(group, std::move(subscription));
    return {};
  }

  // Stops the group's, if there is one.
  void Remove(const std::string& group) {
    std::shared_ptr<Subscription> subscription;
    {
      const std::scoped_lock lock(mutex_);
      const auto it = subscriptions_.find(group);
      if (it == subscriptions_.end()) return;
      subscription = it->second;
    }
    // Stopped without the lock, since its consumer may publish; and forgotten afterwards, so that nobody can
    // subscribe the group while it still runs.
    subscription->Stop();
    const std::scoped_lock lock(mutex_);
    subscriptions_.erase(group);
  }

  void ForEach(auto visit) {
    const std::scoped_lock lock(mutex_);
    for (auto& [group, subscription] : subscriptions_) visit(*subscription);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Subscription>> subscriptions_;
};

}  // namespace boxoffice::bus
