// How busy an event loop's one thread is, and how long whoever is ready waits for it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/obs/metrics.h"

namespace boxoffice::module {

// Measures boxoffice_event_loop_lag_seconds four times a second: how late a timer of the loop's is; and
// boxoffice_event_loop_cpu_seconds_total, the processor time of its thread, which is how busy it is. Calls
// `also` then, for what is to be measured on the loop. Used on the loop, but for construction; destroyed when
// the loop has ended, or after Stop.
class LoopLag {
 public:
  LoopLag(const boost::asio::any_io_executor& loop, const std::string& name, obs::Registry& metrics);
  void Start(std::function<void()> also = {});
  // Lets the loop run out of work. Again: no effect.
  void Stop();

 private:
  void Schedule();
  boost::asio::steady_timer timer_;
  obs::Histogram& lag_;
  const std::shared_ptr<std::atomic<double>> cpu_seconds_;  // which whoever reads metrics may outlive
  std::function<void()> also_;
  bool stopped_ = false;
};

}  // namespace boxoffice::module
