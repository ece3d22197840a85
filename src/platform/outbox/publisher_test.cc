// What a publisher does over outboxes that behave in their own way.
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "platform/outbox/outbox.h"
#include "platform/outbox/outbox_for_test.h"

namespace boxoffice::outbox {
namespace {

// An outbox that other replicas write to as fast as it is read.
class BusyTable final : public Table {
 public:
  Result<bool> Read(size_t, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    if (events.empty()) events.emplace_back();
    events[0] = MakeEvent(random_, "a", "1");
    seqs.push_back(++seq_);
    return false;
  }
  Result<void> Erase(std::span<const int64_t>) override { return {}; }
  Result<Status> Count() override { return Status{.pending = 3, .oldest = {}}; }

 private:
  SeededRandom random_{1};
  int64_t seq_ = 0;
};

class PublisherTest : public testing::Test {
 protected:
  PublisherTest() { config_.service = "test"; }

  obs::Registry metrics_;
  FakeBus bus_;
  const SystemClock clock_;
  PublisherConfig config_;
};

TEST_F(PublisherTest, StopDoesNotWaitForWhatOthersGoOnWriting) {
  config_.open_table = [] { return std::make_unique<BusyTable>(); };
  config_.min_poll = config_.max_poll = config_.min_gap = std::chrono::hours(1);
  Publisher publisher(config_, bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  bus_.WaitForAttempts(1);
  publisher.Stop();
  EXPECT_EQ(bus_.WaitFor(4).size(), 4U) << "the one at the start, and the three that waited at the end";
}

// An outbox whose connection is lost after each read.
class DoubtfulTable final : public Table {
 public:
  explicit DoubtfulTable(int& erasures) : erasures_(erasures) {}
  Result<bool> Read(size_t, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    if (std::exchange(read_, true)) return false;
    if (events.empty()) events.emplace_back();
    events[0] = MakeEvent(random_, "a", "1");
    seqs.push_back(1);
    return false;
  }
  Result<void> Erase(std::span<const int64_t>) override {
    ++erasures_;
    return Fail(Code::kUnavailable, kNumbersDoubtful);
  }
  Result<Status> Count() override { return Status(); }

 private:
  int& erasures_;
  SeededRandom random_{1};
  bool read_ = false;
};

TEST_F(PublisherTest, DoubtfulNumbersAreForgotten) {
  int erasures = 0;
  config_.open_table = [&erasures] { return std::make_unique<DoubtfulTable>(erasures); };
  Publisher publisher(config_, bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Open());
  EXPECT_EQ(publisher.PublishBatch().value_or(7), 1U);
  EXPECT_EQ(publisher.PublishBatch().value_or(7), 0U);
  EXPECT_EQ(erasures, 1) << "whatever has that number by now";
}

// An outbox of which another replica has the lease while something waits in it.
class OthersTable final : public Table {
 public:
  struct Calls {
    std::atomic<int> reads, counts;
  };
  explicit OthersTable(Calls& calls) : calls_(calls) {}
  Result<bool> Read(size_t, std::vector<bus::Event>&, std::vector<int64_t>&) override {
    ++calls_.reads;
    return false;
  }
  Result<void> Erase(std::span<const int64_t>) override { return {}; }
  Result<Status> Count() override {
    ++calls_.counts;
    return Status{.pending = 1, .oldest = {}};
  }

 private:
  Calls& calls_;
};

TEST_F(PublisherTest, WhatOthersPublishIsCountedOnceASecondHoweverOftenItIsNudged) {
  OthersTable::Calls calls;
  config_.open_table = [&calls] { return std::make_unique<OthersTable>(calls); };
  config_.min_poll = config_.max_poll = std::chrono::hours(1);
  Publisher publisher(config_, bus_, clock_, metrics_);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(publisher.Start());
  while (calls.reads < 300) {
    publisher.Nudge();
    std::this_thread::yield();
  }
  const int counts = calls.counts;
  const auto took = std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now() - start);
  EXPECT_LE(counts, 1 + took.count()) << "one at the start";
}

// An outbox that cannot be counted.
class UncountedTable final : public Table {
 public:
  Result<bool> Read(size_t, std::vector<bus::Event>&, std::vector<int64_t>&) override { return false; }
  Result<void> Erase(std::span<const int64_t>) override { return {}; }
  Result<Status> Count() override { return Fail(Code::kUnavailable, "database_unavailable", "too slow"); }
};

TEST_F(PublisherTest, ACountThatFailsIsLogged) {
  config_.open_table = [] { return std::make_unique<UncountedTable>(); };
  Publisher publisher(config_, bus_, clock_, metrics_);
  testing::internal::CaptureStderr();
  const auto opened = publisher.Open();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(opened) << "it publishes all the same";
  EXPECT_THAT(log, testing::HasSubstr("outbox_count_failed"));
  EXPECT_THAT(log, testing::HasSubstr("too slow"));
}

}  // namespace
}  // namespace boxoffice::outbox
