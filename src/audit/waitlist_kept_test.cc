// Offers to waitlists, and the places that they are of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/facts_for_test.h"

namespace boxoffice::audit {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

// Of mina's place, who has bought what she was offered.
Case Bought() {
  Case facts = Confirmed();
  facts.events[0].from_waitlist = true;
  facts.places = {{7, 3, UserHash("mina"), PlaceState::kAccepted, kNow - milliseconds(59'000)}};
  return facts;
}
// The same place while seats are held for it, or as they are no more.
Case Offered(State state, PlaceState place) {
  Case facts = Bought();
  facts.debits.clear();
  facts.payments.clear();
  facts.events = {{MakeEventId(1), EventType::kHeld, 2, 300, 0, true}};
  facts.reservation->version = 2;
  facts.reservation->saga_kind = "offer";
  facts.reservation->hold_expires_at = kNow + milliseconds(300'000);
  for (SeatFact& seat : facts.seats) {
    seat.sold = false;
    seat.hold_expires_at = facts.reservation->hold_expires_at;
  }
  facts.reservation->state = state;
  facts.places[0].state = place;
  if (state == State::kHeld) return facts;
  facts.seats.clear();
  facts.reservation->version = 3;
  facts.reservation->saga_kind = state == State::kExpired ? "expire" : "release";
  facts.events.push_back(
      {MakeEventId(2), state == State::kExpired ? EventType::kExpired : EventType::kReleased, 3, 300});
  return facts;
}
void LetItRest(Case& facts) {
  facts.reservation->updated_at = facts.places[0].updated_at =
      kNow - kBounds.look_at_waitlist - milliseconds(1);
}

TEST(Invariant16, AnOfferAndThePlaceThatHasItAreFine) {
  EXPECT_THAT(Judge(Bought()), IsEmpty());
  EXPECT_THAT(Judge(Offered(State::kHeld, PlaceState::kOffered)), IsEmpty());
  EXPECT_THAT(Judge(Offered(State::kExpired, PlaceState::kLapsed)), IsEmpty());
  EXPECT_THAT(Judge(Offered(State::kReleased, PlaceState::kLeft)), IsEmpty());
  EXPECT_THAT(Judge(Offered(State::kReleased, PlaceState::kLapsed)), IsEmpty())
      << "as the show was cancelled";
}

TEST(Invariant16, AnOfferThatNoPlaceHasIsFound) {
  Case facts = Bought();
  facts.places.clear();
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept));
  facts.events[0].from_waitlist = false;
  EXPECT_THAT(Judge(facts), IsEmpty()) << "nobody was offered it";
}

TEST(Invariant16, AnOfferThatGotNoSeatsIsNoPlaces) {
  Case facts = Offered(State::kReleased, PlaceState::kWaiting);
  facts.reservation->saga_kind = "offer";
  facts.events = {{MakeEventId(2), EventType::kReleased, 3, 0, 0, true}};
  EXPECT_THAT(Judge(facts), IsEmpty()) << "the next look gives it up";
  LetItRest(facts);
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept));
  facts.places.clear();
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant16, AnOfferToTwoPlacesIsFound) {
  Case facts = Bought();
  facts.places.push_back(facts.places[0]);
  facts.places[1].place = 4;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept));
}

TEST(Invariant16, AnOfferOfAnotherBuyersPlaceIsFound) {
  Case facts = Bought();
  facts.places[0].user_hash = UserHash("jun");
  EXPECT_THAT(Judge(facts), ElementsAre(Field(&Violation::ids, Contains("place:7/3"))));
  facts = Bought();
  facts.places[0].show_id = 8;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept));
}

TEST(Invariant16, SeatsThatAreHeldForAPlaceThatHasEndedAreFound) {
  EXPECT_THAT(Judge(Offered(State::kHeld, PlaceState::kLeft)), NamesOnly(Invariant::kWaitlistKept));
  EXPECT_THAT(Judge(Offered(State::kHeld, PlaceState::kLapsed)), NamesOnly(Invariant::kWaitlistKept));
}

TEST(Invariant16, APlaceThatDoesNotSayWhatHasBecomeOfItsOfferIsFoundOnceALookIsOver) {
  for (const auto& [state, place] :
       {std::pair(State::kHeld, PlaceState::kWaiting), std::pair(State::kExpired, PlaceState::kOffered)}) {
    Case facts = Offered(state, place);
    EXPECT_THAT(Judge(facts), IsEmpty());
    LetItRest(facts);
    EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept));
  }
  Case facts = Offered(State::kExpired, PlaceState::kAccepted);
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept)) << "no look changes what has ended";
}

TEST(Invariant16, AnOfferThatWasNeverBegunIsFoundOnceALookIsOver) {
  Case facts = Offered(State::kHeld, PlaceState::kWaiting);
  facts.reservation.reset();
  facts.seats.clear();
  facts.events.clear();
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.places[0].updated_at = kNow - kBounds.look_at_waitlist - milliseconds(1);
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept));
  facts.places[0] = {7, 3, UserHash("mina"), PlaceState::kOffered, kNow};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kWaitlistKept)) << "seats are held under no id";
}

TEST(Invariant16, WhileItsSagaRunsNothingIsSaidOfAnOffer) {
  Case facts = Offered(State::kHeld, PlaceState::kLeft);
  facts.reservation->saga_status = SagaStatus::kRunning;
  facts.reservation->saga_started_at = kNow;
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant16, SeatsThatAreKeptForAWaitlistThatNobodyIsOnAreFoundOnceALookIsOver) {
  Facts facts;
  facts.waitlists = {{.show_id = 7, .changed_at = kNow - kBounds.look_at_waitlist, .kept = true}};
  EXPECT_THAT(Check(facts, kNow, kBounds), IsEmpty());
  facts.waitlists[0].changed_at -= milliseconds(1);
  EXPECT_THAT(Check(facts, kNow, kBounds), NamesOnly(Invariant::kWaitlistKept));
  facts.waitlists[0].open = 1;
  EXPECT_THAT(Check(facts, kNow, kBounds), IsEmpty());
}

TEST(Invariant16, AUserWithTwoPlacesOnAWaitlistIsFound) {
  Facts facts;
  facts.waitlists = {{.show_id = 7, .open = 2, .open_of_user = {{"mina", 2}}}};
  EXPECT_THAT(Check(facts, kNow, kBounds), ElementsAre(Field(&Violation::ids, Contains("user:mina"))));
}

}  // namespace
}  // namespace boxoffice::audit
