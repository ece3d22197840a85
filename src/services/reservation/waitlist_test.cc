#include "services/reservation/waitlist.h"

#include <gmock/gmock.h>

namespace boxoffice::reservation {
namespace {

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

SeatChoice Wish(uint32_t count, std::string section = "", std::string category = "", int64_t max_price = 0) {
  SeatChoice wish;
  wish.best_count = count;
  wish.section = std::move(section);
  wish.category = std::move(category);
  wish.max_price = max_price;
  return wish;
}

WaitlistEntry Entry(SeatChoice wish) {
  WaitlistEntry entry;
  entry.show_id = 7;
  entry.place = 1;
  entry.user_id = "mina";
  entry.wish = std::move(wish);
  return entry;
}

std::string RefusalOf(const SeatChoice& wish, const ShowView& show, const Hall& hall) {
  const auto refused = CheckWish(wish, show, hall);
  return refused ? refused->reason : "";
}

TEST(WaitlistTest, SeatsCountForAWishBySectionCategoryAndPrice) {
  EXPECT_EQ(CountFree(kAllFree, Wish(1)), 5);
  EXPECT_EQ(CountFree(kAllFree, Wish(1, "Floor")), 2);
  EXPECT_EQ(CountFree(kAllFree, Wish(1, "", "B")), 3);
  EXPECT_EQ(CountFree(kAllFree, Wish(1, "", "", 150)), 3);
  EXPECT_EQ(CountFree(HallWith({true, false, false, false, true}), Wish(1)), 2);
  EXPECT_TRUE(CanServe(kAllFree, Wish(2, "Floor")));
  EXPECT_FALSE(CanServe(kAllFree, Wish(3, "Floor")));
}

TEST(WaitlistTest, SeatsForWheelchairsServeNobodyElse) {
  const auto seats = std::make_shared<const std::vector<HallSeat>>(
      std::vector<HallSeat>{{"Floor", "A", 200, false}, {"Floor", "A", 200, true}});
  EXPECT_EQ(CountFree({seats, {true, true}}, Wish(1)), 1);
  const std::vector<WaitlistEntry> waiting{Entry(Wish(1))};
  EXPECT_FALSE(KeepsSeats(waiting, {seats, {true, false}})) << "whoever needs it may have it";
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

TEST(WaitlistTest, FreeSeatsAreKeptWhileSomebodyWaitsWhoCanUseThem) {
  const std::vector<WaitlistEntry> pair{Entry(Wish(2))};
  EXPECT_FALSE(KeepsSeats({}, kNoneFree)) << "nobody waits";
  EXPECT_TRUE(KeepsSeats(pair, kNoneFree)) << "what becomes free is theirs";
  EXPECT_TRUE(KeepsSeats(pair, kAllFree));
  EXPECT_FALSE(KeepsSeats(pair, HallWith({true, false, false, false, false}))) << "nobody can use one seat";
}

TEST(WaitlistTest, SeatsThatWereOfferedAreNotOfferedAgain) {
  Hall hall = kAllFree;
  const std::vector<Seat> taken{{1, "", 200, "A"}, {3, "", 100, "B"}};
  TakeSeats(hall, taken);
  EXPECT_EQ(CountFree(hall, Wish(1)), 3);
  EXPECT_EQ(CountFree(hall, Wish(1, "Floor")), 1);
}

}  // namespace
}  // namespace boxoffice::reservation
