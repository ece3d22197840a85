#include "services/ranking/ranking.h"

#include <gmock/gmock.h>

namespace boxoffice::ranking {
namespace {

using std::chrono::hours;
using testing::ElementsAre;

const Timestamp kNow = FromUnixMs(1'800'000'000'000);

class RankingTest : public testing::Test {
 protected:
  Event Confirmed(int64_t show, int64_t seats = 1, Timestamp at = kNow) {
    return {EventId::Make(at, random_), Kind::kConfirmed, show, seats, at, {}};
  }
  Event Cancelled(int64_t show, int64_t seats = 1, Timestamp at = kNow) {
    return {EventId::Make(at, random_), Kind::kCancelled, show, seats, at, {}};
  }
  Event SoldOut(int64_t show, Timestamp on_sale_at, Timestamp at) {
    return {EventId::Make(at, random_), Kind::kSoldOut, show, 0, at, on_sale_at};
  }
  static State Fold(const std::vector<Event>& events) {
    State state;
    for (const Event& event : events) Apply(state, event);
    return state;
  }
  static std::vector<int64_t> Shows(const State& state, Order order, Window window, size_t limit = 100) {
    std::vector<int64_t> shows;
    for (const Row& row : Rank(state, order, window, limit, kNow)) shows.push_back(row.show_id);
    return shows;
  }
  // A booking of one seat, paid with this much.
  Event Paid(int64_t show, int64_t amount, std::string currency = "KRW", Timestamp at = kNow) {
    Event event = Confirmed(show, 1, at);
    event.amount = amount;
    event.currency = std::move(currency);
    return event;
  }
  SeededRandom random_{1};
};

TEST_F(RankingTest, TheRowsThatEventsTouchAreEnoughToCountThem) {
  const State all = Fold({Confirmed(1, 2), Confirmed(2, 3), Confirmed(3), Confirmed(1, 1, kNow - hours(1))});
  const std::vector<Event> fresh{Cancelled(1), SoldOut(2, kNow - hours(1), kNow)};
  State rows;
  rows.processed = all.processed;
  rows.as_of = all.as_of;
  const Keys keys = KeysOf(fresh);
  EXPECT_THAT(keys.shows, ElementsAre(1, 2));
  for (const int64_t show : keys.shows) rows.shows[show] = all.shows.at(show);
  for (const HourKey& hour : keys.hours) rows.hours[hour] = all.hours.at(hour);
  EXPECT_EQ(Decide(rows, fresh), Decide(all, fresh));
}

TEST_F(RankingTest, BookingsAreConfirmedLessCancelled) {
  const State state = Fold({Confirmed(1, 2), Confirmed(1, 3), Cancelled(1, 2)});
  const auto rows = Rank(state, Order::kBookings, Window::kAll, 10, kNow);
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].bookings, 1);
  EXPECT_EQ(rows[0].seats, 3);
  EXPECT_EQ(state.shows.at(1).confirmed, 2);
  EXPECT_EQ(state.shows.at(1).cancelled, 1);
}

TEST_F(RankingTest, ABookingThatIsLessenedStaysABookingWithFewerSeatsAndLessRevenue) {
  Event booked = Confirmed(1, 3);
  booked.amount = 300;
  booked.currency = "KRW";
  Event lessened = booked;
  lessened.id = EventId::Make(kNow, random_);
  lessened.kind = Kind::kLessened;
  lessened.seats = 1;
  lessened.amount = 90;  // a fee of 10 is kept
  for (const Window window : {Window::kAll, Window::kHour}) {
    const auto rows = Rank(Fold({booked, lessened}), Order::kRevenue, window, 10, kNow);
    ASSERT_EQ(rows.size(), 1);
    EXPECT_EQ(rows[0].bookings, 1);
    EXPECT_EQ(rows[0].seats, 2);
    EXPECT_EQ(rows[0].revenue, 210);
  }
  EXPECT_EQ(Fold({booked, lessened}).shows.at(1).cancelled, 0);
}

TEST_F(RankingTest, MostBookingsComeFirstThenMoreSeatsThenTheSmallerId) {
  const State state = Fold({Confirmed(4), Confirmed(3), Confirmed(2, 2), Confirmed(1), Confirmed(1)});
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kAll), ElementsAre(1, 2, 3, 4));
}

TEST_F(RankingTest, AShowWithNothingBookedInTheWindowIsNotRanked) {
  const State state = Fold({Confirmed(1), Cancelled(1), Confirmed(2, 1, kNow - hours(30)), Cancelled(2)});
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kAll), ElementsAre());
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kDay), ElementsAre());
}

TEST_F(RankingTest, AWindowHoldsTheHourThatHasBegunAndItsWholeHoursBefore) {
  const State state = Fold({Confirmed(1), Confirmed(2, 1, kNow - hours(1)), Confirmed(3, 1, kNow - hours(2)),
                            Confirmed(4, 1, kNow - hours(24)), Confirmed(5, 1, kNow - hours(25)),
                            Confirmed(6, 1, kNow - hours(168)), Confirmed(7, 1, kNow - hours(169))});
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kHour), ElementsAre(1, 2));
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kDay), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kWeek), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kAll), ElementsAre(1, 2, 3, 4, 5, 6, 7));
}

TEST_F(RankingTest, SelloutIsTheTimeFromTheOpeningToTheLastSeat) {
  const State state =
      Fold({SoldOut(1, kNow - hours(2), kNow), SoldOut(2, kNow - hours(10), kNow - hours(9))});
  const auto rows = Rank(state, Order::kSellout, Window::kAll, 10, kNow);
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].show_id, 2);
  EXPECT_EQ(rows[0].sellout, hours(1));
  EXPECT_EQ(rows[0].on_sale_at, kNow - hours(10));
  EXPECT_EQ(rows[1].show_id, 1);
}

TEST_F(RankingTest, SelloutTiesGoToTheEarlierOpeningThenTheSmallerId) {
  const State state = Fold({SoldOut(3, kNow - hours(1), kNow), SoldOut(2, kNow - hours(1), kNow),
                            SoldOut(4, kNow - hours(3), kNow - hours(2))});
  EXPECT_THAT(Shows(state, Order::kSellout, Window::kAll), ElementsAre(4, 2, 3));
}

TEST_F(RankingTest, TheFirstSelloutCountsInWhateverOrderTheyCome) {
  const Event first = SoldOut(1, kNow - hours(4), kNow - hours(3));
  const Event second = SoldOut(1, kNow - hours(4), kNow);
  EXPECT_EQ(Rank(Fold({first, second}), Order::kSellout, Window::kAll, 1, kNow)[0].sellout, hours(1));
  EXPECT_EQ(Rank(Fold({second, first}), Order::kSellout, Window::kAll, 1, kNow)[0].sellout, hours(1));
}

TEST_F(RankingTest, SelloutRanksOnlyShowsThatSoldOutInTheWindow) {
  const State state =
      Fold({SoldOut(1, kNow - hours(2), kNow), SoldOut(2, kNow - hours(90), kNow - hours(48)), Confirmed(3)});
  EXPECT_THAT(Shows(state, Order::kSellout, Window::kDay), ElementsAre(1));
  EXPECT_THAT(Shows(state, Order::kSellout, Window::kWeek), ElementsAre(1, 2));
}

TEST_F(RankingTest, ASelloutBeforeItsOpeningTookNoTime) {
  const State state = Fold({SoldOut(1, kNow, kNow - hours(1))});
  EXPECT_EQ(Rank(state, Order::kSellout, Window::kAll, 1, kNow)[0].sellout, hours(0));
}

TEST_F(RankingTest, NoMoreRowsThanTheLimit) {
  const State state = Fold({Confirmed(1), Confirmed(2), Confirmed(2), Confirmed(3)});
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kAll, 2), ElementsAre(2, 1));
}

TEST_F(RankingTest, DecideGivesTheRowsThatTheFoldWouldGive) {
  const std::vector<Event> before = {Confirmed(1, 2), Confirmed(2),
                                     SoldOut(2, kNow - hours(2), kNow - hours(1))};
  const std::vector<Event> fresh = {Confirmed(1, 4), Cancelled(1, 2), Confirmed(3),
                                    SoldOut(2, kNow - hours(2), kNow)};
  State state = Fold(before);
  const State untouched = state;
  const State changed = Decide(state, fresh);
  EXPECT_EQ(state, untouched);
  EXPECT_EQ(changed.shows.size(), 3);
  Overlay(state, changed);
  std::vector<Event> all = before;
  all.insert(all.end(), fresh.begin(), fresh.end());
  EXPECT_EQ(state, Fold(all));
}

TEST_F(RankingTest, ForgettingKeepsWhatAWeekNeeds) {
  State state = Fold({Confirmed(1, 1, kNow - hours(168)), Confirmed(2, 1, kNow - hours(169))});
  Forget(state, kNow);
  EXPECT_EQ(state.hours.size(), 1);
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kWeek), ElementsAre(1));
  EXPECT_THAT(Shows(state, Order::kBookings, Window::kAll), ElementsAre(1, 2));
}

TEST_F(RankingTest, AsOfIsTheTimeOfTheNewestEvent) {
  EXPECT_EQ(Fold({Confirmed(1, 1, kNow), Confirmed(1, 1, kNow - hours(1))}).as_of, kNow);
}

TEST_F(RankingTest, RevenueIsConfirmedLessCancelledOfTheWindow) {
  Event back = Paid(1, 300);
  back.kind = Kind::kCancelled;
  const State state =
      Fold({Paid(1, 1'000), Paid(1, 300), back, Paid(2, 5'000, "KRW", kNow - hours(30)), Paid(2, 10)});
  EXPECT_THAT(Shows(state, Order::kRevenue, Window::kAll), ElementsAre(2, 1));
  EXPECT_THAT(Shows(state, Order::kRevenue, Window::kDay), ElementsAre(1, 2));
  EXPECT_EQ(Rank(state, Order::kRevenue, Window::kDay, 1, kNow)[0].revenue, 1'000);
  EXPECT_EQ(state.shows.at(2).revenue, 5'010);
}

TEST_F(RankingTest, EachCurrencyIsRankedByItselfAndHasItsOwnLimit) {
  const State state =
      Fold({Paid(1, 5, "USD"), Paid(2, 9, "KRW"), Paid(3, 7, "USD"), Paid(4, 1, "KRW"), Paid(5, 9, "KRW")});
  EXPECT_THAT(Shows(state, Order::kRevenue, Window::kAll), ElementsAre(2, 5, 4, 3, 1));
  EXPECT_THAT(Shows(state, Order::kRevenue, Window::kAll, 1), ElementsAre(2, 3));
  EXPECT_EQ(Rank(state, Order::kRevenue, Window::kAll, 1, kNow)[1].currency, "USD");
}

TEST_F(RankingTest, AFreeShowHasNoRevenueAndIsNotRankedByIt) {
  EXPECT_THAT(Shows(Fold({Paid(1, 0)}), Order::kRevenue, Window::kAll), ElementsAre());
}

TEST_F(RankingTest, ABookingAsOldAsTheWindowIsLongCountsHalf) {
  const State state = Fold({Confirmed(1), Confirmed(2, 1, kNow - hours(24)),
                            Confirmed(2, 1, kNow - hours(24)), Confirmed(3, 1, kNow - hours(48))});
  const auto day = Rank(state, Order::kTrending, Window::kDay, 10, kNow);
  ASSERT_EQ(day.size(), 3);
  EXPECT_DOUBLE_EQ(day[0].score, 1);
  EXPECT_DOUBLE_EQ(day[1].score, 1);
  EXPECT_EQ(day[0].show_id, 1) << "ties: the smaller id";
  EXPECT_DOUBLE_EQ(day[2].score, 0.25);
  EXPECT_EQ(day[2].bookings, 0) << "none in the window itself";
  EXPECT_THAT(Shows(state, Order::kTrending, Window::kHour), ElementsAre(1, 2, 3));
  EXPECT_THAT(Shows(state, Order::kTrending, Window::kWeek), ElementsAre(2, 1, 3))
      << "old ones count for nearly as much";
}

TEST_F(RankingTest, WhatWasCancelledDoesNotTrend) {
  EXPECT_THAT(Shows(Fold({Confirmed(1), Cancelled(1)}), Order::kTrending, Window::kDay), ElementsAre());
}

}  // namespace
}  // namespace boxoffice::ranking
