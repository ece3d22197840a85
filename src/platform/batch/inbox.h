// Into a thread that runs an Asio executor, from others: what comes while it is busy costs it one turn, and
// is woken for once.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include "base/burst.h"

namespace boxoffice::batch {

// Thread-safe. Work that is still in it when the executor goes is dropped with it.
class Inbox {
 public:
  explicit Inbox(boost::asio::any_io_executor executor)
      : core_(std::make_shared<Core>(std::move(executor))) {}

  // Runs `work` on the executor: later, in the order of these calls, and as a part of one burst with all that
  // came before its turn.
  void Post(std::move_only_function<void()> work) {
    {
      const std::scoped_lock lock(core_->mutex);
      core_->waiting.push_back(std::move(work));
      if (std::exchange(core_->due, true)) return;
    }
    Burst::AtEnd([core = core_] { boost::asio::post(core->executor, [core] { core->Run(); }); });
  }

 private:
  struct Core {
    explicit Core(boost::asio::any_io_executor on) : executor(std::move(on)) {}
    void Run() {
      std::vector<std::move_only_function<void()>> all;
      {
        const std::scoped_lock lock(mutex);
        all.swap(waiting);
        due = false;
      }
      const Burst burst;
      for (auto& work : all) work();
    }

    const boost::asio::any_io_executor executor;
    std::mutex mutex;
    std::vector<std::move_only_function<void()>> waiting;
    bool due = false;
  };
  std::shared_ptr<Core> core_;
};

}  // namespace boxoffice::batch
