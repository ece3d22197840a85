#include "platform/module/loop_lag.h"

#include <utility>

namespace boxoffice::module {
namespace {

constexpr std::chrono::milliseconds kEvery{250};

}  // namespace

LoopLag::LoopLag(const boost::asio::any_io_executor& loop, const std::string& name, obs::Registry& metrics)
    : timer_(loop),
      lag_(metrics.GetHistogram("boxoffice_event_loop_lag_seconds",
                                "How late a timer of the event loop is: what everybody waits for its thread",
                                obs::SecondsBounds(), {{"loop", name}})) {}

void LoopLag::Start(std::function<void()> also) {
  also_ = std::move(also);
  Schedule();
}

void LoopLag::Stop() {
  stopped_ = true;
  timer_.cancel();
}

void LoopLag::Schedule() {
  timer_.expires_after(kEvery);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error || stopped_) return;
    lag_.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - timer_.expiry()).count());
    if (also_) also_();
    if (!stopped_) Schedule();
  });
}

}  // namespace boxoffice::module
