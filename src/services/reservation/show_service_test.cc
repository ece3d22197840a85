// The work on whole shows: a COMMIT that was done, and nobody is told; more places than a look reads at once;
// what others may rely on before its first round.

#include "services/reservation/saga/show_service.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "services/reservation/show_service_for_test.h"

namespace boxoffice::reservation {
namespace {

TEST_F(ShowServiceTest, WhoseLeaveWasCommittedUnknownIsToldThatSheHasLeft) {
  ASSERT_TRUE(Join("mina"));
  store_.loses = true;
  const auto left = Leave("mina");
  ASSERT_FALSE(store_.loses);
  ASSERT_TRUE(left) << ErrorOf(left) << ": she has left, and is told so";
  EXPECT_EQ(left->state, EntryState::kLeft);
  EXPECT_EQ(ErrorOf(Leave("mina")), "not_on_waitlist") << "that is another request";
}

TEST_F(ShowServiceTest, WhatTheSeatServiceDoesNotAnswerIsNotToldAsThisServicesOwnSilence) {
  shows_.map_is_away = true;
  EXPECT_EQ(ErrorOf(Join("mina")), "seat_unavailable");
  shows_.show_is_away = true;
  EXPECT_EQ(ErrorOf(Join("mina")), "seat_unavailable");
  EXPECT_EQ(ErrorOf(Cancel()), "seat_unavailable");
}

TEST_F(ShowServiceTest, WhoseJoinWasCommittedUnknownHasOnePlace) {
  store_.loses = true;
  const auto joined = Join("mina");
  ASSERT_TRUE(joined) << ErrorOf(joined);
  EXPECT_EQ(joined->place, 1);
  EXPECT_EQ(Join("jun")->place, 2);
}

// The clock stands still: what waits for the lease to end waits for ever.
TEST_F(ShowServiceTest, WhatAClaimTookThatWasCommittedUnknownIsWorkedOnAtOnce) {
  const uint64_t place = Join("mina", 1, "B").value().place;
  shows_.b_is_free = true;
  store_.loses = true;
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
  EXPECT_FALSE(store_.loses);
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWaitsForWhatIsFreeIsOfferedItHoweverManyWaitBeforeForSomethingElse) {
  JoinFive("A");
  const uint64_t first = Join("mina", 1, "B").value().place;
  const uint64_t second = Join("jun", 1, "B").value().place;
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return StateOf(first) == EntryState::kOffered; }));
  ASSERT_TRUE(AwaitLooks(3));
  EXPECT_EQ(StateOf(second), EntryState::kWaiting) << "it is taken";
  EXPECT_EQ(StateOf(1), EntryState::kWaiting) << "passed over, and keeps the place";
  EXPECT_TRUE(shows_.view.waitlist_first);
  StopWorking();
}

TEST_F(ShowServiceTest, OfThoseWhomWhatIsFreeFitsTheFirstIsOfferedItWhateverTheyWishFor) {
  JoinFive("A");
  const uint64_t first = Join("mina").value().place;
  const uint64_t second = Join("jun", 1, "B").value().place;
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return StateOf(first) == EntryState::kOffered; }));
  EXPECT_EQ(StateOf(second), EntryState::kWaiting);
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWaitsBehindMoreThanALookReadsAtOnceThatWereRefusedIsTriedAgain) {
  JoinFive("B");
  shows_.b_is_free = true;
  for (const char* const user : {"ann", "ben", "cho", "dan"}) world_.refusals[user] = "seat_limit";
  world_.refusals["eve"] = "seats_taken";  // by a replica that has not heard that it is free
  service_->StartWorking();
  ASSERT_TRUE(AwaitLooks(4));
  EXPECT_EQ(StateOf(5), EntryState::kWaiting);
  EXPECT_TRUE(shows_.view.waitlist_first) << "it is still kept for her";
  world_.refusals.erase("eve");
  ASSERT_TRUE(RunUntil([&] { return StateOf(5) == EntryState::kOffered; }));
  EXPECT_EQ(StateOf(4), EntryState::kWaiting);
  StopWorking();
}

// Else each look would cost five commits, and keep the seat from everybody meanwhile.
TEST_F(ShowServiceTest, WhoIsRefusedForAReasonOfHerOwnIsTriedOnceAMinuteAndNothingIsKeptForHer) {
  const uint64_t place = Join("ann", 1, "B").value().place;
  world_.refusals["ann"] = "seat_limit";
  shows_.b_is_free = true;
  shows_.b_comes_and_goes = true;
  service_->StartWorking();
  ASSERT_TRUE(AwaitLooks(10));
  EXPECT_EQ(world_.holds, 1);
  EXPECT_EQ(shows_.kept, 1);
  EXPECT_FALSE(shows_.view.waitlist_first);
  StopWorking();
  world_.refusals.clear();
  clock_.Advance(kPersonalRefusal);
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
  StopWorking();
}

TEST_F(ShowServiceTest, WhoIsBehindOneRefusedForAReasonOfHerOwnIsOfferedTheSeatAndTheNextOneIsKept) {
  ASSERT_TRUE(Join("ann", 1, "B"));
  const uint64_t behind = Join("bob", 1, "B").value().place;
  const uint64_t last = Join("cho", 1, "B").value().place;
  world_.refusals["ann"] = "seat_limit";
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return StateOf(behind) == EntryState::kOffered; }));
  ASSERT_TRUE(AwaitLooks(3));
  EXPECT_EQ(StateOf(last), EntryState::kWaiting) << "it is taken";
  EXPECT_TRUE(shows_.view.waitlist_first) << "what becomes free is kept for whoever is behind her";
  EXPECT_EQ(world_.holds, 2);
  StopWorking();
}

TEST_F(ShowServiceTest, WhileASaleIsStoppedNobodyIsOfferedAnythingAndAfterwardsWhoWaitsComesFirst) {
  const uint64_t place = Join("mina", 1, "B").value().place;
  shows_.b_is_free = true;
  // The seat service has heard that it is stopped, and the look has not: so it passes her over.
  world_.refusals["mina"] = "show_not_on_sale";
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; }));
  clock_.Advance(ShowServiceConfig().settle);
  ASSERT_TRUE(RunUntil([&] { return !shows_.view.waitlist_first; }));
  shows_.view.phase = ShowPhase::kAnnounced;
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; })) << "it is kept for her again";
  const size_t holds = world_.holds;
  ASSERT_TRUE(AwaitLooks(3));
  EXPECT_EQ(world_.holds, holds);
  EXPECT_EQ(StateOf(place), EntryState::kWaiting);
  world_.refusals.clear();
  shows_.view.phase = ShowPhase::kOnSale;
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
  StopWorking();
}

TEST_F(ShowServiceTest, ASaleThatHasEndedKeepsItsSeatsForNobodyAndSellsToAllOnceItIsExtended) {
  const uint64_t place = Join("mina", 1, "A").value().place;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; }));
  shows_.view.phase = ShowPhase::kPast;
  ASSERT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kLapsed; }));
  EXPECT_TRUE(RunUntil([&] { return !shows_.view.waitlist_first; }));
  shows_.view.phase = ShowPhase::kOnSale;
  shows_.b_is_free = true;
  EXPECT_EQ(ErrorOf(Join("jun", 1, "B")), "not_sold_out") << "it is kept for nobody";
  StopWorking();
}

TEST_F(ShowServiceTest, NobodyLosesHerPlaceByAReplicaThatHasNotHeardThatTheSaleGoesOn) {
  const uint64_t place = Join("mina", 1, "A").value().place;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; }));
  shows_.heard = shows_.view;
  shows_.heard->phase = ShowPhase::kPast;
  ASSERT_TRUE(AwaitLooks(3));
  EXPECT_EQ(StateOf(place), EntryState::kWaiting);
  EXPECT_TRUE(shows_.view.waitlist_first);
  shows_.view.phase = ShowPhase::kPast;
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kLapsed; }));
  StopWorking();
}

TEST_F(ShowServiceTest, ASaleThatHasEndedKeepsNothingThoughAReplicaHasNotHeardThatSeatsAreKept) {
  const uint64_t place = Join("mina", 1, "A").value().place;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; }));
  shows_.view.phase = ShowPhase::kPast;
  shows_.heard = shows_.view;
  shows_.heard->waitlist_first = false;
  ASSERT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kLapsed; }));
  EXPECT_TRUE(RunUntil([&] { return !shows_.view.waitlist_first; }));
  StopWorking();
}

// The clock stands still: a look in a minute never comes.
TEST_F(ShowServiceTest, WhoLeavesLastWhileSeatsAreJustBeingKeptForHerLeavesThemKeptForNobody) {
  const uint64_t place = Join("mina", 1, "A").value().place;
  bool left = false;
  shows_.on_kept = [&] {
    WriteElsewhere(LeaveWaitlist{.show_id = kShow, .user_id = "mina", .place = place}, clock_.Now());
    left = true;
  };
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return left; }));
  EXPECT_TRUE(RunUntil([this] { return !shows_.view.waitlist_first; }));
  StopWorking();
}

// Nobody would set it right if the sale has ended meanwhile: once it is extended, it would sell to nobody.
TEST_F(ShowServiceTest, WhoseLeaseAnotherReplicaHasTakenKeepsNoSeatsForTheWaitlistAnyMore) {
  ASSERT_TRUE(Join("mina", 1, "B"));
  shows_.b_is_free = true;
  shows_.hangs = kShow;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([this] { return shows_.waits; }));
  ASSERT_NO_FATAL_FAILURE(ClaimOfAnother());
  shows_.hangs.reset();
  EXPECT_TRUE(RunUntil([this] { return FailedRounds() == 1; }));
  EXPECT_FALSE(shows_.view.waitlist_first);
  StopWorking();
}

TEST_F(ShowServiceTest, WhoseOfferHasEndedJoinsAgainAtTheEndAlsoBeforeTheNextLook) {
  const uint64_t first = OfferMina();
  EXPECT_EQ(Join("mina", 1, "B").value().place, first) << "she has the offer still";
  EXPECT_EQ(ErrorOf(Join("mina", 1, "A")), "waitlist_other_wish");
  offers_.offer->hold_expires_at = clock_.Now();
  EXPECT_EQ(ErrorOf(Join("mina", 1, "B")), "waitlist_offer_ending");
  offers_.offer->state = State::kExpired;
  const auto again = Join("mina", 1, "A");
  ASSERT_TRUE(again) << ErrorOf(again);
  EXPECT_EQ(again->place, first + 1);
  EXPECT_EQ(again->state, EntryState::kWaiting);
  EXPECT_EQ(StateOf(first), EntryState::kLapsed);
  EXPECT_EQ(Join("mina", 1, "A").value().place, first + 1);
}

TEST_F(ShowServiceTest, WhoseOfferHasEndedIsCheckedAsIfSheHadNoPlace) {
  (void)OfferMina();
  offers_.offer->state = State::kExpired;
  world_.seat_owner.reset();
  shows_.view.waitlist_first = false;
  EXPECT_EQ(ErrorOf(Join("mina", 1, "B")), "not_sold_out") << "she may buy it";
}

TEST_F(ShowServiceTest, WhoHasDeclinedIsToldThatSheHasNoPlaceAlsoBeforeTheNextLook) {
  const uint64_t place = OfferMina();
  EXPECT_EQ(ErrorOf(Leave("mina")), "waitlist_offered");
  offers_.offer->saga.kind = SagaKind::kRelease;
  offers_.offer->saga.status = SagaStatus::kRunning;
  EXPECT_EQ(ErrorOf(Leave("mina")), "waitlist_offer_ending");
  offers_.offer->saga.status = SagaStatus::kDone;
  offers_.offer->state = State::kReleased;
  EXPECT_EQ(ErrorOf(Leave("mina")), "not_on_waitlist");
  EXPECT_EQ(StateOf(place), EntryState::kLeft);
}

TEST_F(ShowServiceTest, ALookThatCanServeNobodyReadsNobody) {
  JoinFive("A");
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(AwaitLooks(1));
  const size_t looks = shows_.looks;
  const size_t places = reader_.places;
  ASSERT_TRUE(AwaitLooks(10));
  EXPECT_LE(reader_.places - places, shows_.looks - looks + 1) << "one, to see that somebody is left";
  EXPECT_FALSE(shows_.view.waitlist_first) << "everybody else may have it";
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWasWrittenByTheVersionBeforeIsFoundToo) {
  JoinFive("A");
  const uint64_t first = Join("mina", 1, "B").value().place;
  const uint64_t second = Join("jun", 1, "B").value().place;
  const std::string old = "UPDATE waitlist SET indexed_version = 0, seats = 0, category = '', max_price = 0";
  ASSERT_TRUE(sql::Database::Open(file_).value().Execute(old + " WHERE place <= " + std::to_string(first)));
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return StateOf(first) == EntryState::kOffered; }));
  EXPECT_EQ(StateOf(second), EntryState::kWaiting);
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWaitsBehindAllThatALookReadsAtOnceIsToldTooThatTheShowIsCancelled) {
  JoinFive("");
  shows_.view.phase = ShowPhase::kCancelled;
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([this] { return OpenPlaces() == 0; })) << OpenPlaces() << " wait for nothing";
  StopWorking();
}

TEST_F(ShowServiceTest, HoweverManyJoinAtOnceTheSeatsAreLookedAtOnce) {
  shows_.hangs = kShow;
  std::vector<uint64_t> places;
  for (const char* const user : {"ann", "ben", "cho"}) {
    JoinWaitlist command{kShow, user, {}};
    command.wish.best_count = 1;
    asio::co_spawn(io_, service_->Join(std::move(command)), [&](const std::exception_ptr&, auto joined) {
      places.push_back(joined.value_or(WaitlistEntry()).place);
    });
  }
  ASSERT_TRUE(RunUntil([this] { return shows_.asked == 3; }));
  shows_.hangs.reset();
  ASSERT_TRUE(RunUntil([&] { return places.size() == 3; }));
  EXPECT_THAT(places, ::testing::UnorderedElementsAre(1, 2, 3));
  EXPECT_EQ(shows_.looks, 1);
}

TEST_F(ShowServiceTest, AShowsReservationsAreCountedOnceForAllWhoAskHowFarItIsAndNobodyWaitsForThat) {
  ASSERT_TRUE(Cancel());
  EXPECT_EQ(reader_.counted_pages, 0) << "who cancels it is answered before";
  reader_.endless = true;
  std::vector<uint64_t> waiting;
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(io_, service_->CancellationOf(kShow), [&](const std::exception_ptr&, auto told) {
      waiting.push_back(told.value_or(std::nullopt).value_or(Cancellation()).progress.waiting);
    });
  }
  ASSERT_TRUE(RunUntil([this] { return reader_.counted_pages > 3; }));
  EXPECT_TRUE(Join("mina")) << "she waits for a page, not for the whole count";
  EXPECT_TRUE(waiting.empty());
  reader_.endless = false;
  ASSERT_TRUE(RunUntil([&] { return waiting.size() == 3; }));
  EXPECT_THAT(waiting, ::testing::Each(reader_.counted_pages - 1)) << "one of each page but the last";
}

// Nobody would hear of it otherwise: the cancellation goes on for ever, and nothing is counted.
TEST_F(ShowServiceTest, ARoundThatCouldEndNoneOfTheReservationsThatItFoundHasFailed) {
  reader_.of_show = std::vector<Reservation>(1);  // of which the sagas know nothing
  reader_.of_show.front().saga.status = SagaStatus::kDone;
  reader_.of_show.front().id = ReservationId::Make(clock_.Now(), random_);
  ASSERT_TRUE(Cancel());
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([this] { return FailedRounds() == 1; }));
  StopWorking();
  EXPECT_EQ(CancellationNow().last_error, "reservation_not_found: there is no such reservation");
}

TEST_F(ShowServiceTest,
       WhoCancelsOnceHerShowsCancellationIsAcceptedPaysNoFeeThoughTheSeatServiceHasNotHeardOfIt) {
  Buy();
  EXPECT_EQ(Quote()->returned.fee, 14);
  shows_.cancel_error = Error{Code::kUnavailable, "database_unavailable", {}};
  ASSERT_TRUE(Cancel());
  EXPECT_EQ(Quote()->returned.fee, 0);
  const auto one = GiveBack({1});
  ASSERT_TRUE(one) << ErrorOf(one);
  EXPECT_EQ(one->reservation->state, State::kConfirmed);
  EXPECT_EQ(one->reservation->returned->amount, kSeats[0].price);
  EXPECT_EQ(one->reservation->returned->fee, 0);
  EXPECT_EQ(one->reservation->fees, 0);
  const auto all = GiveBack({});
  ASSERT_TRUE(all) << ErrorOf(all);
  EXPECT_EQ(all->reservation->state, State::kCancelled);
  EXPECT_EQ(all->reservation->returned->fee, 0);
  EXPECT_EQ(all->reservation->fees, 0);
  EXPECT_EQ(world_.balance, kBalance);
}

// Between the last look at whether it is and the save of what the seat service says of fees.
TEST_F(ShowServiceTest, WhoCancelsWhileHerShowsCancellationIsJustBeingAcceptedPaysNoFee) {
  Buy();
  bool accepted = false;
  rows_.IsCancelledBy([&](int64_t show_id) {
    const bool before = IsCancelled(show_id);
    if (!std::exchange(accepted, true))
      WriteElsewhere(BeginCancellation{kShow, "it rains", "root"}, clock_.Now());
    return before;
  });
  const auto one = GiveBack({1});
  ASSERT_TRUE(one) << ErrorOf(one);
  EXPECT_TRUE(accepted);
  EXPECT_EQ(one->reservation->returned->fee, 0);
  EXPECT_EQ(one->reservation->fees, 0);
  EXPECT_EQ(one->reservation->returned->amount, kSeats[0].price);
}

TEST_F(ShowServiceTest, WhoseShowsCancellationWasRefusedPaysTheFee) {
  Buy();
  shows_.cancel_error = Error{Code::kConflict, "show_state", "it has begun"};
  EXPECT_EQ(Cancel()->state, CancellationState::kRunning) << "its first round finds that out";
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([this] { return CancellationNow().state == CancellationState::kRefused; }));
  StopWorking();
  EXPECT_EQ(Quote()->returned.fee, 14);
  const auto all = GiveBack({});
  ASSERT_TRUE(all) << ErrorOf(all);
  EXPECT_EQ(all->reservation->fees, 14);
  EXPECT_EQ(world_.balance, kBalance - 14);
}

class SettledShowServiceTest : public ShowServiceTest {
 protected:
  SettledShowServiceTest() : ShowServiceTest({.settle = milliseconds(0)}) {}
};

TEST_F(SettledShowServiceTest, WhoIsRefusedWhileACancellationIsCountedIsNotSaidToWait) {
  reader_.came_late.emplace().state = State::kConfirming;
  ASSERT_TRUE(Cancel());
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([this] { return CancellationNow().state == CancellationState::kDone; }));
  StopWorking();
  EXPECT_EQ(CancellationNow().progress, CancellationProgress());
}

class BusyShowServiceTest : public ShowServiceTest {
 protected:
  BusyShowServiceTest() : ShowServiceTest({.max_works = 1}) {}
};

TEST_F(BusyShowServiceTest,
       WhileOneShowsRoundRunsTheSaleOfTheNextEndsAndThoseWhoWaitForAThirdAreOfferedWhatIsFree) {
  const uint64_t place = Join("mina", 1, "B").value().place;
  ASSERT_TRUE(Cancel(kShow + 1));
  shows_.hangs = kShow + 1;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([this] { return shows_.waits; }));
  shows_.b_is_free = true;
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
  ASSERT_TRUE(Cancel(kShow + 2));
  EXPECT_TRUE(shows_.cancelled.contains(kShow + 2));
  EXPECT_EQ(reader_.Work({kShow + 2, WorkKind::kCancellation}).value()->epoch, 0)
      << "no round had room for it";
  shows_.hangs.reset();
  StopWorking();
}

}  // namespace
}  // namespace boxoffice::reservation
