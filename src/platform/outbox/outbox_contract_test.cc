#include <gmock/gmock.h>

#include "platform/bus/sqlite_bus.h"
#include "platform/outbox/outbox.h"
#include "testing/fake_bus.h"
#include "testing/temp_dir.h"

namespace boxoffice::outbox {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

// A bus that keeps what it takes, and fails when told to.
class FakeBus final : public testbed::FakeBus {
 public:
  Result<void> Publish(std::span<const bus::Event> events) override {
    const std::scoped_lock lock(mutex_);
    ++attempts_;
    if (failing_) return Fail(Code::kUnavailable, "down");
    events_.insert(events_.end(), events.begin(), events.end());
    changed_.notify_all();
    return {};
  }
  void SetFailing(bool failing) {
    const std::scoped_lock lock(mutex_);
    failing_ = failing;
  }
  std::vector<bus::Event> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return events_.size() >= count; });
    return events_;
  }
  void WaitForAttempts(int count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < end) {
      {
        const std::scoped_lock lock(mutex_);
        if (attempts_ >= count) return;
      }
      std::this_thread::yield();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bus::Event> events_;
  bool failing_ = false;
  int attempts_ = 0;
};

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() { EXPECT_TRUE(database_.Execute(kOutboxSchema)); }
  PublisherConfig Config() {
    return {.service = "test",
            .open_table = [this] { return OpenSqliteTable(file_); },
            .min_poll = milliseconds(1),
            .max_poll = milliseconds(5),
            .min_gap = milliseconds(0),
            .backoff = milliseconds(1),
            .max_backoff = milliseconds(4)};
  }
  bus::Event Make(std::string key, std::string body) {
    return {EventId::Make(clock_.Now(), random_),
            "seat",
            std::move(key),
            "seat.held",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            std::move(body),
            clock_.Now()};
  }
  // In a transaction of its own.
  void Write(std::vector<bus::Event> events) {
    auto transaction = sql::Transaction::Begin(database_).value();
    ASSERT_TRUE(writer().Append(events));
    ASSERT_TRUE(transaction.Commit());
  }
  Writer& writer() {
    if (!writer_) writer_ = std::make_unique<Writer>(database_);
    return *writer_;
  }
  int64_t Rows() {
    sql::Statement count = database_.Prepare("SELECT count(*) FROM outbox");
    EXPECT_TRUE(count.Step().value());
    return count.Int(0);
  }
  void WaitUntilEmpty() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (Rows() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(Rows(), 0);
  }
  static std::vector<std::string> Bodies(const std::vector<bus::Event>& events) {
    std::vector<std::string> bodies;
    for (const bus::Event& event : events) bodies.push_back(event.body);
    return bodies;
  }

  testbed::TempDir dir_;
  std::filesystem::path file_ = dir_.path() / "service.db";
  sql::Database database_ = sql::Database::Open(file_).value();
  std::unique_ptr<Writer> writer_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  FakeBus bus_;
};

TEST_F(OutboxTest, AnEventIsPublishedAsItWasWrittenAndItsRowGoes) {
  Publisher publisher(Config(), bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  const bus::Event event = Make(std::string("\0k", 2), std::string("\0b", 2));
  Write({event});
  publisher.Nudge();
  const auto published = bus_.WaitFor(1);
  ASSERT_EQ(published.size(), 1);
  EXPECT_EQ(published[0].id, event.id);
  EXPECT_EQ(published[0].topic, event.topic);
  EXPECT_EQ(published[0].key, event.key);
  EXPECT_EQ(published[0].type, event.type);
  EXPECT_EQ(published[0].traceparent, event.traceparent);
  EXPECT_EQ(published[0].body, event.body);
  EXPECT_EQ(published[0].time, event.time);
  WaitUntilEmpty();
}

TEST_F(OutboxTest, AnEventOfARolledBackTransactionIsNeverPublished) {
  {
    auto transaction = sql::Transaction::Begin(database_).value();
    ASSERT_TRUE(writer().Append(std::array{Make("a", "never")}));
  }
  Write({Make("a", "1")});
  Publisher publisher(Config(), bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  publisher.Stop();
  EXPECT_THAT(Bodies(bus_.WaitFor(1)), ElementsAre("1"));
}

TEST_F(OutboxTest, TheOrderOfWritingIsKeptOverBatches) {
  std::vector<std::string> written;
  for (int i = 0; i < 50; ++i) {
    written.push_back(std::to_string(i));
    Write({Make(std::to_string(i % 3), written.back())});
  }
  PublisherConfig config = Config();
  config.batch = 7;
  Publisher publisher(config, bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_EQ(Bodies(bus_.WaitFor(50)), written);
}

TEST_F(OutboxTest, ARowThatAppearsBelowPublishedOnesIsPublished) {
  Write({Make("a", "1"), Make("a", "2"), Make("b", "3")});
  // Row 2 belongs to a transaction that commits later than that of row 3.
  ASSERT_TRUE(database_.Execute(
      "CREATE TABLE late AS SELECT * FROM outbox WHERE seq = 2; DELETE FROM outbox WHERE seq = 2"));
  Publisher publisher(Config(), bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_THAT(Bodies(bus_.WaitFor(2)), ElementsAre("1", "3"));
  WaitUntilEmpty();
  ASSERT_TRUE(database_.Execute("INSERT INTO outbox SELECT * FROM late"));
  EXPECT_THAT(Bodies(bus_.WaitFor(3)), ElementsAre("1", "3", "2"));
}

TEST_F(OutboxTest, OnlyAcknowledgedRowsAreDeletedNotARange) {
  Write({Make("a", "1"), Make("b", "2"), Make("b", "3")});
  ASSERT_TRUE(database_.Execute(
      "CREATE TABLE late AS SELECT * FROM outbox WHERE seq = 2; DELETE FROM outbox WHERE seq = 2; "
      // It commits between the reading of its neighbours and their delete.
      "CREATE TRIGGER commits_late AFTER DELETE ON outbox WHEN old.seq = 1 BEGIN "
      "INSERT INTO outbox SELECT * FROM late; DELETE FROM late; END"));
  Publisher publisher(Config(), bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_THAT(Bodies(bus_.WaitFor(3)), ElementsAre("1", "3", "2"));
  WaitUntilEmpty();
}

TEST_F(OutboxTest, ACrashBetweenPublishAndDeletePublishesAgainWithTheSameIds) {
  const bus::Event event = Make("a", "1");
  Write({event});
  ASSERT_TRUE(database_.Execute(
      "CREATE TRIGGER no_delete BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'gone'); END"));
  {
    Publisher dies(Config(), bus_, metrics_);
    ASSERT_TRUE(dies.Start());
    EXPECT_EQ(bus_.WaitFor(1).size(), 1);
  }
  EXPECT_EQ(Rows(), 1);
  ASSERT_TRUE(database_.Execute("DROP TRIGGER no_delete"));
  Publisher next(Config(), bus_, metrics_);
  ASSERT_TRUE(next.Start());
  const auto published = bus_.WaitFor(2);
  ASSERT_EQ(published.size(), 2);
  EXPECT_EQ(published[0].id, event.id);
  EXPECT_EQ(published[1].id, event.id);
  WaitUntilEmpty();
}

TEST_F(OutboxTest, AFailedDeleteIsRepeatedBeforeMoreIsPublished) {
  Write({Make("a", "1")});
  ASSERT_TRUE(database_.Execute(
      "CREATE TRIGGER no_delete BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'not now'); END"));
  Publisher publisher(Config(), bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  obs::Counter& failures = metrics_.GetCounter("boxoffice_outbox_failures_total", "", {{"service", "test"}});
  while (failures.value() < 3) std::this_thread::yield();
  ASSERT_TRUE(database_.Execute("DROP TRIGGER no_delete"));
  WaitUntilEmpty();
  EXPECT_THAT(Bodies(bus_.WaitFor(1)), ElementsAre("1"));
}

TEST_F(OutboxTest, WhileTheBusFailsRowsStayAndGoOutLater) {
  bus_.SetFailing(true);
  const bus::Event first = Make("a", "1");
  const Timestamp made = first.time;
  Write({first, Make("a", "2")});
  Publisher publisher(Config(), bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_EQ(publisher.Pending(), 2);
  EXPECT_EQ(publisher.status().oldest, made);
  bus_.WaitForAttempts(3);
  EXPECT_EQ(Rows(), 2);
  bus_.SetFailing(false);
  EXPECT_THAT(Bodies(bus_.WaitFor(2)), ElementsAre("1", "2"));
  WaitUntilEmpty();
}

TEST_F(OutboxTest, StopPublishesWhatIsThere) {
  PublisherConfig config = Config();
  config.min_poll = config.max_poll = std::chrono::hours(1);
  config.batch = 2;
  Publisher publisher(config, bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  Write({Make("a", "1"), Make("a", "2"), Make("a", "3")});
  publisher.Stop();
  publisher.Stop();
  EXPECT_THAT(Bodies(bus_.WaitFor(3)), ElementsAre("1", "2", "3"));
  EXPECT_EQ(publisher.Pending(), 0);
}

TEST_F(OutboxTest, ANudgeComesBeforeTheNextPoll) {
  PublisherConfig config = Config();
  config.min_poll = config.max_poll = std::chrono::hours(1);
  Publisher publisher(config, bus_, metrics_);
  ASSERT_TRUE(publisher.Start());
  Write({Make("a", "1")});
  publisher.Nudge();
  EXPECT_THAT(Bodies(bus_.WaitFor(1)), ElementsAre("1"));
}

TEST_F(OutboxTest, AnEventTooLargeIsRefusedInsideTheTransaction) {
  auto transaction = sql::Transaction::Begin(database_).value();
  EXPECT_EQ(writer()
                .Append(std::array{Make("a", "1"), Make("a", std::string(bus::kMaxBodyBytes + 1, 'x'))})
                .error()
                .reason,
            "event_too_large");
  EXPECT_EQ(Rows(), 0);
  EXPECT_TRUE(writer().Append(std::array{Make("a", std::string(bus::kMaxBodyBytes, 'x'))}));
}

TEST_F(OutboxTest, ATableThatLacksAColumnIsAClearError) {
  ASSERT_TRUE(database_.Execute("ALTER TABLE outbox DROP COLUMN traceparent"));
  Publisher publisher(Config(), bus_, metrics_);
  const auto started = publisher.Start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "outbox_schema");
  EXPECT_THAT(started.error().detail, testing::HasSubstr("traceparent"));
}

// Stored numbers: a change would send one key's events through two partitions.
TEST_F(OutboxTest, APartitionIsTheSameForEver) {
  EXPECT_EQ(PartitionOf(""), 18);
  EXPECT_EQ(PartitionOf("reservation-1"), 8);
  std::set<int> partitions;
  for (int i = 0; i < 1000; ++i) partitions.insert(PartitionOf(std::to_string(i)));
  EXPECT_EQ(partitions.size(), kPartitions);
  EXPECT_GE(*partitions.begin(), 0);
  EXPECT_LT(*partitions.rbegin(), kPartitions);
}

// Poison and a dying consumer, from commit to effect: the embedded bus behind a real outbox.
TEST_F(OutboxTest, FromCommitToConsumerAPoisonEventParksOnlyItsKey) {
  const auto bus = bus::SqliteBus::Open({.file = dir_.path() / "bus.db",
                                         .min_gap = milliseconds(0),
                                         .retry_backoff = milliseconds(1),
                                         .max_retry_backoff = milliseconds(1)},
                                        clock_, metrics_)
                       .value();
  std::mutex mutex;
  std::vector<std::string> seen;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, [&](std::span<const bus::Record> records) {
    for (size_t i = 0; i < records.size(); ++i) {
      const std::scoped_lock lock(mutex);
      if (records[i].event.body == "poison") return bus::Consumed{i, {Code::kInvalidArgument, "poison", ""}};
      seen.push_back(records[i].event.body);
    }
    return bus::Consumed{records.size(), {}};
  }));
  Publisher publisher(Config(), *bus, metrics_);
  ASSERT_TRUE(publisher.Start());
  Write({Make("a", "1"), Make("b", "poison"), Make("b", "behind"), Make("c", "2")});
  publisher.Nudge();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (bus->DeadLetters(10)->size() != 1 && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  EXPECT_EQ(bus->DeadLetters(10)->at(0).record.event.key, "b");
  bus->Unsubscribe("g");
  EXPECT_THAT(seen, ElementsAre("1", "2"));
}

}  // namespace
}  // namespace boxoffice::outbox
