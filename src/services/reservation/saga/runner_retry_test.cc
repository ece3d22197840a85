// How often a step is repeated at once.
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/obs/log.h"
#include "services/reservation/saga/runner.h"

namespace boxoffice::reservation {
namespace {

// The queue does not answer, until it is told to; the wallet may not; the others do all that is asked.
class DeafQueue final : public Participants {
 public:
  int calls = 0;
  std::function<void()> on_call;
  bool binds = false;
  bool wallet_is_away = false;
  int debits = 0;               // that were asked for
  std::string reason;           // why it does not bind
  int deaf_to_completions = 0;  // as many are not answered

  asio::awaitable<StepResult> BindQueue(const Reservation&) override {
    ++calls;
    if (on_call) on_call();
    StepResult result;
    if (!binds) result.kind = StepResult::Kind::kUnavailable;
    result.error.reason = reason;
    co_return result;
  }
  asio::awaitable<StepResult> UnbindQueue(const Reservation&, SagaId) override { return Done(); }
  asio::awaitable<StepResult> CompleteQueue(const Reservation&) override {
    StepResult result;
    if (deaf_to_completions > 0) result.kind = StepResult::Kind::kUnavailable;
    --deaf_to_completions;
    co_return result;
  }
  asio::awaitable<StepResult> HoldSeats(Reservation&, Timestamp) override { return Done(); }
  asio::awaitable<StepResult> KeepSeats(Reservation&) override { return Done(); }
  asio::awaitable<StepResult> ConfirmSeats(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> ReleaseSeats(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> ReleaseOnly(const Reservation&, std::vector<uint32_t>) override {
    return Done();
  }
  asio::awaitable<StepResult> MoveSeats(Reservation&) override { return Done(); }
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation&, int64_t) override { return Done(); }
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation&, int64_t) override { return Done(); }
  asio::awaitable<StepResult> DebitWallet(const Reservation&) override {
    ++debits;
    if (on_call) on_call();
    StepResult result;
    if (wallet_is_away) result.kind = StepResult::Kind::kUnavailable;
    co_return result;
  }
  asio::awaitable<StepResult> RefundWallet(const Reservation&, SagaId) override { return Done(); }
  asio::awaitable<StepResult> ApprovePayment(const Reservation&) override { return Done(); }
  asio::awaitable<StepResult> CancelPayment(const Reservation&, uint32_t) override { return Done(); }
  asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t) override { co_return CancelPolicy(); }

 private:
  static asio::awaitable<StepResult> Done() { co_return StepResult(); }
};

class WillingBook final : public Book {
 public:
  std::vector<TimelineEntry> timeline;  // of the saga that was written last

  asio::awaitable<Result<Outcome>> Write(Command& command) override {
    auto* const finish = std::get_if<Finish>(&command);
    auto& reservation = finish != nullptr ? finish->reservation : std::get<Postpone>(command).reservation;
    timeline = static_cast<const Reservation&>(reservation).saga.timeline;
    Outcome written = Written{std::move(reservation)};
    co_return written;
  }
};

class RunnerRetryTest : public ::testing::Test {
 protected:
  void SetUp() override { obs::SetLogLevel(obs::Level::kError); }

  auto Begin(Runner& runner) {
    Reservation reservation;
    reservation.id = ReservationId::Make(clock_.Now(), random_);
    reservation.queue_token = "token";
    reservation.saga.kind = SagaKind::kOneShot;
    reservation.saga.deadline = clock_.Now() + policy_.saga_deadline;
    return asio::co_spawn(io_, runner.Run(std::move(reservation)), asio::use_future);
  }
  // Runs a new saga, and returns how often its first step was tried.
  int TriesOfOneSaga(Runner& runner) {
    const int before = queue_.calls;
    auto answer = Begin(runner);
    io_.restart();
    io_.run();
    EXPECT_TRUE(answer.get());
    return queue_.calls - before;
  }
  std::string LogOfOneSaga(Runner& runner) {
    testing::internal::CaptureStderr();
    TriesOfOneSaga(runner);
    return testing::internal::GetCapturedStderr();
  }
  Runner Make(resilience::RetryBudgetConfig budget, milliseconds first_pause = milliseconds(0)) {
    const RetryPolicy retry{.retries = 3, .first_pause = first_pause, .budget = budget};
    return {io_.get_executor(), queue_, book_, clock_, random_, policy_, retry, metrics_};
  }

  asio::io_context io_;
  DeafQueue queue_;
  WillingBook book_;
  ManualClock clock_;
  SeededRandom random_{1};
  const Policy policy_;
  obs::Registry metrics_;
};

TEST_F(RunnerRetryTest, AStepIsRepeatedThreeTimesAndThenTheSagaWaits) {
  Runner runner = Make({});
  EXPECT_EQ(TriesOfOneSaga(runner), 4);
}

// The buyer waits for all steps together.
TEST_F(RunnerRetryTest, WhereEarlierStepsTookTheRunsTimeALaterOneIsTriedOnce) {
  queue_.binds = true;
  queue_.wallet_is_away = true;
  queue_.on_call = [&] { clock_.Advance(std::chrono::seconds(3)); };
  Runner runner = Make({});
  EXPECT_EQ(TriesOfOneSaga(runner), 1);
  EXPECT_EQ(queue_.debits, 1) << "its try ended 6 s after the run's start";
}

TEST_F(RunnerRetryTest, AllSagasTogetherRepeatAStepNoMoreThanItsBudgetAllows) {
  Runner runner = Make({.share = 0.10, .free_per_s = 0});
  int tries = 0;
  for (int i = 0; i < 100; ++i) tries += TriesOfOneSaga(runner);
  EXPECT_EQ(tries, 100 + 10);
  clock_.Advance(std::chrono::seconds(10));
  EXPECT_EQ(TriesOfOneSaga(runner), 1) << "of long ago nothing is left";
}

// Otherwise a buyer's place stays bound for minutes, and keeps somebody else out, whenever another leader is
// elected.
TEST_F(RunnerRetryTest, AQueueThatIsAwayForAMomentIsToldOfAPurchaseAfterwards) {
  queue_.binds = true;
  queue_.deaf_to_completions = 6;
  Runner runner = Make({}, milliseconds(4));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(TriesOfOneSaga(runner), 1);
  EXPECT_EQ(queue_.deaf_to_completions, -1) << "the seventh was answered";
  EXPECT_GT(std::chrono::steady_clock::now() - began, milliseconds(10))
      << "126 ms of pauses, halved by jitter";
}

TEST_F(RunnerRetryTest, AQueueThatIsAwayForLongIsNotToldForEver) {
  queue_.binds = true;
  queue_.deaf_to_completions = 1'000;
  Runner runner = Make({});
  EXPECT_EQ(TriesOfOneSaga(runner), 1);
  EXPECT_EQ(queue_.deaf_to_completions, 990);
}

// A queue that is away for long must not fill the memory.
TEST_F(RunnerRetryTest, OfPurchasesThatTheQueueWasNotToldOfNoMoreWaitThanMayBe) {
  queue_.binds = true;
  queue_.deaf_to_completions = 2;
  const RetryPolicy retry{.first_pause = milliseconds(1), .max_uncompleted = 1};
  Runner runner(io_.get_executor(), queue_, book_, clock_, random_, policy_, retry, metrics_);
  auto first = Begin(runner);
  auto second = Begin(runner);
  io_.run();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
  EXPECT_EQ(queue_.deaf_to_completions, -1) << "one of the two is told of again";
}

// In an outage hundreds of sagas say the same, at each of their tries.
TEST_F(RunnerRetryTest, OfSagasThatWaitForTheSameReasonAWarningASecondTellsAndCountsTheOthers) {
  obs::SetLogLevel(obs::Level::kWarning);
  Runner runner = Make({});
  const auto logged = [&] { return LogOfOneSaga(runner); };
  EXPECT_THAT(logged(), testing::ContainsRegex(R"("warning","event":"saga_postponed".*"others":"0")"));
  EXPECT_EQ(logged(), "");
  EXPECT_EQ(logged(), "");
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_THAT(logged(), testing::HasSubstr("\"others\":\"2\""));
  obs::SetLogLevel(obs::Level::kDebug);
  EXPECT_THAT(logged(), testing::HasSubstr("\"level\":\"debug\",\"event\":\"saga_postponed\""))
      << "by its id each is found";
  obs::SetLogLevel(obs::Level::kError);
}

TEST_F(RunnerRetryTest, TheSixtyFifthReasonToWaitAndThoseAfterItAreToldAsOne) {
  obs::SetLogLevel(obs::Level::kWarning);
  Runner runner = Make({});
  const auto logged = [&](int reason) {
    queue_.reason = fmt::format("reason_{}", reason);
    return LogOfOneSaga(runner);
  };
  for (int reason = 1; reason <= 65; ++reason) {
    EXPECT_THAT(logged(reason), testing::HasSubstr("\"others\":\"0\"")) << reason;
  }
  EXPECT_EQ(logged(66), "");
  EXPECT_EQ(logged(67), "");
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_THAT(logged(64), testing::HasSubstr("\"others\":\"0\"")) << "it has a name of its own";
  EXPECT_THAT(logged(68), testing::HasSubstr("\"others\":\"2\""));
  obs::SetLogLevel(obs::Level::kError);
}

// Stored as it is, it would be a step of 71 minutes for good.
TEST_F(RunnerRetryTest, AClockThatIsSetBackDuringAStepGivesItNoTime) {
  Runner runner = Make({});
  queue_.on_call = [&] { clock_.Advance(-std::chrono::seconds(1)); };
  TriesOfOneSaga(runner);
  ASSERT_FALSE(book_.timeline.empty());
  for (const auto& entry : book_.timeline) EXPECT_EQ(entry.duration_us, 0U) << entry.step;
}

}  // namespace
}  // namespace boxoffice::reservation
