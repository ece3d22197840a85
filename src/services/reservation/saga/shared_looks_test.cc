#include "services/reservation/saga/shared_looks.h"

#include <chrono>
#include <exception>
#include <functional>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Each look finds how many there were, this one included.
class SharedLooksTest : public ::testing::Test {
 protected:
  void Ask(int64_t show_id = 7) {
    asio::co_spawn(io_, looks_.Get(show_id, look_), [this](const std::exception_ptr&, Result<int> found) {
      found_.push_back(found.value_or(-1));
    });
    Poll();
  }
  // The look that is under way is over, and all that it leads to is done.
  void End() {
    over_.cancel();
    Poll();
  }
  void Poll() {
    io_.restart();
    io_.poll();
  }

  ManualClock clock_;
  asio::io_context io_;
  asio::steady_timer over_{io_, asio::steady_timer::time_point::max()};
  bool fails_ = false;
  int begun_ = 0;
  std::function<asio::awaitable<Result<int>>()> look_ = [this]() -> asio::awaitable<Result<int>> {
    const int number = ++begun_;
    boost::system::error_code ended;
    co_await over_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    if (fails_) co_return Fail(Code::kUnavailable, "away");
    co_return number;
  };
  SharedLooks<int> looks_{io_.get_executor(), clock_};
  std::vector<int> found_;
};

TEST_F(SharedLooksTest, WhoAsksWhileALookIsUnderWayIsToldWhatItFinds) {
  Ask();
  Ask();
  Ask();
  EXPECT_EQ(begun_, 1);
  EXPECT_THAT(found_, IsEmpty());
  End();
  EXPECT_THAT(found_, ElementsAre(1, 1, 1));
}

TEST_F(SharedLooksTest, EachShowIsLookedAtByItself) {
  Ask(7);
  Ask(8);
  EXPECT_EQ(begun_, 2);
  End();
  EXPECT_EQ(found_.size(), 2);
}

TEST_F(SharedLooksTest, WhatIsFoundIsKeptForTenTimesAsLongAsTheLookTook) {
  Ask();
  clock_.Advance(milliseconds(5));
  End();
  clock_.Advance(milliseconds(49));
  Ask();
  EXPECT_THAT(found_, ElementsAre(1, 1));
  clock_.Advance(milliseconds(1));
  Ask();
  EXPECT_EQ(begun_, 2);
  End();
  EXPECT_THAT(found_, ElementsAre(1, 1, 2));
}

TEST_F(SharedLooksTest, HoweverLongALookTookNothingIsKeptForLongerThanTheGreatestAge) {
  Ask();
  clock_.Advance(std::chrono::hours(1));
  End();
  clock_.Advance(SharedLooks<int>::kMaxAge);
  Ask();
  EXPECT_EQ(begun_, 2);
  End();
}

TEST_F(SharedLooksTest, AClockThatIsSetBackMakesNothingLastLonger) {
  Ask();
  clock_.Advance(SharedLooks<int>::kMaxAge);
  End();
  clock_.Advance(-std::chrono::hours(1));
  Ask();
  EXPECT_EQ(begun_, 2);
  clock_.Advance(-std::chrono::hours(1));  // while a look is under way
  Ask();
  EXPECT_EQ(begun_, 2);
  End();
  EXPECT_THAT(found_, ElementsAre(1, 2, 2));
}

TEST_F(SharedLooksTest, AnErrorIsToldToAllWhoWaitForItAndNotKept) {
  fails_ = true;
  Ask();
  Ask();
  clock_.Advance(milliseconds(5));
  End();
  EXPECT_THAT(found_, ElementsAre(-1, -1));
  fails_ = false;
  Ask();
  End();
  EXPECT_EQ(begun_, 2);
  EXPECT_EQ(found_.back(), 2);
}

}  // namespace
}  // namespace boxoffice::reservation
