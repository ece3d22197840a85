// Invariants 4 and 9 of what is HELD, and invariant 11 of a ranking's seats: planted violations are found,
// and what is right is not.
#include <gmock/gmock.h>

#include "audit/facts_for_test.h"

namespace boxoffice::audit {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

// The same seats, held for another five minutes.
Case TwoSeatsHeld() {
  Case facts = Confirmed();
  facts.reservation->state = State::kHeld;
  facts.reservation->saga_kind = "hold";
  facts.reservation->hold_expires_at = kNow + milliseconds(300'000);
  facts.debits = {};
  facts.payments = {};
  for (SeatFact& seat : facts.seats) {
    seat.sold = false;
    seat.hold_expires_at = facts.reservation->hold_expires_at;
  }
  facts.events.pop_back();
  return facts;
}

TEST(Invariant4, ASeatThatIsNotHeldForAHeldReservationIsFound) {
  EXPECT_THAT(Judge(TwoSeatsHeld()), IsEmpty());
  Case facts = TwoSeatsHeld();
  facts.seats.pop_back();
  const std::string us = "reservation:" + facts.id.ToString();
  EXPECT_THAT(Judge(facts), ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kSeatSoldOnce),
                                              Field(&Violation::ids, ElementsAre(us, "seat:7/2")))));
}

TEST(Invariant4, ASeatThatTwoAreHeldForIsFoundWithTheOther) {
  Case facts = TwoSeatsHeld();
  facts.seats.pop_back();
  facts.others_seats = {{7, 2, false, MakeId(2), kNow + milliseconds(300'000)}};
  const std::string us = "reservation:" + facts.id.ToString();
  EXPECT_THAT(Judge(facts),
              ElementsAre(Field(&Violation::ids,
                                ElementsAre(us, "seat:7/2", "reservation:" + MakeId(2).ToString()))));
}

TEST(Invariant4, ASeatThatIsHeldForAnotherBuyerIsFound) {
  Case facts = TwoSeatsHeld();
  for (SeatFact& seat : facts.seats) seat.user_hash = UserHash("mina");
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.seats[0].user_hash = UserHash("jun");
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kSeatSoldOnce));
}

TEST(Invariant4, AHoldThatMayHaveEndedByAnotherClockIsLeftAlone) {
  Case facts = TwoSeatsHeld();
  facts.seats.clear();
  facts.reservation->hold_expires_at = kNow + kBounds.clock_skew;
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.reservation->hold_expires_at += milliseconds(1);
  EXPECT_EQ(Judge(facts).size(), 2) << "its two seats";
  facts.reservation->saga_status = SagaStatus::kRunning;
  facts.reservation->saga_started_at = kNow;
  EXPECT_THAT(Judge(facts), IsEmpty()) << "it may be giving them back";
}

TEST(Invariant9, ASeatThatIsHeldForLongerThanItsReservationIsFound) {
  Case facts = TwoSeatsHeld();
  facts.seats[1].hold_expires_at += milliseconds(1);
  const std::string us = "reservation:" + facts.id.ToString();
  EXPECT_THAT(Judge(facts), ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kNothingOrphaned),
                                              Field(&Violation::ids, ElementsAre(us, "seat:7/2")))));
  facts.reservation->saga_status = SagaStatus::kRunning;
  facts.reservation->saga_started_at = kNow;
  EXPECT_THAT(Judge(facts), IsEmpty()) << "it may be paying, or giving the time back";
}

TEST(Invariant11, ARankingThatCountedOtherSeatsIsFound) {
  Facts facts;
  facts.rankings = {{7, {1, 0, 2}, {1, 0, 2}, {1, 0, 2}}};
  EXPECT_THAT(Check(facts, kNow, kBounds), IsEmpty());
  facts.rankings[0].counted.seats = 3;
  EXPECT_THAT(Check(facts, kNow, kBounds),
              ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kProjectionsEqual),
                                Field(&Violation::ids, ElementsAre("show:7")))));
}

// Seats may be sold and given back between the two looks.
TEST(Invariant11, SeatsAreComparedOnlyWhereNothingHappenedMeanwhile) {
  Facts facts;
  facts.rankings = {{7, {1, 0, 2}, {1, 0, 5}, {1, 0, 1}}};
  EXPECT_THAT(Check(facts, kNow, kBounds), IsEmpty());
}

}  // namespace
}  // namespace boxoffice::audit
