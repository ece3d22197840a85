#include "platform/dns/lookup.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

namespace boxoffice::dns {
namespace {

using namespace std::chrono_literals;

using Answer = Result<Lookup::Addresses>;

asio::awaitable<Answer> Ask(Lookup& lookup, std::string host) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Lookup::Bell bell(executor);
  Answer answer = co_await lookup.Resolve(std::move(host), bell);
  co_return answer;
}

// Hosts "hangs…" are found once the test says so, all others at once.
class LookupTest : public testing::Test {
 protected:
  ~LookupTest() override {
    Release();
    io_.stop();
    thread_.join();
  }
  Answer Find(const std::string& host) {
    std::unique_lock lock(mutex_);
    ++asked_[host];
    changed_.notify_all();
    if (host.starts_with("hangs")) changed_.wait(lock, [this] { return released_; });
    return Lookup::Addresses(1, asio::ip::make_address("10.0.0.7"));
  }
  void Release() {
    const std::scoped_lock lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  void WaitUntilAsked(const std::string& host) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, 60s, [&] { return asked_.contains(host); }));
  }
  int Asked(const std::string& host) {
    const std::scoped_lock lock(mutex_);
    return asked_[host];
  }
  std::future<Answer> Start(std::string host) {
    return asio::co_spawn(io_, Ask(lookup_, std::move(host)), asio::use_future);
  }
  static bool IsReady(const std::future<Answer>& answer) {
    return answer.wait_for(60s) == std::future_status::ready;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> asked_;
  bool released_ = false;
  Lookup lookup_{[this](const std::string& host) { return Find(host); }};
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
};

TEST_F(LookupTest, AHostThatHangsHoldsUpNoOther) {
  std::future<Answer> hung = Start("hangs.example");
  WaitUntilAsked("hangs.example");
  std::future<Answer> other = Start("quick.example");
  ASSERT_TRUE(IsReady(other));
  EXPECT_EQ(other.get()->at(0).to_string(), "10.0.0.7");
  EXPECT_EQ(hung.wait_for(0s), std::future_status::timeout);
  Release();
  ASSERT_TRUE(IsReady(hung));
  EXPECT_TRUE(hung.get());
}

TEST_F(LookupTest, OneHostIsLookedUpOnceForAllThatWaitAndAgainAfterwards) {
  std::future<Answer> first = Start("hangs.example");
  WaitUntilAsked("hangs.example");
  std::future<Answer> second = Start("hangs.example");
  std::future<Answer> behind = Start("quick.example");
  ASSERT_TRUE(IsReady(behind));  // hence the second has asked
  Release();
  ASSERT_TRUE(IsReady(first));
  ASSERT_TRUE(IsReady(second));
  EXPECT_EQ(first.get()->size(), 1U);
  EXPECT_EQ(second.get()->size(), 1U);
  EXPECT_EQ(Asked("hangs.example"), 1);
  std::future<Answer> third = Start("hangs.example");
  ASSERT_TRUE(IsReady(third));
  EXPECT_EQ(Asked("hangs.example"), 2);
}

TEST_F(LookupTest, AnAddressIsNotLookedUp) {
  for (const char* address : {"127.0.0.1", "::1", "::ffff:127.0.0.1"}) {
    std::future<Answer> found = Start(address);
    ASSERT_TRUE(IsReady(found));
    EXPECT_EQ(found.get()->at(0), asio::ip::make_address(address));
    EXPECT_EQ(Asked(address), 0);
  }
}

TEST_F(LookupTest, WhoClosesItsBellWaitsNoLonger) {
  Lookup::Bell bell(io_);
  std::future<Answer> hung = asio::co_spawn(io_, lookup_.Resolve("hangs.example", bell), asio::use_future);
  WaitUntilAsked("hangs.example");
  asio::post(io_, [&bell] {
    boost::system::error_code ignored;
    bell.close(ignored);
  });
  ASSERT_TRUE(IsReady(hung));
  EXPECT_EQ(hung.get().error().reason, "lookup_failed");
}

TEST_F(LookupTest, WhoBlocksWaitsForTheAnswerAndNotPastItsDeadline) {
  const auto ask = [this](const std::string& host, std::chrono::milliseconds timeout) {
    return lookup_.ResolveBy(host, std::chrono::steady_clock::now() + timeout);
  };
  EXPECT_EQ(ask("127.0.0.1", 0ms)->at(0).to_string(), "127.0.0.1") << "it asks nobody";
  EXPECT_EQ(ask("quick.example", 60s)->at(0).to_string(), "10.0.0.7");
  std::future<Answer> hung = std::async(std::launch::async, ask, "hangs.example", 50ms);
  ASSERT_TRUE(IsReady(hung));
  EXPECT_EQ(hung.get().error().reason, "lookup_failed");
  std::future<Answer> waits = std::async(std::launch::async, ask, "hangs.example", 60s);
  Release();
  ASSERT_TRUE(IsReady(waits));
  EXPECT_EQ(waits.get()->at(0).to_string(), "10.0.0.7");
}

// Where each takes long, those that come one after the other would find no time left.
TEST_F(LookupTest, SeveralAreLookedUpAtOnceAndEachHasAllOfTheTime) {
  const std::vector<std::string> hosts{"hangs.example", "127.0.0.1", "quick.example", "hangs.example"};
  const auto ask = [&](std::chrono::milliseconds timeout) {
    return lookup_.ResolveAllBy(hosts, std::chrono::steady_clock::now() + timeout);
  };
  const auto in_vain = ask(1s);
  ASSERT_EQ(in_vain.size(), hosts.size());
  EXPECT_EQ(in_vain[0].error().reason, "lookup_failed");
  EXPECT_EQ(in_vain[1]->at(0).to_string(), "127.0.0.1");
  EXPECT_EQ(Asked("quick.example"), 1) << "while another hangs";
  EXPECT_EQ(in_vain[3].error().reason, "lookup_failed");
  auto all = std::async(std::launch::async, ask, 60s);
  Release();
  ASSERT_EQ(all.wait_for(60s), std::future_status::ready);
  for (const Answer& answer : all.get()) EXPECT_TRUE(answer.has_value());
}

TEST_F(LookupTest, OneWhoseIoContextIsGoneIsForgotten) {
  {
    asio::io_context gone(1);
    asio::co_spawn(gone, Ask(lookup_, "hangs.example"), asio::detached);
    gone.poll();
    WaitUntilAsked("hangs.example");
  }
  std::future<Answer> other = Start("hangs.example");
  Release();
  ASSERT_TRUE(IsReady(other));
  EXPECT_TRUE(other.get());
}

}  // namespace
}  // namespace boxoffice::dns
