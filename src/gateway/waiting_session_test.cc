// What the gateway answers by itself to whoever waits, from the token and the head.
#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "gateway/waiting_room.h"

namespace boxoffice::gateway {
namespace {

const Timestamp kNow = FromUnixMs(1'800'000'000'000);

queue::v1::TokenClaims Claims(uint64_t sequence) {
  queue::v1::TokenClaims claims;
  claims.set_show_id(1);
  claims.set_user_id("ada");
  claims.set_sequence(sequence);
  claims.set_expires_at_ms(ToUnixMs(kNow) + 1'000);
  return claims;
}

gateway::Head HeadAt(uint64_t head, double pace) {
  gateway::Head seen;
  seen.queue.set_head_sequence(head);
  seen.queue.set_last_sequence(10'000'000);
  seen.queue.set_pace_per_s(pace);
  seen.queue.set_state(queue::v1::OPEN);
  return seen;
}

TEST(WaitingSessionTest, PositionCountsFromTheHead) {
  EXPECT_EQ(WaitingSession(Claims(11), HeadAt(10, 1), kNow)->position(), 1U);
  EXPECT_EQ(WaitingSession(Claims(1'010), HeadAt(10, 1), kNow)->position(), 1'000U);
}

TEST(WaitingSessionTest, WhoWasCalledIsNotAnsweredHere) {
  EXPECT_EQ(WaitingSession(Claims(10), HeadAt(10, 1), kNow), std::nullopt);
  EXPECT_EQ(WaitingSession(Claims(9), HeadAt(10, 1), kNow), std::nullopt);
}

TEST(WaitingSessionTest, WhoseTokenHasEndedIsNotAnsweredHere) {
  EXPECT_EQ(WaitingSession(Claims(11), HeadAt(10, 1), kNow + milliseconds(1'000)), std::nullopt);
}

TEST(WaitingSessionTest, APlaceThatTheQueueDoesNotKnowIsNotAnsweredHere) {
  gateway::Head head = HeadAt(10, 1);
  head.queue.set_last_sequence(20);
  EXPECT_NE(WaitingSession(Claims(20), head, kNow), std::nullopt);
  EXPECT_EQ(WaitingSession(Claims(21), head, kNow), std::nullopt);
  head.sure_through = 15;
  EXPECT_NE(WaitingSession(Claims(15), head, kNow), std::nullopt);
  EXPECT_EQ(WaitingSession(Claims(16), head, kNow), std::nullopt) << "it may be somebody else's by now";
}

TEST(WaitingSessionTest, TheEstimateCountsWithThePaceThatTheQueueTells) {
  EXPECT_EQ(WaitingSession(Claims(110), HeadAt(10, 10), kNow)->eta_s(), 10U);
  EXPECT_EQ(WaitingSession(Claims(111), HeadAt(10, 10), kNow)->eta_s(), 11U);
}

TEST(WaitingSessionTest, AQueueThatIsNotOpenIsToldWithTheTimeOfItsOpening) {
  gateway::Head head = HeadAt(10, 10);
  head.queue.set_state(queue::v1::PAUSED);
  head.queue.set_opens_at_ms(ToUnixMs(kNow) + 30'000);
  const auto session = WaitingSession(Claims(110), head, kNow);
  EXPECT_EQ(session->queue_state(), queue::v1::PAUSED);
  EXPECT_EQ(session->opens_at_ms(), ToUnixMs(kNow) + 30'000);
  EXPECT_EQ(session->eta_s(), 40U);
  EXPECT_EQ(session->position(), 100U);
}

TEST(WaitingSessionTest, BeforeTheDrawNobodyWhomItConcernsHasAPlace) {
  gateway::Head head = HeadAt(0, 10);
  head.queue.set_state(queue::v1::PREQUEUE);
  head.queue.mutable_draw()->set_first(5);
  EXPECT_EQ(WaitingSession(Claims(5), head, kNow)->position(), 5U);
  const auto session = WaitingSession(Claims(6), head, kNow);
  EXPECT_EQ(session->position(), 0U);
  EXPECT_EQ(session->place(), 0U);
  EXPECT_EQ(session->eta_s(), 0U);
  EXPECT_EQ(session->refresh_interval_s(), 20U);
}

TEST(WaitingSessionTest, WhoAreYetToBeDrawnDoNotAllAskInTheSecondOfTheOpening) {
  gateway::Head head = HeadAt(0, 10);
  head.queue.set_state(queue::v1::PREQUEUE);
  head.queue.set_opens_at_ms(ToUnixMs(kNow) + 4'000);
  head.queue.mutable_draw()->set_first(5);
  EXPECT_EQ(WaitingSession(Claims(6), head, kNow)->refresh_interval_s(), 20U);
  EXPECT_EQ(WaitingSession(Claims(6), head, kNow)->eta_s(), 4U);
  head.queue.set_last_sequence(15);
  EXPECT_EQ(WaitingSession(Claims(6), head, kNow)->refresh_interval_s(), 1U) << "a few may";
}

TEST(WaitingSessionTest, AfterTheDrawTheOrderSaysWhoIsWhere) {
  gateway::Head head = HeadAt(5, 10);
  queue::v1::Draw& draw = *head.queue.mutable_draw();
  draw.set_first(5);
  draw.set_entrants(20);
  draw.set_drawn_at_ms(1);
  const auto order = std::make_shared<const auth::Shuffle>("seed", 5, 20);
  head.order = order;
  for (uint64_t sequence = 6; sequence <= 25; ++sequence) {
    const auto session = WaitingSession(Claims(sequence), head, kNow);
    EXPECT_EQ(session->place(), order->PlaceOf(sequence));
    EXPECT_EQ(session->position(), order->PlaceOf(sequence) - 5);
  }
  EXPECT_EQ(WaitingSession(Claims(26), head, kNow)->position(), 21U);
  EXPECT_EQ(WaitingSession(Claims(26), head, kNow)->place(), 0U);
  head.queue.set_head_sequence(6);
  EXPECT_EQ(WaitingSession(Claims(order->NumberAt(6)), head, kNow), std::nullopt) << "it is their turn";
}

TEST(WaitingSessionTest, AskAgainSoonNearTheFrontAndSeldomFarBehind) {
  EXPECT_EQ(WaitingSession(Claims(15), HeadAt(10, 1), kNow)->refresh_interval_s(), 1U);
  EXPECT_EQ(WaitingSession(Claims(60), HeadAt(10, 1), kNow)->refresh_interval_s(), 10U);
  EXPECT_EQ(WaitingSession(Claims(1'000'000), HeadAt(10, 1), kNow)->refresh_interval_s(), 20U);
}

}  // namespace
}  // namespace boxoffice::gateway
