// What many ask about a show at the same time is looked up once for all of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice::reservation {

namespace asio = boost::asio;

// What a look finds is kept for ten times as long as the look took, and no longer than kMaxAge: so looks that
// take a second or less take a tenth of a thread at most, however many ask, and what is cheap is as good as
// fresh. Runs on one thread, that of `executor`; `clock` outlives it.
template <typename T>
class SharedLooks {
 public:
  static constexpr int kKeptTimes = 10;
  static constexpr milliseconds kMaxAge{10'000};

  SharedLooks(asio::any_io_executor executor, const Clock& clock)
      : executor_(std::move(executor)), clock_(clock) {}

  // What was found and is kept, or else what `look` finds: an awaitable of Result<T>, begun here unless one
  // is under way. It must live until then: it is a local of the caller's. An error is told to all who wait
  // for it, and not kept.
  template <typename Look>
  asio::awaitable<Result<T>> Get(int64_t show_id, Look& look) {
    const Timestamp begun = clock_.Now();
    // What would be kept for longer than kMaxAge was found before the clock was set back.
    std::erase_if(found_, [begun](const auto& of) {
      const Found& one = *of.second;
      return one.result && (one.until <= begun || one.until > begun + kMaxAge);
    });
    if (const auto known = found_.find(show_id); known != found_.end()) {
      const std::shared_ptr<Found> found = known->second;
      while (!found->result) {
        boost::system::error_code told;
        co_await found->told.async_wait(asio::redirect_error(asio::use_awaitable, told));
      }
      co_return *found->result;
    }
    const auto found = std::make_shared<Found>(executor_);
    found_[show_id] = found;
    auto result = co_await look();
    const Timestamp now = clock_.Now();
    found->until = now + std::min(kKeptTimes * (now - begun), kMaxAge);
    found->result = std::move(result);
    if (!*found->result) found_.erase(show_id);
    found->told.cancel();
    co_return *found->result;
  }

 private:
  struct Found {
    explicit Found(const asio::any_io_executor& executor)
        : told(executor, asio::steady_timer::time_point::max()) {}
    std::optional<Result<T>> result;  // none: the look is under way
    Timestamp until{};                // with `result`
    asio::steady_timer told;
  };

  asio::any_io_executor executor_;
  const Clock& clock_;
  std::map<int64_t, std::shared_ptr<Found>> found_;  // by show: what is kept, and what is under way
};

}  // namespace boxoffice::reservation
