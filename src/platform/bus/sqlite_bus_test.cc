// What is special to the embedded bus; what it shares with the other is in bus_contract_test.cc.
#include "platform/bus/sqlite_bus.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "platform/bus/inbox_for_test.h"
#include "platform/bus/processed_event.h"
#include "testing/temp_dir.h"

namespace boxoffice::bus {
namespace {

class SqliteBusTest : public testing::Test {
 protected:
  std::unique_ptr<SqliteBus> Open() {
    return SqliteBus::Open({.file = dir_.path() / "bus.db",
                            .min_poll = milliseconds(1),
                            .max_poll = milliseconds(5),
                            .min_gap = milliseconds(0)},
                           clock_, metrics_)
        .value();
  }
  Event Make(std::string key, std::string body) { return events_.Make(std::move(key), std::move(body)); }
  static void Put(Bus& bus, std::vector<Event> events) { ASSERT_TRUE(bus.Publish(events)); }

  testbed::TempDir dir_;
  SystemClock clock_;
  EventMaker events_;
  obs::Registry metrics_;
};

TEST_F(SqliteBusTest, RecordsOfAllTopicsAreReadInTheOrderOfPublishing) {
  auto bus = Open();
  Put(*bus, {Make("b", "1"), Make("a", "2")});
  Put(*bus, {Make("b", "3")});
  const auto records = bus->Read("seat", {}, 10)->records;
  ASSERT_EQ(records.size(), 3);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(records[i].event.body, std::to_string(i + 1));
  EXPECT_LT(records[0].offset, records[1].offset);
  EXPECT_LT(records[1].offset, records[2].offset);
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

// As two processes on one file. What the first had set aside must be known to the second, or later events of
// that key would pass it.
TEST_F(SqliteBusTest, OfTwoProcessesOfAGroupOneConsumesAndTheOtherTakesOverWhereItEnded) {
  auto first = Open();
  auto second = Open();
  Inbox one;
  Inbox other;
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(first->Subscribe("g", {"seat"}, FailOn(one, broken, "poison")));
  Put(*first, {Make("a", "1"), Make("b", "poison"), Make("a", "2")});
  EXPECT_THAT(one.WaitFor(2), testing::ElementsAre("1", "2"));
  ASSERT_TRUE(second->Subscribe("g", {"seat"}, FailOn(other, broken, "poison")));
  Put(*second, {Make("a", "3"), Make("b", "4")});
  EXPECT_THAT(one.WaitFor(3), testing::ElementsAre("1", "2", "3")) << "the second one waits";
  first.reset();
  Put(*second, {Make("a", "5")});
  EXPECT_THAT(other.WaitFor(1), testing::ElementsAre("5"));
  *broken = false;
  EXPECT_TRUE(Eventually([&] {
    // On a busy machine all its attempts may have been made by now.
    const std::vector<DeadLetter> letters = second->DeadLetters(1).value();
    if (!letters.empty()) (void)second->Replay(letters[0].id);
    return other.Of("b") == std::vector<std::string>{"poison", "4"};
  }));
}

// Else the lag counts twice, and the one that waits looks like one that stands still.
TEST_F(SqliteBusTest, AProcessThatWaitsForItsTurnShowsNeitherLagNorParkedKeys) {
  const auto gauge = [](obs::Registry& metrics, std::string_view name) -> obs::Gauge& {
    return metrics.GetGauge(name, "", {{"group", "g"}});
  };
  const Bus::Consume consume = [](std::span<const Record> records) {
    const bool poison = records[0].event.body == "poison";
    return Consumed{0, {poison ? Code::kInternal : Code::kUnavailable, "no", ""}};
  };
  auto first = Open();
  Put(*first, {Make("a", "poison"), Make("b", "waits")});
  ASSERT_TRUE(first->Subscribe("g", {"seat"}, consume));
  ASSERT_TRUE(Eventually([&] { return gauge(metrics_, "boxoffice_bus_parked_keys").value() == 1; }));
  ASSERT_TRUE(Eventually([&] { return gauge(metrics_, "boxoffice_bus_lag").value() == 1; }));

  obs::Registry waiting;
  gauge(waiting, "boxoffice_bus_parked_keys").Set(-1);  // to see that it is set
  gauge(waiting, "boxoffice_bus_lag").Set(-1);
  auto second =
      SqliteBus::Open({.file = dir_.path() / "bus.db", .max_poll = milliseconds(5)}, clock_, waiting).value();
  ASSERT_TRUE(second->Subscribe("g", {"seat"}, consume));
  EXPECT_TRUE(Eventually([&] { return gauge(waiting, "boxoffice_bus_parked_keys").value() == 0; }));
  EXPECT_TRUE(Eventually([&] { return gauge(waiting, "boxoffice_bus_lag").value() == 0; }));
}

TEST_F(SqliteBusTest, AKeyIsTriedAgainThoughTheClockHasGoneBack) {
  ManualClock clock;
  auto bus = SqliteBus::Open({.file = dir_.path() / "bus.db", .max_poll = milliseconds(5)}, clock, metrics_);
  ASSERT_TRUE(bus.has_value());
  Inbox inbox;
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE((*bus)->Subscribe("g", {"seat"}, FailOn(inbox, broken, "bad")));
  Put(**bus, {Make("a", "bad"), Make("b", "good")});
  EXPECT_THAT(inbox.WaitFor(1), testing::ElementsAre("good")) << "the other is set aside";
  *broken = false;
  clock.Advance(-std::chrono::hours(1));
  EXPECT_THAT(inbox.WaitFor(2), testing::ElementsAre("good", "bad"));
}

TEST_F(SqliteBusTest, KeysOfATopicThatTheGroupHasLeftHoldUpNoOthers) {
  ManualClock clock;
  Inbox inbox;
  auto bus =
      SqliteBus::Open({.file = dir_.path() / "bus.db", .max_poll = milliseconds(5)}, clock, metrics_).value();
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  const Bus::Consume consume = FailOn(inbox, broken, "bad");
  ASSERT_TRUE(bus->Subscribe("g", {"left", "seat"}, consume));
  std::vector<Event> events;  // as many as are tried again in a round, and one
  for (int i = 0; i < 100; ++i) events.push_back(events_.Make(std::to_string(i), "bad", "left"));
  events.push_back(Make("a", "bad"));
  Put(*bus, std::move(events));
  ASSERT_TRUE(Eventually([&] { return LagOf(*bus).value() == 0; })) << "all are set aside";
  bus->Unsubscribe("g");
  *broken = false;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, consume));
  clock.Advance(std::chrono::seconds(1));
  EXPECT_THAT(inbox.WaitFor(1), testing::ElementsAre("bad"));
  EXPECT_EQ(inbox.Of("a").size(), 1U);
  bus->Unsubscribe("g");
  ASSERT_TRUE(bus->Subscribe("g", {"left", "seat"}, consume));
  EXPECT_EQ(inbox.WaitFor(101).size(), 101U) << "they have waited for the group to come back";
}

// Counts how often it is looked at.
class WatchedClock final : public Clock {
 public:
  [[nodiscard]] Timestamp Now() const override {
    ++looks_;
    return clock_.Now();
  }
  void Advance(milliseconds by) { clock_.Advance(by); }
  [[nodiscard]] int looks() const { return looks_; }

 private:
  ManualClock clock_;
  mutable std::atomic<int> looks_ = 0;
};

TEST_F(SqliteBusTest, AKeyOfATopicThatTheGroupHasLeftMakesItPollNoMoreOften) {
  WatchedClock clock;
  constexpr std::chrono::hours kLong(1);
  Inbox inbox;
  auto bus = SqliteBus::Open({.file = dir_.path() / "bus.db",
                              .min_poll = milliseconds(1),
                              .max_poll = kLong,
                              .min_gap = milliseconds(0),
                              .retry_backoff = kLong,
                              .max_retry_backoff = kLong},
                             clock, metrics_)
                 .value();
  const auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(bus->Subscribe("g", {"left", "seat"}, FailOn(inbox, broken, "bad")));
  Put(*bus, {events_.Make("a", "bad", "left")});
  ASSERT_TRUE(Eventually([&] { return LagOf(*bus, "left").value() == 0; }));
  bus->Unsubscribe("g");
  clock.Advance(2 * kLong);  // it is due, and the next one is not
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "bad")));
  Put(*bus, {Make("b", "bad")});
  ASSERT_TRUE(Eventually([&] { return LagOf(*bus).value() == 0; }));
  const int before = clock.looks();
  testbed::Pause(milliseconds(300));
  // Two at each poll. The pause between them doubles from 1 ms on: 20 of them take a quarter of an hour.
  EXPECT_LT(clock.looks() - before, 40);
}

TEST_F(SqliteBusTest, TheLagOfAGroupLeavesOutATopicThatItHasLeft) {
  auto bus = Open();
  const Bus::Consume down = [](std::span<const Record>) {
    return Consumed{0, {Code::kUnavailable, "database_unavailable", ""}};
  };
  ASSERT_TRUE(bus->Subscribe("g", {"left", "seat"}, down));
  bus->Unsubscribe("g");
  Put(*bus, {events_.Make("a", "1", "left"), events_.Make("a", "2", "left"), Make("a", "3")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, down));
  obs::Gauge& lag = metrics_.GetGauge("boxoffice_bus_lag", "", {{"group", "g"}});
  EXPECT_TRUE(Eventually([&] { return lag.value() == 1; })) << lag.value();
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
    while (LagOf(*bus).value() != 0) std::this_thread::yield();
  }
  ASSERT_TRUE(
      sql::Database::Open(dir_.path() / "bus.db")->Execute("UPDATE place SET offset = 0, consumed = 0"));
  auto bus = Open();
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, consume));
  while (LagOf(*bus).value() != 0) std::this_thread::yield();
  EXPECT_EQ(deliveries, 2);
  sql::Database database = open();
  sql::Statement count = database.Prepare("SELECT count(*) FROM effect");
  ASSERT_TRUE(count.Step().value());
  EXPECT_EQ(count.Int(0), 1);
}

}  // namespace
}  // namespace boxoffice::bus
