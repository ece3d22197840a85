#include "sim/scheduler.h"

#include <algorithm>
#include <utility>

#include "sim/virtual_time.h"

namespace boxoffice::sim {

Scheduler::Scheduler(uint64_t seed) : rng_(seed ^ 0x5ced) { virtual_time::Set(now_us_); }
Scheduler::~Scheduler() { virtual_time::Stop(); }

void Scheduler::After(int64_t delay_us, std::shared_ptr<Life> life, Task task) {
  // The number keeps two ties apart.
  const uint64_t tie = (rng_.Next() << 24) | (++sequence_ & 0xffffff);
  heap_.push_back({now_us_ + std::max<int64_t>(delay_us, 0), tie, std::move(life), std::move(task)});
  std::push_heap(heap_.begin(), heap_.end(), Later());
}

void Scheduler::MoveTo(int64_t us) {
  now_us_ = std::max(now_us_, us);
  virtual_time::Set(now_us_);
}

bool Scheduler::Step(int64_t until_us) {
  const int64_t timer_us = virtual_time::NextDueUs();
  const int64_t task_us = heap_.empty() ? INT64_MAX : heap_.front().at_us;
  if (std::min(timer_us, task_us) > until_us) {
    MoveTo(until_us);
    return false;
  }
  if (timer_us < task_us) {
    MoveTo(timer_us);
    if (int timer = -1; virtual_time::FireOne(timer) && on_timer) on_timer(timer);
    return true;
  }
  std::pop_heap(heap_.begin(), heap_.end(), Later());
  Entry entry = std::move(heap_.back());
  heap_.pop_back();
  MoveTo(entry.at_us);
  if (entry.life && entry.life->dead) return true;
  if (entry.life && entry.life->paused_until_us > now_us_) {
    const int64_t rest_us = entry.life->paused_until_us - now_us_;
    After(rest_us, std::move(entry.life), std::move(entry.task));
    return true;
  }
  entry.task();
  if (entry.life && !entry.life->dead && entry.life->after_task) entry.life->after_task();
  return true;
}

}  // namespace boxoffice::sim
