#include "platform/outbox/postgres.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/bus/kafka_config.h"
#include "platform/outbox/outbox_for_test.h"
#include "platform/sql/postgres_for_test.h"
#include "testing/postgres_server.h"
#include "testing/wait.h"

namespace boxoffice::outbox {
namespace {

using sql::pg::Batch;
using sql::pg::Connection;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Its end does not come while a test looks, however slow the machine is: a test that wants it ends it.
constexpr LeaseConfig kLong{.lease = std::chrono::hours(1), .renew = milliseconds(50)};

TEST(OutboxLease, LastsUntilWhatWasPublishedBeforeARenewalIsThereOrGivenUp) {
  const LeaseConfig lease;
  EXPECT_LT(lease.renew + bus::KafkaBusConfig().publish_timeout + std::chrono::seconds(1), lease.lease);
}

class PostgresOutboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    config_ = sql::pg::PatientConfig(testbed::PostgresServer::Shared().NewDatabase());
    connection_ = Connection::Open(config_).value();
    ASSERT_TRUE(connection_->Execute(kOutboxPostgresSchema));
  }
  bus::Event Make(std::string key, std::string body) {
    return MakeEvent(random_, std::move(key), std::move(body));
  }
  void Write(const std::vector<bus::Event>& events) {
    Batch batch;
    ASSERT_TRUE(AddTo(batch, events));
    ASSERT_TRUE(connection_->Write(batch));
  }
  std::unique_ptr<Table> Open(LeaseConfig lease = kLong) { return OpenPostgresTable(config_, lease).value(); }
  void EndLease() { ASSERT_TRUE(connection_->Execute("UPDATE outbox_lease SET lease_until_ms = 1")); }
  // As where a server is gone with its last commits, and the one that follows gives their numbers again; its
  // publishers call themselves "publisher", and ask nothing meanwhile.
  void LoseWhatWasWritten() {
    constexpr std::string_view kSessions =
        "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'publisher'";
    const std::string end = fmt::format("SELECT pg_terminate_backend(pid) {}", kSessions);
    const std::string count = fmt::format("SELECT count(*) {}", kSessions);
    ASSERT_TRUE(connection_->Execute(end));
    Batch left;
    left.Add(count);
    ASSERT_TRUE(testbed::Eventually([&] { return connection_->Read(left).value()[0][0].Int(0) == 0; }));
    ASSERT_TRUE(connection_->Execute("TRUNCATE outbox_batch RESTART IDENTITY"));
  }
  // What the table gives within a minute.
  static std::vector<std::string> Bodies(Table& table, std::vector<int64_t>* numbers = nullptr) {
    std::vector<bus::Event> events;
    std::vector<int64_t> seqs;
    (void)testbed::Eventually([&] {
      EXPECT_TRUE(table.Read(100, events, seqs));
      return !seqs.empty();
    });
    std::vector<std::string> bodies;
    for (size_t i = 0; i < seqs.size(); ++i) bodies.push_back(events[i].body);
    if (numbers != nullptr) *numbers = seqs;
    return bodies;
  }

  sql::pg::Config config_;
  std::unique_ptr<Connection> connection_;
  SystemClock clock_;
  SeededRandom random_{1};
};

TEST_F(PostgresOutboxTest, AnEventComesOutAsItWasWrittenAndOnlyWhatIsErasedGoes) {
  const bus::Event event = Make(std::string("\0k", 2), std::string("\0b", 2));
  Write({event});
  Write({Make("b", "2")});
  const auto table = Open();
  std::vector<bus::Event> events;
  std::vector<int64_t> seqs;
  ASSERT_TRUE(table->Read(100, events, seqs));
  ASSERT_THAT(seqs, SizeIs(2));
  EXPECT_EQ(events[0].id, event.id);
  EXPECT_EQ(events[0].key, event.key);
  EXPECT_EQ(events[0].body, event.body);
  EXPECT_EQ(events[0].topic, event.topic);
  EXPECT_EQ(events[0].type, event.type);
  EXPECT_EQ(events[0].time, event.time);
  ASSERT_TRUE(table->Erase(std::span(seqs).first(1)));
  EXPECT_EQ(table->Count().value().pending, 1);
  EXPECT_THAT(Bodies(*table), ElementsAre("2"));
}

TEST_F(PostgresOutboxTest, TheOrderOfWritingIsKept) {
  std::vector<std::string> written;
  std::vector<bus::Event> events;
  for (int i = 0; i < 90; ++i) {
    written.push_back(std::to_string(i));
    events.push_back(Make(std::to_string(i % 3), written.back()));
  }
  Write(events);
  EXPECT_EQ(Bodies(*Open()), written);
}

// In the table's order it would pass over all that was deleted since the last vacuum.
TEST_F(PostgresOutboxTest, WhatWaitsIsCountedAlongTheIndex) {
  Write({Make("k", "1"), Make("k", "2")});
  config_.application_name = "publisher";
  const auto scans = [this] {
    return testbed::PostgresServer::ScansOf("outbox_batch", config_.url, config_.application_name);
  };
  const int64_t before = scans();
  const auto status = Open()->Count();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->pending, 2);
  EXPECT_EQ(scans(), before);
}

TEST_F(PostgresOutboxTest, OfTwoPublishersOneReadsAndTheOtherFollowsWhenItIsGone) {
  Write({Make("a", "1"), Make("a", "2"), Make("b", "3")});
  const auto dies = Open();
  const auto follows = Open();
  EXPECT_THAT(Bodies(*dies), ElementsAre("1", "2", "3"));
  std::vector<bus::Event> events;
  std::vector<int64_t> seqs;
  ASSERT_TRUE(follows->Read(100, events, seqs));
  EXPECT_THAT(seqs, IsEmpty());
  EndLease();
  EXPECT_THAT(Bodies(*follows, &seqs), ElementsAre("1", "2", "3"));
  ASSERT_TRUE(follows->Erase(seqs));
  ASSERT_TRUE(dies->Erase(seqs));  // too late, and without effect
  EXPECT_EQ(follows->Count().value().pending, 0);
}

TEST_F(PostgresOutboxTest, ANumberThatIsGivenAgainAfterAFailoverIsNotErased) {
  config_.application_name = "publisher";
  Write({Make("a", "lost")});
  const auto table = Open();
  std::vector<int64_t> seqs;
  EXPECT_THAT(Bodies(*table, &seqs), ElementsAre("lost"));
  ASSERT_NO_FATAL_FAILURE(LoseWhatWasWritten());
  Write({Make("a", "new")});
  EXPECT_FALSE(table->Erase(seqs)) << "nobody is there";
  EXPECT_EQ(table->Erase(seqs).error().reason, kNumbersDoubtful);
  EXPECT_EQ(table->Count()->pending, 1) << "it has another connection";
  EXPECT_EQ(table->Erase(seqs).error().reason, kNumbersDoubtful);
  const std::vector<int64_t> of_lost = seqs;
  EXPECT_THAT(Bodies(*table, &seqs), ElementsAre("new"));
  EXPECT_EQ(seqs, of_lost);
  ASSERT_TRUE(table->Erase(seqs));
  EXPECT_EQ(table->Count()->pending, 0);
}

TEST_F(PostgresOutboxTest, OneThatClosesGivesItsLeasesBackAtOnce) {
  Write({Make("a", "1")});
  auto closes = Open({.lease = std::chrono::hours(1), .renew = milliseconds(1)});
  EXPECT_THAT(Bodies(*closes), ElementsAre("1"));
  closes.reset();
  EXPECT_THAT(Bodies(*Open()), ElementsAre("1"));
}

TEST_F(PostgresOutboxTest, AnEventTooLargeIsRefusedBeforeTheTransaction) {
  Batch batch;
  EXPECT_EQ(AddTo(batch, std::vector{Make("a", std::string(bus::kMaxBodyBytes + 1, 'x'))}).error().reason,
            "event_too_large");
  EXPECT_TRUE(batch.empty());
}

// As a replica of the version before packed rows has it: its publisher claims partitions, and reads what
// stands in its own.
class OldReplica {
 public:
  explicit OldReplica(const sql::pg::Config& config) : connection_(Connection::Open(config).value()) {}
  void Write(const std::vector<bus::Event>& events) {
    Batch batch;
    AddOld(batch, events);
    ASSERT_TRUE(connection_->Write(batch));
  }
  std::vector<std::string> Read() {
    Batch claim;
    claim.Add("UPDATE outbox_partition SET owner = 'old', lease_until_ms = " BOXOFFICE_PG_NOW_MS
              " + 15000 WHERE owner = 'old' OR lease_until_ms < " BOXOFFICE_PG_NOW_MS);
    EXPECT_TRUE(connection_->Write(claim));
    Batch read;
    read.Add(
        "SELECT body FROM outbox WHERE partition = ANY(ARRAY(SELECT partition FROM outbox_partition WHERE "
        "owner = 'old')) ORDER BY seq");
    std::vector<std::string> bodies;
    const auto results = connection_->Read(read).value();
    for (const sql::pg::Row row : results[0]) bodies.emplace_back(row.Text(0));
    return bodies;
  }
  Connection& connection() { return *connection_; }

 private:
  std::unique_ptr<Connection> connection_;
};

TEST_F(PostgresOutboxTest, WhileReplicasOfTheVersionBeforeRunTheOrderOfWritingIsKept) {
  OldReplica old(config_);
  old.Write({Make("a", "1"), Make("b", "2")});
  EXPECT_THAT(old.Read(), ElementsAre("1", "2"));
  const auto table = Open();
  Write({Make("a", "3")});
  const bus::Event event = Make(std::string("\0k", 2), std::string("\0b", 2));
  old.Write({Make("a", "4"), event});
  Write({Make("a", "6")});
  old.Write({Make("a", "7")});
  EXPECT_THAT(old.Read(), IsEmpty());
  EXPECT_EQ(table->Count()->pending, 7);
  std::vector<bus::Event> events;
  std::vector<int64_t> seqs;
  ASSERT_TRUE(table->Read(100, events, seqs).value());
  ASSERT_THAT(seqs, SizeIs(2));
  EXPECT_EQ(events[0].body, "1");
  EXPECT_EQ(events[1].body, "2");
  ASSERT_TRUE(table->Erase(seqs));
  events = EventsIn(*table);
  EXPECT_THAT(outbox::Bodies(events), ElementsAre("3", "4", event.body, "6", "7"));
  EXPECT_EQ(events.at(2).id, event.id);
  EXPECT_EQ(events[2].topic, event.topic);
  EXPECT_EQ(events[2].key, event.key);
  EXPECT_EQ(events[2].type, event.type);
  EXPECT_EQ(events[2].traceparent, event.traceparent);
  EXPECT_EQ(events[2].time, event.time);
}

// What it is writing at that moment comes before whatever is packed, too.
TEST_F(PostgresOutboxTest, TheFirstPublisherWaitsForWhatTheVersionBeforeIsJustWriting) {
  OldReplica old(config_);
  sql::pg::Transaction writing(old.connection());
  Batch batch;
  AddOld(batch, {Make("a", "1")});
  ASSERT_TRUE(writing.Run(batch));
  auto opened = std::async(std::launch::async, [this] { return Open(); });
  EXPECT_EQ(opened.wait_for(milliseconds(300)), std::future_status::timeout);
  ASSERT_TRUE(writing.Commit());
  const auto table = opened.get();
  Write({Make("a", "2")});
  std::vector<int64_t> seqs;
  EXPECT_THAT(Bodies(*table, &seqs), ElementsAre("1"));
  ASSERT_TRUE(table->Erase(seqs));
  EXPECT_THAT(Bodies(*table), ElementsAre("2"));
}

// Two publishers of one service, each with its own way to the bus.
class PostgresPublishersTest : public PostgresOutboxTest {
 protected:
  struct Replica {
    FakeBus bus;
    obs::Registry metrics;
    std::unique_ptr<Publisher> publisher;
  };
  void Start(Replica& replica) {
    replica.publisher = std::make_unique<Publisher>(PublisherConfig{.service = "test",
                                                                    .open_table = [this] { return Open(); },
                                                                    .min_poll = milliseconds(1),
                                                                    .max_poll = milliseconds(5),
                                                                    .min_gap = milliseconds(0)},
                                                    replica.bus, clock_, replica.metrics);
    ASSERT_TRUE(replica.publisher->Start());
  }
  int64_t Rows() {
    Batch batch;
    batch.Add("SELECT coalesce(sum(events), 0)::bigint FROM outbox_batch");
    return connection_->Read(batch).value()[0][0].Int(0);
  }
  void WaitUntilEmpty() {
    EXPECT_TRUE(testbed::Eventually([this] { return Rows() == 0; })) << Rows();
  }
  Replica one_, two_;
};

TEST_F(PostgresPublishersTest, WhatBothCouldPublishGoesOutOnceAndInOrder) {
  Start(one_);
  Start(two_);
  std::vector<std::string> written;
  for (int i = 0; i < 60; ++i) {
    written.push_back(std::to_string(i));
    Write({Make(std::to_string(i % 3), written.back())});
  }
  WaitUntilEmpty();
  one_.publisher->Stop();
  two_.publisher->Stop();
  // Whoever came first has the lease.
  std::vector<bus::Event> published = one_.bus.WaitFor(0);
  const std::vector<bus::Event> others = two_.bus.WaitFor(0);
  EXPECT_TRUE(published.empty() || others.empty());
  published.insert(published.end(), others.begin(), others.end());
  EXPECT_EQ(outbox::Bodies(published), written);
}

TEST_F(PostgresPublishersTest, WhatIsNewUnderANumberThatIsGivenAgainIsPublished) {
  config_.application_name = "publisher";
  one_.bus.SetHanging(true);
  Start(one_);
  Write({Make("a", "lost")});
  one_.bus.WaitForAttempts(1);
  ASSERT_NO_FATAL_FAILURE(LoseWhatWasWritten());
  Write({Make("a", "new")});
  one_.bus.SetHanging(false);
  EXPECT_THAT(outbox::Bodies(one_.bus.WaitFor(2)), ElementsAre("lost", "new"));
  WaitUntilEmpty();
}

TEST_F(PostgresPublishersTest, OneThatHangsIsFollowedByTheOtherAndStaysBehindIt) {
  Start(one_);
  Write({Make("a", "1")});
  EXPECT_THAT(outbox::Bodies(one_.bus.WaitFor(1)), ElementsAre("1"));
  WaitUntilEmpty();
  one_.bus.SetHanging(true);
  Start(two_);
  Write({Make("a", "2"), Make("a", "3")});
  one_.bus.WaitForAttempts(2);
  EndLease();
  EXPECT_THAT(outbox::Bodies(two_.bus.WaitFor(2)), ElementsAre("2", "3"));
  WaitUntilEmpty();
  one_.bus.SetHanging(false);
  // Back, it says again what it was saying, and nothing that came later.
  EXPECT_EQ(outbox::Bodies(one_.bus.WaitFor(2)).at(1), "2");
  Write({Make("a", "4"), Make("b", "5")});
  EXPECT_THAT(outbox::Bodies(two_.bus.WaitFor(4)), ElementsAre("2", "3", "4", "5"));
  WaitUntilEmpty();
  EXPECT_THAT(one_.bus.WaitFor(0).size(), testing::Le(3));
  two_.publisher->Stop();
  Write({Make("a", "6")});
  WaitUntilEmpty();
  EXPECT_EQ(outbox::Bodies(one_.bus.WaitFor(0)).back(), "6");
}

}  // namespace
}  // namespace boxoffice::outbox
