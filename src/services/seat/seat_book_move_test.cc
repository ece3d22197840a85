// Moves of sold seats by operators, prices of seats that somebody has, and the waitlist.
#include <gmock/gmock.h>

#include "services/seat/testing_book.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

// Seats 1 to 8 cost 1000, 9 to 12 cost 500.
class SeatBookMoveTest : public SeatBookTest {
 protected:
  static MoveSeats MoveOf(uint64_t saga, uint64_t n, std::vector<SeatNo> from, std::vector<SeatNo> to) {
    return {Saga(saga), Reservation(n), kShow, std::move(from), std::move(to), "user" + std::to_string(n)};
  }
  // By a saga of its own, of what buyer n has.
  Outcome Move(uint64_t saga, uint64_t n, std::vector<SeatNo> from, std::vector<SeatNo> to) {
    return Run({MoveOf(saga, n, std::move(from), std::move(to)), ""});
  }
  void Sell(uint64_t n, std::vector<SeatNo> seats) {
    ASSERT_EQ(Hold(n, seats).kind, Kind::kDone);
    ASSERT_EQ(Confirm(n, seats).kind, Kind::kDone);
  }
  std::vector<SeatNo> Listed(uint64_t n) { return buyers_[{kShow, "user" + std::to_string(n)}].seats; }
};

TEST_F(SeatBookMoveTest, AMoveSellsTheNewSeatsAndFreesTheOldAndTellsAllThatTheReservationHas) {
  Sell(1, {1, 2, 3});
  const Outcome moved = Move(50, 1, {1, 2}, {5, 6});
  EXPECT_EQ(moved.kind, Kind::kDone);
  EXPECT_THAT(moved.seats, ElementsAre(3, 5, 6));
  EXPECT_EQ(moved.amount, 3000);
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  EXPECT_EQ(Row(5).state, SeatState::kSold);
  EXPECT_TRUE(Row(5).BelongsTo(Reservation(1)));
  EXPECT_EQ(Row(5).user_id, "user1");
  EXPECT_THAT(Listed(1), ElementsAre(3, 5, 6)) << "so that the seat limit counts them";
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased, Event::Kind::kSold));
  EXPECT_THAT(last_.changes.events[0].seats, ElementsAre(1, 2));
  EXPECT_THAT(last_.changes.events[1].seats, ElementsAre(5, 6));
  EXPECT_EQ(Hold(2, {1, 2}).kind, Kind::kDone);
}

TEST_F(SeatBookMoveTest, AMovedSeatKeepsItsPriceOrGetsTheNewOneIfThatIsLess) {
  Sell(1, {1, 9});
  const Outcome moved = Move(50, 1, {1, 9}, {10, 2});
  EXPECT_THAT(moved.seats, ElementsAre(2, 10));
  EXPECT_THAT(moved.prices, ElementsAre(500, 500)) << "the dearer seat costs what the old one did";
  EXPECT_EQ(moved.amount, 1000);
}

TEST_F(SeatBookMoveTest, AMoveIsDoneOnceAndARepeatIsAnsweredTheSame) {
  Sell(1, {1});
  const Outcome first = Move(50, 1, {1}, {5});
  const Outcome again = Move(50, 1, {1}, {5});
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_EQ(again.kind, Kind::kDone);
  EXPECT_EQ(again.seats, first.seats);
  EXPECT_EQ(again.amount, first.amount);
  EXPECT_EQ(Move(50, 1, {1}, {6}).kind, Kind::kMismatch);
  EXPECT_EQ(Run({HoldOf(50, {5}), ""}).kind, Kind::kMismatch) << "the saga's record is of a move";
  Release(1, {5});
  ExpectRefused(Move(50, 1, {1}, {5}), Refusal::kHoldLost);
}

TEST_F(SeatBookMoveTest, AMoveThatWasUndoneBeforeItCameIsAborted) {
  Sell(1, {1});
  Run({ReleaseSeats{Saga(50), Reservation(1), kShow, {}}, ""});
  EXPECT_EQ(Move(50, 1, {1}, {5}).kind, Kind::kAborted);
  EXPECT_EQ(Row(1).state, SeatState::kSold);
}

// Its saga ends with the refusal; a copy of the command that is still on its way must not move the seats
// then.
TEST_F(SeatBookMoveTest, ARefusedMoveStaysRefusedWhenTheSeatsComeFreeMeanwhile) {
  Sell(1, {1, 2});
  Hold(2, {5});
  ExpectRefused(Move(50, 1, {1}, {5}), Refusal::kSeatsTaken);
  Release(2, {5});
  ExpectRefused(Move(50, 1, {1}, {5}), Refusal::kSeatsTaken);
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_EQ(Move(50, 1, {1}, {6}).kind, Kind::kAborted) << "and does nothing else either";
  Run({ReleaseSeats{Saga(50), Reservation(1), kShow, {}}, ""});  // the saga's tombstone
  EXPECT_TRUE(Row(1).BelongsTo(Reservation(1)));
  EXPECT_TRUE(Row(2).BelongsTo(Reservation(1)));
  EXPECT_EQ(Move(51, 1, {1}, {5}).kind, Kind::kDone) << "another saga may try anew";
}

TEST_F(SeatBookMoveTest, AMoveIsAllOrNothingAndNamesEverySeatInTheWay) {
  Sell(1, {1, 2});
  Sell(2, {3});
  Hold(3, {4});
  const Outcome taken = Move(50, 1, {1, 2}, {3, 4});
  ExpectRefused(taken, Refusal::kSeatsTaken);
  EXPECT_THAT(taken.conflicts,
              ElementsAre(Conflict{3, ConflictReason::kSold}, Conflict{4, ConflictReason::kHeld}));
  const Outcome lost = Move(51, 1, {2, 3}, {5, 6});
  ExpectRefused(lost, Refusal::kHoldLost);
  EXPECT_THAT(lost.conflicts, ElementsAre(Conflict{3, ConflictReason::kSold})) << "it is another buyer's";
  ExpectRefused(Move(52, 3, {4}, {5}), Refusal::kHoldLost);
  ExpectRefused(Move(53, 1, {1}, {99}), Refusal::kSeatUnknown);
  ExpectRefused(Move(54, 1, {1, 1}, {5, 6}), Refusal::kDuplicateSeat);
  ExpectRefused(Move(55, 1, {}, {}), Refusal::kNoSeats);
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_EQ(Row(1).state, SeatState::kSold);
}

TEST_F(SeatBookMoveTest, AnUpgradeMayUseBlockedSeatsAndALapsedHold) {
  Sell(1, {9, 10});
  Run({BlockSeats{kShow, {1}, false, "why", "op"}, ""});
  Hold(2, {2});
  now_ += 6min;
  EXPECT_EQ(Move(50, 1, {9, 10}, {1, 2}).kind, Kind::kDone);
  EXPECT_EQ(Row(1).state, SeatState::kSold);
  EXPECT_THAT(Told(), ElementsAre(Event::Kind::kReleased, Event::Kind::kReleased, Event::Kind::kSold));
  ExpectRefused(Confirm(2, {2}), Refusal::kHoldLost);
}

TEST_F(SeatBookMoveTest, TheSeatLimitDoesNotCountForAMoveButCountsWhatWasMoved) {
  ChangeShow([](Show& show) { show.terms.seat_limit = 2; });
  Sell(1, {1, 2});
  ChangeShow([](Show& show) { show.terms.seat_limit = 1; });
  EXPECT_EQ(Move(50, 1, {1, 2}, {5, 6}).kind, Kind::kDone);
  ChangeShow([](Show& show) { show.terms.seat_limit = 2; });
  HoldSeats more = HoldOf(9, {3});
  more.user_id = "user1";
  const Outcome refused = Run({more, ""});
  ExpectRefused(refused, Refusal::kSeatLimit);
  EXPECT_EQ(refused.seats_owned, 2);
}

TEST_F(SeatBookMoveTest, APartyMayMoveAlongItsOwnSeats) {
  Sell(1, {1, 2});
  const Outcome moved = Move(50, 1, {1, 2}, {2, 3});
  EXPECT_THAT(moved.seats, ElementsAre(2, 3));
  EXPECT_EQ(Row(1).state, SeatState::kFree);
  EXPECT_THAT(last_.changes.events[0].seats, ElementsAre(1));
}

TEST_F(SeatBookMoveTest, WhoeverTheSeatsHaveComeToSinceTheyWereLookedAtIsLookedForAgain) {
  Sell(1, {1});
  MoveSeats move = MoveOf(50, 1, {1}, {5});
  move.user_id = "somebody else";
  EXPECT_EQ(RunBatch({{move, ""}})[0], std::nullopt);
  EXPECT_TRUE(last_.changes.empty());
}

TEST_F(SeatBookMoveTest, OfACancelledShowNothingIsMoved) {
  Sell(1, {1});
  ChangeShow([](Show& show) { show.terms.phase = ShowPhase::kCancelled; });
  ExpectRefused(Move(50, 1, {1}, {5}), Refusal::kShowCancelled);
}

TEST_F(SeatBookMoveTest, AHeldSeatKeepsThePriceThatItWasHeldAt) {
  Hold(1, {1});
  EXPECT_EQ(Row(1).price, 1000);
  ChangeShow([](Show& show) {
    auto layout = std::make_shared<Layout>(*show.layout);
    layout->categories[0].price = 1500;
    show.layout = layout;
  });
  EXPECT_EQ(Hold(1, {1}).amount, 1000) << "a repeat";
  now_ += 6min;
  EXPECT_EQ(Hold(1, {1}).amount, 1000) << "the same reservation, past its deadline";
  EXPECT_EQ(Confirm(1, {1}).amount, 1000);
  EXPECT_EQ(PriceOf(Row(1), *facts_.show->layout), 1000);
  EXPECT_EQ(Hold(2, {2}).amount, 1500);
  Release(1, {1});
  EXPECT_EQ(Row(1).price, 0);
  EXPECT_EQ(Hold(3, {1}).amount, 1500);
}

TEST_F(SeatBookMoveTest, WhileTheWaitlistIsFirstOnlyItsOffersTakeFreeSeats) {
  Hold(1, {1});
  Hold(2, {2});
  ChangeShow([](Show& show) { show.terms.waitlist_first = true; });
  ExpectRefused(Hold(3, {3}), Refusal::kWaitlistFirst);
  ExpectRefused(Run({BestOf(4, 2, {3, 4}), ""}), Refusal::kWaitlistFirst);
  ExpectRefused(Run({BestOf(5, 2, {}), ""}), Refusal::kWaitlistFirst);
  EXPECT_EQ(Hold(1, {1}).kind, Kind::kDone) << "what the reservation has, it keeps";
  EXPECT_EQ(Confirm(1, {1}).kind, Kind::kDone);
  HoldSeats more = HoldOf(2, {2, 3});
  more.saga = Saga(20);
  ExpectRefused(Run({more, ""}), Refusal::kWaitlistFirst);
  HoldSeats offer = BestOf(6, 2, {3, 4});
  offer.from_waitlist = true;
  EXPECT_EQ(Run({offer, ""}).kind, Kind::kDone);
  EXPECT_EQ(Release(2, {2}).kind, Kind::kDone);
  ChangeShow([](Show& show) { show.terms.waitlist_first = false; });
  EXPECT_EQ(Hold(3, {2}).kind, Kind::kDone);
}

TEST_F(SeatBookMoveTest, AHoldTellsTheShowsGrace) {
  EXPECT_EQ(Hold(1, {1}).grace, 0ms);
  ChangeShow([](Show& show) { show.terms.grace = 90s; });
  EXPECT_EQ(Hold(1, {1}).grace, 90s);
  EXPECT_EQ(Confirm(1, {1}).grace, 0ms) << "nothing is held any more";
}

}  // namespace
}  // namespace boxoffice::seat
