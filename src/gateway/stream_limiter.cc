#include "gateway/stream_limiter.h"

namespace boxoffice::gateway {

std::shared_ptr<const void> StreamLimiter::Take(const std::string& key) {
  {
    const std::scoped_lock lock(mutex_);
    uint32_t& open = open_[key];
    if (open >= most_) return nullptr;
    ++open;
  }
  return {this, [key](StreamLimiter* limiter) { limiter->GiveBack(key); }};
}

void StreamLimiter::GiveBack(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = open_.find(key);
  if (--found->second == 0) open_.erase(found);
}

}  // namespace boxoffice::gateway
