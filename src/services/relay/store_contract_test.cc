#include <array>
#include <functional>

#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "services/relay/store.h"
#include "services/relay/store_memory.h"
#include "services/relay/store_postgres.h"
#include "services/relay/store_sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::relay {
namespace {

using testing::ElementsAre;

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Store>(const std::filesystem::path&)> open;
  bool needs_postgres = false;
};

// What every store of the relay does.
class RelayStoreTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().needs_postgres) BOXOFFICE_NEED_POSTGRES();
    store_ = GetParam().open(dir_.path());
  }
  InboxEvent Event(std::string key) {
    return {EventId::Make(now_, random_), "seat", std::move(key), "seat.held", "trace", now_, "{}", 0};
  }
  // One delivery to target 1 of each event; only the first of a key is due.
  std::vector<int64_t> Put(std::vector<InboxEvent> events, Timestamp created_at) {
    Accepted accepted;
    std::set<std::string> keys;
    for (const InboxEvent& event : events) {
      Delivery delivery{.target_id = 1, .event_id = event.id, .event_type = event.type, .key = event.key};
      delivery.created_at = created_at;
      if (keys.insert(event.key).second) delivery.next_attempt_at = created_at;
      accepted.deliveries.push_back(delivery);
    }
    accepted.events = std::move(events);
    EXPECT_TRUE(store_->Insert(accepted));
    std::vector<int64_t> ids;
    const std::vector<Delivery> newest_first = store_->List({.limit = accepted.events.size()}).value();
    for (const Delivery& delivery : newest_first) {
      ids.insert(ids.begin(), delivery.id);
    }
    return ids;
  }
  std::vector<int64_t> DueIds(Timestamp now, size_t limit = 100) {
    std::vector<int64_t> ids;
    const std::vector<Outgoing> due = store_->Due(1, now, limit, {}, 0).value();
    for (const Outgoing& outgoing : due) ids.push_back(outgoing.delivery.id);
    return ids;
  }
  Delivery Find(int64_t id) { return store_->Find(id).value().value(); }
  void SetState(int64_t id, State state) {
    Delivery delivery = Find(id);
    ++delivery.attempts;
    delivery.state = state;
    delivery.next_attempt_at.reset();
    ASSERT_TRUE(store_->Update(std::span(&delivery, 1), now_));
  }
  // Two old deliveries of one key, the first of which is dead, and the second given up while it was under
  // way, as the target was disabled and enabled again; and a younger one, which has the turn.
  struct OfAKey {
    std::vector<int64_t> old;
    Delivery begun;  // the second
    int64_t young = 0;
  };
  void GiveUpUnderWay(OfAKey& key) {
    Target target{.operation_key = "op"};
    target.id = store_->InsertTarget(target).value();
    ASSERT_EQ(target.id, 1);
    key.old = Put({Event("a"), Event("a")}, now_);
    SetState(key.old[0], State::kDead);
    key.begun = Find(key.old[1]);
    ASSERT_TRUE(key.begun.next_attempt_at);
    ASSERT_TRUE(store_->UpdateTarget(target, "why", now_));
    key.young = Put({Event("a")}, now_)[0];
  }
  // What an attempt that began from `begun` came to.
  void EndAttempt(const Delivery& begun, int status) {
    const Delivery after = AfterAttempt(begun, {status, ""}, now_, 0);
    ASSERT_TRUE(store_->Update(std::span(&after, 1), now_));
  }
  // Of two targets that are paused; to the first, "a" waits for its next attempt with another behind it, "b"
  // is due, and "x", a minute younger, is not yet.
  void PutWaiting() {
    for (const char* key : {"op1", "op2"}) {
      const int64_t target = store_->InsertTarget({.operation_key = key, .url = "http://a/"}).value();
      ASSERT_TRUE(store_->Pause(target, "http://a/", now_ + std::chrono::hours(1)));
    }
    const Timestamp young = now_ + std::chrono::minutes(1);
    ids_ = Put({Event("a"), Event("b")}, now_);
    ids_.push_back(Put({Event("x")}, young)[0]);
    EndAttempt(Find(ids_[0]), 500);
    const InboxEvent event = Event("a");
    Delivery behind{.target_id = 1, .event_id = event.id, .event_type = event.type, .key = event.key};
    behind.created_at = young;
    ASSERT_TRUE(store_->Insert({{event}, {behind}}));
    behind_ = store_->List({.limit = 1})->at(0).id;
  }
  bool IsPaused(size_t target) { return store_->LoadTargets()->at(target - 1).paused_until > now_; }

  testbed::TempDir dir_;
  std::vector<int64_t> ids_;  // PutWaiting's a, b and x
  int64_t behind_ = 0;
  SeededRandom random_{1};
  Timestamp now_ = FromUnixMs(1'800'000'000'000);
  std::unique_ptr<Store> store_;
};

TEST_P(RelayStoreTest, TargetsAreLoadedAsTheyWereSaved) {
  Target target{.operation_key = "op",
                .url = "http://a/",
                .event_types = {"seat.held", "seat.sold"},
                .secret = std::string("\0s", 2),
                .creation_content = "http://a/\nseat.held,seat.sold",
                .created_at = now_};
  target.id = store_->InsertTarget(target).value();
  Target all{.operation_key = "op2", .url = "http://b/", .secret = "s", .created_at = now_};
  all.id = store_->InsertTarget(all).value();
  EXPECT_GT(all.id, target.id);
  EXPECT_THAT(store_->LoadTargets().value(), ElementsAre(target, all));
  target.enabled = false;
  target.disabled_reason = "gone";
  target.deleted = true;
  ASSERT_TRUE(store_->UpdateTarget(target, std::nullopt, now_));
  ++target.version;
  EXPECT_THAT(store_->LoadTargets().value(), ElementsAre(target, all));
}

TEST_P(RelayStoreTest, AChangeOfATargetIsSavedWholeOnTopOfWhatItSaw) {
  Target target{.operation_key = "op",
                .url = "http://a/",
                .show_ids = {3, 7},
                .payload = Payload::kFull,
                .rate_per_s = 0.5,
                .secret = "s",
                .creation_content = "c",
                .created_at = now_};
  target.id = store_->InsertTarget(target).value();
  EXPECT_THAT(store_->LoadTargets().value(), ElementsAre(target));
  target.url = "http://b/";
  target.event_types = {"seat.held"};
  target.show_ids = {};
  target.payload = Payload::kThin;
  target.rate_per_s = 20;
  target.old_secret = std::string("\0o", 2);
  target.old_secret_until = now_;
  target.secret = std::string("\0n", 2);
  target.rotation_key = "r1";
  target.rotation_content = "0 r1";
  target.enabled = false;
  target.disabled_reason = "why";
  target.wants_since = now_ + std::chrono::seconds(1);
  target.past_filters = {{now_ + std::chrono::seconds(2), {"seat.held"}, {3, 7}},
                         {now_ + std::chrono::seconds(3), {}, {}}};
  ASSERT_TRUE(store_->ChangeTarget(target, std::nullopt, now_));
  EXPECT_EQ(store_->ChangeTarget(target, std::nullopt, now_).error().reason, "constraint")
      << "it was changed since";
  ++target.version;
  EXPECT_THAT(store_->LoadTargets().value(), ElementsAre(target));
  target.deleted = true;
  ASSERT_TRUE(store_->UpdateTarget(target, std::nullopt, now_));
  ++target.version;
  EXPECT_EQ(store_->ChangeTarget(target, std::nullopt, now_).error().reason, "constraint") << "it is deleted";
}

TEST_P(RelayStoreTest, APauseIsKeptUntilTheUrlIsAnotherOrTheTargetIsDisabled) {
  Target target{.operation_key = "op", .url = "http://a/", .secret = "s", .created_at = now_};
  target.id = store_->InsertTarget(target).value();
  const auto pause = [&](const std::string& url, milliseconds length) {
    ASSERT_TRUE(store_->Pause(target.id, url, now_ + length));
  };
  const auto stored = [&] { return store_->LoadTargets()->at(0); };
  const auto change = [&](const Target& to) { ASSERT_TRUE(store_->ChangeTarget(to, std::nullopt, now_)); };
  pause("http://a/", milliseconds(60));
  pause("http://a/", milliseconds(50));
  EXPECT_EQ(stored().paused_until, now_ + milliseconds(60)) << "the longer one";
  EXPECT_EQ(stored().version, 0) << "it is in the way of no change";
  Target changed = stored();
  changed.paused_until = {};  // as it was seen before the pause
  changed.rate_per_s = 5;
  change(changed);
  EXPECT_EQ(stored().paused_until, now_ + milliseconds(60));
  changed = stored();
  changed.url = "http://b/";
  change(changed);
  EXPECT_EQ(stored().paused_until, Timestamp());
  pause("http://a/", milliseconds(60));
  EXPECT_EQ(stored().paused_until, Timestamp()) << "it has that URL no more";
  pause("http://b/", milliseconds(60));
  changed = stored();
  changed.enabled = false;
  change(changed);
  EXPECT_EQ(stored().paused_until, Timestamp());
  pause("http://b/", milliseconds(60));
  EXPECT_EQ(stored().paused_until, Timestamp()) << "it is disabled";
}

TEST_P(RelayStoreTest, ATargetWithARateGetsAsManyAsHaveTheirTurn) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  Put({Event("a"), Event("b"), Event("c"), Event("d")}, now_ - std::chrono::seconds(1));
  const auto take = [&](milliseconds after, size_t limit) {
    return store_->Due(1, now_ + after, limit, {}, 20)->size();
  };
  EXPECT_EQ(take(milliseconds(0), 1), 1);
  EXPECT_EQ(take(milliseconds(0), 10), 1);
  EXPECT_EQ(take(milliseconds(0), 10), 0);
  EXPECT_EQ(take(milliseconds(50), 10), 1);
  EXPECT_EQ(take(milliseconds(60), 10), 0);
}

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
  const RangeQuery young{.target_ids = {1}, .from = now_ + std::chrono::minutes(1)};
  EXPECT_EQ(store_->Hasten(young, now_).value(), 2) << "the one behind, and x";
  EXPECT_EQ(Find(ids_[0]).next_attempt_at, now_) << "one of its key is of the range";
  EXPECT_EQ(Find(ids_[2]).next_attempt_at, now_);
  EXPECT_FALSE(Find(behind_).next_attempt_at);
  EXPECT_FALSE(IsPaused(1));
}

TEST_P(RelayStoreTest, ARangeWithNothingPendingLeavesTargetsAlone) {
  PutWaiting();
  const auto hasten = [&](const RangeQuery& query) { return store_->Hasten(query, now_).value(); };
  EXPECT_EQ(hasten({.target_ids = {2}}), 0);
  EXPECT_EQ(hasten({.target_ids = {1}, .until = now_}), 0);
  EXPECT_EQ(hasten({}), 0);
  EXPECT_GT(Find(ids_[0]).next_attempt_at, now_);
  EXPECT_TRUE(IsPaused(1));
  EXPECT_TRUE(IsPaused(2));
}

TEST_P(RelayStoreTest, NothingIsReplayedToATargetThatTakesNothing) {
  Target target{.operation_key = "op"};
  target.id = store_->InsertTarget(target).value();
  const auto ids = Put({Event("a")}, now_);
  target.enabled = false;
  ASSERT_TRUE(store_->UpdateTarget(target, "why", now_));
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

TEST_P(RelayStoreTest, AnEventIsFoundAndItsDeliveriesAreListed) {
  const InboxEvent event = Event("a");
  const auto ids = Put({event, Event("b")}, now_);
  EXPECT_EQ(store_->FindEvent(event.id).value(), event);
  EXPECT_EQ(store_->FindEvent(EventId()).value(), std::nullopt);
  const std::vector<Delivery> listed = store_->List({.limit = 10, .event_id = event.id}).value();
  ASSERT_EQ(listed.size(), 1);
  EXPECT_EQ(listed[0].id, ids[0]);
}

TEST_P(RelayStoreTest, AnOperationKeyMakesOneTarget) {
  ASSERT_TRUE(store_->InsertTarget({.operation_key = "op"}));
  EXPECT_EQ(store_->InsertTarget({.operation_key = "op"}).error().reason, "constraint");
}

TEST_P(RelayStoreTest, ADeliveryIsFoundAsItWasInsertedAndAsItWasUpdated) {
  const InboxEvent event = Event(std::string("\0k", 2));
  const int64_t id = Put({event}, now_)[0];
  Delivery expected{
      .id = id, .target_id = 1, .event_id = event.id, .event_type = event.type, .key = event.key};
  expected.created_at = now_;
  expected.next_attempt_at = now_;
  EXPECT_EQ(Find(id), expected);
  expected.attempts = 1;
  expected.last_status = 500;
  expected.last_error = "why";
  expected.next_attempt_at = now_ + std::chrono::seconds(5);
  ASSERT_TRUE(store_->Update(std::span(&expected, 1), now_));
  EXPECT_EQ(Find(id), expected);
  expected.state = State::kDelivered;
  expected.attempts = 2;
  expected.next_attempt_at.reset();
  expected.delivered_at = now_;
  ASSERT_TRUE(store_->Update(std::span(&expected, 1), now_));
  EXPECT_EQ(Find(id), expected);
  EXPECT_EQ(store_->Find(99).value(), std::nullopt);
}

TEST_P(RelayStoreTest, AnAcceptedEventIsProcessedAndNotTakenAgain) {
  const InboxEvent event = Event("a");
  Put({event}, now_);
  EXPECT_THAT(store_->AreProcessed(std::array{EventId(), event.id}).value(), ElementsAre(false, true));
  const InboxEvent fresh = Event("b");
  EXPECT_EQ(store_->Insert({{fresh, event}, {}}).error().reason, "constraint");
  EXPECT_THAT(store_->AreProcessed(std::array{fresh.id}).value(), ElementsAre(false));
}

TEST_P(RelayStoreTest, AForgottenEventCountsAsAcceptedAndIsNotTakenAgain) {
  const InboxEvent old = Event("a");
  const InboxEvent unseen = Event("d");  // as old; of that nobody can tell whether it was had
  now_ += std::chrono::hours(1);
  const InboxEvent young = Event("b");
  Put({old, young}, now_);
  const Timestamp horizon = now_;
  EXPECT_EQ(store_->ForgetProcessed(horizon, 100)->count, 1);
  const Forgotten again = store_->ForgetProcessed(horizon, 100).value();
  EXPECT_EQ(again.count, 0);
  EXPECT_FALSE(again.more);
  const InboxEvent fresh = Event("c");
  EXPECT_THAT(store_->AreProcessed(std::array{old.id, unseen.id, young.id, fresh.id}).value(),
              ElementsAre(true, true, true, false));
  for (const InboxEvent& again_there : {old, unseen}) {
    const auto refused = store_->Insert({{fresh, again_there}, {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "constraint");
  }
  EXPECT_THAT(store_->AreProcessed(std::array{fresh.id}).value(), ElementsAre(false));
}

TEST_P(RelayStoreTest, DueIsWhatIsPendingAndWhoseTimeHasComeTheLongestFirst) {
  const auto later = Put({Event("a")}, now_);
  const auto sooner = Put({Event("b")}, now_ - std::chrono::seconds(1));
  const auto done = Put({Event("c")}, now_);
  SetState(done[0], State::kDelivered);
  EXPECT_THAT(DueIds(now_), ElementsAre(sooner[0], later[0]));
  EXPECT_THAT(DueIds(now_, 1), ElementsAre(sooner[0]));
  EXPECT_THAT(DueIds(now_ - milliseconds(1)), ElementsAre(sooner[0]));
  EXPECT_EQ(store_->NextDue(1).value(), now_ - std::chrono::seconds(1));
  EXPECT_EQ(store_->NextDue(2).value(), std::nullopt);
  EXPECT_TRUE(store_->Due(2, now_, 10, {}, 0)->empty());
}

TEST_P(RelayStoreTest, WhatIsDueComesWithItsEvent) {
  const InboxEvent event = Event("a");
  Put({event}, now_);
  EXPECT_EQ(store_->Due(1, now_, 1, {}, 0)->at(0).event, event);
}

TEST_P(RelayStoreTest, WhatIsUnderWayIsNotGivenOutAgain) {
  const auto ids = Put({Event("a"), Event("b"), Event("c")}, now_);
  const auto due = store_->Due(1, now_, 1, {ids[0]}, 0).value();
  ASSERT_EQ(due.size(), 1);
  EXPECT_EQ(due[0].delivery.id, ids[1]);
  EXPECT_EQ(store_->Due(1, now_, 10, {ids[0], ids[1]}, 0)->size(), 1);
}

TEST_P(RelayStoreTest, WhenADeliveryEndsTheNextOfItsKeyIsDue) {
  const auto ids =
      Put({Event("a"), Event("a"), Event("a"), Event("b"), Event("b")}, now_ - std::chrono::hours(1));
  EXPECT_THAT(DueIds(now_), ElementsAre(ids[0], ids[3]));
  SetState(ids[0], State::kDelivered);
  EXPECT_EQ(Find(ids[1]).next_attempt_at, now_);
  EXPECT_THAT(DueIds(now_), ElementsAre(ids[3], ids[1]));
  SetState(ids[1], State::kDead);
  EXPECT_THAT(DueIds(now_), ElementsAre(ids[3], ids[2]));
}

TEST_P(RelayStoreTest, AFailureChangesNothingOfADeliveryThatWasGivenUpMeanwhileAndASuccessDoes) {
  Target target{.operation_key = "op"};
  target.id = store_->InsertTarget(target).value();
  ASSERT_EQ(target.id, 1);
  const int64_t id = Put({Event("a")}, now_)[0];
  const Delivery begun = Find(id);
  ASSERT_TRUE(store_->UpdateTarget(target, "why", now_));
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
  Target target{.operation_key = "op"};
  target.id = store_->InsertTarget(target).value();
  ASSERT_EQ(target.id, 1);
  const auto ids = Put({Event("a"), Event("a")}, now_);
  for (int i = 0; i < 9; ++i) EndAttempt(Find(ids[0]), 500);
  const Delivery begun = Find(ids[0]);
  ASSERT_EQ(begun.attempts, 9);
  ASSERT_TRUE(store_->UpdateTarget(target, "why", now_));
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

TEST_P(RelayStoreTest, AnAttemptThatIsToldTwiceCountsOnce) {
  const int64_t id = Put({Event("a")}, now_)[0];
  const Delivery begun = Find(id);
  EndAttempt(begun, 500);
  const Delivery failed = Find(id);
  EXPECT_EQ(failed.attempts, 1);
  now_ += std::chrono::seconds(1);
  EndAttempt(begun, 503);
  EXPECT_EQ(Find(id), failed);
}

TEST_P(RelayStoreTest, WaitingAreKeysWithAPendingDelivery) {
  const auto ids = Put({Event("a"), Event("b")}, now_);
  SetState(ids[1], State::kDelivered);
  EXPECT_THAT(store_->Waiting({{1, "a"}, {1, "b"}, {2, "a"}}).value(), ElementsAre(TargetKey(1, "a")));
}

TEST_P(RelayStoreTest, GivingUpATargetEndsItsPendingDeliveriesOnly) {
  Target target{.operation_key = "op"};
  target.id = store_->InsertTarget(target).value();
  ASSERT_EQ(target.id, 1);
  const auto ids = Put({Event("a"), Event("b")}, now_);
  SetState(ids[0], State::kDelivered);
  ASSERT_TRUE(store_->UpdateTarget(target, "why", now_));
  EXPECT_EQ(Find(ids[0]).state, State::kDelivered);
  EXPECT_EQ(Find(ids[1]).state, State::kDead);
  EXPECT_EQ(Find(ids[1]).last_error, "why");
  EXPECT_FALSE(Find(ids[1]).next_attempt_at);
}

TEST_P(RelayStoreTest, TheLogIsListedNewestFirstByTargetAndState) {
  const auto ids = Put({Event("a"), Event("b"), Event("c")}, now_);
  SetState(ids[1], State::kDead);
  auto list = [&](DeliveryQuery query) {
    std::vector<int64_t> listed;
    const std::vector<Delivery> deliveries = store_->List(query).value();
    for (const Delivery& delivery : deliveries) listed.push_back(delivery.id);
    return listed;
  };
  EXPECT_THAT(list({.limit = 10}), ElementsAre(ids[2], ids[1], ids[0]));
  EXPECT_THAT(list({.limit = 1}), ElementsAre(ids[2]));
  EXPECT_THAT(list({.before_id = ids[2], .limit = 10}), ElementsAre(ids[1], ids[0]));
  EXPECT_THAT(list({.state = State::kDead, .limit = 10}), ElementsAre(ids[1]));
  EXPECT_THAT(list({.target_id = 1, .state = State::kPending, .limit = 10}), ElementsAre(ids[2], ids[0]));
  EXPECT_THAT(list({.target_id = 2, .limit = 10}), ElementsAre());
}

TEST_P(RelayStoreTest, PruningKeepsWhatIsPendingOrYoung) {
  const auto old = Put({Event("a"), Event("b"), Event("c")}, now_);
  for (const int64_t id : {old[0], old[1]}) SetState(id, State::kDelivered);
  now_ += std::chrono::hours(1);
  const auto young = Put({Event("d")}, now_);
  SetState(young[0], State::kDelivered);
  EXPECT_EQ(store_->Prune(now_, 1).value(), 1);
  EXPECT_EQ(store_->Prune(now_, 10).value(), 1);
  EXPECT_EQ(store_->Prune(now_, 10).value(), 0);
  EXPECT_EQ(store_->List({.limit = 10})->size(), 2);
}

TEST_P(RelayStoreTest, WhatEndedLatelyIsKeptHoweverOldItIs) {
  Target target{.operation_key = "op"};
  target.id = store_->InsertTarget(target).value();
  ASSERT_EQ(target.id, 1);
  const auto ids = Put({Event("a"), Event("b"), Event("c"), Event("d")}, now_ - std::chrono::hours(100 * 24));
  SetState(ids[0], State::kDelivered);
  SetState(ids[1], State::kDead);
  ASSERT_TRUE(store_->UpdateTarget(target, "why", now_));  // gives up the other two
  EXPECT_EQ(store_->Prune(now_, 10).value(), 0);
  ASSERT_EQ(store_->Replay(std::array{ids[2]}, now_).value(), 1);
  now_ += std::chrono::hours(1);
  target = store_->LoadTargets().value().at(0);
  ASSERT_TRUE(store_->ChangeTarget(target, "again", now_));  // and that one again
  EXPECT_EQ(store_->Prune(now_, 10).value(), 3);
  EXPECT_EQ(Find(ids[2]).last_error, "again");
  EXPECT_EQ(store_->Prune(now_ + milliseconds(1), 10).value(), 1);
}

TEST_P(RelayStoreTest, WhatDiesAgainAfterAReplayIsKeptFromThenOn) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a")}, now_);
  SetState(ids[0], State::kDead);
  ASSERT_EQ(store_->Replay(ids, now_).value(), 1);
  now_ += std::chrono::hours(1);
  EndAttempt(Find(ids[0]), 500);
  EXPECT_EQ(store_->Prune(now_, 10).value(), 0) << "it is pending";
  EndAttempt(Find(ids[0]), kGone);
  EXPECT_EQ(Find(ids[0]).state, State::kDead);
  EXPECT_EQ(store_->Prune(now_, 10).value(), 0);
  EXPECT_EQ(store_->Prune(now_ + milliseconds(1), 10).value(), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Stores, RelayStoreTest,
    testing::Values(
        Kind{"Memory", [](const std::filesystem::path&) { return std::make_unique<MemoryStore>(); }},
        Kind{"Sqlite",
             [](const std::filesystem::path& dir) { return OpenSqliteStore(dir / "relay.db").value(); }},
        Kind{"Postgres",
             [](const std::filesystem::path&) {
               const std::string url = testbed::PostgresServer::Shared().NewDatabase();
               return OpenPostgresStore(sql::pg::PatientConfig(url)).value();
             },
             true}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace boxoffice::relay
