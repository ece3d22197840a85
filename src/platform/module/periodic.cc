#include "platform/module/periodic.h"

#include <utility>

namespace boxoffice::module {

Periodic::Periodic(std::chrono::milliseconds interval, std::function<void()> work)
    : interval_(interval), work_(std::move(work)), thread_([this] { Loop(); }) {}

Periodic::~Periodic() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

void Periodic::Loop() {
  std::unique_lock lock(mutex_);
  do {
    lock.unlock();
    work_();
    lock.lock();
  } while (!stop_.wait_for(lock, interval_, [this] { return stopping_; }));
}

}  // namespace boxoffice::module
