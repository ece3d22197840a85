#include "services/reservation/waitlist.h"

#include <span>

#include <gmock/gmock.h>

#include "services/reservation/testing_waitlist.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;

constexpr Timestamp kUntil = FromUnixMs(1'800'000'600'000);

// Two seats on the floor at 200, three on the balcony at 100; those given are free.
Hall HallWith(std::vector<bool> free) {
  static const auto kSeats =
      std::make_shared<const std::vector<HallSeat>>(std::vector<HallSeat>{{"Floor", "A", 200},
                                                                          {"Floor", "A", 200},
                                                                          {"Balcony", "B", 100},
                                                                          {"Balcony", "B", 100},
                                                                          {"Balcony", "B", 100}});
  return {kSeats, std::move(free)};
}
const Hall kAllFree = HallWith({true, true, true, true, true});
const Hall kNoneFree = HallWith({false, false, false, false, false});

WaitlistEntry Entry(SeatChoice wish) {
  WaitlistEntry entry;
  entry.show_id = 7;
  entry.place = 1;
  entry.user_id = "mina";
  entry.wish = std::move(wish);
  return entry;
}

size_t CountFree(const Hall& hall, const SeatChoice& wish) { return FreeSeats(hall).Count(wish); }

std::string RefusalOf(const SeatChoice& wish, const ShowView& show, const Hall& hall) {
  const auto refused = CheckWish(wish, show, HallCounts(hall));
  return refused ? refused->reason : "";
}

TEST(WaitlistTest, SeatsCountForAWishBySectionCategoryAndPrice) {
  EXPECT_EQ(CountFree(kAllFree, Wish(1)), 5);
  EXPECT_EQ(CountFree(kAllFree, Wish(1, "Floor")), 2);
  EXPECT_EQ(CountFree(kAllFree, Wish(1, "", "B")), 3);
  EXPECT_EQ(CountFree(kAllFree, Wish(1, "", "", 150)), 3);
  EXPECT_EQ(CountFree(HallWith({true, false, false, false, true}), Wish(1)), 2);
  EXPECT_TRUE(FreeSeats(kAllFree).CanServe(Wish(2, "Floor")));
  EXPECT_FALSE(FreeSeats(kAllFree).CanServe(Wish(3, "Floor")));
}

TEST(WaitlistTest, SeatsForWheelchairsServeNobodyElse) {
  const auto seats = std::make_shared<const std::vector<HallSeat>>(
      std::vector<HallSeat>{{"Floor", "A", 200, false}, {"Floor", "A", 200, true}});
  EXPECT_EQ(CountFree({seats, {true, true}}, Wish(1)), 1);
  const std::vector<SeatChoice> wishes{Wish(1)};
  const FreeSeats free({seats, {true, false}});
  EXPECT_TRUE(free.Servable(wishes).empty());
  EXPECT_FALSE(KeepsSeats(/*somebody_waits=*/true, /*serves_somebody=*/false, free))
      << "whoever needs it may have it";
}

TEST(WaitlistTest, WhoeverCanBuyIsToldToBuy) {
  EXPECT_EQ(RefusalOf(Wish(2), {}, kAllFree), "not_sold_out");
  EXPECT_EQ(RefusalOf(Wish(2), {}, kNoneFree), "");
  const Hall balcony_free = HallWith({false, false, true, true, true});
  EXPECT_EQ(RefusalOf(Wish(2, "Floor"), {}, balcony_free), "") << "sold out for that wish";
  EXPECT_EQ(RefusalOf(Wish(2, "Balcony"), {}, balcony_free), "not_sold_out");
}

TEST(WaitlistTest, WhileFreeSeatsAreKeptForItOneCanJoinThoughSeatsAreFree) {
  ShowView kept;
  kept.waitlist_first = true;
  EXPECT_EQ(RefusalOf(Wish(2), kept, kAllFree), "");
}

TEST(WaitlistTest, WishesThatCanNeverBeMetAreRefused) {
  EXPECT_EQ(RefusalOf(Wish(0), {}, kNoneFree), "no_seats");
  EXPECT_EQ(RefusalOf(Wish(9), {}, kNoneFree), "too_many_seats");
  EXPECT_EQ(RefusalOf(Wish(1, "Moon"), {}, kNoneFree), "section_unknown");
  EXPECT_EQ(RefusalOf(Wish(1, "", "Z"), {}, kNoneFree), "category_unknown");
  ShowView two_each;
  two_each.seat_limit = 2;
  EXPECT_EQ(RefusalOf(Wish(3), two_each, kNoneFree), "seat_limit");
  ShowView kept;
  kept.waitlist_first = true;
  for (const ShowView& show : {ShowView(), kept}) {
    EXPECT_EQ(RefusalOf(Wish(6), show, kNoneFree), "not_enough_seats");
    EXPECT_EQ(RefusalOf(Wish(5), show, kNoneFree), "");
    EXPECT_EQ(RefusalOf(Wish(3, "Floor"), show, kNoneFree), "not_enough_seats");
    EXPECT_EQ(RefusalOf(Wish(2, "Floor", "B"), show, kNoneFree), "not_enough_seats");
    EXPECT_EQ(RefusalOf(Wish(1, "", "", 99), show, kNoneFree), "not_enough_seats") << "none is so cheap";
    EXPECT_EQ(RefusalOf(Wish(1, "", "", 100), show, kNoneFree), "");
  }
}

TEST(WaitlistTest, ASectionOfSeatsForWheelchairsAloneIsKnownThoughItHasTooFewForWhoeverWaits) {
  const auto seats = std::make_shared<const std::vector<HallSeat>>(
      std::vector<HallSeat>{{"Floor", "A", 200, true}, {"Ramp", "B", 200, false}});
  const Hall hall{seats, {false, false}};
  EXPECT_EQ(RefusalOf(Wish(1, "Ramp"), {}, hall), "not_enough_seats");
  EXPECT_EQ(RefusalOf(Wish(1, "", "B"), {}, hall), "not_enough_seats");
}

TEST(WaitlistTest, OneWaitsForShowsOnSaleOnly) {
  const auto at = [](ShowPhase phase) {
    ShowView show;
    show.phase = phase;
    return RefusalOf(Wish(1), show, kNoneFree);
  };
  EXPECT_EQ(at(ShowPhase::kSoldOut), "");
  EXPECT_EQ(at(ShowPhase::kAnnounced), "show_not_on_sale");
  EXPECT_EQ(at(ShowPhase::kPast), "show_not_on_sale");
  EXPECT_EQ(at(ShowPhase::kCancelled), "show_cancelled");
  EXPECT_EQ(at(ShowPhase::kDraft), "show_not_found");
  EXPECT_EQ(EndOfWaiting(ShowPhase::kCancelled), "show_cancelled");
  EXPECT_EQ(EndOfWaiting(ShowPhase::kPast), "sale_ended");
  EXPECT_EQ(EndOfWaiting(ShowPhase::kSoldOut), "");
}

class SettleTest : public ::testing::Test {
 protected:
  SettleTest() : entry_(Entry(Wish(2))) {
    SeededRandom random(1);
    entry_.reservation = offer_.id = ReservationId::Make(kUntil, random);
    offer_.saga.kind = SagaKind::kOffer;
    offer_.saga.status = SagaStatus::kDone;
    offer_.hold_expires_at = kUntil;
  }
  // What becomes of the entry when its offer is in this state.
  std::optional<WaitlistEntry> At(State state, SagaKind kind = SagaKind::kOffer) {
    offer_.state = state;
    offer_.saga.kind = kind;
    return Settle(entry_, offer_);
  }
  WaitlistEntry entry_;
  Reservation offer_;
};

TEST_F(SettleTest, AnOfferIsMadeOnceItsSeatsAreHeld) {
  offer_.saga.status = SagaStatus::kRunning;
  EXPECT_EQ(At(State::kHeld), std::nullopt);
  offer_.saga.status = SagaStatus::kDone;
  const auto offered = At(State::kHeld);
  ASSERT_TRUE(offered);
  EXPECT_EQ(offered->state, EntryState::kOffered);
  EXPECT_EQ(offered->offered_until, kUntil);
  entry_ = *offered;
  EXPECT_EQ(At(State::kHeld), std::nullopt) << "nothing new";
}

TEST_F(SettleTest, AnOfferThatIsHeldForLongerAfterARefusedPaymentSaysSo) {
  entry_ = *At(State::kHeld);
  offer_.hold_expires_at += milliseconds(90'000);
  const auto offered = At(State::kHeld, SagaKind::kConfirm);
  ASSERT_TRUE(offered);
  EXPECT_EQ(offered->state, EntryState::kOffered);
  EXPECT_EQ(offered->offered_until, offer_.hold_expires_at);
}

TEST_F(SettleTest, AnOfferThatGotNoSeatsGivesThePlaceBack) {
  const auto back = At(State::kReleased);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->state, EntryState::kWaiting);
  EXPECT_TRUE(back->reservation.IsNil());
  EXPECT_EQ(back->place, entry_.place);
}

TEST_F(SettleTest, AnOfferEndsBoughtLapsedOrDeclined) {
  entry_.state = EntryState::kOffered;
  EXPECT_EQ(At(State::kConfirming), std::nullopt);
  EXPECT_EQ(At(State::kConfirmed)->state, EntryState::kAccepted);
  EXPECT_EQ(At(State::kCancelled)->state, EntryState::kAccepted) << "bought, and given back later";
  EXPECT_EQ(At(State::kExpired)->state, EntryState::kLapsed);
  EXPECT_EQ(At(State::kExpired)->ended_because, "offer_lapsed");
  EXPECT_EQ(At(State::kReleased, SagaKind::kRelease)->state, EntryState::kLeft);
  EXPECT_EQ(At(State::kReleased, SagaKind::kRelease)->ended_because, "declined");
  offer_.failure = Refusal{};
  offer_.failure->code = "payment_declined";
  EXPECT_EQ(At(State::kFailed)->ended_because, "payment_declined");
  offer_.failure->code = kShowCancelled;
  EXPECT_EQ(At(State::kReleased, SagaKind::kRelease)->state, EntryState::kLapsed);
}

TEST_F(SettleTest, AnOfferIsEndingFromItsDeadlineOnAndWhileItIsGivenBackOrUndone) {
  const auto is_ending = [&](State state, SagaKind kind, SagaStatus status, Timestamp now) {
    offer_.state = state;
    offer_.saga.kind = kind;
    offer_.saga.status = status;
    return IsEnding(offer_, now);
  };
  const Timestamp before = kUntil - milliseconds(1);
  EXPECT_FALSE(is_ending(State::kHeld, SagaKind::kOffer, SagaStatus::kDone, before));
  EXPECT_TRUE(is_ending(State::kHeld, SagaKind::kOffer, SagaStatus::kDone, kUntil));
  EXPECT_FALSE(is_ending(State::kHeld, SagaKind::kOffer, SagaStatus::kRunning, kUntil)) << "it is being made";
  EXPECT_TRUE(is_ending(State::kHeld, SagaKind::kRelease, SagaStatus::kRunning, before));
  EXPECT_TRUE(is_ending(State::kHeld, SagaKind::kExpire, SagaStatus::kRunning, kUntil));
  EXPECT_FALSE(is_ending(State::kConfirming, SagaKind::kConfirm, SagaStatus::kRunning, kUntil));
  EXPECT_TRUE(is_ending(State::kCompensating, SagaKind::kConfirm, SagaStatus::kRunning, before));
  EXPECT_FALSE(is_ending(State::kExpired, SagaKind::kExpire, SagaStatus::kDone, kUntil)) << "it has ended";
}

TEST(WaitlistTest, FreeSeatsAreKeptWhileSomebodyWaitsWhoCanUseThem) {
  EXPECT_FALSE(KeepsSeats(/*somebody_waits=*/false, false, FreeSeats(kNoneFree))) << "nobody waits";
  EXPECT_TRUE(KeepsSeats(/*somebody_waits=*/true, false, FreeSeats(kNoneFree)))
      << "what becomes free is theirs";
  EXPECT_TRUE(KeepsSeats(/*somebody_waits=*/true, true, FreeSeats(kAllFree)));
  EXPECT_FALSE(KeepsSeats(/*somebody_waits=*/true, false, FreeSeats(kAllFree))) << "nobody can use them";
}

TEST(WaitlistTest, AWishIsServedAtThePriceOfTheDearestSeatThatItTakes) {
  const auto price_of = [](const SeatChoice& wish, const FreeSeats& free) {
    const std::vector<SeatChoice> served = free.Servable(std::span(&wish, 1));
    return served.empty() ? -1 : served.front().max_price;
  };
  const FreeSeats all(kAllFree);
  EXPECT_EQ(price_of(Wish(3), all), 100) << "the cheapest that will do";
  EXPECT_EQ(price_of(Wish(4), all), 200);
  EXPECT_EQ(price_of(Wish(1, "Floor"), all), 200);
  EXPECT_EQ(price_of(Wish(1, "", "A", 199), all), -1) << "nobody who wishes for that pays enough";
  EXPECT_EQ(price_of(Wish(4, "", "", 199), all), -1);
  EXPECT_EQ(price_of(Wish(3, "", "", 199), all), 100);
  EXPECT_EQ(price_of(Wish(3, "Floor"), all), -1) << "two are there";
  EXPECT_EQ(price_of(Wish(1), FreeSeats(kNoneFree)), -1);
}

TEST(WaitlistTest, OfAllWishesThoseThatWhatIsFreeFitsAreServed) {
  const std::vector<SeatChoice> wishes{Wish(1, "", "A"), Wish(1, "", "B"), Wish(4, "", "B"), Wish(2)};
  const FreeSeats balcony(HallWith({false, false, true, true, false}));
  EXPECT_THAT(balcony.Servable(wishes), ElementsAre(Wish(1, "", "B", 100), Wish(2, "", "", 100)));
}

TEST(WaitlistTest, SeatsThatWereOfferedAreNotOfferedAgain) {
  FreeSeats free(kAllFree);
  const std::vector<Seat> taken{{1, "", 200, "A"}, {3, "", 100, "B"}};
  free.Take(taken);
  free.Take(taken);  // again: no effect
  EXPECT_EQ(free.Count(Wish(1)), 3);
  EXPECT_EQ(free.Count(Wish(1, "Floor")), 1);
  const std::vector<Seat> unknown{{0, "", 0, ""}, {6, "", 0, ""}};
  free.Take(unknown);
  EXPECT_EQ(free.Count(Wish(1)), 3);
}

TEST(WaitlistTest, WhoeverWaitsCostsALookAtTheKindsOfFreeSeatsNotAtEachSeat) {
  constexpr size_t kSeats = 100'000;
  std::vector<HallSeat> seats;
  for (size_t i = 0; i < kSeats; ++i) {
    seats.push_back(i % 2 == 0 ? HallSeat{"Floor", "A", 200} : HallSeat{"Balcony", "B", 100});
  }
  const auto layout = std::make_shared<const std::vector<HallSeat>>(std::move(seats));
  FreeSeats free({layout, std::vector<bool>(kSeats, true)});
  EXPECT_EQ(free.kinds(), 2);
  EXPECT_EQ(free.Count(Wish(1, "Balcony")), kSeats / 2);
  EXPECT_EQ(FreeSeats({layout, std::vector<bool>(kSeats, false)}).kinds(), 0);
  EXPECT_EQ(FreeSeats(HallWith({true, false, false, false, false})).kinds(), 1);
}

TEST(WaitlistTest, AKindOfSeatsThatIsGoneIsLookedAtNoMore) {
  FreeSeats free(kAllFree);
  const std::vector<Seat> floor{{1, "", 200, "A"}, {2, "", 200, "A"}};
  free.Take(floor);
  EXPECT_EQ(free.kinds(), 1);
  const std::vector<Seat> balcony{{3, "", 100, "B"}, {4, "", 100, "B"}, {5, "", 100, "B"}};
  free.Take(balcony);
  EXPECT_EQ(free.kinds(), 0);
  EXPECT_TRUE(free.none());
}

TEST(WaitlistTest, SetsOfFreeSeatsAreToldApartHoweverTheyCameAbout) {
  FreeSeats free(kAllFree);
  const std::vector<Seat> first{{1, "", 200, "A"}};
  free.Take(first);
  EXPECT_NE(free.mark(), FreeSeats(kAllFree).mark());
  EXPECT_EQ(free.mark(), FreeSeats(HallWith({false, true, true, true, true})).mark());
  EXPECT_NE(free.mark(), FreeSeats(HallWith({true, false, true, true, true})).mark()) << "as many, others";
}

class RefusalNotesTest : public ::testing::Test {
 protected:
  static constexpr milliseconds kLag{5'000};
  RefusalNotesTest() { See(all_); }
  void See(const Hall& hall) { See(FreeSeats(hall)); }
  void See(const FreeSeats& free) { notes_.See(entry_.show_id, free, now_); }
  bool RefusedBy(std::string_view code, const FreeSeats& free) {
    notes_.Note(entry_, code, free, now_, kLag);
    return notes_.WasRefused(entry_, free);
  }
  const WaitlistEntry entry_ = Entry(Wish(2));
  const FreeSeats all_{kAllFree};
  const FreeSeats none_{kNoneFree};
  const FreeSeats floor_{HallWith({true, true, false, false, false})};
  Timestamp now_ = kUntil;
  RefusalNotes notes_;
};

TEST_F(RefusalNotesTest, WhatIsTheBuyersOwnMatterIsNotedAtOnce) {
  EXPECT_TRUE(RefusedBy("seat_limit", all_));
}

// Each try would be some commits and a reservation for ever, while others can't buy.
TEST_F(RefusalNotesTest, WhoIsRefusedForAReasonOfHerOwnIsPassedOverForAMinuteWhateverIsFree) {
  EXPECT_FALSE(notes_.HasPersonal(entry_.show_id));
  ASSERT_TRUE(RefusedBy("seat_limit", all_));
  See(none_);
  See(floor_);
  EXPECT_TRUE(notes_.WasRefused(entry_, floor_));
  WaitlistEntry behind = entry_;
  ++behind.place;
  EXPECT_FALSE(notes_.WasRefused(behind, floor_));
  now_ += kPersonalRefusal - milliseconds(1);
  See(all_);
  EXPECT_TRUE(notes_.WasRefused(entry_, all_));
  EXPECT_TRUE(notes_.HasPersonal(entry_.show_id));
  now_ += milliseconds(1);
  See(all_);
  EXPECT_FALSE(notes_.WasRefused(entry_, all_)) << "she may have given some back";
  EXPECT_FALSE(notes_.HasPersonal(entry_.show_id));
}

TEST_F(RefusalNotesTest, WhatAStaleReplicaMaySayIsNotedOnceTheSameSeatsAreFreeForItsLag) {
  for (const std::string_view code :
       {"not_enough_seats", "seats_taken", "show_not_on_sale", "deadline_exceeded", ""}) {
    SCOPED_TRACE(code);
    See(none_);
    See(all_);
    EXPECT_FALSE(RefusedBy(code, all_));
    now_ += kLag - milliseconds(1);
    See(all_);
    EXPECT_FALSE(RefusedBy(code, all_));
    now_ += milliseconds(1);
    See(all_);
    EXPECT_TRUE(RefusedBy(code, all_));
  }
}

TEST_F(RefusalNotesTest, SeatsThatAreFreeAnewBeginTheLagAnew) {
  now_ += kLag;
  See(none_);
  See(all_);
  EXPECT_FALSE(RefusedBy("not_enough_seats", all_));
  EXPECT_FALSE(RefusedBy("not_enough_seats", floor_)) << "others were offered in the same look";
}

TEST_F(RefusalNotesTest, OtherSeatsThatComeAndGoDoNotBeginTheLagAnew) {
  See(floor_);
  for (int look = 0; look < 5; ++look) {
    EXPECT_FALSE(RefusedBy("not_enough_seats", all_)) << look;
    now_ += kLag / 5;
    See(look % 2 == 0 ? floor_ : all_);
  }
  EXPECT_TRUE(RefusedBy("not_enough_seats", all_)) << "or those behind would wait for ever";
}

TEST_F(RefusalNotesTest, WhomOnlySeatsThatAreNewlyFreeWouldDoForHasTheirLag) {
  See(HallWith({true, false, false, false, false}));
  now_ += kLag;
  See(floor_);
  EXPECT_FALSE(RefusedBy("not_enough_seats", floor_)) << "one is known to all, and two are wished for";
  now_ += kLag;
  EXPECT_TRUE(RefusedBy("not_enough_seats", floor_));
}

TEST_F(RefusalNotesTest, ANoteIsOfTheSeatsThatWereRefused) {
  now_ += kLag;
  ASSERT_TRUE(RefusedBy("seats_taken", all_));
  EXPECT_FALSE(notes_.WasRefused(entry_, floor_));
}

TEST_F(RefusalNotesTest, ANoteDoesNotSurviveAChangeOfTheFreeSeats) {
  now_ += kLag;
  ASSERT_TRUE(RefusedBy("seats_taken", all_));
  See(all_);
  EXPECT_TRUE(notes_.WasRefused(entry_, all_)) << "the same seats";
  See(none_);
  See(all_);
  EXPECT_FALSE(notes_.WasRefused(entry_, all_)) << "the same seats, free anew";
}

TEST_F(RefusalNotesTest, NotesOfOtherShowsStay) {
  WaitlistEntry other = entry_;
  other.show_id = entry_.show_id + 1;
  notes_.See(other.show_id, floor_, now_);
  now_ += kLag;
  notes_.Note(other, "seats_taken", floor_, now_, kLag);
  ASSERT_TRUE(RefusedBy("seats_taken", all_));
  See(none_);
  EXPECT_TRUE(notes_.WasRefused(other, floor_));
  notes_.Forget(other.show_id);
  EXPECT_FALSE(notes_.WasRefused(other, floor_));
  ASSERT_TRUE(RefusedBy("seat_limit", all_));
  notes_.Forget(entry_.show_id);
  EXPECT_EQ(notes_.size(), 0U);
}

}  // namespace
}  // namespace boxoffice::reservation
