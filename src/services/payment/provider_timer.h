// The timer that runs in a process: a thread of its own on which adapters may also block.
#pragma once

#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "services/payment/timer.h"

namespace boxoffice::payment {

class ThreadTimer final : public Timer {
 public:
  ThreadTimer();
  // Finishes the task that runs and drops the others.
  ~ThreadTimer() override;
  void Post(Task task) override;
  void After(milliseconds delay, Task task) override;

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::jthread thread_;
};

}  // namespace boxoffice::payment
