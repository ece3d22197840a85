// The Kafka bus while its broker is killed, restarted and frozen.
#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/bus/bus_factory.h"
#include "platform/bus/inbox_for_test.h"
#include "platform/bus/kafka_bus.h"
#include "platform/bus/kafka_for_test.h"
#include "testing/wait.h"

namespace boxoffice::bus {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::seconds;

// The time-out is 1.5 s, the machine may be busy, and a call without one would wait for ever.
constexpr seconds kGivenUpWithin{30};

class KafkaFailureTest : public testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_KAFKA();
    config_ = KafkaTestConfig(NewPrefix());
    config_.publish_timeout = milliseconds(1'500);
    config_.session_timeout = milliseconds(3'000);
    config_.commit_timeout = KafkaBusConfig().commit_timeout;  // a broker that is away is not waited for
    MakeTestTopics(config_, {"g"});
  }
  std::unique_ptr<KafkaBus> Open() { return KafkaBus::Open(config_, clock_, metrics_).value(); }

  KafkaBusConfig config_;
  SystemClock clock_;
  EventMaker events_;
  obs::Registry metrics_;
};

// Publishes as an outbox does, one key after the other in order, and repeats what was not acknowledged.
class Outbox {
 public:
  Outbox(KafkaBus& bus, EventMaker& events) : thread_([this, &bus, &events] { Run(bus, events); }) {}
  ~Outbox() { Stop(); }
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] size_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] int failures() const { return failures_; }
  [[nodiscard]] milliseconds longest() const { return milliseconds(longest_ms_); }

 private:
  static constexpr int kKeys = 5;
  void Run(KafkaBus& bus, EventMaker& events) {
    for (int round = 0; !stopping_; ++round) {
      std::vector<Event> batch;
      for (int i = 0; i < 2 * kKeys; ++i) {
        batch.push_back(events.Make(fmt::format("k{}", i % kKeys), fmt::format("{:06}{}", round, i / kKeys)));
      }
      while (!stopping_) {
        const auto begin = SteadyClock::now();
        const Result<void> published = bus.Publish(batch);
        longest_ms_ = std::max(longest_ms_.load(),
                               std::chrono::duration_cast<milliseconds>(SteadyClock::now() - begin).count());
        if (published) {
          acknowledged_ += batch.size();
          break;
        }
        EXPECT_EQ(published.error().code, Code::kUnavailable) << published.error().detail;
        ++failures_;
      }
    }
  }
  std::atomic<bool> stopping_ = false;
  std::atomic<size_t> acknowledged_ = 0;
  std::atomic<int> failures_ = 0;
  std::atomic<int64_t> longest_ms_ = 0;
  std::thread thread_;
};

// What consumers do: drop what came before. Events of a key must then be in order.
class Deduplicated {
 public:
  Bus::Consume Consume() {
    return [this](std::span<const Record> records) {
      const std::scoped_lock lock(mutex_);
      for (const Record& record : records) {
        if (!seen_.insert(record.event.id).second) continue;
        std::string& last = last_[record.event.key];
        if (record.event.body <= last) ++out_of_order_;
        last = record.event.body;
      }
      return Consumed{records.size(), {}};
    };
  }
  size_t count() {
    const std::scoped_lock lock(mutex_);
    return seen_.size();
  }
  size_t out_of_order() {
    const std::scoped_lock lock(mutex_);
    return out_of_order_;
  }

 private:
  std::mutex mutex_;
  std::set<EventId> seen_;
  std::map<std::string, std::string> last_;
  size_t out_of_order_ = 0;
};

TEST_F(KafkaFailureTest, ABrokerThatIsKilledAndComesBackLosesNothingThatWasAcknowledged) {
  auto bus = Open();
  Deduplicated consumer;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, consumer.Consume()));
  Outbox outbox(*bus, events_);
  ASSERT_TRUE(Eventually([&] { return consumer.count() > 200; }));
  testbed::KafkaBroker& broker = testbed::KafkaBroker::Shared();
  broker.Kill9();
  EXPECT_TRUE(Eventually([&] { return outbox.failures() > 0; }));
  broker.Start();
  const size_t before = outbox.acknowledged();
  EXPECT_TRUE(Eventually([&] { return outbox.acknowledged() > before + 200; }));
  outbox.Stop();
  EXPECT_LT(outbox.longest(), kGivenUpWithin);
  // What the last call sent may be there without having been acknowledged.
  EXPECT_TRUE(Eventually([&] {
    return consumer.count() >= outbox.acknowledged() && LagOf(*bus).value_or(-1) == 0;
  })) << consumer.count()
      << " of " << outbox.acknowledged() << ", lag " << LagOf(*bus).value_or(-1);
  EXPECT_LE(consumer.count(), outbox.acknowledged() + 10);
  EXPECT_EQ(consumer.out_of_order(), 0);
  Deduplicated log;
  const Page all = bus->Read("seat", {}, 1'000'000).value();
  log.Consume()(all.records);
  EXPECT_GE(log.count(), outbox.acknowledged());
  EXPECT_EQ(log.out_of_order(), 0);
}

TEST_F(KafkaFailureTest, ABrokerThatIsFrozenForSecondsIsWaitedForAndLosesNothing) {
  auto bus = Open();
  Deduplicated consumer;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, consumer.Consume()));
  Outbox outbox(*bus, events_);
  ASSERT_TRUE(Eventually([&] { return consumer.count() > 200; }));
  testbed::KafkaBroker& broker = testbed::KafkaBroker::Shared();
  broker.Freeze();
  testbed::Pause(seconds(6));  // past the publisher's time-out and the group's session
  EXPECT_TRUE(Eventually([&] { return outbox.failures() > 0; }));
  broker.Thaw();
  const size_t before = outbox.acknowledged();
  EXPECT_TRUE(Eventually([&] { return outbox.acknowledged() > before + 200; }));
  outbox.Stop();
  EXPECT_LT(outbox.longest(), kGivenUpWithin);
  EXPECT_TRUE(Eventually([&] {
    return consumer.count() >= outbox.acknowledged() && LagOf(*bus).value_or(-1) == 0;
  })) << consumer.count()
      << " of " << outbox.acknowledged() << ", lag " << LagOf(*bus).value_or(-1);
  EXPECT_EQ(consumer.out_of_order(), 0);
}

// Each reading costs the brokers up to a megabyte of each partition, whatever is wanted of it.
TEST_F(KafkaFailureTest, WhatAReadingHasBeyondItsPageIsKeptForTheNextUpToSomeMegabytes) {
  config_.request_timeout = milliseconds(1'500);
  const auto bus = Open();
  constexpr size_t kEvents = 60;
  std::vector<Event> events;
  for (size_t i = 0; i < kEvents; ++i) events.push_back(events_.Make("a", std::string(250'000, 'x')));
  ASSERT_TRUE(Eventually([&] { return bus->Publish(events).has_value(); }));
  const Result<Page> first = bus->Read("seat", {}, 1);
  ASSERT_TRUE(first) << first.error().detail;
  ASSERT_EQ(first->records.size(), 1U);
  testbed::KafkaBroker& broker = testbed::KafkaBroker::Shared();
  broker.Freeze();
  Result<Page> page = *first;
  size_t kept = 0;
  for (; page && !page->records.empty() && kept < kEvents; ++kept) page = bus->Read("seat", page->next, 1);
  broker.Thaw();
  EXPECT_GT(kept, 20U);
  EXPECT_LT(kept, 40U) << "a reading ends at 8 MiB";
}

TEST_F(KafkaFailureTest, WhileTheBrokerIsAwayTheLagStaysWhatItWas) {
  auto bus = Open();
  ASSERT_TRUE(bus->Publish(std::vector{events_.Make("a", "1")}));
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [](std::span<const Record>) {
    return Consumed{0, {Code::kUnavailable, "store_away", ""}};
  }));
  const obs::Gauge& lag = metrics_.GetGauge("boxoffice_bus_lag", "", {{"group", "g"}});
  ASSERT_TRUE(Eventually([&] { return lag.value() == 1; }));
  testbed::KafkaBroker& broker = testbed::KafkaBroker::Shared();
  broker.Kill9();
  testbed::Pause(seconds(6));  // past the group's session
  EXPECT_EQ(lag.value(), 1);
  broker.Start();
}

// As of a backup, while which reads them nobody can commit.
TEST_F(KafkaFailureTest, TheEndsOfAFrozenBrokerAreNotWaitedFor) {
  const auto ends = OpenEnds(fmt::format("{}?prefix={}", ClusterBusUrl(config_.brokers), config_.prefix),
                             {"seat", "wallet"});
  ASSERT_TRUE(ends) << ends.error().detail;
  const auto before = (*ends)->Read(kEndsWithin);
  ASSERT_TRUE(before) << before.error().detail;
  EXPECT_EQ(before->at("seat").size(), 2U);
  testbed::KafkaBroker& broker = testbed::KafkaBroker::Shared();
  broker.Freeze();
  const auto begin = SteadyClock::now();
  const auto late = (*ends)->Read(milliseconds(500));
  const auto waited = SteadyClock::now() - begin;
  broker.Thaw();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kUnavailable) << "so that it is tried again";
  EXPECT_LT(waited, seconds(9)) << "0.5 s, where its requests have 10";
  EXPECT_TRUE(Eventually([&] { return (*ends)->Read(kEndsWithin).has_value(); }));
}

// The broker goes away between a failure and what is to be written of it.
TEST_F(KafkaFailureTest, AKeyThatFailsWhileTheBrokerIsAwayKeepsItsOrder) {
  auto bus = Open();
  Inbox inbox;
  std::atomic<int> failures = 0;
  testbed::KafkaBroker& broker = testbed::KafkaBroker::Shared();
  std::atomic<bool> frozen = false;
  ASSERT_TRUE(
      bus->Publish(std::vector{events_.Make("a", "1"), events_.Make("a", "2"), events_.Make("a", "3")}));
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&](std::span<const Record> records) {
    for (size_t i = 0; i < records.size(); ++i) {
      if (records[i].event.body == "2" && failures++ < 3) {
        if (!frozen.exchange(true)) broker.Freeze();
        return Consumed{i, {Code::kInternal, "poison", ""}};
      }
      inbox.Add(records.subspan(i, 1));
    }
    return Consumed{records.size(), {}};
  }));
  ASSERT_TRUE(Eventually([&] { return frozen.load(); }));
  testbed::Pause(seconds(2));
  broker.Thaw();
  EXPECT_TRUE(Eventually([&] {
    const auto bodies = inbox.Of("a");
    return !bodies.empty() && bodies.back() == "3";
  }));
  // "1" may come more than once: its mark was lost.
  std::vector<std::string> firsts;
  for (const std::string& body : inbox.Of("a")) {
    if (std::ranges::find(firsts, body) == firsts.end()) firsts.push_back(body);
  }
  EXPECT_THAT(firsts, testing::ElementsAre("1", "2", "3"));
}

}  // namespace
}  // namespace boxoffice::bus
