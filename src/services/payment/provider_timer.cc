#include "services/payment/provider_timer.h"

#include <memory>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace boxoffice::payment {

namespace asio = boost::asio;

ThreadTimer::ThreadTimer() : work_(io_.get_executor()), thread_([this] { io_.run(); }) {}

ThreadTimer::~ThreadTimer() { io_.stop(); }

void ThreadTimer::Post(Task task) { asio::post(io_, std::move(task)); }

void ThreadTimer::After(milliseconds delay, Task task) {
  auto timer = std::make_unique<asio::steady_timer>(io_, delay);
  auto& waiting = *timer;
  waiting.async_wait(
      [timer = std::move(timer), task = std::move(task)](boost::system::error_code error) mutable {
        if (!error) task();
      });
}

}  // namespace boxoffice::payment
