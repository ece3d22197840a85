#include "platform/bus/sqlite_bus.h"

#include <atomic>
#include <future>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/bus/processed_event.h"
#include "testing/temp_dir.h"

namespace boxoffice::bus {
namespace {

using testing::ElementsAre;

// Collects what a group was given, and waits for it.
class Inbox {
 public:
  void Add(std::span<const Record> records) {
    const std::scoped_lock lock(mutex_);
    for (const Record& record : records) bodies_.push_back(record.event.body);
    changed_.notify_all();
  }
  std::vector<std::string> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return bodies_.size() >= count; });
    return bodies_;
  }
  Bus::Consume Consume() {
    return [this](std::span<const Record> records) {
      Add(records);
      return Consumed{records.size(), {}};
    };
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> bodies_;
};

class SqliteBusTest : public testing::Test {
 protected:
  std::unique_ptr<SqliteBus> Open() {
    return SqliteBus::Open({.file = dir_.path() / "bus.db",
                            .min_poll = milliseconds(1),
                            .max_poll = milliseconds(5),
                            .min_gap = milliseconds(0),
                            .retry_backoff = milliseconds(1),
                            .max_retry_backoff = milliseconds(4)},
                           clock_, metrics_)
        .value();
  }
  Event Make(std::string key, std::string body, std::string topic = "seat") {
    return {EventId::Make(clock_.Now(), random_),
            std::move(topic),
            std::move(key),
            "seat.held",
            "",
            std::move(body),
            clock_.Now()};
  }
  static void Put(Bus& bus, std::vector<Event> events) { ASSERT_TRUE(bus.Publish(events)); }
  static std::vector<DeadLetter> WaitForDeadLetters(Bus& bus, size_t count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::vector<DeadLetter> letters;
    do {
      letters = bus.DeadLetters(100).value();
      if (letters.size() == count) break;
      std::this_thread::yield();
    } while (std::chrono::steady_clock::now() < end);
    return letters;
  }
  // Fails on bodies that `poison` names, with an error that is the event's fault.
  static Bus::Consume FailOn(Inbox& inbox, std::shared_ptr<std::atomic<bool>> broken, std::string poison) {
    return [&inbox, broken, poison](std::span<const Record> records) {
      for (size_t i = 0; i < records.size(); ++i) {
        if (*broken && records[i].event.body == poison) return Consumed{i, {Code::kInternal, "poison", "no"}};
        inbox.Add(records.subspan(i, 1));
      }
      return Consumed{records.size(), {}};
    };
  }

  testbed::TempDir dir_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
};

TEST_F(SqliteBusTest, AnEventComesOutAsItWentIn) {
  auto bus = Open();
  Event event{EventId::Make(clock_.Now(), random_),
              "seat",
              std::string("\0k", 2),
              "seat.held",
              "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
              std::string("\0b", 2),
              FromUnixMs(1234)};
  Put(*bus, {event});
  const auto records = bus->Read("seat", 0, 10).value();
  ASSERT_EQ(records.size(), 1);
  const Event& read = records[0].event;
  EXPECT_EQ(read.id, event.id);
  EXPECT_EQ(read.topic, event.topic);
  EXPECT_EQ(read.key, event.key);
  EXPECT_EQ(read.type, event.type);
  EXPECT_EQ(read.traceparent, event.traceparent);
  EXPECT_EQ(read.body, event.body);
  EXPECT_EQ(read.time, event.time);
  EXPECT_GT(records[0].offset, 0);
}

TEST_F(SqliteBusTest, ASubscriberGetsItsTopicsInOrder) {
  auto bus = Open();
  Inbox inbox;
  Put(*bus, {Make("a", "1"), Make("a", "2", "wallet"), Make("a", "3", "other")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat", "wallet"}, inbox.Consume()));
  Put(*bus, {Make("b", "4"), Make("a", "5")});
  EXPECT_THAT(inbox.WaitFor(4), ElementsAre("1", "2", "4", "5"));
}

TEST_F(SqliteBusTest, EveryGroupGetsEveryEvent) {
  auto bus = Open();
  Inbox one, two;
  ASSERT_TRUE(bus->Subscribe("one", {"seat"}, one.Consume()));
  ASSERT_TRUE(bus->Subscribe("two", {"seat"}, two.Consume()));
  Put(*bus, {Make("a", "1")});
  EXPECT_THAT(one.WaitFor(1), ElementsAre("1"));
  EXPECT_THAT(two.WaitFor(1), ElementsAre("1"));
}

TEST_F(SqliteBusTest, AGroupIsSubscribedOnce) {
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  EXPECT_EQ(bus->Subscribe("g", {"seat"}, inbox.Consume()).error().reason, "already_subscribed");
}

TEST_F(SqliteBusTest, AGroupGoesOnWhereItHadGotTo) {
  Inbox first, second;
  {
    auto bus = Open();
    ASSERT_TRUE(bus->Subscribe("g", {"seat"}, first.Consume()));
    Put(*bus, {Make("a", "1"), Make("a", "2")});
    first.WaitFor(2);
    bus->Unsubscribe("g");
    Put(*bus, {Make("a", "3")});
  }
  auto bus = Open();
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, second.Consume()));
  EXPECT_THAT(second.WaitFor(1), ElementsAre("3"));
}

TEST_F(SqliteBusTest, ATopicAddedLaterIsReadFromItsBeginning) {
  auto bus = Open();
  Inbox inbox;
  Put(*bus, {Make("a", "1"), Make("a", "2", "wallet")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  inbox.WaitFor(1);
  bus->Unsubscribe("g");
  ASSERT_TRUE(bus->Subscribe("g", {"seat", "wallet"}, inbox.Consume()));
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
}

TEST_F(SqliteBusTest, WhatAnotherProcessPublishesIsFound) {
  auto consumer = Open();
  auto publisher = Open();
  Inbox inbox;
  ASSERT_TRUE(consumer->Subscribe("g", {"seat"}, inbox.Consume()));
  Put(*publisher, {Make("a", "1")});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
}

TEST_F(SqliteBusTest, ALaterProcessReadsOnAfterTheLastRecord) {
  Open()->Publish(std::array{Make("a", "1"), Make("a", "2")}).value();
  auto bus = Open();
  Put(*bus, {Make("a", "3")});
  const auto records = bus->Read("seat", 0, 10).value();
  ASSERT_EQ(records.size(), 3);
  EXPECT_EQ(bus->Read("seat", records[1].offset, 10)->front().event.body, "3");
  EXPECT_EQ(bus->Read("seat", 0, 2)->size(), 2);
  EXPECT_TRUE(bus->Read("nothing", 0, 2)->empty());
}

TEST_F(SqliteBusTest, ConcurrentPublishersLoseNothingAndKeepTheirOrder) {
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
  const std::vector<Record> records = bus->Read("seat", 0, 10'000).value();
  for (const Record& record : records) {
    by_key[record.event.key].push_back(record.event.body);
  }
  ASSERT_EQ(by_key.size(), kThreads);
  for (const auto& [key, bodies] : by_key) {
    EXPECT_EQ(bodies.size(), 2 * kCalls);
    EXPECT_TRUE(std::ranges::is_sorted(bodies)) << key;
  }
}

TEST_F(SqliteBusTest, CallsThatWaitShareATransaction) {
  auto bus = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) Put(*bus, {Make("k", "x")});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(metrics_.GetHistogram("boxoffice_bus_publish_size", "", obs::SizeBounds()).count(), 400);
}

TEST_F(SqliteBusTest, ABodyOverTheBoundIsRefusedAndNothingIsAppended) {
  auto bus = Open();
  EXPECT_EQ(
      bus->Publish(std::array{Make("a", "1"), Make("a", std::string(kMaxBodyBytes + 1, 'x'))}).error().reason,
      "event_too_large");
  EXPECT_TRUE(bus->Read("seat", 0, 10)->empty());
}

TEST_F(SqliteBusTest, LagCountsWhatTheGroupHasYetToConsume) {
  auto bus = Open();
  EXPECT_EQ(bus->Lag("g").error().reason, "not_found");
  Put(*bus, {Make("a", "1"), Make("a", "2"), Make("a", "3", "other")});
  std::promise<void> entered, leave;
  auto left = leave.get_future().share();
  std::atomic<bool> first = true;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&, left](std::span<const Record> records) {
    if (first.exchange(false)) entered.set_value();
    left.wait();
    return Consumed{records.size(), {}};
  }));
  entered.get_future().wait();
  EXPECT_EQ(bus->Lag("g").value(), 2);
  leave.set_value();
  while (bus->Lag("g").value() != 0) std::this_thread::yield();
}

TEST_F(SqliteBusTest, PoisonParksOnlyItsKeyAndLaterEventsBehindIt) {
  auto bus = Open();
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "a2")));
  Put(*bus, {Make("a", "a1"), Make("a", "a2"), Make("b", "b1"), Make("a", "a3"), Make("b", "b2")});
  EXPECT_THAT(inbox.WaitFor(3), ElementsAre("a1", "b1", "b2"));
  Put(*bus, {Make("a", "a4"), Make("b", "b3")});
  EXPECT_THAT(inbox.WaitFor(4), ElementsAre("a1", "b1", "b2", "b3"));
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_EQ(letters.size(), 1);
  EXPECT_EQ(letters[0].group, "g");
  EXPECT_EQ(letters[0].record.event.body, "a2");
  EXPECT_EQ(letters[0].record.event.topic, "seat");
  EXPECT_EQ(letters[0].error, (Error{Code::kInternal, "poison", "no"}));
  EXPECT_EQ(letters[0].attempts, 6);
  EXPECT_THAT(inbox.WaitFor(4), ElementsAre("a1", "b1", "b2", "b3"));
}

TEST_F(SqliteBusTest, AReplayedKeyIsDeliveredInOrderAndFlowsAgain) {
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

TEST_F(SqliteBusTest, AParkedKeyStaysParkedAfterARestart) {
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
  ASSERT_TRUE(bus->Replay(WaitForDeadLetters(*bus, 1)[0].id));
  EXPECT_THAT(inbox.WaitFor(3), ElementsAre("b", "1", "2"));
}

TEST_F(SqliteBusTest, AKeyThatFailsForAWhileIsTriedAgainByItself) {
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

TEST_F(SqliteBusTest, AnOutageOfTheConsumerParksNothing) {
  auto bus = Open();
  Inbox inbox;
  std::atomic<int> failures = 0;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&](std::span<const Record> records) {
    if (failures++ < 20) return Consumed{0, {Code::kUnavailable, "database_unavailable", ""}};
    inbox.Add(records);
    return Consumed{records.size(), {}};
  }));
  Put(*bus, {Make("a", "1"), Make("b", "2")});
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
  EXPECT_TRUE(bus->DeadLetters(10)->empty());
}

TEST_F(SqliteBusTest, AThrowBlamesOnlyTheEventThatThrows) {
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
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_EQ(letters.size(), 1);
  EXPECT_EQ(letters[0].error.detail, "boom");
}

// The crash between a consumer's effect and the mark of the bus: the effect's transaction knows the event.
TEST_F(SqliteBusTest, AnEventWhoseMarkWasLostIsDeliveredAgainAndDroppedByItsId) {
  const auto file = dir_.path() / "consumer.db";
  auto open = [&] { return sql::Database::Open(file).value(); };
  ASSERT_TRUE(open().Execute(kProcessedEventSchema));
  ASSERT_TRUE(open().Execute("CREATE TABLE effect(n INTEGER)"));
  std::atomic<int> deliveries = 0;
  const auto consume = [&](std::span<const Record> records) {
    sql::Database database = open();
    ProcessedEvents processed(database, "g");
    for (const Record& record : records) {
      auto transaction = sql::Transaction::Begin(database).value();
      const bool is_new = processed.MarkNew(record.event.id).value();
      EXPECT_TRUE(!is_new || database.Execute("INSERT INTO effect VALUES(1)"));
      EXPECT_TRUE(transaction.Commit());
    }
    ++deliveries;
    return Consumed{records.size(), {}};
  };
  {
    auto bus = Open();
    ASSERT_TRUE(bus->Subscribe("g", {"seat"}, consume));
    Put(*bus, {Make("a", "1")});
    while (bus->Lag("g").value() != 0) std::this_thread::yield();
  }
  ASSERT_TRUE(
      sql::Database::Open(dir_.path() / "bus.db")->Execute("UPDATE place SET offset = 0, consumed = 0"));
  auto bus = Open();
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, consume));
  while (bus->Lag("g").value() != 0) std::this_thread::yield();
  EXPECT_EQ(deliveries, 2);
  sql::Database database = open();
  sql::Statement count = database.Prepare("SELECT count(*) FROM effect");
  ASSERT_TRUE(count.Step().value());
  EXPECT_EQ(count.Int(0), 1);
}

TEST_F(SqliteBusTest, NothingIsConsumedAfterUnsubscribe) {
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  bus->Unsubscribe("g");
  bus->Unsubscribe("g");
  Put(*bus, {Make("a", "1")});
  EXPECT_EQ(bus->Lag("g").value(), 1);
  EXPECT_TRUE(inbox.WaitFor(0).empty());
}

}  // namespace
}  // namespace boxoffice::bus
