#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>

#include "base/random.h"
#include "services/seat/best_seats.h"
#include "services/seat/plan_grid.h"
#include "services/seat/seat_map.h"
#include "services/seat/store_layout.h"
#include "services/seat/testing_hall.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A floor of two rows of eight, 1 to 16; 1 and 3 are accessible, 2 and 4 their companions'. Upstairs a row of
// four, 17 to 20, of which 17 is accessible and 18 its companion's.
std::shared_ptr<const Layout> MakeAccessibleHall() {
  const std::vector<GridSection> sections = {{"Floor", 2, 8, "A", 2}, {"Upstairs", 1, 4, "B", 1}};
  return std::make_shared<const Layout>(*MakeLayout(*MakeGridPlan(sections), {{"A", 1000}, {"B", 500}}));
}

class BestAccessibleTest : public ::testing::Test {
 protected:
  std::vector<SeatNo> Choose(uint32_t count, uint32_t accessible, int64_t max_price = 0) {
    return free_.Choose({count, "", "", max_price, accessible}).seats;
  }
  void Take(std::vector<SeatNo> seats) {
    for (const SeatNo seat_no : seats) free_.Set(seat_no, false);
  }
  std::shared_ptr<const Layout> hall_ = MakeAccessibleHall();
  FreeSeats free_{hall_};
};

TEST_F(BestAccessibleTest, AccessibleAndCompanionsSeatsAreNotChosenForOthers) {
  EXPECT_THAT(Choose(2, 0), ElementsAre(5, 6));
  Take({5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 20});
  EXPECT_EQ(free_.Choose({1, "", ""}).status, Proposal::Status::kNotEnough)
      << "six are free, for parties with a need";
  const std::vector<SeatNo> named = {5};
  EXPECT_THAT(free_.Nearest(named, false), IsEmpty()) << "nor offered instead of others";
}

TEST_F(BestAccessibleTest, APartyGetsItsAccessibleSeatsWithTheirCompanions) {
  EXPECT_THAT(Choose(1, 1), ElementsAre(1));
  EXPECT_THAT(Choose(2, 1), ElementsAre(1, 2));
  EXPECT_THAT(Choose(4, 2), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Choose(3, 2), ElementsAre(1, 2, 3));
}

TEST_F(BestAccessibleTest, AnAccessibleSeatWhoseCompanionIsFreeGoesBefore) {
  Take({2});
  EXPECT_THAT(Choose(2, 1), ElementsAre(3, 4));
  EXPECT_THAT(Choose(1, 1), ElementsAre(1)) << "who comes alone needs none";
}

TEST_F(BestAccessibleTest, WhoeverFindsNoCompanionsSeatSitsAsNearAsCanBe) {
  EXPECT_THAT(Choose(3, 1), ElementsAre(1, 2, 9)) << "behind them";
  Take({9, 10, 11, 12});
  EXPECT_THAT(Choose(3, 1), ElementsAre(1, 2, 5));
  Take({5, 6, 7, 8, 13, 14, 15, 16, 19, 20});
  EXPECT_THAT(Choose(3, 1), ElementsAre(1, 2, 4)) << "another's companion's, if nothing else is free";
  EXPECT_THAT(Choose(7, 1), IsEmpty());
}

TEST_F(BestAccessibleTest, AnOrdinarySeatHoweverFarGoesBeforeAnothersCompanions) {
  Take({5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19});
  EXPECT_THAT(Choose(3, 1), ElementsAre(1, 2, 20));
  EXPECT_THAT(Choose(4, 1), ElementsAre(1, 2, 4, 20));
}

TEST_F(BestAccessibleTest, OfSeatsThatAreEquallyNearThoseComeFirstThatDoInThePlan) {
  SeatingPlan plan;
  plan.categories = {{"A", "#f00"}};
  plan.zones.resize(1);
  for (int row = 1; row <= 5; ++row) {
    PlanRow& seats = plan.zones[0].rows.emplace_back(std::to_string(row));
    for (int seat = 1; seat <= 5; ++seat) {
      seats.seats.push_back({std::to_string(row) + "/" + std::to_string(seat), std::to_string(seat), "A",
                             static_cast<double>(seat), static_cast<double>(row), row == 3 && seat == 3});
    }
  }
  const auto layout = std::make_shared<const Layout>(*MakeLayout(plan, {{"A", 1000}}));
  const FreeSeats free(layout);
  constexpr SeatNo kMiddle = 13;
  std::vector<SeatNo> others;
  for (SeatNo seat_no = 1; seat_no <= 25; ++seat_no) {
    if (seat_no != kMiddle) others.push_back(seat_no);
  }
  std::ranges::stable_sort(others, {}, [&](SeatNo seat_no) {
    const Point at = layout->PlaceOf(seat_no);
    return std::hypot(at.x - 3, at.y - 3);
  });
  for (uint32_t count = 1; count <= 8; ++count) {
    std::vector<SeatNo> party(others.begin(), others.begin() + (count - 1));
    party.push_back(kMiddle);
    std::ranges::sort(party);
    EXPECT_EQ(free.Choose({count, "", "", 0, 1}).seats, party);
  }
  EXPECT_THAT(free.Choose({3, "", "", 0, 1}).seats, ElementsAre(8, 12, 13)) << "not 14, not 18";
}

// What is chosen, by its definition: a party is put together around each accessible seat.
std::vector<SeatNo> Defined(const FreeSeats& free, const Layout& hall, uint32_t count, uint32_t accessible) {
  const auto nearest = [&hall](std::vector<SeatNo> seats, Point to, size_t most) {
    std::ranges::stable_sort(seats, {}, [&](SeatNo seat_no) {
      return std::hypot(hall.PlaceOf(seat_no).x - to.x, hall.PlaceOf(seat_no).y - to.y);
    });
    seats.resize(std::min(most, seats.size()));
    return seats;
  };
  std::vector<SeatNo> places;
  std::vector<SeatNo> others;
  for (SeatNo seat_no = 1; seat_no <= hall.capacity(); ++seat_no) {
    if (!free.IsFree(seat_no)) continue;
    const bool is_place = std::ranges::binary_search(hall.accessible, seat_no);
    const bool is_companions =
        std::ranges::find(hall.companions, seat_no, &Companion::seat_no) != hall.companions.end();
    if (is_place) places.push_back(seat_no);
    if (!is_place && !is_companions) others.push_back(seat_no);
  }
  if (places.size() < accessible) return {};
  std::vector<SeatNo> best;
  for (const SeatNo first : places) {
    std::vector<SeatNo> party = nearest(places, hall.PlaceOf(first), accessible);
    for (size_t turn = 0; turn < count; ++turn) {
      for (size_t i = 0; i < accessible && party.size() < count; ++i) {
        std::vector<SeatNo> theirs;
        for (const Companion& one : hall.companions) {
          if (one.of == party[i] && free.IsFree(one.seat_no)) theirs.push_back(one.seat_no);
        }
        theirs = nearest(theirs, hall.PlaceOf(party[i]), count);
        if (turn < theirs.size()) party.push_back(theirs[turn]);
      }
    }
    if (party.size() > best.size()) best = party;
  }
  std::ranges::sort(best);
  Point middle;
  for (const SeatNo seat_no : best) {
    middle.x += hall.PlaceOf(seat_no).x / static_cast<double>(best.size());
    middle.y += hall.PlaceOf(seat_no).y / static_cast<double>(best.size());
  }
  std::vector<SeatNo> left;
  for (const Companion& one : hall.companions) {
    const bool is_theirs = std::ranges::find(best, one.seat_no) != best.end();
    if (free.IsFree(one.seat_no) && !is_theirs) left.push_back(one.seat_no);
  }
  for (const std::vector<SeatNo>& seats : {others, left}) {
    const std::vector<SeatNo> more = nearest(seats, middle, count - best.size());
    best.insert(best.end(), more.begin(), more.end());
  }
  std::ranges::sort(best);
  return best.size() == count ? best : std::vector<SeatNo>();
}

TEST_F(BestAccessibleTest, APartyIsTheOneThatIsFoundByLookingAroundEachAccessibleSeat) {
  SeededRandom random(9);
  int found = 0;
  for (int round = 0; round < 2'000; ++round) {
    auto hall = std::make_shared<Layout>(*MakeHall({5, 8, 9, 9, 6}));
    std::vector<SeatNo> beside;
    for (SeatNo seat_no = 1; seat_no <= hall->capacity(); ++seat_no) {
      const uint64_t drawn = random.Below(6);
      if (drawn == 0) hall->accessible.push_back(seat_no);
      if (drawn == 1 || drawn == 2) beside.push_back(seat_no);
    }
    for (const SeatNo seat_no : beside) {
      if (hall->accessible.empty()) break;
      hall->companions.push_back({seat_no, hall->accessible[random.Below(hall->accessible.size())]});
    }
    FreeSeats free(hall);
    const uint64_t left = 1 + random.Below(10);
    for (SeatNo seat_no = 1; seat_no <= hall->capacity(); ++seat_no) {
      if (random.Below(10) >= left) free.Set(seat_no, false);
    }
    const auto count = static_cast<uint32_t>(1 + random.Below(8));
    const auto accessible = static_cast<uint32_t>(1 + random.Below(count));
    const std::vector<SeatNo> seats = free.Choose({count, "", "", 0, accessible}).seats;
    ASSERT_EQ(seats, Defined(free, *hall, count, accessible)) << "round " << round;
    found += seats.empty() ? 0 : 1;
  }
  EXPECT_GT(found, 500) << "there was something to be seen";
}

TEST_F(BestAccessibleTest, TheWishCountsForThemToo) {
  EXPECT_THAT(Choose(2, 1, 500), ElementsAre(17, 18));
  EXPECT_THAT(free_.Choose({2, "Upstairs", "", 0, 1}).seats, ElementsAre(17, 18));
  EXPECT_THAT(free_.Choose({2, "", "B", 0, 1}).seats, ElementsAre(17, 18));
  EXPECT_EQ(free_.Choose({2, "Upstairs", "", 0, 2}).status, Proposal::Status::kNotEnough);
  EXPECT_EQ(free_.Choose({4, "", "", 0, 4}).status, Proposal::Status::kNotEnough);
}

TEST_F(BestAccessibleTest, WhatIsTakenAndComesFreeAgainIsFollowed) {
  Take({1, 2});
  EXPECT_FALSE(free_.IsFree(1));
  EXPECT_THAT(Choose(2, 1), ElementsAre(3, 4));
  free_.Set(1, true);
  free_.Set(2, true);
  EXPECT_THAT(Choose(2, 1), ElementsAre(1, 2));
}

TEST_F(BestAccessibleTest, TwoPartiesOfOneBatchGetDifferentSeats) {
  SeatMap map(hall_, 100);
  const Timestamp now = FromUnixMs(1'800'000'000'000);
  EXPECT_THAT(map.Propose({2, "", "", 0, 1}, now).seats, ElementsAre(1, 2));
  EXPECT_THAT(map.Propose({2, "", "", 0, 1}, now).seats, ElementsAre(3, 4));
  map.Settle();
  EXPECT_THAT(map.Propose({2, "", "", 0, 1}, now).seats, ElementsAre(1, 2));
}

TEST_F(BestAccessibleTest, TheMarksComeBackFromTheirStoredForm) {
  Layout stored = *hall_;
  stored.accessible.clear();
  stored.companions.clear();
  ASSERT_TRUE(DecodeAccess(EncodeAccess(*hall_), stored).has_value());
  EXPECT_EQ(stored, *hall_);
  Layout none = stored;
  none.accessible.clear();
  none.companions.clear();
  EXPECT_EQ(EncodeAccess(none), "");
  ASSERT_TRUE(DecodeAccess("", none).has_value());
  EXPECT_THAT(none.accessible, IsEmpty());
  EXPECT_FALSE(DecodeAccess("x", none).has_value());
}

}  // namespace
}  // namespace boxoffice::seat
