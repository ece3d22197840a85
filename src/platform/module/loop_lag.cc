#include "platform/module/loop_lag.h"

#include <ctime>
#include <utility>

namespace boxoffice::module {
namespace {

constexpr std::chrono::milliseconds kEvery{250};

// Of the calling thread.
double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

LoopLag::LoopLag(const boost::asio::any_io_executor& loop, const std::string& name, obs::Registry& metrics)
    : timer_(loop),
      lag_(metrics.GetHistogram("boxoffice_event_loop_lag_seconds",
                                "How late a timer of the event loop is: what everybody waits for its thread",
                                obs::SecondsBounds(), {{"loop", name}})),
      cpu_seconds_(std::make_shared<std::atomic<double>>(0)) {
  metrics.AddCounterCallback("boxoffice_event_loop_cpu_seconds_total",
                             "Processor time of the event loop's thread: a second per second is all it has",
                             {{"loop", name}}, [cpu = cpu_seconds_] { return cpu->load(); });
}

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
    cpu_seconds_->store(CpuSeconds());
    if (also_) also_();
    if (!stopped_) Schedule();
  });
}

}  // namespace boxoffice::module
