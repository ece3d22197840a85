// What a publisher does alike over every outbox. Add an outbox: add its home at the end.
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/bus/sqlite_bus.h"
#include "platform/obs/span.h"
#include "platform/outbox/outbox.h"
#include "platform/outbox/outbox_for_test.h"
#include "platform/outbox/postgres.h"
#include "platform/sql/postgres_for_test.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::outbox {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

// A service's database with an outbox, and a hand in it.
class Home {
 public:
  virtual ~Home() = default;
  // In a transaction of its own.
  virtual void Write(const std::vector<bus::Event>& events) = 0;
  virtual void WriteAndRollBack(const std::vector<bus::Event>& events) = 0;
  virtual void Execute(std::string_view script) = 0;
  // How many events wait.
  virtual int64_t Rows() = 0;
  virtual Result<std::unique_ptr<Table>> Open() = 0;
  // Makes every delete fail, until it no longer does.
  virtual void SetDeletesFail(bool fail) = 0;
  // As the version before packed rows did; before anything opens the outbox.
  virtual void WriteOld(const std::vector<bus::Event>& events) = 0;
  // From table `late`, which has the outbox's columns.
  virtual std::string_view insert_late() const = 0;
  // Does so in the transaction that deletes row 1.
  virtual void InsertLateWithTheDeleteOfRow1() = 0;
};
struct HomeFactory {
  std::string name;
  std::function<std::unique_ptr<Home>()> make;
  bool needs_postgres = false;
};

constexpr std::string_view kMakeRow2Late =
    "CREATE TABLE late AS SELECT * FROM outbox_batch WHERE seq = 2; DELETE FROM outbox_batch WHERE seq = 2";

class OutboxTest : public testing::TestWithParam<HomeFactory> {
 protected:
  void SetUp() override {
    if (GetParam().needs_postgres) BOXOFFICE_NEED_POSTGRES();
    home_ = GetParam().make();
  }
  PublisherConfig Config() {
    return {.service = "test",
            .open_table = [this] { return home_->Open(); },
            .min_poll = milliseconds(1),
            .max_poll = milliseconds(5),
            .min_gap = milliseconds(0),
            .backoff = milliseconds(1),
            .max_backoff = milliseconds(4)};
  }
  bus::Event Make(std::string key, std::string body) {
    return MakeEvent(random_, std::move(key), std::move(body));
  }
  void Write(const std::vector<bus::Event>& events) { home_->Write(events); }
  void Execute(std::string_view script) { home_->Execute(script); }
  int64_t Rows() { return home_->Rows(); }
  void WaitUntilEmpty() {
    EXPECT_TRUE(testbed::Eventually([this] { return Rows() == 0; })) << Rows();
  }

  std::unique_ptr<Home> home_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  FakeBus bus_;
};

TEST_P(OutboxTest, AnEventIsPublishedAsItWasWrittenAndItsRowGoes) {
  Publisher publisher(Config(), bus_, clock_, metrics_);
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

TEST_P(OutboxTest, WhileTracingIsOnASampledEventCarriesTheSpanOfItsPublishing) {
  obs::StartTracing({.ratio = 0, .slow = std::chrono::seconds(600)});
  const bus::Event sampled = Make("a", "1");
  bus::Event unsampled = Make("b", "2");
  unsampled.traceparent.back() = '0';
  Write({sampled, unsampled});
  {
    Publisher publisher(Config(), bus_, clock_, metrics_);
    ASSERT_TRUE(publisher.Start());
    publisher.Stop();
  }
  obs::StopTracing();
  const std::vector<obs::Span> spans = obs::ProcessSpans().Take(milliseconds(0), 1);
  const auto published = bus_.WaitFor(2);
  ASSERT_EQ(published.size(), 2U);
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].parent, obs::ParseSpanContext(sampled.traceparent).span);
  EXPECT_EQ(spans[0].kind, obs::SpanKind::kProducer);
  EXPECT_EQ(spans[0].service, "test");
  EXPECT_EQ(spans[0].name, "send seat");
  EXPECT_EQ(published[0].traceparent, obs::ToTraceparent(spans[0].context));
  EXPECT_EQ(published[1].traceparent, unsampled.traceparent);
}

TEST_P(OutboxTest, AnEventOfARolledBackTransactionIsNeverPublished) {
  home_->WriteAndRollBack({Make("a", "never")});
  Write({Make("a", "1")});
  Publisher publisher(Config(), bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  publisher.Stop();
  EXPECT_THAT(Bodies(bus_.WaitFor(1)), ElementsAre("1"));
}

TEST_P(OutboxTest, TheOrderOfWritingIsKeptOverBatches) {
  std::vector<std::string> written;
  for (int i = 0; i < 50; ++i) {
    written.push_back(std::to_string(i));
    Write({Make(std::to_string(i % 3), written.back())});
  }
  PublisherConfig config = Config();
  config.batch = 7;
  Publisher publisher(config, bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_EQ(Bodies(bus_.WaitFor(50)), written);
}

TEST_P(OutboxTest, ARowThatAppearsBelowPublishedOnesIsPublished) {
  Write({Make("a", "1")});
  Write({Make("a", "2")});
  Write({Make("b", "3")});
  // Row 2 belongs to a transaction that commits later than that of row 3.
  Execute(kMakeRow2Late);
  Publisher publisher(Config(), bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_THAT(Bodies(bus_.WaitFor(2)), ElementsAre("1", "3"));
  WaitUntilEmpty();
  Execute(home_->insert_late());
  EXPECT_THAT(Bodies(bus_.WaitFor(3)), ElementsAre("1", "3", "2"));
}

TEST_P(OutboxTest, OnlyAcknowledgedRowsAreDeletedNotARange) {
  Write({Make("a", "1")});
  Write({Make("b", "2")});
  Write({Make("b", "3")});
  Execute(kMakeRow2Late);
  // It commits between the reading of its neighbours and their delete.
  home_->InsertLateWithTheDeleteOfRow1();
  Publisher publisher(Config(), bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_THAT(Bodies(bus_.WaitFor(3)), ElementsAre("1", "3", "2"));
  WaitUntilEmpty();
}

TEST_P(OutboxTest, ACrashBetweenPublishAndDeletePublishesAgainWithTheSameIds) {
  const bus::Event event = Make("a", "1");
  Write({event});
  home_->SetDeletesFail(true);
  {
    Publisher dies(Config(), bus_, clock_, metrics_);
    ASSERT_TRUE(dies.Start());
    EXPECT_EQ(bus_.WaitFor(1).size(), 1);
  }
  EXPECT_EQ(Rows(), 1);
  home_->SetDeletesFail(false);
  Publisher next(Config(), bus_, clock_, metrics_);
  ASSERT_TRUE(next.Start());
  const auto published = bus_.WaitFor(2);
  ASSERT_EQ(published.size(), 2);
  EXPECT_EQ(published[0].id, event.id);
  EXPECT_EQ(published[1].id, event.id);
  WaitUntilEmpty();
}

TEST_P(OutboxTest, AFailedDeleteIsRepeatedBeforeMoreIsPublished) {
  Write({Make("a", "1")});
  home_->SetDeletesFail(true);
  Publisher publisher(Config(), bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  obs::Counter& failures = metrics_.GetCounter("boxoffice_outbox_failures_total", "", {{"service", "test"}});
  while (failures.value() < 3) std::this_thread::yield();
  home_->SetDeletesFail(false);
  WaitUntilEmpty();
  EXPECT_THAT(Bodies(bus_.WaitFor(1)), ElementsAre("1"));
}

TEST_P(OutboxTest, WhileTheBusFailsRowsStayAndGoOutLater) {
  bus_.SetFailing(true);
  const bus::Event first = Make("a", "1");
  const Timestamp made = first.time;
  Write({first, Make("a", "2")});
  Publisher publisher(Config(), bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  EXPECT_EQ(publisher.Pending(), 2);
  EXPECT_EQ(publisher.status().oldest, made);
  bus_.WaitForAttempts(3);
  EXPECT_EQ(Rows(), 2);
  bus_.SetFailing(false);
  EXPECT_THAT(Bodies(bus_.WaitFor(2)), ElementsAre("1", "2"));
  WaitUntilEmpty();
}

TEST_P(OutboxTest, StopPublishesWhatIsThere) {
  PublisherConfig config = Config();
  config.min_poll = config.max_poll = std::chrono::hours(1);
  config.batch = 2;
  Publisher publisher(config, bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  Write({Make("a", "1"), Make("a", "2"), Make("a", "3")});
  publisher.Stop();
  publisher.Stop();
  EXPECT_THAT(Bodies(bus_.WaitFor(3)), ElementsAre("1", "2", "3"));
  EXPECT_EQ(publisher.Pending(), 0);
}

TEST_P(OutboxTest, AnEventOfAClockThatIsAheadHasNoNegativeLag) {
  bus::Event event = Make("a", "1");
  event.time += std::chrono::hours(1);
  Write({event});
  Publisher publisher(Config(), bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  publisher.Stop();
  const obs::Histogram& lag =
      metrics_.GetHistogram("boxoffice_outbox_lag_seconds", "", obs::SecondsBounds(), {{"service", "test"}});
  EXPECT_EQ(lag.count(), 1U);
  EXPECT_EQ(lag.sum(), 0);
}

TEST_P(OutboxTest, ANudgeComesBeforeTheNextPoll) {
  PublisherConfig config = Config();
  config.min_poll = config.max_poll = std::chrono::hours(1);
  Publisher publisher(config, bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  Write({Make("a", "1")});
  publisher.Nudge();
  EXPECT_THAT(Bodies(bus_.WaitFor(1)), ElementsAre("1"));
}

TEST_P(OutboxTest, ATableThatLacksAColumnIsAClearError) {
  Execute("ALTER TABLE outbox_batch DROP COLUMN oldest_ms");
  Publisher publisher(Config(), bus_, clock_, metrics_);
  const auto started = publisher.Start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "outbox_schema");
  EXPECT_THAT(started.error().detail, testing::HasSubstr("oldest_ms"));
}

TEST_P(OutboxTest, TheEventsOfATransactionAreFewRowsAndAreCountedOneByOne) {
  std::vector<bus::Event> events;
  for (int i = 0; i < 20; ++i) events.push_back(Make(std::to_string(i), "b"));
  events[7].time = FromUnixMs(5);
  Write(events);
  Write({Make("x", "1"), Make("y", "2")});
  const auto table = home_->Open().value();
  std::vector<bus::Event> found;
  std::vector<int64_t> seqs;
  ASSERT_TRUE(table->Read(100, found, seqs));
  EXPECT_THAT(std::set(seqs.begin(), seqs.end()), testing::SizeIs(2));
  EXPECT_EQ(table->Count()->pending, 22);
  EXPECT_EQ(table->Count()->oldest, FromUnixMs(5));
  ASSERT_TRUE(table->Erase(std::span(seqs).first(20)));
  EXPECT_EQ(table->Count()->pending, 2);
  EXPECT_THAT(Bodies(EventsIn(*table)), ElementsAre("1", "2"));
}

TEST_P(OutboxTest, ARowIsReadWholeAndNoMoreThanTheLimitUnlessOneRowIsMore) {
  Write({Make("a", "1"), Make("a", "2"), Make("a", "3")});
  Write({Make("a", "4"), Make("a", "5")});
  Write({Make("a", "6")});
  const auto table = home_->Open().value();
  const auto read = [&](size_t limit) {
    std::vector<bus::Event> events;
    std::vector<int64_t> seqs;
    const bool more = table->Read(limit, events, seqs).value();
    return std::pair(seqs.size(), more);
  };
  EXPECT_EQ(read(1), std::pair(size_t{3}, true));
  EXPECT_EQ(read(4), std::pair(size_t{3}, true));
  EXPECT_EQ(read(5), std::pair(size_t{5}, true));
  EXPECT_EQ(read(7), std::pair(size_t{6}, false));
}

TEST_P(OutboxTest, WhatTheVersionBeforeWroteIsCountedAndPublishedFirst) {
  home_->WriteOld({Make("a", "1"), Make("b", "2"), Make("a", "3")});
  const bus::Event event = Make(std::string("\0k", 2), std::string("\0b", 2));
  home_->WriteOld({event});
  Write({Make("a", "5"), Make("b", "6")});
  EXPECT_EQ(home_->Open().value()->Count()->pending, 6);
  PublisherConfig config = Config();
  config.batch = 2;
  Publisher publisher(config, bus_, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  const auto published = bus_.WaitFor(6);
  EXPECT_THAT(Bodies(published), ElementsAre("1", "2", "3", event.body, "5", "6"));
  EXPECT_EQ(published.at(3).id, event.id);
  EXPECT_EQ(published.at(3).key, event.key);
  EXPECT_EQ(published.at(3).time, event.time);
  WaitUntilEmpty();
}

// However much waits: every replica counts again and again.
TEST_P(OutboxTest, OfALongOutboxTheFirstRowsAreCountedAlone) {
  const std::string many =
      fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO ",
                  kCountedRows + 10);
  home_->WriteOld({Make("a", "1")});
  Execute(many +
          "outbox(partition, event_id, topic, key, type, traceparent, body, time_ms) SELECT partition, "
          "event_id, topic, key, type, traceparent, body, time_ms FROM n, outbox");
  Write({Make("a", "2")});
  Execute(many +
          "outbox_batch(events, oldest_ms, body) SELECT 2, 100000 - i, body FROM n, outbox_batch ORDER BY i");
  const auto table = home_->Open().value();
  const auto counted = table->Count();
  ASSERT_TRUE(counted);
  EXPECT_EQ(counted->pending, kCountedRows + 1 + 2 * (kCountedRows - 1));
  EXPECT_EQ(counted->oldest, FromUnixMs(100'000 - (kCountedRows - 1)));
}

TEST_P(OutboxTest, ADamagedRowIsAnErrorThatStaysAndNothingIsLost) {
  Write({Make("a", "1")});
  Execute("UPDATE outbox_batch SET events = 2");
  Publisher publisher(Config(), bus_, clock_, metrics_);
  {
    const auto opened = publisher.Open();
    ASSERT_TRUE(opened) << opened.error().reason << " " << opened.error().detail;
  }
  EXPECT_EQ(publisher.PublishBatch().error().reason, "outbox_row_damaged");
  Execute("UPDATE outbox_batch SET events = 1");
  EXPECT_EQ(publisher.PublishBatch().value(), 1U);
}

// Poison and a dying consumer, from commit to effect: the embedded bus behind a real outbox.
TEST_P(OutboxTest, FromCommitToConsumerAPoisonEventParksOnlyItsKey) {
  const testbed::TempDir dir;
  const auto bus = bus::SqliteBus::Open({.file = dir.path() / "bus.db",
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
  Publisher publisher(Config(), *bus, clock_, metrics_);
  ASSERT_TRUE(publisher.Start());
  Write({Make("a", "1"), Make("b", "poison"), Make("b", "behind"), Make("c", "2")});
  publisher.Nudge();
  ASSERT_TRUE(testbed::Eventually([&] {
    const std::scoped_lock lock(mutex);
    return seen.size() == 2 && bus->DeadLetters(10)->size() == 1;
  }));
  EXPECT_EQ(bus->DeadLetters(10)->at(0).record.event.key, "b");
  bus->Unsubscribe("g");
  EXPECT_THAT(seen, ElementsAre("1", "2"));
}

class SqliteHome final : public Home {
 public:
  SqliteHome() { Execute(kOutboxSchema); }
  void Write(const std::vector<bus::Event>& events) override {
    auto transaction = sql::Transaction::Begin(database_).value();
    ASSERT_TRUE(Writer(database_).Append(events));
    ASSERT_TRUE(transaction.Commit());
  }
  void WriteAndRollBack(const std::vector<bus::Event>& events) override {
    auto transaction = sql::Transaction::Begin(database_).value();
    ASSERT_TRUE(Writer(database_).Append(events));
  }
  void WriteOld(const std::vector<bus::Event>& events) override { outbox::WriteOld(database_, events); }
  void Execute(std::string_view script) override { ASSERT_TRUE(database_.Execute(script)); }
  int64_t Rows() override {
    sql::Statement count = database_.Prepare(
        "SELECT (SELECT count(*) FROM outbox) + (SELECT coalesce(sum(events), 0) FROM outbox_batch)");
    EXPECT_TRUE(count.Step().value());
    return count.Int(0);
  }
  Result<std::unique_ptr<Table>> Open() override { return OpenSqliteTable(file_); }
  void SetDeletesFail(bool fail) override {
    Execute(
        fail ? "CREATE TRIGGER no_delete BEFORE DELETE ON outbox_batch BEGIN SELECT RAISE(ABORT, 'no'); END"
             : "DROP TRIGGER no_delete");
  }
  std::string_view insert_late() const override { return "INSERT INTO outbox_batch SELECT * FROM late"; }
  void InsertLateWithTheDeleteOfRow1() override {
    Execute(
        "CREATE TRIGGER commits_late AFTER DELETE ON outbox_batch WHEN old.seq = 1 BEGIN "
        "INSERT INTO outbox_batch SELECT * FROM late; DELETE FROM late; END");
  }

  testbed::TempDir dir_;
  std::filesystem::path file_ = dir_.path() / "service.db";
  sql::Database database_ = sql::Database::Open(file_).value();
};

class PostgresHome final : public Home {
 public:
  PostgresHome() { Execute(kOutboxPostgresSchema); }
  void Write(const std::vector<bus::Event>& events) override {
    sql::pg::Batch batch;
    ASSERT_TRUE(AddTo(batch, events));
    ASSERT_TRUE(connection_->Write(batch));
  }
  void WriteAndRollBack(const std::vector<bus::Event>& events) override {
    sql::pg::Batch batch;
    ASSERT_TRUE(AddTo(batch, events));
    ASSERT_TRUE(sql::pg::Transaction(*connection_).Run(batch));
  }
  void WriteOld(const std::vector<bus::Event>& events) override {
    sql::pg::Batch batch;
    AddOld(batch, events);
    ASSERT_TRUE(connection_->Write(batch));
  }
  void Execute(std::string_view script) override { ASSERT_TRUE(connection_->Execute(script)); }
  int64_t Rows() override {
    sql::pg::Batch batch;
    batch.Add(
        "SELECT (SELECT count(*) FROM outbox) + (SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch)");
    return connection_->Read(batch).value()[0][0].Int(0);
  }
  Result<std::unique_ptr<Table>> Open() override { return OpenPostgresTable(config_); }
  void SetDeletesFail(bool fail) override {
    Execute(fail ? "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                   "RAISE EXCEPTION 'no'; END $$; "
                   "CREATE TRIGGER no_delete BEFORE DELETE ON outbox_batch EXECUTE FUNCTION refuse()"
                 : "DROP TRIGGER no_delete ON outbox_batch; DROP FUNCTION refuse");
  }
  std::string_view insert_late() const override {
    return "INSERT INTO outbox_batch OVERRIDING SYSTEM VALUE SELECT * FROM late";
  }
  void InsertLateWithTheDeleteOfRow1() override {
    Execute(
        "CREATE FUNCTION commit_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO outbox_batch OVERRIDING SYSTEM VALUE SELECT * FROM late; DELETE FROM late; RETURN NULL; "
        "END $$; CREATE TRIGGER commits_late AFTER DELETE ON outbox_batch FOR EACH ROW WHEN (old.seq = 1) "
        "EXECUTE FUNCTION commit_late()");
  }

 private:
  const sql::pg::Config config_ = sql::pg::PatientConfig(testbed::PostgresServer::Shared().NewDatabase());
  std::unique_ptr<sql::pg::Connection> connection_ = sql::pg::Connection::Open(config_).value();
};

INSTANTIATE_TEST_SUITE_P(Outboxes, OutboxTest,
                         testing::Values(HomeFactory{"Sqlite", [] { return std::make_unique<SqliteHome>(); }},
                                         HomeFactory{"Postgres",
                                                     [] { return std::make_unique<PostgresHome>(); }, true}),
                         [](const auto& info) { return info.param.name; });

TEST(SqliteOutboxTest, AnEventTooLargeIsRefusedInsideTheTransaction) {
  SeededRandom random{1};
  SqliteHome home;
  Writer writer(home.database_);
  auto transaction = sql::Transaction::Begin(home.database_).value();
  const bus::Event too_large = MakeEvent(random, "a", std::string(bus::kMaxBodyBytes + 1, 'x'));
  EXPECT_EQ(writer.Append(std::array{MakeEvent(random, "a", "1"), too_large}).error().reason,
            "event_too_large");
  EXPECT_EQ(home.Rows(), 0);
  EXPECT_TRUE(writer.Append(std::array{MakeEvent(random, "a", std::string(bus::kMaxBodyBytes, 'x'))}));
}

}  // namespace
}  // namespace boxoffice::outbox
