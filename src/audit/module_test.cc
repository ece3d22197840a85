// The auditor as a part of a process: who waits for which audit, and when the next one begins. Its audits
// here find a queue that says which of them asks it, and no other service.
#include "audit/module.h"

#include <atomic>
#include <future>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "testing/fake_bus.h"
#include "testing/fake_call.h"
#include "testing/wait.h"

namespace boxoffice::audit {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct FakeQueues final : queue::v1::QueueService::CallbackService {
  BOXOFFICE_FAKE(ListQueues, queue::v1, ListQueuesRequest, ListQueuesResponse)
};

class AuditModuleTest : public ::testing::Test {
 protected:
  AuditModuleTest() {
    queue_.ListQueues_.answer = [this](const auto&) -> Result<queue::v1::ListQueuesResponse> {
      const int audit = ++begun_;
      (void)testbed::Eventually([&] { return audit <= let_; });
      return Fail(Code::kUnavailable, "down", fmt::format("audit {}", audit));
    };
    host_.Start(queue_, {}).value();
    module_ = std::make_unique<AuditModule>(runtime_, AuditConfig{.every = milliseconds(0)});
    EXPECT_TRUE(module_->Start());
  }
  ~AuditModuleTest() override { module_->Stop(); }

  // What it is told: "audit 1" of the first.
  std::future<std::string> Ask() {
    return std::async(std::launch::async, [this] { return module_->RunNow().error().detail; });
  }
  bool AwaitWaiting(int count) {
    return testbed::Eventually([&] { return module_->waiting() == count; });
  }

  std::atomic<int> begun_ = 0;
  std::atomic<int> let_ = 0;  // so many audits go on
  FakeQueues queue_;
  rpc::Host host_;
  ManualClock clock_;
  SeededRandom random_{5};
  obs::Registry metrics_;
  testbed::FakeBus bus_;
  const module::Runtime runtime_{.clock = clock_,
                                 .random = random_,
                                 .metrics = metrics_,
                                 .bus = bus_,
                                 .channels = [this](std::string_view) { return host_.InProcessChannel(); },
                                 .data_dir = {},
                                 .listen = {}};
  std::unique_ptr<AuditModule> module_;
};

TEST_F(AuditModuleTest, WhoWaitsBehindAnAuditSharesTheNextWithTheOthers) {
  std::future<std::string> first = Ask();
  ASSERT_TRUE(testbed::Eventually([this] { return begun_ == 1; }));
  std::vector<std::future<std::string>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(Ask());
  ASSERT_TRUE(AwaitWaiting(4));
  let_ = 4;
  EXPECT_THAT(first.get(), HasSubstr("audit 1"));
  for (auto& one : waiting) {
    EXPECT_THAT(one.get(), HasSubstr("audit 2")) << "the first began before she asked, a third is not needed";
  }
  EXPECT_EQ(begun_, 2);
}

TEST_F(AuditModuleTest, WhoAsksOnceThatHasBegunGetsTheOneAfterIt) {
  std::future<std::string> first = Ask();
  ASSERT_TRUE(testbed::Eventually([this] { return begun_ == 1; }));
  std::future<std::string> second = Ask();
  ASSERT_TRUE(AwaitWaiting(2));
  let_ = 1;
  EXPECT_THAT(first.get(), HasSubstr("audit 1"));
  ASSERT_TRUE(testbed::Eventually([this] { return begun_ == 2; }));
  std::future<std::string> third = Ask();
  ASSERT_TRUE(AwaitWaiting(2));
  let_ = 3;
  EXPECT_THAT(second.get(), HasSubstr("audit 2"));
  EXPECT_THAT(third.get(), HasSubstr("audit 3"));
}

// Whoever asks for one at the console may ask from the only thread that serves.
TEST_F(AuditModuleTest, WhoAsksHoldsNoThreadUntilSheIsTold) {
  std::promise<std::string> told;
  module_->RunNow([&told](const Result<Verdict>& verdict) { told.set_value(verdict.error().detail); });
  ASSERT_TRUE(testbed::Eventually([this] { return begun_ == 1; }))
      << "it has returned, and the audit has begun";
  EXPECT_EQ(module_->waiting(), 1);
  let_ = 1;
  EXPECT_THAT(told.get_future().get(), HasSubstr("audit 1"));
  EXPECT_EQ(module_->waiting(), 0);
}

TEST_F(AuditModuleTest, StopWaitsForTheAuditThatIsRunningAndRefusesTheNext) {
  std::future<std::string> asked = Ask();
  ASSERT_TRUE(testbed::Eventually([this] { return begun_ == 1; }));
  std::future<std::string> next = Ask();
  ASSERT_TRUE(AwaitWaiting(2));
  std::future<void> stopped = std::async(std::launch::async, [this] { module_->Stop(); });
  testbed::Pause(milliseconds(200));
  EXPECT_EQ(stopped.wait_for(milliseconds(0)), std::future_status::timeout)
      << "what the audit uses goes with the auditor";
  let_ = 1;
  stopped.wait();
  EXPECT_EQ(asked.get(), "") << "it asks nobody else";
  EXPECT_EQ(next.get(), "the auditor does not run");
  EXPECT_EQ(begun_, 1);
}

// The gateway serves before the auditor has started, and while it does.
TEST_F(AuditModuleTest, WhoAsksBeforeItHasStartedIsToldSoAndWhoAsksThenIsAnswered) {
  let_ = 1;
  AuditModule* starting = nullptr;
  std::vector<std::string> told;
  AuditConfig config{.every = milliseconds(0)};
  config.channels = [&](std::string_view) {
    told.push_back(std::async(std::launch::async, [&] { return starting->RunNow().error().reason; }).get());
    return host_.InProcessChannel();
  };
  AuditModule module(runtime_, config);
  starting = &module;
  EXPECT_EQ(module.RunNow().error().reason, "not_running");
  ASSERT_TRUE(module.Start());
  EXPECT_THAT(told, AllOf(Not(IsEmpty()), Each("not_running")));
  EXPECT_THAT(module.RunNow().error().detail, HasSubstr("audit 1"));
  EXPECT_EQ(metrics_.GetCounter("boxoffice_audit_failures_total", "").value(), 1U)
      << "what was never begun has not failed";
  module.Stop();
  EXPECT_EQ(module.RunNow().error().reason, "not_running");
}

// By it a first audit that lasts is known from one that never comes.
TEST_F(AuditModuleTest, WhoAuditsByItselfTellsSinceWhen) {
  const obs::Gauge& start = metrics_.GetGauge("boxoffice_audit_start_timestamp_seconds", "");
  EXPECT_EQ(start.value(), 0) << "on demand, nobody waits for one";
  AuditModule background(runtime_, AuditConfig{.every = std::chrono::hours(1)});
  ASSERT_TRUE(background.Start());
  EXPECT_EQ(start.value(), static_cast<double>(ToUnixMs(clock_.Now())) / 1000);
}

TEST_F(AuditModuleTest, TheBackgroundAuditHurriesNobody) {
  AuditModule background(runtime_, AuditConfig{.every = milliseconds(1)});
  ASSERT_TRUE(background.Start());
  EXPECT_TRUE(testbed::Eventually([this] { return begun_ > 0; }));
  EXPECT_EQ(background.waiting(), 0) << "nobody waits for it, so it leaves the machine to the sale";
  let_ = std::numeric_limits<int>::max();
  background.Stop();
}

TEST_F(AuditModuleTest, AnAuditInTheBackgroundIsFollowedByAnother) {
  let_ = std::numeric_limits<int>::max();
  AuditModule background(runtime_, AuditConfig{.every = milliseconds(1)});
  ASSERT_TRUE(background.Start());
  EXPECT_TRUE(testbed::Eventually([this] { return begun_ >= 3; }));
  background.Stop();
}

constexpr milliseconds kEvery{60'000};
constexpr milliseconds kTook{600'000};

TEST(PauseAfterTest, ALargeSystemIsNotAuditedAllTheTime) {
  EXPECT_EQ(PauseAfter(Verdict{}, kTook, kEvery), 20 * kTook);
  EXPECT_EQ(PauseAfter(Verdict{}, milliseconds(50), kEvery), kEvery);
}

TEST(PauseAfterTest, WhatAnAuditWaitedForIsNoWork) {
  Verdict verdict;
  verdict.waited = milliseconds(25'500);
  EXPECT_EQ(PauseAfter(verdict, milliseconds(26'000), kEvery), kEvery);
  EXPECT_EQ(PauseAfter(verdict, verdict.waited + kTook, kEvery), 20 * kTook);
}

TEST(PauseAfterTest, AnAuditThatCameToNoVerdictIsSoonFollowedByAnother) {
  EXPECT_EQ(PauseAfter(Fail(Code::kUnavailable, "down"), kTook, kEvery), kTook);
  EXPECT_EQ(PauseAfter(Fail(Code::kUnavailable, "down"), milliseconds(50), kEvery), kEvery);
  Verdict of_a_part;
  of_a_part.unread = {"timeout: wallet"};
  EXPECT_EQ(PauseAfter(of_a_part, kTook, kEvery), kTook);
}

TEST(PauseAfterTest, WhatIsTooLargeIsNotTriedAgainSoon) {
  EXPECT_EQ(PauseAfter(Fail(Code::kResourceExhausted, kTooLarge), kTook, kEvery), 20 * kTook);
  Verdict with_a_violation;
  with_a_violation.unread = {std::string(kTooLarge) + ": the seats"};
  EXPECT_EQ(PauseAfter(with_a_violation, kTook, kEvery), 20 * kTook);
}

}  // namespace
}  // namespace boxoffice::audit
