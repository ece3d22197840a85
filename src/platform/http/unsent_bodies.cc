#include "platform/http/unsent_bodies.h"

#include <utility>

namespace boxoffice::http {

size_t UnsentBodies::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

UnsentBody::UnsentBody(UnsentBodies& all, size_t bytes, std::function<void()> give_up)
    : all_(all), bytes_(bytes), give_up_(std::move(give_up)), place_(all.counted_.end()) {
  if (bytes_ < UnsentBodies::kLeast) return;
  const std::scoped_lock lock(all_.mutex_);
  place_ = all_.counted_.insert(all_.counted_.end(), this);
  all_.bytes_ += bytes_;
  while (all_.bytes_ > all_.most_ && all_.counted_.front() != this) {
    UnsentBody& oldest = *all_.counted_.front();
    oldest.RemoveLocked();
    oldest.give_up_();  // under the lock, so that it lives
  }
}

UnsentBody::~UnsentBody() {
  if (bytes_ < UnsentBodies::kLeast) return;
  const std::scoped_lock lock(all_.mutex_);
  if (place_ != all_.counted_.end()) RemoveLocked();
}

void UnsentBody::RemoveLocked() {
  all_.bytes_ -= bytes_;
  all_.counted_.erase(place_);
  place_ = all_.counted_.end();
}

}  // namespace boxoffice::http
