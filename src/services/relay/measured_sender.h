// Attempts to deliver as metrics.
#pragma once

#include <memory>

#include "platform/obs/metrics.h"
#include "services/relay/dispatcher.h"

namespace boxoffice::relay {

// Sends by another sender, and counts what came of it. Thread-safe where that is.
class MeasuredSender final : public Sender {
 public:
  // `clock` and `metrics` outlive it, and all answers.
  MeasuredSender(std::unique_ptr<Sender> sender, const Clock& clock, obs::Registry& metrics);
  void Send(const Attempt& attempt, Timestamp now, Done done) override;

 private:
  const std::unique_ptr<Sender> sender_;
  const Clock& clock_;
  obs::Counter& delivered_;
  obs::Counter& refused_;
  obs::Counter& unanswered_;
  obs::Counter& given_up_;
  obs::Histogram& seconds_;
};

}  // namespace boxoffice::relay
