// Invariant 4 of what is HELD, and invariant 11 of a ranking's seats: planted violations are found, and what
// is right is not.
#include <gmock/gmock.h>

#include "audit/invariants.h"

namespace boxoffice::audit {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

constexpr Timestamp kJudged = FromUnixMs(1'800'000'000'000);

ReservationId NumberedId(uint8_t n) {
  const std::string bytes(16, static_cast<char>(n));
  return *ReservationId::FromBytes(bytes);
}

// Two seats of show 7, held for another five minutes.
Case TwoSeatsHeld() {
  Case facts;
  facts.id = NumberedId(1);
  ReservationFact reservation;
  reservation.user_id = "mina";
  reservation.show_id = 7;
  reservation.seats = {{1, 100}, {2, 200}};
  reservation.amount = 300;
  reservation.currency = "KRW";
  reservation.saga_kind = "hold";
  reservation.hold_expires_at = kJudged + milliseconds(300'000);
  facts.reservation = reservation;
  facts.seats = {{7, 1, false, facts.id, reservation.hold_expires_at},
                 {7, 2, false, facts.id, reservation.hold_expires_at}};
  const std::string event(16, '\1');
  facts.events = {{*EventId::FromBytes(event), EventType::kHeld, 1}};
  return facts;
}

std::vector<Violation> JudgeOne(const Case& facts) { return CheckCase(facts, kJudged, Bounds()); }

TEST(Invariant4, ASeatThatIsNotHeldForAHeldReservationIsFound) {
  EXPECT_THAT(JudgeOne(TwoSeatsHeld()), IsEmpty());
  Case facts = TwoSeatsHeld();
  facts.seats.pop_back();
  const std::string us = "reservation:" + facts.id.ToString();
  EXPECT_THAT(JudgeOne(facts), ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kSeatSoldOnce),
                                                 Field(&Violation::ids, ElementsAre(us, "seat:7/2")))));
}

TEST(Invariant4, ASeatThatTwoAreHeldForIsFoundWithTheOther) {
  Case facts = TwoSeatsHeld();
  facts.seats.pop_back();
  facts.others_seats = {{7, 2, false, NumberedId(2), kJudged + milliseconds(300'000)}};
  const std::string us = "reservation:" + facts.id.ToString();
  EXPECT_THAT(JudgeOne(facts),
              ElementsAre(Field(&Violation::ids,
                                ElementsAre(us, "seat:7/2", "reservation:" + NumberedId(2).ToString()))));
}

TEST(Invariant4, AHoldThatMayHaveEndedByAnotherClockIsLeftAlone) {
  Case facts = TwoSeatsHeld();
  facts.seats.clear();
  facts.reservation->hold_expires_at = kJudged + Bounds().clock_skew;
  EXPECT_THAT(JudgeOne(facts), IsEmpty());
  facts.reservation->hold_expires_at += milliseconds(1);
  EXPECT_EQ(JudgeOne(facts).size(), 2) << "its two seats";
  facts.reservation->saga_status = SagaStatus::kRunning;
  facts.reservation->saga_started_at = kJudged;
  EXPECT_THAT(JudgeOne(facts), IsEmpty()) << "it may be giving them back";
}

TEST(Invariant11, ARankingThatCountedOtherSeatsIsFound) {
  Facts facts;
  facts.rankings = {{7, {1, 0, 2}, {1, 0, 2}, {1, 0, 2}}};
  EXPECT_THAT(Check(facts, kJudged, Bounds()), IsEmpty());
  facts.rankings[0].counted.seats = 3;
  EXPECT_THAT(Check(facts, kJudged, Bounds()),
              ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kProjectionsEqual),
                                Field(&Violation::ids, ElementsAre("show:7")))));
}

// Seats may be sold and given back between the two looks.
TEST(Invariant11, SeatsAreComparedOnlyWhereNothingHappenedMeanwhile) {
  Facts facts;
  facts.rankings = {{7, {1, 0, 2}, {1, 0, 5}, {1, 0, 1}}};
  EXPECT_THAT(Check(facts, kJudged, Bounds()), IsEmpty());
}

}  // namespace
}  // namespace boxoffice::audit
