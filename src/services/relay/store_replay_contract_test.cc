// What every store of the relay does with what is given up and what is replayed. With which stores says
// store_contract_test.cc.
#include <array>

#include "services/relay/store_for_test.h"

namespace boxoffice::relay {
namespace {

using testing::ElementsAre;

TEST_P(RelayStoreTest, ReplayedOnesOfAKeyWaitForTheFirst) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a"), Event("a"), Event("b"), Event("c")}, now_);
  for (const int64_t id : {ids[0], ids[1], ids[2]}) SetState(id, State::kDead);
  EXPECT_EQ(store_->Replay(std::array{ids[1], ids[0], ids[3], ids[0], int64_t{99}}, now_).value(), 2);
  EXPECT_EQ(Find(ids[0]).next_attempt_at, now_);
  EXPECT_EQ(Find(ids[0]).attempts, 0);
  EXPECT_EQ(Find(ids[1]).state, State::kPending);
  EXPECT_FALSE(Find(ids[1]).next_attempt_at);
  EXPECT_EQ(Find(ids[2]).state, State::kDead);
  SetState(ids[0], State::kDelivered);
  EXPECT_EQ(Find(ids[1]).next_attempt_at, now_);
  EXPECT_EQ(store_->Replay({}, now_).value(), 0);
}

TEST_P(RelayStoreTest, WhatIsReplayedBehindAPendingOneWaits) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a"), Event("a")}, now_);
  SetState(ids[0], State::kDead);
  EXPECT_EQ(store_->Replay(std::array{ids[0]}, now_).value(), 1);
  EXPECT_FALSE(Find(ids[0]).next_attempt_at);
  EXPECT_TRUE(Find(ids[1]).next_attempt_at);
}

TEST_P(RelayStoreTest, WhatWaitsForItsNextAttemptIsDueAtOnceAndThePauseOfItsTargetEnds) {
  PutWaiting();
  EXPECT_EQ(store_->Replay(std::array{ids_[0]}, now_).value(), 0) << "it was not dead";
  EXPECT_EQ(Find(ids_[0]).next_attempt_at, now_);
  EXPECT_EQ(Find(ids_[0]).attempts, 1) << "they count on";
  EXPECT_FALSE(Find(behind_).next_attempt_at) << "it keeps its place";
  EXPECT_FALSE(IsPaused(1));
  EXPECT_TRUE(IsPaused(2));
}

TEST_P(RelayStoreTest, OneThatWaitsBehindAnotherMakesThatOneDue) {
  PutWaiting();
  EXPECT_EQ(store_->Replay(std::array{behind_}, now_).value(), 0);
  EXPECT_EQ(Find(ids_[0]).next_attempt_at, now_);
  EXPECT_FALSE(Find(behind_).next_attempt_at);
}

TEST_P(RelayStoreTest, ADeadOneThatIsReplayedMakesTheOneBeforeItDue) {
  PutWaiting();
  SetState(behind_, State::kDead);
  EXPECT_EQ(store_->Replay(std::array{behind_}, now_).value(), 1);
  EXPECT_EQ(Find(ids_[0]).next_attempt_at, now_);
}

TEST_P(RelayStoreTest, WhatIsDueStaysSo) {
  PutWaiting();
  const Timestamp later = now_ + std::chrono::seconds(1);
  EXPECT_EQ(store_->Replay(std::array{ids_[1]}, later).value(), 0);
  EXPECT_EQ(Find(ids_[1]).next_attempt_at, now_);
  EXPECT_GT(Find(ids_[0]).next_attempt_at, later) << "of another key";
}

TEST_P(RelayStoreTest, WhatIsPendingOfARangeIsDueWithTheOnesBeforeIt) {
  PutWaiting();
  const RangeQuery young{.target_ids = {1}, .from = now_ + std::chrono::minutes(1), .limit = 10};
  const Hastened hastened = store_->Hasten(young, now_).value();
  EXPECT_EQ(hastened.pending, 2) << "the one behind, and x";
  EXPECT_FALSE(hastened.more);
  EXPECT_EQ(Find(ids_[0]).next_attempt_at, now_) << "one of its key is of the range";
  EXPECT_EQ(Find(ids_[2]).next_attempt_at, now_);
  EXPECT_FALSE(Find(behind_).next_attempt_at);
  EXPECT_FALSE(IsPaused(1));
}

TEST_P(RelayStoreTest, ARangeIsMadeDuePageByPageAndThePauseEndsWithTheLast) {
  PutWaiting();
  const RangeQuery query{.target_ids = {1}, .limit = 1};
  for (int page = 0; page < 2; ++page) {  // a and x; b is due
    const Hastened hastened = store_->Hasten(query, now_).value();
    EXPECT_EQ(hastened.pending, 1) << "of this page";
    EXPECT_TRUE(hastened.more);
    EXPECT_TRUE(IsPaused(1));
  }
  for (const int64_t id : ids_) EXPECT_EQ(Find(id).next_attempt_at, now_);
  const Hastened last = store_->Hasten(query, now_).value();
  EXPECT_EQ(last.pending, 4) << "of the whole range";
  EXPECT_FALSE(last.more);
  EXPECT_FALSE(IsPaused(1));
  EXPECT_FALSE(Find(behind_).next_attempt_at) << "it keeps its place";
}

TEST_P(RelayStoreTest, ARangeWithNothingPendingLeavesTargetsAlone) {
  PutWaiting();
  const auto hasten = [&](const RangeQuery& query) { return store_->Hasten(query, now_)->pending; };
  EXPECT_EQ(hasten({.target_ids = {2}, .limit = 10}), 0);
  EXPECT_EQ(hasten({.target_ids = {1}, .until = now_, .limit = 10}), 0);
  EXPECT_EQ(hasten({.limit = 10}), 0);
  EXPECT_GT(Find(ids_[0]).next_attempt_at, now_);
  EXPECT_TRUE(IsPaused(1));
  EXPECT_TRUE(IsPaused(2));
}

TEST_P(RelayStoreTest, NothingIsReplayedToATargetThatTakesNothing) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a")}, now_);
  SetState(ids[0], State::kDead);
  SetEnabled(false);
  EXPECT_EQ(store_->Replay(ids, now_).value(), 0);
  EXPECT_EQ(Find(ids[0]).state, State::kDead);
}

TEST_P(RelayStoreTest, DeadOnesAreListedOldestFirstByTargetAndTime) {
  const auto old = Put({Event("a"), Event("b")}, now_ - std::chrono::hours(1));
  const auto young = Put({Event("c"), Event("d")}, now_);
  for (const int64_t id : {old[0], old[1], young[0]}) SetState(id, State::kDead);
  const auto list = [&](const RangeQuery& query) {
    std::vector<int64_t> ids;
    const std::vector<Delivery> dead = store_->ListDead(query).value();
    for (const Delivery& delivery : dead) ids.push_back(delivery.id);
    return ids;
  };
  EXPECT_THAT(list({.target_ids = {1}, .limit = 10}), ElementsAre(old[0], old[1], young[0]));
  EXPECT_THAT(list({.target_ids = {1}, .limit = 2}), ElementsAre(old[0], old[1]));
  EXPECT_THAT(list({.target_ids = {1}, .from = now_, .limit = 10}), ElementsAre(young[0]));
  EXPECT_THAT(list({.target_ids = {1, 2}, .until = now_, .limit = 10}), ElementsAre(old[0], old[1]));
  EXPECT_THAT(list({.target_ids = {2}, .limit = 10}), ElementsAre());
  EXPECT_THAT(list({.limit = 10}), ElementsAre());
}

TEST_P(RelayStoreTest, AFailureChangesNothingOfADeliveryThatWasGivenUpMeanwhileAndASuccessDoes) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const int64_t id = Put({Event("a")}, now_)[0];
  const Delivery begun = Find(id);
  ASSERT_NO_FATAL_FAILURE(GiveUpAll());
  const Delivery given_up = Find(id);
  EndAttempt(begun, 500);
  EXPECT_EQ(Find(id), given_up);
  EndAttempt(begun, 200);
  const Delivery delivered = Find(id);
  EXPECT_EQ(delivered.state, State::kDelivered);
  now_ += std::chrono::seconds(1);
  EndAttempt(begun, 500);
  EndAttempt(begun, 200);
  EXPECT_EQ(Find(id), delivered) << "the first success that was told";
}

TEST_P(RelayStoreTest, AFailureFromBeforeAReplayDoesNotEndWhatWasReplayed) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a"), Event("a")}, now_);
  for (int i = 0; i < 9; ++i) EndAttempt(Find(ids[0]), 500);
  const Delivery begun = Find(ids[0]);
  ASSERT_EQ(begun.attempts, 9);
  ASSERT_NO_FATAL_FAILURE(GiveUpAll());
  ASSERT_EQ(store_->Replay(ids, now_).value(), 2);
  EndAttempt(begun, 500);
  EXPECT_EQ(Find(ids[0]).state, State::kPending);
  EXPECT_EQ(Find(ids[0]).attempts, 0);
  EXPECT_EQ(Find(ids[0]).next_attempt_at, now_);
  EXPECT_FALSE(Find(ids[1]).next_attempt_at) << "it waits behind the first";
}

TEST_P(RelayStoreTest, ALateSuccessMakesNoneDueBesideTheOneThatHasItsTurn) {
  OfAKey key;
  ASSERT_NO_FATAL_FAILURE(GiveUpUnderWay(key));
  ASSERT_EQ(store_->Replay(std::array{key.old[0]}, now_).value(), 1);
  EXPECT_THAT(DueIds(now_), ElementsAre(key.young));
  EndAttempt(key.begun, 200);
  EXPECT_EQ(Find(key.old[1]).state, State::kDelivered);
  EXPECT_THAT(DueIds(now_), ElementsAre(key.young)) << "it is under way";
  SetState(key.young, State::kDelivered);
  EXPECT_THAT(DueIds(now_), ElementsAre(key.old[0]));
}

TEST_P(RelayStoreTest, ALateSuccessOfOneThatWasReplayedAndWaitsMakesNoneDueEither) {
  OfAKey key;
  ASSERT_NO_FATAL_FAILURE(GiveUpUnderWay(key));
  ASSERT_EQ(store_->Replay(key.old, now_).value(), 2);
  EndAttempt(key.begun, 200);
  EXPECT_EQ(Find(key.old[1]).state, State::kDelivered);
  EXPECT_THAT(DueIds(now_), ElementsAre(key.young));
}

TEST_P(RelayStoreTest, GivingUpATargetEndsItsPendingDeliveriesOnly) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a"), Event("b")}, now_);
  SetState(ids[0], State::kDelivered);
  ASSERT_TRUE(store_->DeleteTarget(1));
  EXPECT_EQ(store_->GiveUp(1, "why", now_, 10).value(), 1);
  EXPECT_EQ(Find(ids[0]).state, State::kDelivered);
  EXPECT_EQ(Find(ids[1]).state, State::kDead);
  EXPECT_EQ(Find(ids[1]).last_error, "why");
  EXPECT_FALSE(Find(ids[1]).next_attempt_at);
}

TEST_P(RelayStoreTest, GivingUpIsDoneInPartsThatLeaveTheFirstOfAKey) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a"), Event("a"), Event("b"), Event("c")}, now_);
  SetEnabled(false);
  for (const int64_t id : ids) EXPECT_EQ(Find(id).state, State::kPending) << "the change is saved alone";
  EXPECT_EQ(store_->GiveUp(1, "why", now_, 3).value(), 3);
  EXPECT_EQ(Find(ids[0]).state, State::kPending);
  EXPECT_EQ(Find(ids[0]).next_attempt_at, now_);
  for (const int64_t id : {ids[1], ids[2], ids[3]}) EXPECT_EQ(Find(id).state, State::kDead);
  EXPECT_EQ(store_->GiveUp(1, "why", now_, 3).value(), 1);
  EXPECT_EQ(store_->GiveUp(1, "why", now_, 3).value(), 0);
}

TEST_P(RelayStoreTest, NothingIsGivenUpOfATargetThatTakesSomething) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a")}, now_);
  EXPECT_EQ(store_->GiveUp(1, "why", now_, 10).value(), 0);
  EXPECT_EQ(Find(ids[0]).state, State::kPending);
}

TEST_P(RelayStoreTest, NothingIsDueOfATargetThatTakesNothing) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a")}, now_);
  SetEnabled(false);
  EXPECT_THAT(DueIds(now_), ElementsAre());
  SetEnabled(true);
  EXPECT_THAT(DueIds(now_), ElementsAre(ids[0]));
  ASSERT_TRUE(store_->DeleteTarget(1));
  EXPECT_THAT(DueIds(now_), ElementsAre());
}

}  // namespace
}  // namespace boxoffice::relay
