#include "platform/outbox/late_events.h"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/bus/forgetting.h"
#include "platform/outbox/outbox_for_test.h"
#include "testing/temp_dir.h"

namespace boxoffice::outbox {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// A bus whose log can be read. When it is told to, it takes what it is given and says that it did not.
class LoggingBus final : public testbed::FakeBus {
 public:
  Result<void> Publish(std::span<const bus::Event> events) override {
    log.insert(log.end(), events.begin(), events.end());
    if (loses_answers) return Fail(Code::kUnavailable, "bus_unavailable", "");
    return {};
  }
  Result<bus::Page> Read(const std::string& topic, const bus::Position& after, size_t limit) override {
    bus::Page page{{}, after};
    size_t at = after.size();  // a mark for each record before
    if (at == 0) ++reads;
    for (; at < log.size() && page.records.size() < limit; ++at) {
      if (log[at].topic == topic) page.records.push_back({log[at], 0, static_cast<int64_t>(at)});
      page.next.assign(at + 1, '|');
    }
    return page;
  }
  std::vector<bus::Event> log;
  bool loses_answers = false;
  int reads = 0;  // from the beginning
};

class LateEventsTest : public ::testing::Test {
 protected:
  LateEventsTest() {
    EXPECT_TRUE(sql::Database::Open(file_)->Execute(kOutboxSchema));
    publisher_.emplace(
        PublisherConfig{
            .service = "test", .open_table = [this] { return OpenSqliteTable(file_); }, .batch = 3},
        bus_, clock_, metrics_);
    EXPECT_TRUE(publisher_->Open());
  }
  // Made now, by the service.
  bus::Event Make(std::string body) {
    bus::Event event = MakeEvent(random_, "a", std::move(body));
    event.time = clock_.Now();
    event.id = EventId::Make(event.time, random_);
    return event;
  }
  bus::Event Write(std::string body) { return WriteAll({Make(std::move(body))}).front(); }
  // In one transaction, and so in one row.
  std::vector<bus::Event> WriteAll(std::vector<bus::Event> events) {
    sql::Database database = sql::Database::Open(file_).value();
    auto transaction = sql::Transaction::Begin(database).value();
    EXPECT_TRUE(Writer(database).Append(events));
    EXPECT_TRUE(transaction.Commit());
    return events;
  }
  size_t Publish() { return publisher_->PublishBatch().value_or(0); }
  int64_t Pending() { return OpenSqliteTable(file_).value()->Count()->pending; }

  testbed::TempDir dir_;
  std::filesystem::path file_ = dir_.path() / "service.db";
  ManualClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  LoggingBus bus_;
  std::optional<Publisher> publisher_;
};

TEST_F(LateEventsTest, WhatWaitedNoLongerThanAnyConsumerRemembersIsPublishedAsItIs) {
  const bus::Event event = Write("1");
  clock_.Advance(bus::kOldestPublished);
  EXPECT_EQ(Publish(), 1U);
  EXPECT_EQ(bus_.log.at(0).id, event.id);
  EXPECT_EQ(bus_.reads, 0);
}

TEST_F(LateEventsTest, AnEventThatWaitedForDaysAndIsOnTheBusAlreadyIsNotPublishedAgain) {
  bus_.log = {Write("1")};  // and the publisher died
  Write("2");
  clock_.Advance(bus::kOldestPublished + 1ms);
  EXPECT_EQ(Publish(), 1U);
  EXPECT_THAT(Bodies(bus_.log), ElementsAre("1", "2"));
  EXPECT_EQ(Pending(), 0);
}

TEST_F(LateEventsTest, AnEventThatWaitedForDaysIsPublishedWithAnIdThatNobodyHasForgotten) {
  const bus::Event event = Write("1");
  clock_.Advance(100 * 24h);
  const bus::Event young = Write("2");
  EXPECT_EQ(Publish(), 2U);
  ASSERT_EQ(bus_.log.size(), 2U);
  EXPECT_NE(bus_.log[0].id, event.id);
  EXPECT_GE(bus_.log[0].id.uuid().Time(), clock_.Now() - bus::kOldestPublished);
  EXPECT_LE(bus_.log[0].id.uuid().Time(), clock_.Now());
  EXPECT_EQ(bus_.log[0].time, event.time);
  EXPECT_EQ(bus_.log[1].id, young.id);
  EXPECT_EQ(Pending(), 0);
}

TEST_F(LateEventsTest, OfARowThatIsOnTheBusInPartOnlyTheRestIsPublishedAndThenTheRowGoes) {
  const std::vector<bus::Event> events = WriteAll({Make("1"), Make("2"), Make("3")});
  Write("4");
  bus_.log = {events[0], events[2]};
  clock_.Advance(100 * 24h);
  bus_.loses_answers = true;
  EXPECT_EQ(Publish(), 0U);
  EXPECT_THAT(Bodies(bus_.log), ElementsAre("1", "3", "2"));
  EXPECT_EQ(Pending(), 4);
  bus_.loses_answers = false;
  // Now all of the row is there.
  EXPECT_EQ(Publish(), 1U);
  EXPECT_THAT(Bodies(bus_.log), ElementsAre("1", "3", "2", "4"));
  EXPECT_EQ(Pending(), 0);
}

TEST_F(LateEventsTest, ARowOfWhichSomeIsKeptStaysUntilThatIsPublished) {
  const std::vector<bus::Event> events = WriteAll({Make("1"), Make("2"), Make("3")});
  bus_.log = {events[0]};
  clock_.Advance(100 * 24h);
  const auto table = RenewLateEvents(OpenSqliteTable(file_).value(), bus_, clock_);
  EXPECT_THAT(Bodies(EventsIn(*table)), ElementsAre("2", "3"));
  EXPECT_EQ(Pending(), 3);
  EXPECT_EQ(Publish(), 2U);
  EXPECT_EQ(Pending(), 0);
}

TEST_F(LateEventsTest, AnAnswerThatWasLostPublishesNothingTwiceHoweverLongTheEventWaited) {
  Write("1");
  clock_.Advance(100 * 24h);
  bus_.loses_answers = true;
  EXPECT_EQ(Publish(), 0U);
  bus_.loses_answers = false;
  clock_.Advance(30 * 24h);  // and its id is late once more
  EXPECT_EQ(Publish(), 0U);
  EXPECT_THAT(Bodies(bus_.log), ElementsAre("1"));
  EXPECT_EQ(Pending(), 0);
}

TEST_F(LateEventsTest, TheLogIsReadOnceForAllThatWaitedAndAnewAfterAFailure) {
  std::vector<std::string> written;
  for (int i = 0; i < 8; ++i) written.push_back(Write(std::to_string(i)).body);
  bus_.log = {bus::Event{}};
  bus_.log[0].topic = "seat";
  clock_.Advance(100 * 24h);
  while (Publish() > 0) {
  }
  EXPECT_EQ(bus_.reads, 1);
  EXPECT_EQ(bus_.log.size(), 9U);
  std::set<EventId> ids;
  for (const bus::Event& event : bus_.log) ids.insert(event.id);
  EXPECT_EQ(ids.size(), 9U);
  Write("late");
  clock_.Advance(100 * 24h);
  bus_.loses_answers = true;
  EXPECT_EQ(Publish(), 0U);
  bus_.loses_answers = false;
  EXPECT_EQ(Publish(), 0U);
  EXPECT_EQ(bus_.reads, 3);
  EXPECT_EQ(Pending(), 0);
}

}  // namespace
}  // namespace boxoffice::outbox
