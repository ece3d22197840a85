// More queries than a service has time for: those that come too late are told so while their callers wait.
#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "platform/rpc/replica_for_test.h"

namespace boxoffice::rpc {
namespace {

constexpr auto kLong = 600s;  // for whoever is to wait
constexpr auto kRoom =
    static_cast<int>(resilience::BoundFor(resilience::Priority::kNormal, FakeService::kMaxWaiting));

// A replica whose only thread for queries has one that does not end.
class QueryBoundTest : public ReplicaTest {
 protected:
  void SetUp() override {
    Connect(member_.address());
    AwaitReachable(1);
    member_.HoldQueries(true);
    Start(kLong);
    ASSERT_TRUE(Eventually([&] { return member_.begun() == 1; }));
  }
  void TearDown() override {
    Release();
    EXPECT_TRUE(Eventually([&] { return ended() == started_; })) << "whoever asked is answered";
    ReplicaTest::TearDown();
  }

  void Release() { member_.HoldQueries(false); }
  void Start(std::chrono::milliseconds timeout) {
    Begin<wallet::Wallet>(wallet::GetWalletRequest(), timeout,
                          [this](auto... a) { (*stubs_)->async()->GetWallet(a...); });
  }
  void StartAudit(std::chrono::milliseconds timeout) {
    Begin<wallet::AuditResponse>(wallet::AuditRequest(), timeout,
                                 [this](auto... a) { (*stubs_)->async()->Audit(a...); });
  }
  // Of those that have ended, in their order: a reason, or "" of an audit that has its answer.
  std::vector<std::string> Ended() {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }
  size_t ended() { return Ended().size(); }
  BreakerRow Row() { return channels_.board().Read().at(0); }

  Member member_{Socket("a"), Echo};

 private:
  template <typename Response, typename Request, typename Asking>
  void Begin(Request request, std::chrono::milliseconds timeout, Asking asking) {
    ++started_;
    asio::co_spawn(io_, Ask<Response>(io_.get_executor(), slot_, std::move(request), timeout, asking),
                   [this](const std::exception_ptr&, const Result<Response>& answer) {
                     const std::scoped_lock lock(mutex_);
                     ended_.push_back(answer ? std::string() : answer.error().reason);
                   });
  }

  size_t started_ = 0;
  std::mutex mutex_;
  std::vector<std::string> ended_;
};

TEST_F(QueryBoundTest, WhereTooManyWaitOneMoreIsToldSoAtOnceAndTheBreakerStaysClosed) {
  for (int i = 0; i < kRoom; ++i) Start(kLong);
  ASSERT_TRUE(Eventually([&] { return !member_.HasRoom(); }));
  for (int i = 0; i < 40; ++i) {
    const Result<wallet::Wallet> refused = Query("ada");
    ASSERT_FALSE(refused);
    ASSERT_EQ(refused.error().reason, "overloaded") << i;
    ASSERT_EQ(refused.error().code, Code::kResourceExhausted);
  }
  EXPECT_EQ(ended(), 0U) << "though nothing was done meanwhile";
  EXPECT_EQ(Row().breaker.calls, 40U);
  EXPECT_EQ(Row().breaker.failed, 0U);
  EXPECT_EQ(Row().breaker.state, resilience::Breaker::State::kClosed) << "commands go on";
  StartAudit(kLong);
  ASSERT_TRUE(Eventually([&] { return member_.asked() == 1 + kRoom + 40 + 1; }));
  Release();
  ASSERT_TRUE(Eventually([&] { return ended() == 1 + kRoom + 1; }));
  const std::vector<std::string> ends = Ended();
  EXPECT_EQ(std::ranges::count(ends, "overloaded"), 0) << "whoever was let in is served";
  EXPECT_EQ(std::ranges::count(ends, ""), 1) << "and so is the audit";
  EXPECT_TRUE(Query("ada")) << "and who comes when there is room again";
}

TEST_F(QueryBoundTest, WhatHasWaitedForHalfOfItsTimeIsNotRunAndItsCallerIsToldBeforeTheOtherHalfEnds) {
  constexpr auto kTime = 8s;
  Start(kTime);
  StartAudit(kTime);
  ASSERT_TRUE(Eventually([&] { return member_.asked() == 3; }));
  const auto half = std::chrono::steady_clock::now() + kTime / 2 + 500ms;
  ASSERT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() > half; }));
  Release();
  ASSERT_TRUE(Eventually([&] { return ended() == 3; }));
  const std::vector<std::string> ends = Ended();
  EXPECT_EQ(std::ranges::count(ends, "overloaded"), 1);
  EXPECT_EQ(std::ranges::count(ends, ""), 1) << "an audit waits as long as its caller does";
  EXPECT_EQ(member_.begun(), 1) << "what is late takes no time from the others";
  EXPECT_EQ(Row().breaker.failed, 0U);
}

}  // namespace
}  // namespace boxoffice::rpc
