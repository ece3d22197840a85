#include "services/relay/store_postgres.h"

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "services/relay/bus_client.h"
#include "services/relay/service.h"
#include "testing/postgres_server.h"
#include "testing/wait.h"

namespace boxoffice::relay {
namespace {

using namespace std::chrono_literals;
using sql::pg::Batch;
using testing::ElementsAre;
using testing::IsEmpty;

// Two replicas of the relay's store on one database, and a hand in it.
class RelayReplicasTest : public testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    config_ = sql::pg::PatientConfig(testbed::PostgresServer::Shared().NewDatabase());
    one_ = Open();
    two_ = Open();
    hand_ = sql::pg::Connection::Open(config_).value();
  }
  std::unique_ptr<Store> Open(milliseconds lease = kClaimLease) {
    return OpenPostgresStore(config_, lease).value();
  }
  InboxEvent Event(std::string key) {
    return {
        EventId::Make(clock_.Now(), random_), "seat", std::move(key), "seat.held", "", clock_.Now(), "{}"};
  }
  // A delivery of `event` to target `target_id`, said to be due at once, or to wait.
  Accepted One(const InboxEvent& event, bool waits = false, int64_t target_id = 1) {
    Delivery delivery{
        .target_id = target_id, .event_id = event.id, .event_type = event.type, .key = event.key};
    delivery.created_at = now_;
    if (!waits) delivery.next_attempt_at = now_;
    return {{event}, {delivery}};
  }
  // The ids of what `store` gives out, and perhaps more than once.
  std::vector<int64_t> Due(Store& store, size_t limit = 100) {
    std::vector<int64_t> ids;
    const std::vector<Outgoing> due = store.Due(1, now_, limit, {}, 0).value();
    for (const Outgoing& outgoing : due) ids.push_back(outgoing.delivery.id);
    return ids;
  }
  std::vector<int64_t> DueAtLast(Store& store) {
    std::vector<int64_t> ids;
    (void)testbed::Eventually([&] {
      ids = Due(store);
      return !ids.empty();
    });
    return ids;
  }
  Delivery After(int64_t id, int status) {
    return AfterAttempt(one_->Find(id).value().value(), {status, ""}, now_, 0);
  }
  void Save(Store& store, const Delivery& delivery) {
    ASSERT_TRUE(store.Update(std::span(&delivery, 1), now_));
  }
  Delivery Find(int64_t id) { return one_->Find(id).value().value(); }
  // A target in the store, with id 1.
  void MakeTarget() { ASSERT_EQ(one_->InsertTarget({.operation_key = "op"}).value(), 1); }
  // As many deliveries, due, of keys of their own.
  std::vector<Delivery> Put(Store& store, size_t count) {
    Accepted accepted;
    for (size_t i = 0; i < count; ++i) {
      const Accepted one = One(Event(std::to_string(i)));
      accepted.events.push_back(one.events[0]);
      accepted.deliveries.push_back(one.deliveries[0]);
    }
    EXPECT_TRUE(store.Insert(accepted));
    std::vector<Delivery> put = store.List({.limit = count}).value();
    EXPECT_EQ(put.size(), count);
    return put;
  }
  // What stores with the application_name of `config_` have read of the deliveries, once they have closed.
  [[nodiscard]] int64_t Scans() const {
    return testbed::PostgresServer::ScansOf("delivery", config_.url, config_.application_name);
  }
  [[nodiscard]] int64_t Found() const {
    return testbed::PostgresServer::RowsFoundIn("delivery", config_.url, config_.application_name);
  }
  static bool Waits(const auto& future) { return future.wait_for(300ms) == std::future_status::timeout; }

  sql::pg::Config config_;
  SystemClock clock_;
  SeededRandom random_{1};
  Timestamp now_ = clock_.Now();
  std::unique_ptr<Store> one_, two_;
  std::unique_ptr<sql::pg::Connection> hand_;
};

TEST_F(RelayReplicasTest, WhatOneIsSendingIsNotGivenToTheOther) {
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  ASSERT_TRUE(two_->Insert(One(Event("b"))));
  EXPECT_THAT(Due(*one_, 1), ElementsAre(1));
  EXPECT_THAT(Due(*two_), ElementsAre(2));
  EXPECT_THAT(Due(*one_), ElementsAre(1));
  Delivery failed = After(1, 500);
  failed.next_attempt_at = now_;
  Save(*one_, failed);
  EXPECT_THAT(Due(*two_), ElementsAre(1, 2));
  EXPECT_THAT(Due(*one_), IsEmpty());
}

TEST_F(RelayReplicasTest, UnderLoadEachDeliveryIsSentOnce) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(one_->Insert(One(Event(std::to_string(i)))));
  const auto send_all = [this](Store& store) {
    std::vector<int64_t> sent;
    while (true) {
      const std::vector<Outgoing> due = store.Due(1, now_, 3, {}, 0).value();
      if (due.empty()) return sent;
      std::vector<Delivery> delivered;
      for (const Outgoing& outgoing : due) {
        sent.push_back(outgoing.delivery.id);
        delivered.push_back(AfterAttempt(outgoing.delivery, {200, ""}, now_, 0));
      }
      EXPECT_TRUE(store.Update(delivered, now_));
    }
  };
  auto other = std::async(std::launch::async, [&] { return send_all(*two_); });
  std::map<int64_t, int> times;
  for (const int64_t id : send_all(*one_)) ++times[id];
  for (const int64_t id : other.get()) ++times[id];
  EXPECT_EQ(times.size(), 100);
  for (const auto& [id, count] : times) EXPECT_EQ(count, 1) << id;
}

TEST_F(RelayReplicasTest, WhoseReplicaIsGoneIsGivenToAnotherWhenItsLeaseEnds) {
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  const auto dies = Open(1h);
  EXPECT_THAT(Due(*dies), ElementsAre(1));
  EXPECT_THAT(Due(*two_), IsEmpty());
  // As an hour later.
  ASSERT_TRUE(hand_->Execute("UPDATE delivery SET lease_until_ms = lease_until_ms - 3600000"));
  EXPECT_THAT(DueAtLast(*two_), ElementsAre(1));
}

TEST_F(RelayReplicasTest, OneThatClosesGivesBackWhatItHasAtOnce) {
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  EXPECT_THAT(Due(*one_), ElementsAre(1));
  one_.reset();
  EXPECT_THAT(Due(*two_), ElementsAre(1));
}

TEST_F(RelayReplicasTest, AFailureToldAfterTheLeaseChangesNothing) {
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  const auto sleeps = Open(1ms);
  EXPECT_THAT(Due(*sleeps), ElementsAre(1));
  EXPECT_THAT(DueAtLast(*two_), ElementsAre(1));
  const Delivery failed = After(1, 500);
  Save(*sleeps, failed);
  EXPECT_EQ(Find(1).attempts, 0);
  EXPECT_THAT(Due(*one_), IsEmpty());  // it is still the other's
  Save(*two_, After(1, 200));
  Save(*sleeps, failed);
  EXPECT_EQ(Find(1).state, State::kDelivered);
}

TEST_F(RelayReplicasTest, ASuccessToldAfterTheLeaseCounts) {
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  const auto sleeps = Open(1ms);
  EXPECT_THAT(Due(*sleeps), ElementsAre(1));
  EXPECT_THAT(DueAtLast(*two_), ElementsAre(1));
  const Delivery delivered = After(1, 200);
  const Delivery failed = After(1, 500);
  Save(*two_, After(1, kGone));
  EXPECT_EQ(Find(1).state, State::kDead);
  Save(*sleeps, failed);
  EXPECT_EQ(Find(1).state, State::kDead);
  Save(*sleeps, delivered);
  EXPECT_EQ(Find(1).state, State::kDelivered);
  Delivery again = delivered;
  again.delivered_at = now_ + 1s;
  Save(*two_, again);
  EXPECT_EQ(Find(1).delivered_at, delivered.delivered_at);  // the first one that was told
}

// Otherwise it would wait for ever behind a delivery that is no more.
TEST_F(RelayReplicasTest, WhatIsAcceptedWhileTheLastOfItsKeyEndsIsDue) {
  MakeTarget();
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  sql::pg::Transaction ends(*hand_);
  Batch batch;
  batch.Add("SELECT 1 FROM target WHERE id = 1 FOR UPDATE");
  batch.Add("UPDATE delivery SET state = 1, next_attempt_at_ms = NULL WHERE id = 1");
  ASSERT_TRUE(ends.Run(batch));
  const Accepted accepted = One(Event("a"), /*waits=*/true);
  auto inserted = std::async(std::launch::async, [&] { return two_->Insert(accepted); });
  EXPECT_TRUE(Waits(inserted));
  ASSERT_TRUE(ends.Commit());
  ASSERT_TRUE(inserted.get());
  EXPECT_THAT(Due(*one_), ElementsAre(2));
}

TEST_F(RelayReplicasTest, WhatIsAcceptedBehindAnotherWaitsAlsoIfItWasNotSeen) {
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  ASSERT_TRUE(two_->Insert(One(Event("a"))));
  EXPECT_THAT(Due(*one_), ElementsAre(1));
}

TEST_F(RelayReplicasTest, ADeliveryThatEndsWhileOneIsAcceptedBehindItMakesThatDue) {
  MakeTarget();
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  sql::pg::Transaction accepts(*hand_);
  Batch batch;
  batch.Add("SELECT 1 FROM target WHERE id = 1 FOR UPDATE");
  batch.Add(
      "INSERT INTO delivery(target_id, event_id, key, state, attempts, last_status, last_error, "
      "created_at_ms) SELECT target_id, event_id, key, 0, 0, 0, '', 0 FROM delivery");
  ASSERT_TRUE(accepts.Run(batch));
  const Delivery delivered = After(1, 200);
  auto updated = std::async(std::launch::async, [&] { return two_->Update(std::span(&delivered, 1), now_); });
  EXPECT_TRUE(Waits(updated));
  ASSERT_TRUE(accepts.Commit());
  ASSERT_TRUE(updated.get());
  EXPECT_THAT(Due(*one_), ElementsAre(2));
}

TEST_F(RelayReplicasTest, TwoShareTheTurnsOfATarget) {
  MakeTarget();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(one_->Insert(One(Event(std::to_string(i)))));
  const auto take = [&](Store& store, Timestamp now) {
    return store.Due(1, now, 100, {}, 20).value().size();
  };
  EXPECT_EQ(take(*one_, now_), 2);  // a tenth of a second's
  EXPECT_EQ(take(*two_, now_), 0);
  EXPECT_EQ(take(*two_, now_ + 50ms), 1);
  EXPECT_EQ(take(*two_, now_ + 150ms), 2);
  EXPECT_EQ(take(*one_, now_ + 150ms), 0);
}

TEST_F(RelayReplicasTest, OfTwoChangesOnTopOfTheSameOneIsToldSo) {
  MakeTarget();
  Target mine = one_->LoadTargets()->at(0);
  Target theirs = mine;
  theirs.rate_per_s = 5;
  ASSERT_TRUE(two_->ChangeTarget(theirs));
  mine.payload = Payload::kFull;
  EXPECT_EQ(one_->ChangeTarget(mine).error().reason, "constraint");
  EXPECT_EQ(one_->LoadTargets()->at(0).rate_per_s, 5);
}

TEST_F(RelayReplicasTest, TwoThatPruneDeliveriesOfOneEventLeaveNoEvent) {
  const InboxEvent event = Event("a");
  Accepted accepted = One(event);
  accepted.deliveries.push_back(One(event, false, 2).deliveries[0]);
  ASSERT_TRUE(one_->Insert(accepted));
  Save(*one_, After(1, 200));
  Save(*one_, After(2, 200));
  sql::pg::Transaction prunes(*hand_);
  Batch batch;
  batch.Add("DELETE FROM delivery WHERE id = 1");
  batch.Add("SELECT 1 FROM event FOR UPDATE");
  ASSERT_TRUE(prunes.Run(batch));
  auto pruned = std::async(std::launch::async, [&] { return two_->Prune(now_ + 1ms, 10); });
  EXPECT_TRUE(Waits(pruned));
  ASSERT_TRUE(prunes.Commit());
  EXPECT_EQ(pruned.get().value(), 1);
  Batch count;
  count.Add("SELECT count(*) FROM event");
  EXPECT_EQ(hand_->Read(count).value()[0][0].Int(0), 0);
}

// The services of two replicas.
class RelayServicesTest : public RelayReplicasTest {
 protected:
  void SetUp() override {
    RelayReplicasTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    a_ = std::make_unique<RelayService>(std::move(one_), clock_, random_, kMakeSecret);
    b_ = std::make_unique<RelayService>(std::move(two_), clock_, random_, kMakeSecret);
    ASSERT_TRUE(a_->Load());
    ASSERT_TRUE(b_->Load());
  }
  static constexpr auto kMakeSecret = [] { return std::string(kSecretBytes, 's'); };
  std::unique_ptr<RelayService> a_, b_;
};

TEST_F(RelayServicesTest, ATargetMadeAtOneGetsWhatTheOtherConsumes) {
  ASSERT_TRUE(a_->CreateTarget("op", {.url = "http://a/"}));
  bus::Record record{{EventId::Make(clock_.Now(), random_), "seat", "a", "seat.held", "", "", clock_.Now()}};
  EXPECT_EQ(Consume(*b_, std::span(&record, 1), [] {}).done, 1);
  EXPECT_EQ(a_->ListDeliveries({.limit = 10})->size(), 1);
}

TEST_F(RelayServicesTest, AnEventThatBothConsumeIsDeliveredOnce) {
  ASSERT_TRUE(a_->CreateTarget("op", {.url = "http://a/"}));
  ASSERT_TRUE(b_->Load());
  std::vector<InboxEvent> events;
  for (int i = 0; i < 20; ++i) events.push_back(Event("a"));
  auto other = std::async(std::launch::async, [&] {
    for (const InboxEvent& event : events) EXPECT_TRUE(b_->AcceptEvents(std::span(&event, 1)));
  });
  for (const InboxEvent& event : events) EXPECT_TRUE(a_->AcceptEvents(std::span(&event, 1)));
  other.get();
  EXPECT_EQ(a_->ListDeliveries({.limit = 100})->size(), 20);
  EXPECT_EQ(a_->Due(1, 100, {})->size(), 1);  // they have one key
}

TEST_F(RelayServicesTest, OneOperationKeyAtBothMakesOneTarget) {
  const Target made = a_->CreateTarget("op", {.url = "http://a/"}).value();
  EXPECT_EQ(b_->CreateTarget("op", {.url = "http://a/"})->id, made.id);
  EXPECT_EQ(b_->CreateTarget("op", {.url = "http://b/"}).error().reason, "operation_key_reused");
}

TEST_F(RelayServicesTest, ATargetDeletedAtOneGetsNothingFromTheOther) {
  const int64_t id = a_->CreateTarget("op", {.url = "http://a/"})->id;
  ASSERT_TRUE(b_->Load());
  ASSERT_TRUE(a_->DeleteTarget(id));
  const InboxEvent event = Event("a");
  EXPECT_EQ(b_->AcceptEvents(std::span(&event, 1)).value(), false);
  EXPECT_TRUE(b_->ListDeliveries({.limit = 10})->empty());
}

TEST_F(RelayServicesTest, ATargetNarrowedAtOneGetsFromTheOtherWhatItStillAsksForAlone) {
  const int64_t id = a_->CreateTarget("op", {.url = "http://a/"})->id;
  ASSERT_TRUE(b_->Load());
  ASSERT_TRUE(a_->ChangeTarget(id, {.event_types = std::vector<std::string>{"seat.sold"}}));
  std::vector<InboxEvent> events = {Event("a"), Event("b")};
  events[1].type = "seat.sold";
  EXPECT_EQ(b_->AcceptEvents(events).value(), true);
  const std::vector<Delivery> made = b_->ListDeliveries({.limit = 10}).value();
  ASSERT_EQ(made.size(), 1);
  EXPECT_EQ(made[0].event_type, "seat.sold");
}

TEST_F(RelayServicesTest, ChangesAtBothAreBothKept) {
  const int64_t id = a_->CreateTarget("op", {.url = "http://a/"})->id;
  ASSERT_TRUE(b_->ChangeTarget(id, {.rate_per_s = 5}));
  ASSERT_TRUE(a_->ChangeTarget(id, {.payload = Payload::kFull}));
  const Target target = b_->ListTargets(0, 1)->at(0);
  EXPECT_EQ(target.rate_per_s, 5);
  EXPECT_EQ(target.payload, Payload::kFull);
}

TEST_F(RelayServicesTest, ARotationAtOneIsSignedByTheOther) {
  const int64_t id = a_->CreateTarget("op", {.url = "http://a/"})->id;
  const Target rotated = b_->RotateSecret("r1", id, 1h).value();
  EXPECT_EQ(a_->RotateSecret("r1", id, 1h)->secret, rotated.secret) << "again: the same";
}

TEST_F(RelayServicesTest, ATargetDeletedAtOneStaysSoWhenItTellsTheOtherThatItIsGone) {
  const int64_t id = a_->CreateTarget("op", {.url = "http://a/"})->id;
  const InboxEvent event = Event("a");
  ASSERT_TRUE(a_->AcceptEvents(std::span(&event, 1)));
  ASSERT_TRUE(b_->Load());
  const std::vector<Attempt> due = b_->Due(id, 1, {}).value();
  ASSERT_EQ(due.size(), 1);
  ASSERT_TRUE(a_->DeleteTarget(id));
  const AttemptResult gone{due[0].delivery, {kGone, ""}, due[0].url};
  ASSERT_TRUE(b_->Record(std::span(&gone, 1)));
  ASSERT_TRUE(b_->DisableGone());
  EXPECT_TRUE(b_->ListTargets(0, 10)->empty());
}

TEST_F(RelayServicesTest, WhatIsPendingOfATargetDisabledAtOneIsGivenUpByTheOther) {
  const int64_t id = a_->CreateTarget("op", {.url = "http://a/"})->id;
  const InboxEvent event = Event("a");
  ASSERT_TRUE(a_->AcceptEvents(std::span(&event, 1)));
  ASSERT_TRUE(a_->ChangeTarget(id, {.enabled = false}));
  a_.reset();
  ASSERT_TRUE(b_->Load());
  EXPECT_FALSE(b_->GiveUp().value());
  const std::vector<Delivery> dead = b_->ListDeliveries({.state = State::kDead, .limit = 10}).value();
  ASSERT_EQ(dead.size(), 1);
  EXPECT_EQ(dead[0].last_error, "target_disabled");
}

TEST_F(RelayReplicasTest, NothingIsGivenUpOfATargetThatAnotherIsEnabling) {
  MakeTarget();
  ASSERT_TRUE(one_->Insert(One(Event("a"))));
  ASSERT_TRUE(hand_->Execute("UPDATE target SET enabled = false"));
  sql::pg::Transaction enables(*hand_);
  Batch batch;
  batch.Add("UPDATE target SET enabled = true");
  ASSERT_TRUE(enables.Run(batch));
  auto given_up = std::async(std::launch::async, [&] { return two_->GiveUp(1, "why", now_, 10); });
  EXPECT_TRUE(Waits(given_up));
  ASSERT_TRUE(enables.Commit());
  EXPECT_EQ(given_up.get().value(), 0);
  EXPECT_EQ(Find(1).state, State::kPending);
}

// A table that fills quickly counts as small until the server has looked at it again: left to itself it would
// walk over all of it, or over all that is pending, for each batch.
TEST_F(RelayReplicasTest, WhatIsPendingDoesNotMakeABatchDearer) {
  constexpr int kPending = 300;
  MakeTarget();
  for (int i = 1; i <= kPending; ++i) ASSERT_TRUE(one_->Insert(One(Event(std::to_string(i)))));
  config_.application_name = "relay";
  const int64_t scans_before = Scans();
  const int64_t found_before = Found();
  {
    const auto store = Open();
    const InboxEvent first = Event("1");
    ASSERT_TRUE(store->Insert(One(first, /*waits=*/true)));
    EXPECT_EQ(store->Waiting({{1, "1"}, {1, "2"}, {1, "none"}})->size(), 2);
    EXPECT_THAT(Due(*store, 1), ElementsAre(1));
    Save(*store, After(1, 200));
    EXPECT_EQ(Find(kPending + 1).next_attempt_at, now_) << "it waited behind the first";
    EXPECT_TRUE(store->NextDue(1)->has_value());
    EXPECT_EQ(store->List({.target_id = 1, .limit = 5})->size(), 5);
    EXPECT_EQ(store->List({.state = State::kPending, .before_id = 9, .limit = 5})->size(), 5);
    EXPECT_EQ(store->List({.limit = 5, .event_id = first.id})->size(), 1);
    EXPECT_EQ(store->Prune(now_ + 1h, 10).value(), 1);
    EXPECT_THAT(Due(*store, 1), ElementsAre(2));
  }
  EXPECT_EQ(Scans(), scans_before);
  EXPECT_LT(Found() - found_before, kPending / 2);
  EXPECT_THAT(Due(*two_, 1), ElementsAre(2)) << "what it was about to send is given back when it goes";
}

TEST_F(RelayReplicasTest, PruningDoesNotWalkOverWhatIsOldAndEndedLately) {
  constexpr int kEnded = 300;
  MakeTarget();
  config_.application_name = "relay";
  {
    const auto fills = Open();
    std::vector<Delivery> ended = Put(*fills, kEnded);
    for (Delivery& delivery : ended) delivery = AfterAttempt(delivery, {200, ""}, now_, 0);
    ASSERT_TRUE(fills->Update(std::span(ended).first(1), now_));
    ASSERT_TRUE(fills->Update(std::span(ended).subspan(1), now_ + 1h));
  }
  const int64_t found_before = Found();
  {
    const auto prunes = Open();
    EXPECT_EQ(prunes->Prune(now_ + 1h, 10).value(), 1);
  }
  EXPECT_LT(Found() - found_before, kEnded / 2);
}

TEST_F(RelayReplicasTest, AListOfAStateThatFewHaveDoesNotWalkOverTheLog) {
  constexpr int kDelivered = 300;
  MakeTarget();
  config_.application_name = "relay";
  {
    const auto fills = Open();
    std::vector<Delivery> attempted = Put(*fills, kDelivered + 2);
    attempted.pop_back();  // pending
    for (Delivery& delivery : attempted) delivery = AfterAttempt(delivery, {200, ""}, now_, 0);
    attempted.back().state = State::kDead;
    attempted.back().delivered_at.reset();
    ASSERT_TRUE(fills->Update(attempted, now_));
    // Whoever walks first over what an index still has of former versions marks it as gone.
    ASSERT_TRUE(fills->List({.state = State::kPending, .limit = 1}));
  }
  const int64_t scans_before = Scans();
  const int64_t found_before = Found();
  {
    const auto lists = Open();
    for (const State state : {State::kPending, State::kDead}) {
      EXPECT_EQ(lists->List({.state = state, .limit = 201})->size(), 1);
      EXPECT_EQ(lists->List({.target_id = 1, .state = state, .limit = 201})->size(), 1);
    }
    EXPECT_EQ(lists->ListDead({.target_ids = {1}, .limit = 1'000})->size(), 1);
  }
  EXPECT_EQ(Scans(), scans_before);
  EXPECT_LT(Found() - found_before, kDelivered / 2);
}

TEST_F(RelayReplicasTest, APartThatIsGivenUpDoesNotWalkOverAllThatIsPending) {
  constexpr int kPending = 300;
  MakeTarget();
  config_.application_name = "relay";
  {
    const auto fills = Open();
    Put(*fills, kPending);
    ASSERT_TRUE(fills->DeleteTarget(1));
  }
  const int64_t found_before = Found();
  {
    const auto gives_up = Open();
    EXPECT_EQ(gives_up->GiveUp(1, "why", now_, 10).value(), 10);
  }
  EXPECT_LT(Found() - found_before, kPending / 2);
}

}  // namespace
}  // namespace boxoffice::relay
