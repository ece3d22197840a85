#include "platform/bus/kafka_arrival.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "platform/bus/inbox_for_test.h"

namespace boxoffice::bus::kafka {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Of a group that has consumed what stands below 5 in a partition.
class KafkaArrivalTest : public testing::Test {
 protected:
  Record At(int64_t offset, std::string body, std::string topic = "seat", int partition = 0) {
    return {events_.Make("k", std::move(body), std::move(topic)), partition, offset};
  }
  // In the partition that is looked at.
  Arrival Put(const Record& record) {
    Result<Record> event = record;
    return Arrive("seat", 0, record.offset, event, progress_, pending_);
  }
  Arrival PutForeign(int64_t offset) {
    Result<Record> event = Fail(Code::kInvalidArgument, "event_malformed");
    return Arrive("seat", 0, offset, event, progress_, pending_);
  }
  std::vector<std::string> Bodies() const {
    std::vector<std::string> bodies;
    for (const Record& record : pending_) bodies.push_back(record.event.body);
    return bodies;
  }

  EventMaker events_;
  Progress progress_{5, 5};
  std::vector<Record> pending_;
};

TEST_F(KafkaArrivalTest, WhatComesNextWaitsInItsOrder) {
  EXPECT_EQ(Put(At(5, "5")), Arrival::kNext);
  EXPECT_EQ(Put(At(6, "6")), Arrival::kNext);
  EXPECT_EQ(PutForeign(7), Arrival::kNext);
  EXPECT_THAT(Bodies(), ElementsAre("5", "6"));
  EXPECT_EQ(progress_.next, 5);
  EXPECT_EQ(progress_.arrived, 8);
  EXPECT_EQ(Put(At(10, "10")), Arrival::kExpired);
  EXPECT_EQ(progress_.arrived, 11);
}

TEST_F(KafkaArrivalTest, WhatIsPendingAndComesAgainIsTakenOnce) {
  const Record five = At(5, "5");
  EXPECT_EQ(Put(five), Arrival::kNext);
  EXPECT_EQ(PutForeign(6), Arrival::kNext);
  EXPECT_EQ(Put(At(7, "7")), Arrival::kNext);
  EXPECT_EQ(Put(five), Arrival::kAgain);
  EXPECT_EQ(PutForeign(6), Arrival::kAgain);
  EXPECT_THAT(Bodies(), ElementsAre("5", "7"));
  EXPECT_EQ(progress_.next, 5);
  EXPECT_EQ(progress_.arrived, 8);
}

// As of a topic that was made anew before its group had consumed anything.
TEST_F(KafkaArrivalTest, WhileWhatTheLogHasLostIsPendingWhatIsNewIsConsumed) {
  progress_ = {};
  pending_ = {At(0, "other partition", "seat", 1), At(0, "other topic", "wallet")};
  for (int64_t offset = 0; offset < 3; ++offset) EXPECT_EQ(Put(At(offset, "lost")), Arrival::kNext);
  EXPECT_EQ(Put(At(0, "new 0")), Arrival::kBack);
  EXPECT_EQ(progress_.next, 0);
  EXPECT_EQ(progress_.arrived, 1);
  EXPECT_EQ(Put(At(1, "new 1")), Arrival::kNext);
  EXPECT_EQ(Put(At(2, "new 2")), Arrival::kNext);
  EXPECT_THAT(Bodies(), ElementsAre("other partition", "other topic", "new 0", "new 1", "new 2"));
}

TEST_F(KafkaArrivalTest, WhatTheLogStillHasBeforeTheNewEventStays) {
  EXPECT_EQ(Put(At(5, "5")), Arrival::kNext);
  EXPECT_EQ(Put(At(6, "lost")), Arrival::kNext);
  EXPECT_EQ(Put(At(6, "new")), Arrival::kBack);
  EXPECT_THAT(Bodies(), ElementsAre("5", "new"));
  EXPECT_EQ(progress_.next, 5);
  EXPECT_EQ(progress_.arrived, 7);
}

TEST_F(KafkaArrivalTest, ALogThatBeginsAnewIsFollowedFromItsBeginning) {
  EXPECT_EQ(Put(At(5, "lost")), Arrival::kNext);
  EXPECT_EQ(PutForeign(0), Arrival::kBack);
  EXPECT_THAT(Bodies(), IsEmpty());
  EXPECT_EQ(progress_.next, 1) << "what is no event is behind it at once";
  EXPECT_EQ(Put(At(1, "new")), Arrival::kNext);
  EXPECT_EQ(progress_.next, 1);
  EXPECT_EQ(progress_.arrived, 2);
}

// A message of ours where something else stood: nothing waits there.
TEST_F(KafkaArrivalTest, AnEventWhereSomethingElseStoodIsNew) {
  EXPECT_EQ(PutForeign(5), Arrival::kNext);
  EXPECT_EQ(Put(At(5, "new")), Arrival::kBack);
  EXPECT_THAT(Bodies(), ElementsAre("new"));
}

}  // namespace
}  // namespace boxoffice::bus::kafka
