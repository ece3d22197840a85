// The contract of bus.h, over every bus: each test runs on the embedded log and on a real Kafka broker.
#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <map>
#include <optional>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/bus/inbox_for_test.h"
#include "platform/bus/kafka_for_test.h"
#include "platform/bus/sqlite_bus.h"
#include "testing/temp_dir.h"

namespace boxoffice::bus {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

enum class Kind { kSqlite, kKafka };

class BusContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kSqlite) return;
    BOXOFFICE_NEED_KAFKA();
    kafka_ = KafkaTestConfig(NewPrefix());
    MakeTestTopics(*kafka_, {"g"});
  }
  // Another bus on the same log.
  std::unique_ptr<Bus> Open() { return Open(milliseconds(1), milliseconds(4)); }
  std::unique_ptr<Bus> Open(milliseconds retry_backoff, milliseconds max_retry_backoff) {
    if (kafka_) {
      kafka_->retry_backoff = retry_backoff;
      kafka_->max_retry_backoff = max_retry_backoff;
      return KafkaBus::Open(*kafka_, clock_, metrics_).value();
    }
    return SqliteBus::Open({.file = dir_.path() / "bus.db",
                            .min_poll = milliseconds(1),
                            .max_poll = milliseconds(5),
                            .min_gap = milliseconds(0),
                            .retry_backoff = retry_backoff,
                            .max_retry_backoff = max_retry_backoff},
                           clock_, metrics_)
        .value();
  }
  Event Make(std::string key, std::string body, std::string topic = "seat") {
    return events_.Make(std::move(key), std::move(body), std::move(topic));
  }
  static void Put(Bus& bus, std::vector<Event> events) {
    const Result<void> put = bus.Publish(events);
    ASSERT_TRUE(put.has_value()) << put.error().reason << ": " << put.error().detail;
  }

  std::optional<KafkaBusConfig> kafka_;
  testbed::TempDir dir_;
  SystemClock clock_;
  EventMaker events_;
  obs::Registry metrics_;
};

INSTANTIATE_TEST_SUITE_P(Over, BusContract, testing::Values(Kind::kSqlite, Kind::kKafka),
                         [](const auto& kind) { return kind.param == Kind::kSqlite ? "Sqlite" : "Kafka"; });

TEST_P(BusContract, AnEventComesOutAsItWentIn) {
  auto bus = Open();
  Event event = Make(std::string("\0k", 2), std::string("\0b", 2));
  event.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  event.time = FromUnixMs(1234);
  Event empty = Make("", "");
  Put(*bus, {event, empty});
  auto records = bus->Read("seat", {}, 10)->records;
  ASSERT_EQ(records.size(), 2);
  if (records[0].event.id != event.id) std::swap(records[0], records[1]);
  const Event& read = records[0].event;
  EXPECT_EQ(read.id, event.id);
  EXPECT_EQ(read.topic, event.topic);
  EXPECT_EQ(read.key, event.key);
  EXPECT_EQ(read.type, event.type);
  EXPECT_EQ(read.traceparent, event.traceparent);
  EXPECT_EQ(read.body, event.body);
  EXPECT_EQ(read.time, event.time);
  EXPECT_EQ(records[1].event.key, "");
  EXPECT_EQ(records[1].event.body, "");
  EXPECT_EQ(records[1].event.traceparent, "");
}

TEST_P(BusContract, ASubscriberGetsItsTopicsInTheOrderOfEachKey) {
  auto bus = Open();
  Inbox inbox;
  Put(*bus, {Make("a", "1"), Make("w", "2", "wallet"), Make("a", "3", "other")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat", "wallet"}, inbox.Consume()));
  Put(*bus, {Make("b", "4"), Make("a", "5"), Make("a", "6")});
  EXPECT_THAT(inbox.WaitFor(5), UnorderedElementsAre("1", "2", "4", "5", "6"));
  EXPECT_THAT(inbox.Of("a"), ElementsAre("1", "5", "6"));
}

TEST_P(BusContract, EveryGroupGetsEveryEvent) {
  if (kafka_) MakeTestTopics(*kafka_, {"one", "two"});
  auto bus = Open();
  Inbox one, two;
  ASSERT_TRUE(bus->Subscribe("one", {"seat"}, one.Consume()));
  ASSERT_TRUE(bus->Subscribe("two", {"seat"}, two.Consume()));
  Put(*bus, {Make("a", "1")});
  EXPECT_THAT(one.WaitFor(1), ElementsAre("1"));
  EXPECT_THAT(two.WaitFor(1), ElementsAre("1"));
}

TEST_P(BusContract, AGroupIsSubscribedOnce) {
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  EXPECT_EQ(bus->Subscribe("g", {"seat"}, inbox.Consume()).error().reason, "already_subscribed");
}

TEST_P(BusContract, AGroupGoesOnWhereItHadGotTo) {
  Inbox first, second;
  {
    auto bus = Open();
    ASSERT_TRUE(bus->Subscribe("g", {"seat"}, first.Consume()));
    Put(*bus, {Make("a", "1"), Make("a", "2")});
    EXPECT_THAT(first.WaitFor(2), ElementsAre("1", "2"));
    bus->Unsubscribe("g");
    Put(*bus, {Make("a", "3")});
  }
  auto bus = Open();
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, second.Consume()));
  EXPECT_THAT(second.WaitFor(1), ElementsAre("3"));
}

TEST_P(BusContract, ATopicAddedLaterIsReadFromItsBeginning) {
  auto bus = Open();
  Inbox inbox;
  Put(*bus, {Make("a", "1"), Make("a", "2", "wallet")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
  bus->Unsubscribe("g");
  ASSERT_TRUE(bus->Subscribe("g", {"seat", "wallet"}, inbox.Consume()));
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
}

TEST_P(BusContract, WhatAnotherProcessPublishesIsFound) {
  auto consumer = Open();
  auto publisher = Open();
  Inbox inbox;
  ASSERT_TRUE(consumer->Subscribe("g", {"seat"}, inbox.Consume()));
  Put(*publisher, {Make("a", "1")});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
}

TEST_P(BusContract, ALaterProcessReadsOnWhereAnotherOneHadGotTo) {
  Put(*Open(), {Make("a", "1"), Make("a", "2")});
  auto bus = Open();
  const Page first = bus->Read("seat", {}, 2).value();
  ASSERT_EQ(first.records.size(), 2);
  Put(*bus, {Make("a", "3"), Make("b", "4")});
  const Page second = Open()->Read("seat", first.next, 10).value();
  ASSERT_EQ(second.records.size(), 2);
  std::vector<std::string> bodies{second.records[0].event.body, second.records[1].event.body};
  EXPECT_THAT(bodies, UnorderedElementsAre("3", "4"));
  const Page end = bus->Read("seat", second.next, 10).value();
  EXPECT_TRUE(end.records.empty());
  EXPECT_EQ(end.next, second.next);
}

TEST_P(BusContract, ReadingPageByPageGivesEveryEventOnceAndEachKeyInOrder) {
  auto bus = Open();
  std::vector<Event> events;
  for (int i = 0; i < 97; ++i) events.push_back(Make(std::to_string(i % 7), fmt::format("{:03}", i)));
  Put(*bus, events);
  std::map<std::string, std::vector<std::string>> by_key;
  Position position;
  size_t count = 0;
  while (true) {
    Page page = bus->Read("seat", position, 10).value();
    ASSERT_LE(page.records.size(), 10);
    for (const Record& record : page.records) by_key[record.event.key].push_back(record.event.body);
    count += page.records.size();
    position = page.next;
    if (page.records.size() < 10) break;
  }
  EXPECT_EQ(count, 97);
  ASSERT_EQ(by_key.size(), 7);
  for (const auto& [key, bodies] : by_key) EXPECT_TRUE(std::ranges::is_sorted(bodies)) << key;
}

TEST_P(BusContract, ReadersByTurnsEachGoOnFromTheirOwnPositions) {
  auto bus = Open();
  for (int i = 0; i < 6; ++i) Put(*bus, {Make("a", std::to_string(i))});
  const auto read = [&](Position& position) {
    Page page = bus->Read("seat", position, 2).value();
    position = page.next;
    std::vector<std::string> bodies;
    for (const Record& record : page.records) bodies.push_back(record.event.body);
    return bodies;
  };
  Position ahead, behind;
  EXPECT_THAT(read(ahead), ElementsAre("0", "1"));
  EXPECT_THAT(read(ahead), ElementsAre("2", "3"));
  EXPECT_THAT(read(behind), ElementsAre("0", "1"));
  EXPECT_THAT(read(ahead), ElementsAre("4", "5"));
  EXPECT_THAT(read(behind), ElementsAre("2", "3"));
  EXPECT_THAT(read(behind), ElementsAre("4", "5"));
  EXPECT_THAT(read(ahead), ElementsAre());
}

TEST_P(BusContract, AnUnknownTopicIsEmptyAndAPositionOfNoBusIsRefused) {
  auto bus = Open();
  EXPECT_TRUE(bus->Read("nothing", {}, 2)->records.empty());
  EXPECT_EQ(bus->Read("seat", "seven", 2).error().reason, "position_malformed");
}

TEST_P(BusContract, ConcurrentPublishersLoseNothingAndKeepTheirOrder) {
  auto bus = Open();
  constexpr int kThreads = 8;
  constexpr int kCalls = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCalls; ++i) {
        Put(*bus, {Make(std::to_string(t), fmt::format("{:03}a", i)),
                   Make(std::to_string(t), fmt::format("{:03}b", i))});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::map<std::string, std::vector<std::string>> by_key;
  const Page page = bus->Read("seat", {}, 10'000).value();
  for (const Record& record : page.records) by_key[record.event.key].push_back(record.event.body);
  ASSERT_EQ(by_key.size(), kThreads);
  for (const auto& [key, bodies] : by_key) {
    EXPECT_EQ(bodies.size(), 2 * kCalls);
    EXPECT_TRUE(std::ranges::is_sorted(bodies)) << key;
  }
}

TEST_P(BusContract, ABodyOverTheBoundIsRefusedAndNothingIsAppended) {
  auto bus = Open();
  EXPECT_EQ(
      bus->Publish(std::array{Make("a", "1"), Make("a", std::string(kMaxBodyBytes + 1, 'x'))}).error().reason,
      "event_too_large");
  EXPECT_TRUE(bus->Read("seat", {}, 10)->records.empty());
  Put(*bus, {Make("a", std::string(kMaxBodyBytes, 'x'))});
}

TEST_P(BusContract, LagCountsWhatTheGroupHasYetToConsume) {
  auto bus = Open();
  EXPECT_EQ(LagOf(*bus).value(), 0);
  Put(*bus, {Make("a", "1"), Make("a", "2"), Make("a", "3", "other")});
  EXPECT_EQ(LagOf(*bus).value(), 2) << "a group without a place has all before it";
  std::promise<void> entered, leave;
  auto left = leave.get_future().share();
  std::atomic<bool> first = true;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&, left](std::span<const Record> records) {
    if (first.exchange(false)) entered.set_value();
    left.wait();
    return Consumed{records.size(), {}};
  }));
  entered.get_future().wait();
  EXPECT_TRUE(Eventually([&] { return LagOf(*bus).value_or(-1) == 2; }));
  leave.set_value();
  EXPECT_TRUE(Eventually([&] { return LagOf(*bus).value_or(-1) == 0; }));
}

TEST_P(BusContract, LagAndParkedKeysAreMetricsToo) {
  auto bus = Open();
  const obs::Gauge& lag = metrics_.GetGauge("boxoffice_bus_lag", "", {{"group", "g"}});
  const obs::Gauge& parked = metrics_.GetGauge("boxoffice_bus_parked_keys", "", {{"group", "g"}});
  std::atomic<bool> down = true;
  Put(*bus, {Make("a", "1"), Make("b", "2"), Make("b", "3")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&](std::span<const Record> records) {
    if (down) return Consumed{0, {Code::kUnavailable, "database_unavailable", ""}};
    for (size_t i = 0; i < records.size(); ++i) {
      if (records[i].event.key == "b") return Consumed{i, {Code::kInternal, "poison", ""}};
    }
    return Consumed{records.size(), {}};
  }));
  EXPECT_TRUE(Eventually([&] { return lag.value() == 3; })) << lag.value();
  down = false;
  EXPECT_TRUE(Eventually([&] { return lag.value() == 0 && parked.value() == 1; }))
      << lag.value() << " " << parked.value();
}

TEST_P(BusContract, PoisonParksOnlyItsKeyAndLaterEventsBehindIt) {
  auto bus = Open();
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "a2")));
  Put(*bus, {Make("a", "a1"), Make("a", "a2"), Make("b", "b1"), Make("a", "a3"), Make("b", "b2")});
  EXPECT_THAT(inbox.WaitFor(3), UnorderedElementsAre("a1", "b1", "b2"));
  Put(*bus, {Make("a", "a4"), Make("b", "b3")});
  EXPECT_THAT(inbox.WaitFor(4), UnorderedElementsAre("a1", "b1", "b2", "b3"));
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_EQ(letters.size(), 1);
  EXPECT_NE(letters[0].id, 0);
  EXPECT_EQ(letters[0].group, "g");
  EXPECT_EQ(letters[0].record.event.body, "a2");
  EXPECT_EQ(letters[0].record.event.key, "a");
  EXPECT_EQ(letters[0].record.event.topic, "seat");
  EXPECT_EQ(letters[0].error, (Error{Code::kInternal, "poison", "no"}));
  EXPECT_EQ(letters[0].attempts, 6);
  EXPECT_THAT(inbox.WaitFor(4), UnorderedElementsAre("a1", "b1", "b2", "b3"));
  EXPECT_THAT(inbox.Of("b"), ElementsAre("b1", "b2", "b3"));
}

TEST_P(BusContract, AReplayedKeyIsDeliveredInOrderAndFlowsAgain) {
  auto bus = Open();
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
  Put(*bus, {Make("a", "1"), Make("a", "2"), Make("a", "3")});
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_EQ(letters.size(), 1);
  *broken = false;
  ASSERT_TRUE(bus->Replay(letters[0].id));
  EXPECT_THAT(inbox.WaitFor(3), ElementsAre("1", "2", "3"));
  Put(*bus, {Make("a", "4")});
  EXPECT_THAT(inbox.WaitFor(4), ElementsAre("1", "2", "3", "4"));
  EXPECT_TRUE(bus->DeadLetters(10)->empty());
  EXPECT_EQ(bus->Replay(letters[0].id).error().reason, "not_found");
}

TEST_P(BusContract, AReplayThatFailsAgainComesBackToTheDeadLetters) {
  auto bus = Open();
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
  Put(*bus, {Make("a", "1")});
  ASSERT_EQ(WaitForDeadLetters(*bus, 1).size(), 1);
  ASSERT_TRUE(bus->Replay(bus->DeadLetters(1)->at(0).id));
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_EQ(letters.size(), 1);
  EXPECT_EQ(letters[0].attempts, 6);
}

TEST_P(BusContract, AParkedKeyStaysParkedAfterARestart) {
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  {
    auto bus = Open();
    ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
    Put(*bus, {Make("a", "1")});
    ASSERT_EQ(WaitForDeadLetters(*bus, 1).size(), 1);
  }
  auto bus = Open();
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
  Put(*bus, {Make("a", "2"), Make("b", "b")});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("b"));
  *broken = false;
  ASSERT_TRUE(bus->Replay(WaitForDeadLetters(*bus, 1).at(0).id));
  EXPECT_THAT(inbox.WaitFor(3), ElementsAre("b", "1", "2"));
}

// The restart comes while the key waits for its next attempt, with events queued behind it.
TEST_P(BusContract, ARestartInTheMiddleOfRetriesKeepsTheOrderOfTheKey) {
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  {
    auto bus = Open(std::chrono::hours(1), std::chrono::hours(1));
    ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
    Put(*bus, {Make("a", "1"), Make("a", "2"), Make("b", "b1")});
    EXPECT_THAT(inbox.WaitFor(1), ElementsAre("b1"));
    Put(*bus, {Make("a", "3"), Make("b", "b2")});
    EXPECT_THAT(inbox.WaitFor(2), ElementsAre("b1", "b2"));
    EXPECT_TRUE(Eventually([&] { return LagOf(*bus).value_or(-1) == 0; }));
    EXPECT_TRUE(bus->DeadLetters(10)->empty());  // it is still being tried
  }
  if (!kafka_) {  // the embedded bus keeps the time of the next attempt too
    ASSERT_TRUE(
        sql::Database::Open(dir_.path() / "bus.db")->Execute("UPDATE parked_key SET retry_at_ms = 0"));
  }
  *broken = false;
  auto bus = Open();
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
  Put(*bus, {Make("a", "4")});
  inbox.WaitFor(6);
  EXPECT_THAT(inbox.Of("a"), ElementsAre("1", "2", "3", "4"));
}

TEST_P(BusContract, AKeyThatFailsForAWhileIsTriedAgainByItself) {
  auto bus = Open();
  Inbox inbox;
  std::atomic<int> failures = 0;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&](std::span<const Record> records) {
    if (failures++ < 3) return Consumed{0, {Code::kInternal, "poison", ""}};
    inbox.Add(records);
    return Consumed{records.size(), {}};
  }));
  Put(*bus, {Make("a", "1"), Make("a", "2")});
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
  EXPECT_TRUE(bus->DeadLetters(10)->empty());
}

TEST_P(BusContract, AnOutageOfTheConsumerParksNothing) {
  auto bus = Open();
  Inbox inbox;
  std::atomic<int> failures = 0;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&](std::span<const Record> records) {
    if (failures++ < 20) return Consumed{0, {Code::kUnavailable, "database_unavailable", ""}};
    inbox.Add(records);
    return Consumed{records.size(), {}};
  }));
  Put(*bus, {Make("a", "1"), Make("b", "2")});
  EXPECT_THAT(inbox.WaitFor(2), UnorderedElementsAre("1", "2"));
  Put(*bus, {Make("a", "3")});
  EXPECT_THAT(inbox.WaitFor(3), UnorderedElementsAre("1", "2", "3"));
  EXPECT_TRUE(bus->DeadLetters(10)->empty());
}

TEST_P(BusContract, AThrowBlamesOnlyTheEventThatThrows) {
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&](std::span<const Record> records) {
    for (const Record& record : records) {
      if (record.event.body == "bad") throw std::runtime_error("boom");
    }
    inbox.Add(records);
    return Consumed{records.size(), {}};
  }));
  Put(*bus, {Make("a", "1"), Make("b", "bad"), Make("c", "2")});
  EXPECT_THAT(inbox.WaitFor(2), UnorderedElementsAre("1", "2"));
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_EQ(letters.size(), 1);
  EXPECT_EQ(letters[0].error.detail, "boom");
}

TEST_P(BusContract, NothingIsConsumedAfterUnsubscribe) {
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  Put(*bus, {Make("a", "1")});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
  bus->Unsubscribe("g");
  bus->Unsubscribe("g");
  Put(*bus, {Make("a", "2")});
  EXPECT_EQ(LagOf(*bus).value(), 1);
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
}

}  // namespace
}  // namespace boxoffice::bus
