#include "services/relay/measured_sender.h"

#include <chrono>
#include <utility>

namespace boxoffice::relay {
namespace {

obs::Counter& Attempts(obs::Registry& metrics, const char* outcome) {
  return metrics.GetCounter("boxoffice_relay_attempts_total",
                            "Attempts to deliver: delivered, refused by the target, or without an answer",
                            {{"outcome", outcome}});
}

}  // namespace

MeasuredSender::MeasuredSender(std::unique_ptr<Sender> sender, const Clock& clock, obs::Registry& metrics)
    : sender_(std::move(sender)),
      clock_(clock),
      delivered_(Attempts(metrics, "delivered")),
      refused_(Attempts(metrics, "refused")),
      unanswered_(Attempts(metrics, "unanswered")),
      given_up_(metrics.GetCounter("boxoffice_relay_given_up_total",
                                   "Deliveries whose last attempt failed; an operator may send them again")),
      seconds_(metrics.GetHistogram("boxoffice_relay_attempt_seconds",
                                    "From sending a delivery to its answer, or to giving up on it",
                                    obs::SecondsBounds())) {}

void MeasuredSender::Send(const Attempt& attempt, Timestamp now, Done done) {
  sender_->Send(attempt, now,
                [this, now, delivery = attempt.delivery, done = std::move(done)](Answer answer) {
                  seconds_.Observe(std::chrono::duration<double>(clock_.Now() - now).count());
                  const bool taken = answer.status >= 200 && answer.status < 300;
                  (answer.status == 0 ? unanswered_ : taken ? delivered_ : refused_).Add();
                  const bool last = AfterAttempt(delivery, answer, now, /*jitter=*/0).state == State::kDead;
                  if (last && delivery.event_type != kTestType) given_up_.Add();
                  done(std::move(answer));
                });
}

}  // namespace boxoffice::relay
