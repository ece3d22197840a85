// A few threads for work that blocks, as a query in a store does: gRPC's own threads, or an event loop's,
// must not wait. What it is used, and how long work waits for it, are metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "platform/obs/metrics.h"
#include "platform/resilience/admission.h"

namespace boxoffice::rpc {

// Thread-safe, but for CountIn. Its end drops what has not begun; after join nothing runs.
class WorkerPool {
 public:
  // Far more than wait for a moment where all is well, and memory enough for as many calls.
  static constexpr size_t kMaxWaiting = 4'096;

  explicit WorkerPool(size_t threads, size_t max_waiting = kMaxWaiting)
      : threads_(threads), max_waiting_(max_waiting), pool_(threads) {}

  // Measures in boxoffice_pool_…{pool=name} from now on; `metrics` outlives it. Before the first Post.
  void CountIn(obs::Registry& metrics, const std::string& name) {
    metrics.GetGauge("boxoffice_pool_threads", "Threads for work that blocks", {{"pool", name}})
        .Set(static_cast<double>(threads_));
    wait_ = &metrics.GetHistogram("boxoffice_pool_wait_seconds",
                                  "From the arrival of work that blocks to a thread that takes it up",
                                  obs::SecondsBounds(), {{"pool", name}});
    run_ = &metrics.GetHistogram("boxoffice_pool_run_seconds", "For which work that blocks has a thread",
                                 obs::SecondsBounds(), {{"pool", name}});
  }

  // Whether more work of this priority may wait, which is asked before a Post by whoever can refuse it. Some
  // who ask at the same moment may all be let in: as many more do no harm.
  [[nodiscard]] bool Admits(resilience::Priority priority) const {
    return resilience::Admits(priority, waiting_.load(std::memory_order_relaxed), max_waiting_);
  }

  // Runs `work` on one of the threads, in the order of arrival where there is one.
  template <typename Work>
  void Post(Work work) {
    waiting_.fetch_add(1, std::memory_order_relaxed);
    boost::asio::post(pool_, [this, arrived = Clock::now(), work = std::move(work)]() mutable {
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      const Clock::time_point began = Clock::now();
      if (wait_ != nullptr) wait_->Observe(Seconds(began - arrived));
      work();
      if (run_ != nullptr) run_->Observe(Seconds(Clock::now() - began));
    });
  }

  // For what is ordered beyond that, and neither measured nor counted.
  [[nodiscard]] auto get_executor() { return pool_.get_executor(); }
  void join() { pool_.join(); }

 private:
  using Clock = std::chrono::steady_clock;
  static double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

  const size_t threads_;
  const size_t max_waiting_;
  std::atomic<size_t> waiting_{0};
  obs::Histogram* wait_ = nullptr;
  obs::Histogram* run_ = nullptr;
  boost::asio::thread_pool pool_;  // last: its threads use the rest
};

}  // namespace boxoffice::rpc
