#include "services/relay/testing_dispatcher.h"

namespace boxoffice::relay {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

// What an operator does after a target was down for three days.
class ReplayTest : public DispatcherTest {
 protected:
  // Deliveries of these keys, a minute apart, dead; ids from 1.
  void MakeDead(const std::vector<std::string>& keys) {
    for (size_t i = 0; i < keys.size(); ++i) {
      Accept({Event(keys[i], std::to_string(i + 1))});
      clock_.Advance(1min);
    }
    ASSERT_TRUE(service_.ChangeTarget(1, {.enabled = false}));
    ASSERT_TRUE(service_.ChangeTarget(1, {.enabled = true}));
  }
  // A target, and as many deliveries of keys of their own, each attempted once.
  void EndAttempts(size_t count, int status) {
    MakeTarget();
    AcceptMany(count);
    std::vector<Delivery> attempted = service_.ListDeliveries({.limit = count}).value();
    ASSERT_EQ(attempted.size(), count);
    for (Delivery& delivery : attempted) delivery = AfterAttempt(delivery, {status, ""}, clock_.Now(), 0);
    ASSERT_TRUE(store_.Update(attempted, clock_.Now()));
  }
};

TEST_F(ReplayTest, ThoseOfAKeyGoOutInTheirOrder) {
  MakeTarget();
  MakeDead({"a", "b", "a", "a"});
  EXPECT_EQ(service_.ReplayDeliveries({.ids = {4, 3, 1}})->count, 3);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1"));
  sender_.AnswerAll(200);
  Round();
  sender_.AnswerAll(200);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1", "3", "4"));
}

TEST_F(ReplayTest, OneWhoseKeyHasAPendingDeliveryWaitsForIt) {
  MakeTarget();
  MakeDead({"a"});
  Accept({Event("a", "2")});
  EXPECT_FALSE(service_.ReplayDelivery(1)->next_attempt_at);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("2"));
  sender_.AnswerAll(200);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("2", "1"));
}

TEST_F(ReplayTest, ARangeOfTimeHasItsBeginningAndNotItsEnd) {
  const Timestamp start = clock_.Now();
  MakeTarget();
  MakeDead({"a", "b", "c", "d"});
  EXPECT_EQ(service_.ReplayDeliveries({.from = start + 1min, .until = start + 3min})->count, 2);
  EXPECT_EQ(Deliveries()[0].state, State::kDead);
  EXPECT_EQ(Deliveries()[1].state, State::kPending);
  EXPECT_EQ(Deliveries()[2].state, State::kPending);
  EXPECT_EQ(Deliveries()[3].state, State::kDead);
  EXPECT_EQ(service_.ReplayDeliveries({.from = start + 1min, .until = start + 3min})->count, 0) << "again";
}

TEST_F(ReplayTest, OfManyThatAreNamedThoseThatCantBeAreToldAndTheOthersGo) {
  MakeTarget();
  MakeDead({"a"});
  Accept({Event("b", "2")});
  Round();
  sender_.AnswerAll(200);
  Round();
  const Replayed replayed = service_.ReplayDeliveries({.ids = {1, 2, 99}}).value();
  EXPECT_EQ(replayed.count, 1);
  EXPECT_THAT(replayed.refused,
              ElementsAre(Replayed::Refused{2, "not_dead"}, Replayed::Refused{99, "delivery_not_found"}));
}

TEST_F(ReplayTest, ARangeLeavesOutTargetsThatTakeNothing) {
  MakeTarget("op-1");
  MakeTarget("op-2");
  Accept({Event("a", "1")});
  ASSERT_TRUE(service_.ChangeTarget(1, {.enabled = false}));
  ASSERT_TRUE(service_.ChangeTarget(2, {.enabled = false}));
  ASSERT_TRUE(service_.ChangeTarget(2, {.enabled = true}));
  EXPECT_EQ(service_.ReplayDeliveries({})->count, 1);
  EXPECT_EQ(service_.ReplayDeliveries({.target_id = 1}).error().reason, "target_disabled");
  EXPECT_EQ(service_.ReplayDeliveries({.target_id = 99}).error().reason, "target_not_found");
}

TEST_F(ReplayTest, WhatWaitsAfterAnOutageIsSentNowInItsOrder) {
  MakeTarget();
  Accept({Event("a", "1"), Event("a", "2"), Event("b", "3")});
  Round();
  sender_.AnswerAll(503, 1h);
  Round();
  const Replayed replayed = service_.ReplayDeliveries({.target_id = 1}).value();
  EXPECT_EQ(replayed.count, 0);
  EXPECT_EQ(replayed.pending, 3);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1", "3", "1", "3"));
  sender_.AnswerAll(200);
  Round();
  EXPECT_EQ(sender_.sent.back(), "2");
}

TEST_F(ReplayTest, WhatIsDeadComesBackPageByPage) {
  EndAttempts(RelayService::kReplayBatch + 500, kGone);
  const Replayed page = service_.ReplayDeliveries({.target_id = 1}).value();
  EXPECT_EQ(page.count, RelayService::kReplayBatch);
  EXPECT_EQ(page.pending, RelayService::kReplayBatch);
  EXPECT_TRUE(page.more);
  const Replayed last = service_.ReplayDeliveries({.target_id = 1}).value();
  EXPECT_EQ(last.count, 500);
  EXPECT_EQ(last.pending, RelayService::kReplayBatch + 500);
  EXPECT_FALSE(last.more);
}

TEST_F(ReplayTest, WhatWaitsIsMadeDuePageByPage) {
  EndAttempts(RelayService::kReplayBatch + 500, 500);
  const Replayed page = service_.ReplayDeliveries({.target_id = 1}).value();
  EXPECT_EQ(page.count, 0);
  EXPECT_EQ(page.pending, RelayService::kReplayBatch);
  EXPECT_TRUE(page.more);
  const Replayed last = service_.ReplayDeliveries({.target_id = 1}).value();
  EXPECT_EQ(last.pending, RelayService::kReplayBatch + 500);
  EXPECT_FALSE(last.more);
  EXPECT_EQ(service_.NextDue(1).value(), clock_.Now());
}

TEST_F(ReplayTest, OneThatWaitsIsSentNowWhenItIsNamed) {
  MakeTarget();
  Accept({Event("a", "1")});
  Round();
  sender_.AnswerAll(503, 1h);
  Round();
  EXPECT_EQ(service_.ReplayDelivery(1)->next_attempt_at, clock_.Now());
  Round();
  sender_.AnswerAll(503, 1h);
  Round();
  EXPECT_EQ(service_.ReplayDeliveries({.ids = {1, 1}})->pending, 1);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1", "1", "1"));
}

TEST_F(ReplayTest, WhatIsAskedForMustBeMeantInOneWay) {
  const auto why_not = [this](const ReplayRequest& request) {
    return service_.ReplayDeliveries(request).error().detail;
  };
  EXPECT_THAT(why_not({.ids = {1}, .target_id = 1}), testing::StartsWith("ids: "));
  EXPECT_THAT(why_not({.ids = std::vector<int64_t>(201, 1)}), testing::StartsWith("ids: "));
  EXPECT_THAT(why_not({.from = FromUnixMs(2), .until = FromUnixMs(2)}), testing::StartsWith("until: "));
}

}  // namespace
}  // namespace boxoffice::relay
