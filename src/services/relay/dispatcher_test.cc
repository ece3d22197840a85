#include "services/relay/dispatcher.h"

#include <gmock/gmock.h>

#include "services/relay/measured_sender.h"
#include "services/relay/testing_dispatcher.h"

namespace boxoffice::relay {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

TEST_F(DispatcherTest, AnAcceptedEventIsSentAndRecorded) {
  MakeTarget();
  Accept({Event("a", "1")});
  EXPECT_EQ(Round(), std::nullopt);
  EXPECT_THAT(sender_.sent, ElementsAre("1"));
  EXPECT_EQ(sender_.open[0].first.url, "http://example/");
  EXPECT_EQ(sender_.open[0].first.secret, std::string(kSecretBytes, 's'));
  sender_.AnswerAll(204);
  EXPECT_EQ(wakes_, 1);
  Round();
  EXPECT_EQ(Deliveries()[0].state, State::kDelivered);
  EXPECT_EQ(dispatcher_.in_flight(), 0);
}

TEST_F(DispatcherTest, AttemptsAreCountedByWhatCameOfThemAndTheLastOneAsGivenUp) {
  obs::Registry metrics;
  auto owned = std::make_unique<FakeSender>();
  FakeSender& inner = *owned;
  MeasuredSender sender(std::move(owned), clock_, metrics);
  Dispatcher dispatcher(service_, sender, clock_, {.in_flight_per_target = 2}, [] {});
  MakeTarget();
  Accept({Event("a", "1"), Event("b", "2")});
  ASSERT_TRUE(dispatcher.Round());
  inner.open[1].second({0, "no answer", {}});
  inner.open.pop_back();
  inner.AnswerAll(204);
  const auto attempts = [&](const char* outcome) {
    return metrics.GetCounter("boxoffice_relay_attempts_total", "", {{"outcome", outcome}}).value();
  };
  const auto given_up = [&] { return metrics.GetCounter("boxoffice_relay_given_up_total", "").value(); };
  EXPECT_EQ(attempts("delivered"), 1U);
  EXPECT_EQ(attempts("unanswered"), 1U);
  EXPECT_EQ(given_up(), 0U);
  while (const auto next = dispatcher.Round().value()) {
    clock_.Advance(*next - clock_.Now());
    ASSERT_TRUE(dispatcher.Round());
    inner.AnswerAll(500);
  }
  EXPECT_EQ(attempts("refused"), 9U);
  EXPECT_EQ(given_up(), 1U);
}

TEST_F(DispatcherTest, AnEventThatComesAgainIsSentOnce) {
  MakeTarget();
  const InboxEvent event = Event("a", "1");
  Accept({event, event});
  Accept({event});
  EXPECT_EQ(Deliveries().size(), 1);
}

TEST_F(DispatcherTest, ARepeatOfAnEventWhoseIdIsForgottenIsNotSent) {
  MakeTarget();
  const InboxEvent event = Event("a", "1");
  Accept({event});
  ASSERT_TRUE(service_.ForgetProcessed(clock_.Now() + 1ms));
  clock_.Advance(1ms);
  EXPECT_FALSE(service_.AcceptEvents(std::span(&event, 1)).value());
  Accept({Event("a", "2")});
  EXPECT_EQ(Deliveries().size(), 2);
}

TEST_F(DispatcherTest, WhatIsUnderWayIsNotSentTwice) {
  MakeTarget();
  Accept({Event("a", "1")});
  Round();
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1"));
}

TEST_F(DispatcherTest, AFailedDeliveryIsSentAgainWhenItsTimeHasCome) {
  MakeTarget();
  Accept({Event("a", "1")});
  Round();
  sender_.AnswerAll(500);
  const auto next = Round();
  ASSERT_TRUE(next);
  clock_.Advance(*next - clock_.Now() - 1ms);
  Round();
  EXPECT_EQ(sender_.sent.size(), 1);
  clock_.Advance(1ms);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1", "1"));
}

TEST_F(DispatcherTest, ATargetThatAsksToBeLeftAloneIsSentNothingBefore) {
  MakeTarget();
  Accept({Event("a", "a1")});
  Round();
  sender_.AnswerAll(429, 60s);
  Accept({Event("b", "b1")});
  EXPECT_EQ(Round(), clock_.Now() + 60s);
  clock_.Advance(60s - 1ms);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("a1"));
  clock_.Advance(1ms);
  Round();
  EXPECT_THAT(sender_.sent, testing::UnorderedElementsAre("a1", "a1", "b1"));
}

TEST_F(DispatcherTest, ATargetThatAsksToBeLeftAloneIsSoByOtherReplicasAndAfterARestart) {
  MakeTarget();
  Accept({Event("a", "a1")});
  Round();
  sender_.AnswerAll(429, 60s);
  Round();
  Accept({Event("b", "b1")});
  FakeSender theirs;
  Dispatcher other(service_, theirs, clock_, {.in_flight_per_target = 2}, [] {});
  EXPECT_EQ(other.Round().value(), clock_.Now() + 60s);
  EXPECT_TRUE(theirs.sent.empty());
  clock_.Advance(60s);
  ASSERT_TRUE(other.Round());
  EXPECT_THAT(theirs.sent, testing::UnorderedElementsAre("a1", "b1"));
}

TEST_F(DispatcherTest, OfTwoPausesAtOnceTheLongerCounts) {
  MakeTarget();
  Accept({Event("a", "a1"), Event("b", "b1")});
  Round();
  auto open = std::exchange(sender_.open, {});
  ASSERT_EQ(open.size(), 2);
  open[0].second({429, "", 3600s});
  open[1].second({429, "", 60s});
  Accept({Event("c", "c1")});
  EXPECT_EQ(Round(), clock_.Now() + 3600s);
}

TEST_F(DispatcherTest, ATargetThatAsksToBeLeftAloneHoldsUpNoOther) {
  MakeTarget("op-1", {"seat.held"});
  MakeTarget("op-2", {"seat.sold"});
  Accept({Event("a", "1", "seat.held")});
  Round();
  sender_.AnswerAll(503, 60s);
  Accept({Event("a", "2", "seat.sold")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1", "2"));
}

TEST_F(DispatcherTest, WhatAnOldUrlAskedForIsNothingToTheNewOne) {
  const Target target = MakeTarget();
  Accept({Event("a", "a1")});
  Round();
  sender_.AnswerAll(429, 24h);
  Round();
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.url = "http://other/"}));
  Accept({Event("b", "b1")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("a1", "b1"));
}

TEST_F(DispatcherTest, ATargetThatWasDisabledIsNotLeftAloneAfterwards) {
  const Target target = MakeTarget();
  Accept({Event("a", "a1")});
  Round();
  sender_.AnswerAll(429, 24h);
  Round();
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = false}));
  Round();
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = true}));
  Accept({Event("b", "b1")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("a1", "b1"));
}

TEST_F(DispatcherTest, LaterDeliveriesOfAKeyWaitForTheEarlierAndOtherKeysDoNot) {
  MakeTarget();
  Accept({Event("a", "a1"), Event("a", "a2"), Event("b", "b1")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("a1", "b1"));
  sender_.AnswerAll(500);
  Round();
  Accept({Event("a", "a3")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("a1", "b1"));
  clock_.Advance(6s);
  Round();
  sender_.AnswerAll(200);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("a1", "b1", "a1", "b1", "a2"));
  sender_.AnswerAll(200);
  Round();
  EXPECT_EQ(sender_.sent.back(), "a3");
}

TEST_F(DispatcherTest, AfterThreeDaysADeliveryIsDeadAndTheNextOfItsKeyGoesOn) {
  MakeTarget();
  Accept({Event("a", "1"), Event("a", "2")});
  const Timestamp start = clock_.Now();
  Round();
  while (sender_.sent.back() == "1") {
    sender_.AnswerAll(500);
    if (const auto next = Round()) {
      clock_.Advance(*next - clock_.Now());
      Round();
    }
  }
  EXPECT_EQ(std::ranges::count(sender_.sent, "1"), 10);
  EXPECT_GT(clock_.Now() - start, 65h);
  EXPECT_LT(clock_.Now() - start, 85h);
  EXPECT_EQ(Deliveries()[1].state, State::kDead);
}

TEST_F(DispatcherTest, A410DisablesTheTargetAndGivesUpWhatIsPending) {
  const Target target = MakeTarget();
  Accept({Event("a", "1"), Event("a", "2")});
  Round();
  sender_.AnswerAll(410);
  Round();
  const Target listed = service_.ListTargets(0, 10)->at(0);
  EXPECT_FALSE(listed.enabled);
  EXPECT_EQ(listed.disabled_reason, "it answered 410 Gone, " + ToRfc3339(clock_.Now()));
  for (const Delivery& delivery : Deliveries()) EXPECT_EQ(delivery.state, State::kDead);
  Accept({Event("a", "3")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1"));
  EXPECT_EQ(service_.ReplayDelivery(1).error().reason, "target_disabled");
}

TEST_F(DispatcherTest, A410ThatDisablesATargetIsLoggedOnce) {
  MakeTarget();
  Accept({Event("a", "1"), Event("b", "2")});
  Round();
  sender_.AnswerAll(410);
  testing::internal::CaptureStderr();
  Round();
  const std::string log = testing::internal::GetCapturedStderr();
  const size_t first = log.find("relay_target_disabled");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("relay_target_disabled", first + 1), std::string::npos) << log;
}

TEST_F(DispatcherTest, A410FromAUrlThatItHasNoMoreDisablesNoTarget) {
  const Target target = MakeTarget();
  Accept({Event("a", "1")});
  Round();
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.url = "http://other/"}));
  sender_.AnswerAll(410);
  Round();
  EXPECT_TRUE(service_.ListTargets(0, 10)->at(0).enabled);
  Accept({Event("a", "2")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1", "2"));
}

TEST_F(DispatcherTest, ASlowTargetHoldsUpItselfOnly) {
  MakeTarget("op-1", {"seat.held"});
  MakeTarget("op-2", {"seat.sold"});
  Accept({Event("a", "1"), Event("b", "2"), Event("c", "3"), Event("d", "other", "seat.sold")});
  Round();
  EXPECT_THAT(sender_.sent, testing::UnorderedElementsAre("1", "2", "other"));
  sender_.open[0].second({200, ""});
  Round();
  EXPECT_EQ(sender_.sent.back(), "3");
}

TEST_F(DispatcherTest, ADeadDeliveryIsReplayedWithAllItsAttempts) {
  MakeTarget();
  Accept({Event("a", "1")});
  Round();
  for (int i = 0; i < 10; ++i) {
    sender_.AnswerAll(500);
    if (const auto next = Round()) clock_.Advance(*next - clock_.Now());
    Round();
  }
  ASSERT_EQ(Deliveries()[0].state, State::kDead);
  const Delivery replayed = service_.ReplayDelivery(1).value();
  EXPECT_EQ(replayed.state, State::kPending);
  EXPECT_EQ(replayed.attempts, 0);
  EXPECT_EQ(service_.ReplayDelivery(1)->state, State::kPending);
  Round();
  EXPECT_EQ(sender_.sent.size(), 11);
  sender_.AnswerAll(200);
  Round();
  EXPECT_EQ(Deliveries()[0].state, State::kDelivered);
  EXPECT_EQ(service_.ReplayDelivery(1).error().reason, "not_dead");
  EXPECT_EQ(service_.ReplayDelivery(99).error().reason, "delivery_not_found");
  EXPECT_EQ(service_.GetDelivery(99).error().reason, "delivery_not_found");
}

TEST_F(DispatcherTest, ADeletedTargetIsSentNothingMore) {
  const Target target = MakeTarget();
  Accept({Event("a", "1"), Event("a", "2")});
  Round();
  ASSERT_TRUE(service_.DeleteTarget(target.id));
  ASSERT_TRUE(service_.DeleteTarget(target.id));
  sender_.AnswerAll(500);
  Round();
  clock_.Advance(1h);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1"));
  for (const Delivery& delivery : Deliveries()) {
    EXPECT_EQ(delivery.state, State::kDead);
    EXPECT_EQ(delivery.last_error, "target_deleted");
  }
  EXPECT_TRUE(service_.ListTargets(0, 10)->empty());
  EXPECT_EQ(service_.DeleteTarget(99).error().reason, "target_not_found");
}

TEST_F(DispatcherTest, A410OfATargetThatWasDeletedMeanwhileIsNoFailure) {
  const Target target = MakeTarget();
  Accept({Event("a", "1")});
  Round();
  ASSERT_TRUE(service_.DeleteTarget(target.id));
  sender_.AnswerAll(410);
  EXPECT_TRUE(dispatcher_.Round());
}

TEST_F(DispatcherTest, ASuccessCountsAlsoIfTheTargetWasDeletedMeanwhile) {
  const Target target = MakeTarget();
  Accept({Event("a", "1")});
  Round();
  ASSERT_TRUE(service_.DeleteTarget(target.id));
  sender_.AnswerAll(200);
  Round();
  EXPECT_EQ(Deliveries()[0].state, State::kDelivered);
}

TEST_F(DispatcherTest, CreatingATargetAgainGivesTheSame) {
  const Target made = MakeTarget("op-1", {"seat.sold", "seat.held"});
  EXPECT_EQ(MakeTarget("op-1", {"seat.held", "seat.sold"}), made);
  EXPECT_EQ(service_.CreateTarget("op-1", {.url = "http://other/"}).error().reason, "operation_key_reused");
}

TEST_F(DispatcherTest, TheKeyOfATargetThatWasDeletedMakesNoOther) {
  const Target made = MakeTarget();
  ASSERT_TRUE(service_.DeleteTarget(made.id));
  const Error refused = service_.CreateTarget("op-1", {.url = "http://example/"}).error();
  EXPECT_EQ(refused.reason, "target_deleted");
  EXPECT_EQ(refused.code, Code::kConflict);
  EXPECT_EQ(service_.CreateTarget("op-1", {.url = "http://other/"}).error().reason, "operation_key_reused");
}

TEST_F(DispatcherTest, WhileTheSecretBeforeCountsOnlyARotationThatEndsItIsTaken) {
  const Target target = MakeTarget();
  const Target first = service_.RotateSecret("r1", target.id, 1h).value();
  const Error refused = service_.RotateSecret("r2", target.id, 1h).error();
  EXPECT_EQ(refused.reason, "rotation_under_way");
  EXPECT_EQ(refused.code, Code::kConflict);
  EXPECT_THAT(refused.detail, testing::HasSubstr(ToRfc3339(first.old_secret_until)));
  EXPECT_EQ(service_.RotateSecret("r1", target.id, 1h).value(), first) << "again: the same";
  EXPECT_EQ(service_.RotateSecret("r2", target.id, 0ms)->old_secret, "");
  EXPECT_TRUE(service_.RotateSecret("r3", target.id, 1h)) << "no secret before counts";
  clock_.Advance(1h);
  EXPECT_TRUE(service_.RotateSecret("r4", target.id, 1h)) << "that is over";
}

TEST_F(DispatcherTest, WhatWaitsForAPauseOrForATurnIsNotLate) {
  EXPECT_EQ(dispatcher_.NextDue().value(), std::nullopt);
  const Target target = MakeTarget();
  const Timestamp start = clock_.Now();
  Accept({Event("a", "1"), Event("b", "2"), Event("c", "3")});
  EXPECT_EQ(dispatcher_.NextDue().value(), start);
  clock_.Advance(1min);
  EXPECT_EQ(dispatcher_.NextDue().value(), start) << "it is late";
  Round();
  sender_.AnswerAll(503, 1h);
  Round();
  clock_.Advance(10min);
  EXPECT_EQ(dispatcher_.NextDue().value(), start + 61min) << "c is due, but the target is to be left alone";
  clock_.Advance(1h);
  EXPECT_LT(dispatcher_.NextDue().value(), clock_.Now());
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.rate_per_s = 1}));
  EXPECT_GT(dispatcher_.NextDue().value(), clock_.Now()) << "it is sent as often as it may be";
}

TEST_F(DispatcherTest, ATestToAPausedTargetIsDueAfterThePause) {
  const Target target = MakeTarget();
  Accept({Event("a", "1")});
  Round();
  sender_.AnswerAll(503, 1h);
  Round();
  EXPECT_EQ(service_.TestTarget(target.id)->next_attempt_at, clock_.Now() + 1h);
}

TEST_F(DispatcherTest, ATargetNeedsAnOperationKeyAndThereIsABound) {
  EXPECT_EQ(service_.CreateTarget("", {.url = "http://a/"}).error().reason, "invalid_argument");
  EXPECT_EQ(service_.CreateTarget(std::string(321, 'k'), {.url = "http://a/"}).error().reason,
            "invalid_argument");
  MakeTarget(std::string(320, 'k'));  // what the gateway makes of the longest user and Idempotency-Key
  for (size_t i = 1; i < kMaxTargets; ++i) MakeTarget("op-" + std::to_string(i));
  const Error one_more = service_.CreateTarget("one-more", {.url = "http://a/"}).error();
  EXPECT_EQ(one_more.reason, "too_many_targets");
  EXPECT_EQ(one_more.code, Code::kConflict) << "nothing that waiting would end";
}

TEST_F(DispatcherTest, NobodyWantsATypeWithoutAnEnabledTargetForIt) {
  EXPECT_FALSE(service_.Wants("seat.held"));
  const Target target = MakeTarget("op-1", {"seat.held"});
  EXPECT_TRUE(service_.Wants("seat.held"));
  EXPECT_FALSE(service_.Wants("seat.sold"));
  ASSERT_TRUE(service_.DeleteTarget(target.id));
  EXPECT_FALSE(service_.Wants("seat.held"));
}

TEST_F(DispatcherTest, ATargetWithARateIsSentNoMoreThanThat) {
  const Target target = MakeTarget();
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.rate_per_s = 10}));
  for (int i = 0; i < 10; ++i) Accept({Event(std::to_string(i), std::to_string(i))});
  const Timestamp start = clock_.Now();
  while (sender_.sent.size() < 10) {
    const auto next = Round();
    sender_.AnswerAll(200);
    ASSERT_TRUE(next || sender_.sent.size() == 10) << "it must be called again";
    if (next) clock_.Advance(*next - clock_.Now());
    ASSERT_LT(clock_.Now() - start, 5s);
  }
  EXPECT_GE(clock_.Now() - start, 900ms);
}

TEST_F(DispatcherTest, WhileOneSecretFollowsAnotherBothAreThereToSignWith) {
  const Target target = MakeTarget();
  secret_ = std::string(kSecretBytes, 't');
  const Target rotated = service_.RotateSecret("r1", target.id, 1h).value();
  EXPECT_EQ(rotated.secret, secret_);
  EXPECT_EQ(service_.RotateSecret("r1", target.id, 1h).value(), rotated) << "again: the same";
  Accept({Event("a", "1")});
  Round();
  EXPECT_EQ(sender_.open[0].first.secret, secret_);
  EXPECT_EQ(sender_.open[0].first.old_secret, target.secret);
  sender_.AnswerAll(200);
  clock_.Advance(1h);
  Accept({Event("a", "2")});
  Round();
  EXPECT_EQ(sender_.open[0].first.old_secret, "");
  EXPECT_EQ(service_.RotateSecret("r2", target.id, 8 * 24h).error().reason, "invalid_argument");
  EXPECT_EQ(service_.RotateSecret("", target.id, 1h).error().reason, "invalid_argument");
  EXPECT_EQ(service_.RotateSecret("r2", 99, 1h).error().reason, "target_not_found");
}

TEST_F(DispatcherTest, ATestReachesItsTargetWhateverThatAskedFor) {
  const Target target = MakeTarget("op-1", {"seat.sold"});
  const Delivery made = service_.TestTarget(target.id).value();
  EXPECT_EQ(made.state, State::kPending);
  Round();
  ASSERT_EQ(sender_.open.size(), 1);
  EXPECT_EQ(sender_.open[0].first.event.type, kTestType);
  sender_.AnswerAll(500);
  Round();
  EXPECT_EQ(service_.GetDelivery(made.id)->delivery.state, State::kDead) << "it is tried once";
  EXPECT_EQ(service_.TestTarget(99).error().reason, "target_not_found");
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = false}));
  EXPECT_EQ(service_.TestTarget(target.id).error().reason, "target_disabled");
}

TEST_F(DispatcherTest, ATargetThatAnOperatorDisablesGetsNothingUntilItIsEnabled) {
  const Target target = MakeTarget();
  Accept({Event("a", "1")});
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = false}));
  Round();
  EXPECT_TRUE(sender_.sent.empty());
  EXPECT_EQ(Deliveries()[0].state, State::kDead);
  Accept({Event("a", "2")});
  EXPECT_TRUE(service_.ChangeTarget(target.id, {.enabled = true})->enabled);
  Accept({Event("a", "3")});
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("3"));
  EXPECT_EQ(service_.ChangeTarget(99, {}).error().reason, "target_not_found");
}

// The bus was copied, or the group has lost its place.
TEST_F(DispatcherTest, WhenAllEventsComeAgainATargetIsSentNothingThatItDidNotWantThen) {
  const Target target = MakeTarget("op-1", {"seat.held"});
  std::vector<InboxEvent> log;
  const auto happens = [&](std::string body, std::string type) {
    log.push_back(Event("a", std::move(body), std::move(type)));
    Accept({log.back()});
    clock_.Advance(1s);
  };
  happens("1", "seat.held");
  happens("another type", "seat.sold");
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = false}));
  happens("disabled", "seat.held");
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = true}));
  happens("not asked for", "seat.sold");
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.event_types = std::vector<std::string>()}));
  happens("2", "seat.sold");
  ASSERT_EQ(Deliveries().size(), 2);
  Accept(log);
  EXPECT_EQ(Deliveries().size(), 2);
}

TEST_F(DispatcherTest, ATargetThatAnswered410CanBeEnabledAgainAndSentWhatItMissed) {
  const Target target = MakeTarget();
  Accept({Event("a", "1")});
  Round();
  sender_.AnswerAll(410);
  Round();
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = true}));
  EXPECT_EQ(service_.ReplayDeliveries({.target_id = target.id})->count, 1);
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("1", "1"));
}

TEST_F(DispatcherTest, TheLogIsKeptThirtyDays) {
  MakeTarget();
  Accept({Event("a", "1")});
  Round();
  sender_.AnswerAll(200);
  Round();
  clock_.Advance(30 * 24h);
  EXPECT_EQ(service_.Prune().value(), 0);
  clock_.Advance(1ms);
  EXPECT_EQ(service_.Prune().value(), 1);
  EXPECT_TRUE(Deliveries().empty());
}

}  // namespace
}  // namespace boxoffice::relay
