#include <array>

#include "platform/sql/postgres_for_test.h"
#include "services/relay/store_for_test.h"
#include "services/relay/store_memory.h"
#include "services/relay/store_postgres.h"
#include "services/relay/store_sqlite.h"

namespace boxoffice::relay {
namespace {

using testing::ElementsAre;

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
  target.deleted = true;
  ++target.version;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(store_->DeleteTarget(target.id));
    EXPECT_THAT(store_->LoadTargets().value(), ElementsAre(target, all));
  }
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
  ASSERT_TRUE(store_->ChangeTarget(target));
  EXPECT_EQ(store_->ChangeTarget(target).error().reason, "constraint") << "it was changed since";
  ++target.version;
  EXPECT_THAT(store_->LoadTargets().value(), ElementsAre(target));
  ASSERT_TRUE(store_->DeleteTarget(target.id));
  ++target.version;
  EXPECT_EQ(store_->ChangeTarget(target).error().reason, "constraint") << "it is deleted";
}

TEST_P(RelayStoreTest, APauseIsKeptUntilTheUrlIsAnotherOrTheTargetIsDisabled) {
  Target target{.operation_key = "op", .url = "http://a/", .secret = "s", .created_at = now_};
  target.id = store_->InsertTarget(target).value();
  const auto pause = [&](const std::string& url, milliseconds length) {
    ASSERT_TRUE(store_->Pause(target.id, url, now_ + length));
  };
  const auto stored = [&] { return store_->LoadTargets()->at(0); };
  const auto change = [&](const Target& to) { ASSERT_TRUE(store_->ChangeTarget(to)); };
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

// Otherwise a target gets what it does not ask for any more.
TEST_P(RelayStoreTest, WhatATargetChoseBeforeItWasChangedIsNotTaken) {
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const InboxEvent event = Event("a");
  Accepted accepted = Accept(std::array{event}, store_->LoadTargets().value(), {}, now_);
  Target narrowed = store_->LoadTargets()->at(0);
  narrowed.event_types = {"seat.sold"};
  ASSERT_TRUE(store_->ChangeTarget(narrowed));
  EXPECT_EQ(store_->Insert(accepted).error().reason, "constraint");
  EXPECT_THAT(store_->AreProcessed(std::array{event.id}).value(), ElementsAre(false));
  EXPECT_TRUE(store_->List({.limit = 10})->empty());
  accepted.target_versions.at(1) = store_->LoadTargets()->at(0).version;
  EXPECT_TRUE(store_->Insert(accepted));
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
  EXPECT_THAT(list({.target_id = 1, .state = State::kDead, .limit = 10}), ElementsAre(ids[1]));
  EXPECT_THAT(list({.state = State::kPending, .before_id = ids[2], .limit = 10}), ElementsAre(ids[0]));
  EXPECT_THAT(list({.state = State::kDelivered, .limit = 10}), ElementsAre());
  for (const State state : {State::kPending, State::kDead})
    EXPECT_THAT(list({.target_id = 2, .state = state, .limit = 10}), ElementsAre());
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
  ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
  const auto ids = Put({Event("a"), Event("b"), Event("c"), Event("d")}, now_ - std::chrono::hours(100 * 24));
  SetState(ids[0], State::kDelivered);
  SetState(ids[1], State::kDead);
  ASSERT_NO_FATAL_FAILURE(GiveUpAll());  // the other two
  EXPECT_EQ(store_->Prune(now_, 10).value(), 0);
  ASSERT_EQ(store_->Replay(std::array{ids[2]}, now_).value(), 1);
  now_ += std::chrono::hours(1);
  ASSERT_NO_FATAL_FAILURE(GiveUpAll("again"));  // that one
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

// With the tests of store_replay_contract_test.cc.
INSTANTIATE_TEST_SUITE_P(
    Stores, RelayStoreTest,
    testing::Values(
        StoreKind{"Memory", [](const std::filesystem::path&) { return std::make_unique<MemoryStore>(); }},
        StoreKind{"Sqlite",
                  [](const std::filesystem::path& dir) { return OpenSqliteStore(dir / "relay.db").value(); }},
        StoreKind{"Postgres",
                  [](const std::filesystem::path&) {
                    const std::string url = testbed::PostgresServer::Shared().NewDatabase();
                    return OpenPostgresStore(sql::pg::PatientConfig(url)).value();
                  },
                  true}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace boxoffice::relay
