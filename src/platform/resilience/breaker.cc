#include "platform/resilience/breaker.h"

#include <algorithm>

namespace boxoffice::resilience {
namespace {

std::chrono::milliseconds Ms(Breaker::Moment moment) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(moment.time_since_epoch());
}

}  // namespace

bool Breaker::WouldAdmit(Moment now) const {
  const std::scoped_lock lock(mutex_);
  switch (state_) {
    case State::kClosed:
      return true;
    case State::kOpen:
      return now >= open_until_;
    case State::kHalfOpen:
      return probes_out_ + probes_ended_ < config_.probes;
  }
  return false;
}

bool Breaker::Admit(Moment now, Permit& permit) {
  const std::scoped_lock lock(mutex_);
  if (state_ == State::kOpen && now >= open_until_) ChangeLocked(State::kHalfOpen, now);
  const bool probing = state_ == State::kHalfOpen && probes_out_ + probes_ended_ < config_.probes;
  if (state_ != State::kClosed && !probing) {
    ++refused_;
    return false;
  }
  if (probing) ++probes_out_;
  permit = {.period = period_, .since = now};
  return true;
}

void Breaker::Report(const Permit& permit, Outcome outcome, Moment now) {
  const std::scoped_lock lock(mutex_);
  if (retired_ || permit.period != period_) return;
  if (outcome == Outcome::kNothing) {
    if (state_ == State::kHalfOpen) --probes_out_;
    return;
  }
  const bool slow = now - permit.since > std::max(config_.slow_after, permit.may_take);
  const bool failed = outcome == Outcome::kFailed || slow;
  if (state_ == State::kHalfOpen) {
    ReportProbeLocked(failed, now);
    return;
  }
  const auto at = Ms(now);
  counts_.Add(kCalls, at);
  if (!failed) return;
  counts_.Add(kFailures, at);
  const uint64_t calls = counts_.Sum(kCalls, at);
  const auto failures = static_cast<double>(counts_.Sum(kFailures, at));
  if (calls >= config_.min_calls && failures >= config_.failing_share * static_cast<double>(calls))
    ChangeLocked(State::kOpen, now);
}

void Breaker::Retire(Moment now) {
  const std::scoped_lock lock(mutex_);
  retired_ = true;
  if (state_ != State::kClosed) ChangeLocked(State::kClosed, now);
}

void Breaker::ReportProbeLocked(bool failed, Moment now) {
  --probes_out_;
  ++probes_ended_;
  if (failed) ++probes_failed_;
  if (probes_ended_ < config_.probes) return;
  const bool open =
      static_cast<double>(probes_failed_) >= config_.failing_share * static_cast<double>(config_.probes);
  ChangeLocked(open ? State::kOpen : State::kClosed, now);
}

void Breaker::ChangeLocked(State to, Moment now) {
  const State from = state_;
  state_ = to;
  ++period_;
  probes_out_ = probes_ended_ = probes_failed_ = 0;
  if (to == State::kOpen) {
    open_until_ = now + config_.open_for;
    ++opened_;
  }
  // What was counted before says nothing of the peer that has come back.
  if (to == State::kClosed) counts_.Clear();
  if (on_change_) on_change_(from, to);
}

Breaker::Snapshot Breaker::Read(Moment now) {
  const std::scoped_lock lock(mutex_);
  Snapshot snapshot;
  // Nobody may ever call again, where there are others to call.
  snapshot.state = state_ == State::kOpen && now >= open_until_ ? State::kHalfOpen : state_;
  snapshot.calls = counts_.Sum(kCalls, Ms(now));
  snapshot.failed = counts_.Sum(kFailures, Ms(now));
  snapshot.refused = refused_;
  snapshot.opened = opened_;
  if (state_ == State::kOpen && now < open_until_) {
    snapshot.probes_in = std::chrono::duration_cast<std::chrono::milliseconds>(open_until_ - now);
  }
  return snapshot;
}

std::string_view StateName(Breaker::State state) {
  switch (state) {
    case Breaker::State::kClosed:
      return "closed";
    case Breaker::State::kHalfOpen:
      return "half_open";
    case Breaker::State::kOpen:
      return "open";
  }
  return "closed";
}

}  // namespace boxoffice::resilience
