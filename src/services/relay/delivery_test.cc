#include "services/relay/delivery.h"

#include <gmock/gmock.h>

namespace boxoffice::relay {
namespace {

using namespace std::chrono_literals;

const Timestamp kNow = FromUnixMs(1'800'000'000'000);

class DeliveryTest : public testing::Test {
 protected:
  InboxEvent Event(std::string key, std::string type = "seat.held") {
    return {EventId::Make(kNow, random_), "seat", std::move(key), std::move(type), "", kNow, "{}", 0};
  }
  static Delivery Pending(int attempts = 0) {
    return {.id = 1, .target_id = 1, .attempts = attempts, .next_attempt_at = kNow};
  }
  SeededRandom random_{1};
};

TEST_F(DeliveryTest, EachMatchingTargetGetsADelivery) {
  const std::vector<Target> targets = {{.id = 1}, {.id = 2, .event_types = {"seat.sold"}}, {.id = 3}};
  const Accepted accepted = Accept(std::array{Event("a")}, targets, {}, kNow);
  ASSERT_EQ(accepted.deliveries.size(), 2);
  EXPECT_EQ(accepted.deliveries[0].target_id, 1);
  EXPECT_EQ(accepted.deliveries[1].target_id, 3);
  EXPECT_EQ(accepted.deliveries[0].next_attempt_at, kNow);
  EXPECT_EQ(accepted.events.size(), 1);
}

TEST_F(DeliveryTest, AnEventThatNobodyGetsIsNotKept) {
  const std::vector<Target> targets = {{.id = 2, .event_types = {"seat.sold"}}};
  EXPECT_TRUE(Accept(std::array{Event("a")}, targets, {}, kNow).events.empty());
}

TEST_F(DeliveryTest, ALaterDeliveryOfAKeyWaitsBehindTheEarlierOne) {
  const std::vector<Target> targets = {{.id = 1}};
  const Accepted accepted = Accept(std::array{Event("a"), Event("b"), Event("a")}, targets, {}, kNow);
  EXPECT_TRUE(accepted.deliveries[0].next_attempt_at);
  EXPECT_TRUE(accepted.deliveries[1].next_attempt_at);
  EXPECT_FALSE(accepted.deliveries[2].next_attempt_at);
}

TEST_F(DeliveryTest, ADeliveryWaitsBehindAPendingOneOfItsTargetAndKeyOnly) {
  const std::vector<Target> targets = {{.id = 1}, {.id = 2}};
  const Accepted accepted = Accept(std::array{Event("a")}, targets, {{1, "a"}, {2, "b"}}, kNow);
  EXPECT_FALSE(accepted.deliveries[0].next_attempt_at);
  EXPECT_TRUE(accepted.deliveries[1].next_attempt_at);
}

TEST_F(DeliveryTest, Any2xxDelivers) {
  for (const int status : {200, 202, 204, 299}) {
    const Delivery after = AfterAttempt(Pending(), {status, ""}, kNow, 0.5);
    EXPECT_EQ(after.state, State::kDelivered);
    EXPECT_EQ(after.delivered_at, kNow);
    EXPECT_FALSE(after.next_attempt_at);
    EXPECT_EQ(after.attempts, 1);
    EXPECT_EQ(after.last_status, status);
  }
}

TEST_F(DeliveryTest, ADeliveryThatFailsIsTriedAgainAlsoAfterARedirectOrNoAnswer) {
  for (const int status : {0, 199, 300, 302, 400, 404, 429, 500, 503}) {
    const Delivery after = AfterAttempt(Pending(), {status, "why"}, kNow, 0.5);
    EXPECT_EQ(after.state, State::kPending) << status;
    EXPECT_EQ(after.next_attempt_at, kNow + 5s) << status;
    EXPECT_EQ(after.last_error, "why");
  }
}

TEST_F(DeliveryTest, ATargetThatAsksToBeLeftAloneIsNotTriedBefore) {
  for (const int status : {429, 503}) {
    EXPECT_EQ(AfterAttempt(Pending(), {status, "", 60s}, kNow, 0.5).next_attempt_at, kNow + 60s) << status;
    EXPECT_EQ(AfterAttempt(Pending(), {status, "", 1s}, kNow, 0.5).next_attempt_at, kNow + 5s)
        << "it may be later";
    EXPECT_EQ(AfterAttempt(Pending(), {status, "", 1000h}, kNow, 0.5).next_attempt_at, kNow + 24h);
  }
  EXPECT_EQ(AfterAttempt(Pending(), {500, "", 60s}, kNow, 0.5).next_attempt_at, kNow + 5s);
  EXPECT_EQ(AfterAttempt(Pending(9), {503, "", 60s}, kNow, 0.5).state, State::kDead)
      << "it gets no more attempts";
  EXPECT_EQ(PauseAfter({200, "", 60s}), 0ms);
}

TEST_F(DeliveryTest, RetriesAreSpreadOverThreeDays) {
  const std::vector<milliseconds> expected = {5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h};
  milliseconds sum{0};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(RetryDelay(static_cast<int>(i) + 1, 0.5), expected[i]);
    sum += expected[i];
  }
  EXPECT_GT(sum, 72h);
  EXPECT_EQ(RetryDelay(10, 0.5), std::nullopt);
}

TEST_F(DeliveryTest, JitterMovesARetryByATenthAtMost) {
  EXPECT_EQ(RetryDelay(1, 0.0), 4500ms);
  EXPECT_LT(*RetryDelay(1, 0.999999), 5500ms);
}

TEST_F(DeliveryTest, AfterTheTenthFailureADeliveryIsDead) {
  EXPECT_EQ(AfterAttempt(Pending(8), {500, ""}, kNow, 0.5).state, State::kPending);
  const Delivery after = AfterAttempt(Pending(9), {500, ""}, kNow, 0.5);
  EXPECT_EQ(after.state, State::kDead);
  EXPECT_EQ(after.attempts, 10);
  EXPECT_FALSE(after.next_attempt_at);
}

TEST_F(DeliveryTest, A410EndsTheDeliveryAndDisablesTheTarget) {
  EXPECT_EQ(AfterAttempt(Pending(), {410, ""}, kNow, 0.5).state, State::kDead);
  EXPECT_TRUE(DisablesTarget({410, ""}));
  EXPECT_FALSE(DisablesTarget({404, ""}));
}

TEST_F(DeliveryTest, ATestIsTriedOnce) {
  Delivery test = Pending();
  test.event_type = kTestType;
  EXPECT_EQ(AfterAttempt(test, {500, ""}, kNow, 0.5).state, State::kDead);
  EXPECT_EQ(AfterAttempt(test, {204, ""}, kNow, 0.5).state, State::kDelivered);
}

TEST_F(DeliveryTest, ALongErrorIsCut) {
  EXPECT_EQ(AfterAttempt(Pending(), {0, std::string(1000, 'x')}, kNow, 0).last_error.size(), kMaxErrorBytes);
}

TEST_F(DeliveryTest, StatesHaveNames) {
  for (const State state : {State::kPending, State::kDelivered, State::kDead}) {
    EXPECT_EQ(ParseState(StateName(state)), state);
  }
  EXPECT_EQ(ParseState("lost"), std::nullopt);
}

}  // namespace
}  // namespace boxoffice::relay
