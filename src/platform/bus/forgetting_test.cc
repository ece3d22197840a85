#include "platform/bus/forgetting.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "platform/bus/processed_event.h"
#include "platform/bus/processed_event_postgres.h"
#include "platform/sql/postgres_for_test.h"
#include "testing/fake_bus.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::bus {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr milliseconds kKeptHere = kLeastKept;
constexpr Timestamp kStart = FromUnixMs(1'800'000'000'000);

TEST(ForgettingRule, TheHorizonFollowsTheMomentAtWhichNothingWasBehindOnceWhatWasTriedAgainHasEnded) {
  ForgettingRule rule(kKeptHere);
  EXPECT_EQ(rule.After({.at = kStart, .lag = 0}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 59min, .lag = 7}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 60min, .lag = 7}), kStart - kKeptHere);
  EXPECT_EQ(rule.After({.at = kStart + 200min, .lag = 7}), std::nullopt) << "it was behind since";
  EXPECT_EQ(rule.After({.at = kStart + 210min, .lag = 0}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 280min, .lag = 0}), kStart + 210min - kKeptHere);
}

TEST(ForgettingRule, WhileAKeyIsSetAsideNothingIsForgotten) {
  ForgettingRule rule(kKeptHere);
  EXPECT_EQ(rule.After({.at = kStart, .lag = 0, .set_aside = true}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 2h, .lag = 0}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 3h, .lag = 0, .set_aside = true}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 4h, .lag = 0}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 5h, .lag = 0}), kStart + 4h - kKeptHere);
}

TEST(ForgettingRule, AfterALookThatFailedWhatWasSeenBeforeIsNotEnough) {
  ForgettingRule rule(kKeptHere);
  EXPECT_EQ(rule.After({.at = kStart, .lag = 0}), std::nullopt);
  rule.AfterFailure();
  EXPECT_EQ(rule.After({.at = kStart + 2h, .lag = 0}), std::nullopt);
  EXPECT_EQ(rule.After({.at = kStart + 3h, .lag = 0}), kStart + 2h - kKeptHere);
}

TEST(ForgettingRule, LessThanTheLeastIsRefused) {
  EXPECT_TRUE(CheckKept(kLeastKept));
  EXPECT_EQ(CheckKept(kLeastKept - 1ms).error().reason, "config");
}

// A bus as a group sees it.
class GroupBus final : public testbed::FakeBus {
 public:
  Result<int64_t> Lag(const std::string&, std::span<const std::string>) override { return lag; }
  Result<std::vector<DeadLetter>> DeadLetters(size_t) override { return letters; }
  Result<int64_t> lag = 0;
  std::vector<DeadLetter> letters;
};

class ForgetterTest : public ::testing::Test {
 protected:
  Result<void> LookAfter(milliseconds time) {
    clock_.Advance(time);
    return forgetter_.LookAndForget();
  }
  GroupBus bus_;
  ManualClock clock_{kStart};
  obs::Registry metrics_;
  std::vector<Timestamp> asked_;
  size_t old_ = 2'500;
  Forgetter forgetter_{"g", {"seat"}, kKeptHere, bus_, clock_, metrics_, [this](Timestamp before) {
                         asked_.push_back(before);
                         const size_t count = std::min<size_t>(old_, 1'000);
                         old_ -= count;
                         return Result<Forgotten>({count, old_ > 0});
                       }};
};

TEST_F(ForgetterTest, AllThatIsOldGoesInPartsAndIsCounted) {
  ASSERT_TRUE(LookAfter(0ms));
  EXPECT_THAT(asked_, ElementsAre());
  ASSERT_TRUE(LookAfter(1h));
  EXPECT_EQ(asked_, std::vector<Timestamp>(3, kStart - kKeptHere));
  EXPECT_EQ(metrics_
                .GetCounter("boxoffice_retention_deleted_total", "",
                            {{"service", "g"}, {"kind", "processed_event"}})
                .value(),
            2'500U);
}

TEST_F(ForgetterTest, ADeadLetterOfTheGroupKeepsAllAndThatOfAnotherDoesNot) {
  bus_.letters.resize(1);
  bus_.letters[0].group = "g";
  ASSERT_TRUE(LookAfter(0ms));
  ASSERT_TRUE(LookAfter(1h));
  ASSERT_TRUE(LookAfter(1h));
  EXPECT_THAT(asked_, ElementsAre());
  bus_.letters[0].group = "another";
  ASSERT_TRUE(LookAfter(1h));
  ASSERT_TRUE(LookAfter(1h));
  EXPECT_FALSE(asked_.empty());
}

TEST_F(ForgetterTest, WhereTheBusDoesNotAnswerNothingIsForgotten) {
  ASSERT_TRUE(LookAfter(0ms));
  bus_.lag = Fail(Code::kUnavailable, "bus_unavailable", "");
  EXPECT_EQ(LookAfter(1h).error().reason, "bus_unavailable");
  bus_.lag = 0;
  ASSERT_TRUE(LookAfter(1h));
  EXPECT_THAT(asked_, ElementsAre());
}

TEST_F(ForgetterTest, ItEndsAtOnceWhenItIsToldTo) {
  forgetter_.Start();
  forgetter_.Stop();
  forgetter_.Stop();
  EXPECT_THAT(asked_, ElementsAre());
}

// A consumer's table, in either database.
class Ids {
 public:
  virtual ~Ids() = default;
  // Those of `events` that are new.
  virtual std::set<EventId> Mark(const std::vector<EventId>& events) = 0;
  virtual std::vector<EventId> Processed(const std::vector<EventId>& events) = 0;
  virtual size_t Forget(Timestamp before, size_t limit) = 0;
  virtual int64_t Rows(std::string_view consumer) = 0;
};

class SqliteIds final : public Ids {
 public:
  std::set<EventId> Mark(const std::vector<EventId>& events) override {
    std::set<EventId> fresh;
    for (const EventId& event : events) {
      if (ids_.MarkNew(event).value()) fresh.insert(event);
    }
    return fresh;
  }
  std::vector<EventId> Processed(const std::vector<EventId>& events) override {
    std::vector<EventId> found;
    const std::vector<bool> processed = ids_.AreProcessed(events).value();
    for (size_t i = 0; i < events.size(); ++i) {
      if (processed[i]) found.push_back(events[i]);
    }
    return found;
  }
  size_t Forget(Timestamp before, size_t limit) override { return ids_.Forget(before, limit).value(); }
  int64_t Rows(std::string_view consumer) override {
    sql::Statement count = database_.Prepare("SELECT count(*) FROM processed_event WHERE consumer = ?1");
    EXPECT_TRUE(count.Bind(consumer).Step().value());
    return count.Int(0);
  }

 private:
  static sql::Database WithTable(const std::filesystem::path& file) {
    sql::Database database = sql::Database::Open(file).value();
    EXPECT_TRUE(database.Execute(kProcessedEventSchema));
    return database;
  }
  testbed::TempDir dir_;
  sql::Database database_ = WithTable(dir_.path() / "ids.db");
  ProcessedEvents ids_{database_, "g"};
};

class PostgresIds final : public Ids {
 public:
  PostgresIds() { EXPECT_TRUE(connection_->Execute(kProcessedEventPostgresSchema)); }
  std::set<EventId> Mark(const std::vector<EventId>& events) override {
    sql::pg::Batch batch;
    const size_t at = AddMark(batch, "g", events);
    std::set<EventId> fresh;
    const auto results = connection_->Write(batch).value();
    for (const sql::pg::Row row : results[at]) fresh.insert(row.Id<EventId>(0));
    return fresh;
  }
  std::vector<EventId> Processed(const std::vector<EventId>& events) override {
    sql::pg::Batch batch;
    const size_t at = AddProcessed(batch, "g", events);
    std::vector<EventId> found;
    const auto results = connection_->Read(batch).value();
    for (const sql::pg::Row row : results[at]) found.push_back(row.Id<EventId>(0));
    return found;
  }
  size_t Forget(Timestamp before, size_t limit) override {
    sql::pg::Batch batch;
    const size_t at = AddForget(batch, "g", before, limit);
    return connection_->Write(batch).value()[at].size();
  }
  int64_t Rows(std::string_view consumer) override {
    sql::pg::Batch batch;
    batch.Add("SELECT count(*) FROM processed_event WHERE consumer = $1", consumer);
    return connection_->Read(batch).value()[0][0].Int(0);
  }

 private:
  std::unique_ptr<sql::pg::Connection> connection_ =
      sql::pg::Connection::Open(sql::pg::PatientConfig(testbed::PostgresServer::Shared().NewDatabase()))
          .value();
};

class ProcessedEventsTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) BOXOFFICE_NEED_POSTGRES();
    if (GetParam()) {
      ids_ = std::make_unique<PostgresIds>();
    } else {
      ids_ = std::make_unique<SqliteIds>();
    }
  }
  EventId At(milliseconds after) { return EventId::Make(kStart + after, random_); }
  SeededRandom random_{1};
  std::unique_ptr<Ids> ids_;
};

TEST_P(ProcessedEventsTest, AnEventIsNewToAConsumerOnce) {
  const EventId one = At(0ms);
  const EventId two = At(1ms);
  EXPECT_THAT(ids_->Mark({one, one}), ElementsAre(one));
  EXPECT_THAT(ids_->Mark({one, two}), ElementsAre(two));
}

TEST_P(ProcessedEventsTest, BelowTheHorizonAnEventCountsAsHadWhetherItsIdWasKeptOrNot) {
  const EventId old = At(-1ms);
  const EventId never = At(-1h);
  const EventId young = At(0ms);
  const EventId fresh = At(1ms);
  EXPECT_EQ(ids_->Mark({old, young}).size(), 2U);
  EXPECT_EQ(ids_->Forget(kStart, 100), 1U);
  EXPECT_EQ(ids_->Rows("g"), 1);
  EXPECT_THAT(ids_->Processed({old, never, young, fresh}), ElementsAre(old, never, young));
  EXPECT_THAT(ids_->Mark({old, never, young, fresh}), ElementsAre(fresh));
}

TEST_P(ProcessedEventsTest, TheHorizonRisesAtOnceIsOneRowAndNeverFalls) {
  const std::vector<EventId> old{At(-3h), At(-2h), At(-1h)};
  EXPECT_EQ(ids_->Mark(old).size(), 3U);
  EXPECT_EQ(ids_->Forget(kStart - 150min, 100), 1U);
  EXPECT_EQ(ids_->Forget(kStart, 1), 1U);
  EXPECT_EQ(ids_->Processed(old), old);
  EXPECT_EQ(ids_->Forget(kStart - 5h, 100), 0U);
  EXPECT_EQ(ids_->Processed(old), old);
  EXPECT_EQ(ids_->Rows(HorizonOf("g")), 1);
  EXPECT_EQ(ids_->Forget(kStart, 100), 1U);
  EXPECT_EQ(ids_->Rows("g"), 0);
}

INSTANTIATE_TEST_SUITE_P(Databases, ProcessedEventsTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Postgres" : "Sqlite"; });

}  // namespace
}  // namespace boxoffice::bus
