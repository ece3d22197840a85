#include "platform/batch/executor.h"

#include <future>
#include <sstream>

#include <gmock/gmock.h>

#include "base/text.h"
#include "testing/wait.h"

namespace boxoffice::batch {
namespace {

using IntExecutor = Executor<int, int>;
using Outcomes = std::vector<std::optional<int>>;

Result<int> Await(IntExecutor& executor, int command) {
  // Shared: whoever sets the value may still be in set_value when it has been got.
  auto promise = std::make_shared<std::promise<Result<int>>>();
  auto future = promise->get_future();
  executor.Submit(command, [promise](Result<int> outcome) { promise->set_value(std::move(outcome)); });
  return future.get();
}

Outcomes Double(std::span<const int> commands) {
  Outcomes outcomes;
  for (const int command : commands) outcomes.emplace_back(2 * command);
  return outcomes;
}

class ExecutorTest : public ::testing::Test {
 protected:
  obs::Registry metrics_;
};

TEST_F(ExecutorTest, ALoneCommandRunsAtOnce) {
  IntExecutor executor("t", {}, Double, metrics_);
  EXPECT_EQ(Await(executor, 21), 42);
}

TEST_F(ExecutorTest, ABurstOfCommandsIsOneTransactionAndItsOutcomesAreABurst) {
  std::atomic<size_t> batches = 0;
  IntExecutor executor(
      "t", {},
      [&](std::span<const int> commands) -> Result<Outcomes> {
        ++batches;
        return Double(commands);
      },
      metrics_);
  constexpr int kCommands = 50;
  // Whether the executor slept when they came, took them in one transaction, and told their outcomes in a
  // burst.
  const auto is_whole = [&] {
    EXPECT_EQ(Await(executor, 1), 2);
    // In which it mostly falls asleep.
    std::promise<void>().get_future().wait_for(std::chrono::milliseconds(1));
    const size_t before = batches;
    std::promise<void> last;
    int done = 0;
    int done_at_first_end = 0;
    {
      const Burst burst;
      for (int i = 0; i < kCommands; ++i) {
        executor.Submit(i, [&, i](const Result<int>&) {
          ++done;
          Burst::AtEnd([&, i] {
            if (i == 0) done_at_first_end = done;
            if (i == kCommands - 1) last.set_value();
          });
        });
        std::this_thread::yield();
      }
    }
    last.get_future().wait();
    return batches == before + 1 && done_at_first_end == kCommands;
  };
  // On a busy machine it may still be awake, again and again.
  constexpr int kRounds = 20;
  int whole = 0;
  for (int tries = 0; tries < 50 && whole <= kRounds / 2; ++tries) {
    whole = 0;
    for (int round = 0; round < kRounds; ++round) whole += is_whole() ? 1 : 0;
  }
  EXPECT_GT(whole, kRounds / 2) << "unless it was still awake, it is woken when it can have them all";
}

TEST_F(ExecutorTest, WhatGathersWhileABatchRunsIsTheNextBatchInOrder) {
  std::promise<void> entered;
  std::promise<void> go_on;
  std::vector<std::vector<int>> batches;
  IntExecutor executor(
      "t", {.max_batch = 4},
      [&](std::span<const int> commands) -> Result<Outcomes> {
        batches.emplace_back(commands.begin(), commands.end());
        if (batches.size() == 1) {
          entered.set_value();
          go_on.get_future().wait();
        }
        return Double(commands);
      },
      metrics_);
  std::atomic<int> done = 0;
  const auto count = [&done](const Result<int>&) { ++done; };
  executor.Submit(0, count);
  entered.get_future().wait();
  for (int i = 1; i <= 6; ++i) executor.Submit(i, count);
  go_on.set_value();
  executor.Stop();
  EXPECT_EQ(done, 7);
  EXPECT_THAT(batches, ::testing::ElementsAre(::testing::ElementsAre(0), ::testing::ElementsAre(1, 2, 3, 4),
                                              ::testing::ElementsAre(5, 6)));
}

TEST_F(ExecutorTest, ACommandWhoseRowMovedIsDecidedAgainBeforeOthers) {
  std::vector<int> order;
  IntExecutor executor(
      "t", {},
      [&](std::span<const int> commands) -> Result<Outcomes> {
        Outcomes outcomes;
        for (const int command : commands) {
          const bool first_time = std::ranges::find(order, command) == order.end();
          order.push_back(command);
          outcomes.emplace_back(command == 7 && first_time ? std::nullopt : std::optional(command));
        }
        return outcomes;
      },
      metrics_);
  EXPECT_EQ(Await(executor, 7), 7);
  EXPECT_THAT(order, ::testing::ElementsAre(7, 7));
}

TEST_F(ExecutorTest, ARowThatKeepsMovingIsGivenUpAfterTheBound) {
  IntExecutor executor(
      "t", {.max_runs = 3},
      [](std::span<const int> commands) -> Result<Outcomes> { return Outcomes(commands.size()); }, metrics_);
  EXPECT_EQ(Await(executor, 1).error().reason, "contention");
}

TEST_F(ExecutorTest, OneBadCommandNeverFailsItsNeighbours) {
  std::promise<void> hold;
  auto held = hold.get_future();
  std::vector<std::promise<Result<int>>> promises(8);  // outlive the executor
  IntExecutor executor(
      "t", {},
      [&](std::span<const int> commands) -> Result<Outcomes> {
        if (commands.front() == 0) held.wait();
        if (std::ranges::find(commands, 13) != commands.end()) return Fail(Code::kInvalidArgument, "bad");
        return Double(commands);
      },
      metrics_);
  executor.Submit(0, [](const Result<int>&) {});
  for (size_t i = 0; i < promises.size(); ++i) {
    executor.Submit(static_cast<int>(10 + i),
                    [&promises, i](Result<int> r) { promises[i].set_value(std::move(r)); });
  }
  hold.set_value();
  for (size_t i = 0; i < promises.size(); ++i) {
    const auto result = promises[i].get_future().get();
    if (i == 3) {
      EXPECT_EQ(result.error().reason, "bad");
    } else {
      EXPECT_EQ(result, static_cast<int>(2 * (10 + i)));
    }
  }
}

TEST_F(ExecutorTest, TheStoresTroubleIsAnsweredToAllAtOnce) {
  std::promise<void> entered;
  std::promise<void> hold;
  auto held = hold.get_future();
  std::atomic<int> runs = 0;
  std::vector<std::promise<Result<int>>> promises(8);  // outlive the executor
  IntExecutor executor(
      "t", {},
      [&](std::span<const int> commands) -> Result<Outcomes> {
        if (commands.front() == 0) {
          entered.set_value();
          held.wait();
          return Double(commands);
        }
        ++runs;
        return Fail(Code::kUnavailable, "database_unavailable");
      },
      metrics_);
  executor.Submit(0, [](const Result<int>&) {});
  entered.get_future().wait();  // so that what follows is one batch
  for (size_t i = 0; i < promises.size(); ++i) {
    executor.Submit(static_cast<int>(10 + i),
                    [&promises, i](Result<int> r) { promises[i].set_value(std::move(r)); });
  }
  hold.set_value();
  for (auto& promise : promises) {
    const auto answer = promise.get_future().get();
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().reason, "database_unavailable");
  }
  EXPECT_EQ(runs, 1) << "it is not asked again for each command";
}

// As a store that is away makes each call a batch of its own, which fails at once.
TEST_F(ExecutorTest, BatchesThatFailForOneReasonAreAWarningASecondAndAreAllCounted) {
  IntExecutor executor(
      "t", {},
      [](std::span<const int>) -> Result<Outcomes> {
        return Fail(Code::kUnavailable, "database_unavailable");
      },
      metrics_);
  constexpr uint64_t kFailures = 200;
  ::testing::internal::CaptureStderr();
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 1; i < kFailures; ++i) EXPECT_FALSE(Await(executor, 1));
  testbed::Pause(std::chrono::milliseconds(1'001));  // so that the next one warns
  EXPECT_FALSE(Await(executor, 1));
  const auto took = std::chrono::steady_clock::now() - start;
  std::istringstream lines(::testing::internal::GetCapturedStderr());
  int64_t warnings = 0;
  uint64_t told = 0;
  constexpr std::string_view kOthers = R"("others":")";
  for (std::string line; std::getline(lines, line); ++warnings) {
    EXPECT_THAT(line, ::testing::HasSubstr("batch_failed"));
    const size_t begin = line.find(kOthers) + kOthers.size();
    const std::string_view others = std::string_view(line).substr(begin, line.find('"', begin) - begin);
    told += 1 + ParseNumber<uint64_t>(others).value_or(0);
  }
  EXPECT_LE(warnings, 1 + took / std::chrono::seconds(1));
  EXPECT_EQ(told, kFailures) << "each is a line, or one of a line's others";
  const obs::Counter& failures =
      metrics_.GetCounter("boxoffice_batch_failures_total", "", {{"executor", "t"}, {"code", "unavailable"}});
  EXPECT_EQ(failures.value(), kFailures);
}

TEST_F(ExecutorTest, ACommitThatStaysUnknownIsGivenUpInTime) {
  IntExecutor executor(
      "t", {.retry_for = std::chrono::milliseconds(20)},
      [](std::span<const int>) -> Result<Outcomes> { return Fail(Code::kUnknown, "timeout"); }, metrics_);
  const auto answer = Await(executor, 1);
  EXPECT_EQ(answer.error().code, Code::kUnknown);
  EXPECT_EQ(answer.error().reason, "commit_unknown");
}

TEST_F(ExecutorTest, UnknownCommitRunsTheBatchAgain) {
  int runs = 0;
  IntExecutor executor(
      "t", {},
      [&](std::span<const int> commands) -> Result<Outcomes> {
        if (++runs == 1) return Fail(Code::kUnknown, "commit_unknown");
        return Double(commands);
      },
      metrics_);
  EXPECT_EQ(Await(executor, 4), 8);
  EXPECT_EQ(runs, 2);
}

TEST_F(ExecutorTest, AnUnknownCommitIsNeverReportedAsNotDone) {
  int runs = 0;
  IntExecutor executor(
      "t", {.max_runs = 3},
      [&](std::span<const int>) -> Result<Outcomes> {
        if (++runs == 1) return Fail(Code::kUnknown, "commit_unknown");
        return Fail(Code::kUnavailable, "database_unavailable");
      },
      metrics_);
  EXPECT_EQ(Await(executor, 4).error().code, Code::kUnknown);
  EXPECT_EQ(runs, 3);
}

TEST_F(ExecutorTest, AnUnknownCommitWhoseRowThenKeepsMovingStaysUnknown) {
  int runs = 0;
  IntExecutor executor(
      "t", {.max_runs = 3},
      [&](std::span<const int>) -> Result<Outcomes> {
        if (++runs == 1) return Fail(Code::kUnknown, "commit_unknown");
        return Outcomes{std::nullopt};
      },
      metrics_);
  EXPECT_EQ(Await(executor, 4).error().reason, "commit_unknown");
  EXPECT_EQ(runs, 3);
}

TEST_F(ExecutorTest, AnExceptionFailsItsCommandOnly) {
  IntExecutor executor(
      "t", {}, [](std::span<const int>) -> Result<Outcomes> { throw std::runtime_error("boom"); }, metrics_);
  EXPECT_EQ(Await(executor, 4).error().detail, "boom");
}

TEST_F(ExecutorTest, AFullQueueRefusesAtOnce) {
  std::promise<void> entered;
  std::promise<void> go_on;
  bool first = true;
  IntExecutor executor(
      "t", {.max_batch = 1, .max_queue = 1},
      [&](std::span<const int> commands) -> Result<Outcomes> {
        if (std::exchange(first, false)) {
          entered.set_value();
          go_on.get_future().wait();
        }
        return Double(commands);
      },
      metrics_);
  executor.Submit(1, [](const Result<int>&) {});
  entered.get_future().wait();
  executor.Submit(2, [](const Result<int>&) {});
  EXPECT_EQ(Await(executor, 3).error().reason, "overloaded");
  go_on.set_value();
}

TEST_F(ExecutorTest, StoppingRunsWhatWaitsAndRefusesTheRest) {
  IntExecutor executor("t", {}, Double, metrics_);
  std::atomic<int> done = 0;
  for (int i = 0; i < 100; ++i)
    executor.Submit(i, [&](const Result<int>& r) { done += r.has_value() ? 1 : 0; });
  executor.Stop();
  EXPECT_EQ(done, 100);
  EXPECT_EQ(Await(executor, 1).error().reason, "stopping");
}

// Holds the executor in its first batch, so that what is submitted meanwhile waits.
class Holding {
 public:
  IntExecutor::Run Run() {
    return [this](std::span<const int> commands) -> Result<Outcomes> {
      if (!std::exchange(entered_once_, true)) {
        entered_.set_value();
        go_on_.get_future().wait();
      }
      return Double(commands);
    };
  }
  void Occupy(IntExecutor& executor) {
    executor.Submit(0, [](const Result<int>&) {});
    entered_.get_future().wait();
  }
  void LetGo() { go_on_.set_value(); }

 private:
  bool entered_once_ = false;
  std::promise<void> entered_;
  std::promise<void> go_on_;
};

TEST_F(ExecutorTest, NewWorkIsRefusedFromFourFifthsOfTheQueueOnAndFinishingWorkAtItsEnd) {
  Holding holding;
  IntExecutor executor("t", {.max_queue = 10}, holding.Run(), metrics_);
  holding.Occupy(executor);
  std::atomic<int> refused = 0;
  const auto count = [&refused](const Result<int>& r) { refused += r.has_value() ? 0 : 1; };
  for (int i = 0; i < 10; ++i) executor.Submit(i, count);
  EXPECT_EQ(refused, 2);
  for (int i = 0; i < 3; ++i) executor.Submit(i, count, {.priority = resilience::Priority::kFinishing});
  EXPECT_EQ(refused, 3);
  holding.LetGo();
  executor.Stop();
}

TEST_F(ExecutorTest, WhatNobodyWaitsForAnyMoreIsDroppedUnstarted) {
  Holding holding;
  IntExecutor executor("t", {}, holding.Run(), metrics_);
  holding.Occupy(executor);
  std::promise<Result<int>> late;
  std::promise<Result<int>> in_time;
  const auto now = std::chrono::steady_clock::now();
  executor.Submit(1, [&](Result<int> r) { late.set_value(std::move(r)); }, {.deadline = now});
  executor.Submit(2, [&](Result<int> r) { in_time.set_value(std::move(r)); },
                  {.deadline = now + std::chrono::hours(1)});
  holding.LetGo();
  EXPECT_EQ(late.get_future().get().error(), (Error{Code::kUnavailable, "deadline_passed", "t"}));
  EXPECT_EQ(in_time.get_future().get(), 4);
}

}  // namespace
}  // namespace boxoffice::batch
