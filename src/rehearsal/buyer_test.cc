#include "rehearsal/buyer.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/auth/base64url.h"
#include "rehearsal/seat_choice.h"

namespace boxoffice::rehearsal {
namespace {

using std::chrono::seconds;

// Who chooses the best available, pays, and keeps it.
Behaviour Plain() {
  Behaviour behaviour;
  behaviour.by_map = behaviour.leave_waiting = behaviour.leave_holding = behaviour.cancel = 0;
  return behaviour;
}
constexpr std::string_view kWaiting = R"({"token":"t1","state":"WAITING","refresh_interval_s":7})";
constexpr std::string_view kActive = R"({"token":"t2","state":"ACTIVE"})";
constexpr std::string_view kHeld = R"({"id":"r1","amount":500,"currency":"KRW","state":"HELD"})";
constexpr std::string_view kConfirmed = R"({"id":"r1","state":"CONFIRMED"})";

class BuyerTest : public ::testing::Test {
 protected:
  Buyer Make(const Behaviour& behaviour) { return {behaviour, 8, random_}; }
  Buyer::Next Take(Buyer& buyer, Step step, int status, std::string_view body = {}, int retry_after_s = 0) {
    return buyer.Take(step, {status, body, retry_after_s}, random_);
  }
  SeededRandom random_{3};
};

TEST_F(BuyerTest, JoinsPollsAsToldHoldsTopsUpAndPays) {
  const Behaviour behaviour = Plain();
  Buyer buyer = Make(behaviour);
  auto next = Take(buyer, Step::kJoin, 200, kWaiting);
  EXPECT_EQ(next.step, Step::kPoll);
  EXPECT_EQ(next.after, seconds(7));
  EXPECT_EQ(buyer.queue_token(), "t1");
  EXPECT_FALSE(buyer.admitted());
  next = Take(buyer, Step::kPoll, 200, kActive);
  EXPECT_EQ(next.step, Step::kHold);
  EXPECT_TRUE(buyer.admitted());
  next = Take(buyer, Step::kHold, 201, kHeld);
  EXPECT_EQ(next.step, Step::kTopUp);
  EXPECT_EQ(buyer.amount(), 500);
  EXPECT_EQ(buyer.reservation(), "r1");
  next = Take(buyer, Step::kTopUp, 201, "{}");
  EXPECT_EQ(next.step, Step::kPay);
  next = Take(buyer, Step::kPay, 200, kConfirmed);
  EXPECT_EQ(next.ending, Ending::kBought);
}

TEST_F(BuyerTest, WhoeverIsInShowsTheWordThatSaysSo) {
  const Behaviour behaviour = Plain();
  Buyer buyer = Make(behaviour);
  (void)Take(buyer, Step::kJoin, 200, kWaiting);
  EXPECT_EQ(buyer.queue_token(), "t1");
  (void)Take(buyer, Step::kPoll, 200, R"({"token":"t1","state":"ACTIVE","admission":"a1"})");
  EXPECT_EQ(buyer.queue_token(), "a1");
}

TEST_F(BuyerTest, WhoIsToldToWaitWaitsAndAsksAgainWithTheSameKey) {
  const Behaviour behaviour = Plain();
  Buyer buyer = Make(behaviour);
  (void)Take(buyer, Step::kJoin, 200, kActive);
  const int operation = buyer.operation();
  for (const int status : {503, 429, 0}) {
    const auto next = Take(buyer, Step::kHold, status, "{}", status == 0 ? 0 : 9);
    EXPECT_EQ(next.ending, std::nullopt);
    EXPECT_EQ(next.step, Step::kHold);
    if (status != 0) {
      EXPECT_GE(next.after, seconds(9)) << "Retry-After is the least";
    }
    EXPECT_EQ(buyer.operation(), operation);
  }
  (void)Take(buyer, Step::kHold, 201, kHeld);
  EXPECT_GT(buyer.operation(), operation) << "what is new has a key of its own";
}

TEST_F(BuyerTest, WhoStaysRefusedAsksEverLessOftenAndAnewAfterAnAnswer) {
  Behaviour behaviour = Plain();
  behaviour.attempts = 100;
  Buyer buyer = Make(behaviour);
  (void)Take(buyer, Step::kJoin, 200, kWaiting);
  for (const int least_s : {1, 2, 4, 8, 16, 20, 20}) {
    const auto next = Take(buyer, Step::kPoll, 503, "{}", 1);
    EXPECT_GE(next.after, seconds(least_s));
    EXPECT_LT(next.after, seconds(2 * least_s));
  }
  EXPECT_LT(Take(buyer, Step::kPoll, 503, "{}", 600).after, seconds(120)) << "his place would be lost";
  (void)Take(buyer, Step::kPoll, 200, kWaiting);
  EXPECT_LT(Take(buyer, Step::kPoll, 0).after, seconds(2));
}

TEST_F(BuyerTest, WhoIsRefusedComesBackAtATimeOfHisOwn) {
  const Behaviour behaviour = Plain();
  std::set<std::chrono::nanoseconds> pauses;
  for (int i = 0; i < 10; ++i) {
    Buyer buyer = Make(behaviour);
    pauses.insert(Take(buyer, Step::kJoin, 503, "{}", 9).after);
  }
  EXPECT_EQ(pauses.size(), 10U);
}

TEST_F(BuyerTest, GivesUpAfterSoManyAttempts) {
  Behaviour behaviour = Plain();
  behaviour.attempts = 3;
  Buyer buyer = Make(behaviour);
  EXPECT_EQ(Take(buyer, Step::kJoin, 503).ending, std::nullopt);
  EXPECT_EQ(Take(buyer, Step::kJoin, 503).ending, std::nullopt);
  EXPECT_EQ(Take(buyer, Step::kJoin, 503).ending, Ending::kGaveUp);
}

TEST_F(BuyerTest, WhoseSeatsAreTakenChoosesAnewAndLeavesWhenThereAreNone) {
  Behaviour behaviour = Plain();
  behaviour.by_map = 1;
  behaviour.party = 1;
  Buyer buyer = Make(behaviour);
  EXPECT_EQ(Take(buyer, Step::kJoin, 200, kActive).step, Step::kSeatMap);
  EXPECT_EQ(buyer.Choose({5}, random_).step, Step::kHold);
  EXPECT_EQ(buyer.seats(), std::vector<uint32_t>{5});
  EXPECT_EQ(Take(buyer, Step::kHold, 409, R"({"code":"seats_taken"})").step, Step::kSeatMap);
  EXPECT_EQ(buyer.Choose({}, random_).step, Step::kLeave) << "his place is for those who wait";
  EXPECT_EQ(Take(buyer, Step::kLeave, 204).ending, Ending::kNoSeats);
}

TEST_F(BuyerTest, WhatA202CameToIsTakenAsIfItHadBeenToldAtOnce) {
  Behaviour behaviour = Plain();
  Buyer buyer = Make(behaviour);
  const auto told = [&](std::string_view failure) {
    (void)Take(buyer, Step::kHold, 202, R"({"id":"r9","state":"HELD"})");
    return Take(buyer, Step::kAsk, 200,
                fmt::format(R"({{"id":"r9","state":"RELEASED","failure":{}}})", failure));
  };
  (void)Take(buyer, Step::kJoin, 200, kActive);
  const int operation = buyer.operation();
  EXPECT_EQ(told(R"({"code":"seats_taken"})").step, Step::kHold);
  EXPECT_GT(buyer.operation(), operation) << "by a key of its own";
  EXPECT_EQ(buyer.SeeSoldOut(), Ending::kNoSeats) << "he has none";
  EXPECT_EQ(told(R"({"code":"show_not_on_sale"})").ending, Ending::kRefused);
  EXPECT_EQ(told("null").ending, Ending::kRefused);
}

TEST_F(BuyerTest, APartyThatFindsNoRoomIsContentWithOneSeat) {
  Behaviour behaviour = Plain();
  behaviour.party = 8;
  Buyer buyer = Make(behaviour);
  while (buyer.party() == 1) buyer = Make(behaviour);
  (void)Take(buyer, Step::kJoin, 200, kActive);
  EXPECT_EQ(Take(buyer, Step::kHold, 409, R"({"code":"not_enough_seats"})").step, Step::kHold);
  EXPECT_EQ(buyer.party(), 1);
  EXPECT_EQ(Take(buyer, Step::kHold, 409, R"({"code":"not_enough_seats"})").step, Step::kLeave);
}

TEST_F(BuyerTest, WhatIsNotKnownYetIsAskedForUntilItIs) {
  const Behaviour behaviour = Plain();
  Buyer buyer = Make(behaviour);
  (void)Take(buyer, Step::kJoin, 200, kActive);
  EXPECT_EQ(Take(buyer, Step::kHold, 202, R"({"id":"r9","state":"HELD"})").step, Step::kAsk);
  EXPECT_EQ(Take(buyer, Step::kAsk, 200,
                 R"({"id":"r9","amount":0,"currency":"KRW","state":"HELD","hold_expires_at":null})")
                .step,
            Step::kAsk)
      << "what it costs is not known either";
  EXPECT_EQ(Take(buyer, Step::kAsk, 200,
                 R"({"id":"r9","amount":5,"currency":"KRW","state":"HELD",)"
                 R"("hold_expires_at":"2026-11-22T10:05:00.000Z"})")
                .step,
            Step::kTopUp);
  EXPECT_EQ(buyer.amount(), 5);
  (void)Take(buyer, Step::kTopUp, 201, "{}");
  EXPECT_EQ(Take(buyer, Step::kPay, 202, R"({"id":"r9","state":"CONFIRMING"})").step, Step::kAsk);
  EXPECT_EQ(Take(buyer, Step::kAsk, 200, R"({"id":"r9","state":"CONFIRMING"})").step, Step::kAsk);
  EXPECT_EQ(Take(buyer, Step::kAsk, 200, R"({"id":"r9","state":"CONFIRMED"})").ending, Ending::kBought);
}

TEST_F(BuyerTest, WhereTheQueueIsOffHeGoesOnWithoutAToken) {
  const Behaviour behaviour = Plain();
  Buyer buyer = Make(behaviour);
  EXPECT_EQ(Take(buyer, Step::kJoin, 409, R"({"code":"queue_off"})").step, Step::kHold);
  EXPECT_TRUE(buyer.admitted());
  EXPECT_EQ(buyer.queue_token(), "");
  EXPECT_EQ(buyer.Choose({}, random_).ending, Ending::kNoSeats) << "there is no place to be given up";

  Buyer waiting = Make(behaviour);
  EXPECT_EQ(Take(waiting, Step::kJoin, 200, kWaiting).step, Step::kPoll);
  EXPECT_EQ(Take(waiting, Step::kPoll, 200, R"({"token":"t1","state":"WAITING","queue_state":"OFF"})").step,
            Step::kHold);
}

TEST_F(BuyerTest, SomeLeaveTheQueueSomeTheirSeatsAndSomeRegretIt) {
  Behaviour behaviour = Plain();
  behaviour.leave_waiting = 1;
  std::set<std::optional<Ending>> endings;
  for (int i = 0; i < 20; ++i) {
    Buyer buyer = Make(behaviour);
    auto next = Take(buyer, Step::kJoin, 200, kWaiting);
    for (int polls = 0; next.step == Step::kPoll && !next.ending; ++polls) {
      ASSERT_LT(polls, 10) << "his patience ends";
      next = Take(buyer, Step::kPoll, 200, kWaiting);
    }
    if (next.step == Step::kLeave && !next.ending) next = Take(buyer, Step::kLeave, 204);
    endings.insert(next.ending);
  }
  EXPECT_EQ(endings, std::set<std::optional<Ending>>{Ending::kLeftWaiting});

  behaviour = Plain();
  behaviour.leave_holding = 1;
  Buyer holder = Make(behaviour);
  (void)Take(holder, Step::kJoin, 200, kActive);
  auto next = Take(holder, Step::kHold, 201, kHeld);
  if (!next.ending) next = Take(holder, next.step, 200, R"({"state":"RELEASED"})");
  EXPECT_EQ(next.ending, Ending::kLeftHolding);

  behaviour = Plain();
  behaviour.cancel = 1;
  Buyer buyer = Make(behaviour);
  (void)Take(buyer, Step::kJoin, 200, kActive);
  (void)Take(buyer, Step::kHold, 201, kHeld);
  EXPECT_EQ(Take(buyer, Step::kPay, 200, kConfirmed).step, Step::kCancel);
  EXPECT_EQ(Take(buyer, Step::kCancel, 200).ending, Ending::kCancelled);
}

TEST_F(BuyerTest, WhenItIsSoldOutOnlyThoseWithSeatsGoOn) {
  const Behaviour behaviour = Plain();
  Buyer buyer = Make(behaviour);
  EXPECT_EQ(buyer.SeeSoldOut(), Ending::kNoSeats);
  (void)Take(buyer, Step::kJoin, 200, kActive);
  (void)Take(buyer, Step::kHold, 201, kHeld);
  EXPECT_EQ(buyer.SeeSoldOut(), std::nullopt);
}

// Rows of these lengths; the states as they are numbered: 0 free, 1 held, 2 sold, 3 blocked.
std::string MapOf(std::string_view lengths, std::initializer_list<int> states,
                  std::string_view accessible = "", std::string_view companions = "") {
  std::string bytes((states.size() + 3) / 4, '\0');
  size_t seat = 0;
  for (const int state : states) {
    bytes[seat / 4] = static_cast<char>(bytes[seat / 4] | state << (seat % 4 * 2));
    ++seat;
  }
  return fmt::format(R"({{"states":"{}","rows":{{"seats":[{}]}},"accessible":[{}],"companions":[{}]}})",
                     auth::EncodeBase64Url(bytes), lengths, accessible, companions);
}

TEST_F(BuyerTest, ChoosesNeighboursOfOneRowThatAreFree) {
  SeatMap map;
  ASSERT_TRUE(map.Read(MapOf("3,3", {0, 2, 0, 0, 0, 1})));
  EXPECT_EQ(map.free(), 4U);
  for (int i = 0; i < 20; ++i) EXPECT_THAT(map.Choose(2, random_), ::testing::ElementsAre(4, 5));
  EXPECT_EQ(map.Choose(3, random_).size(), 3U) << "apart, rather than not at all";
  EXPECT_THAT(map.Choose(5, random_), ::testing::IsEmpty());
  for (const std::string& none : {std::string("{}"), std::string("<html>"), MapOf("3,6", {0, 0, 0, 0})})
    EXPECT_FALSE(map.Read(none)) << none;
  EXPECT_EQ(map.free(), 4U) << "what is no map changes nothing";
}

TEST_F(BuyerTest, LeavesSeatsForWheelchairsAndForCompanionsToThoseWhoNeedThem) {
  SeatMap map;
  ASSERT_TRUE(map.Read(MapOf("4", {0, 0, 0, 0}, "2", "[3,2]")));
  EXPECT_EQ(map.free(), 2U);
  EXPECT_THAT(map.Choose(2, random_), ::testing::UnorderedElementsAre(1, 4));
}

}  // namespace
}  // namespace boxoffice::rehearsal
