#include "services/seat/best_seats.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <gmock/gmock.h>

#include "base/random.h"
#include "services/seat/testing_hall.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using Status = Proposal::Status;

class BestSeatsTest : public ::testing::Test {
 protected:
  void Take(std::initializer_list<SeatNo> seats) {
    for (const SeatNo seat_no : seats) free_.Set(seat_no, false);
  }
  // Rows 1 to 3 are on the floor, of category A; row 4 is on the balcony, of category B.
  std::shared_ptr<const Layout> hall_ = MakeHall({4, 4, 4, 4});
  FreeSeats free_{hall_};
};

TEST_F(BestSeatsTest, TheFirstRowIsBest) { EXPECT_THAT(free_.Choose({2, "", ""}).seats, ElementsAre(1, 2)); }

TEST_F(BestSeatsTest, SeatsNextToEachOtherGoBeforeEarlierRows) {
  Take({2, 4});
  EXPECT_THAT(free_.Choose({2, "", ""}).seats, ElementsAre(5, 6));
  EXPECT_THAT(free_.Choose({1, "", ""}).seats, ElementsAre(1));
}

TEST_F(BestSeatsTest, ARunDoesNotGoOnInTheNextRow) {
  Take({1, 2, 3, 6, 7, 8});
  EXPECT_THAT(free_.Choose({2, "", ""}).seats, ElementsAre(9, 10));
}

TEST_F(BestSeatsTest, WithoutARunTheSeatsAreInOneSection) {
  Take({1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});  // one seat is left on the floor
  Take({14});
  EXPECT_THAT(free_.Choose({3, "", ""}).seats, ElementsAre(13, 15, 16));
}

TEST_F(BestSeatsTest, WithoutASectionForAllTheyAreAnywhere) {
  Take({1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15});
  EXPECT_THAT(free_.Choose({3, "", ""}).seats, ElementsAre(2, 13, 16));
}

TEST_F(BestSeatsTest, NotEnoughIsSaidOnlyIfFewerAreFree) {
  Take({1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15});
  EXPECT_EQ(free_.Choose({3, "", ""}).status, Status::kFound);
  EXPECT_EQ(free_.Choose({4, "", ""}).status, Status::kNotEnough);
}

TEST_F(BestSeatsTest, ASectionIsKeptTo) {
  EXPECT_THAT(free_.Choose({2, "Balcony", ""}).seats, ElementsAre(13, 14));
  EXPECT_EQ(free_.Choose({5, "Balcony", ""}).status, Status::kNotEnough);
  EXPECT_EQ(free_.Choose({1, "Cellar", ""}).status, Status::kSectionUnknown);
}

TEST_F(BestSeatsTest, ACategoryIsKeptTo) {
  EXPECT_THAT(free_.Choose({2, "", "B"}).seats, ElementsAre(13, 14));
  EXPECT_EQ(free_.Choose({1, "Floor", "B"}).status, Status::kNotEnough);
  EXPECT_EQ(free_.Choose({1, "", "C"}).status, Status::kCategoryUnknown);
}

TEST_F(BestSeatsTest, ACategoryIsKeptToWithinAMixedRow) {
  auto mixed = std::make_shared<Layout>(*hall_);
  mixed->seats[0].category = 1;
  mixed->seats[2].category = 1;
  mixed->seats[3].category = 1;
  const FreeSeats free(mixed);
  EXPECT_THAT(free.Choose({2, "", "B"}).seats, ElementsAre(3, 4));
  EXPECT_THAT(free.Choose({3, "Floor", "B"}).seats, ElementsAre(1, 3, 4));
}

// Rows are passed over for what is sold out in them: never for what is left. With 70 categories also where
// two of them have their bit in common.
TEST_F(BestSeatsTest, ACategoryOrAPriceInMixedRowsIsRefusedOnlyIfFewerAreFree) {
  SeededRandom random(3);
  int refused = 0;
  for (int round = 0; round < 4'000; ++round) {
    const uint32_t categories = round % 2 == 0 ? 3 : 70;
    auto mixed = std::make_shared<Layout>(*MakeHall({9, 9, 9, 9, 9}));
    mixed->categories.clear();
    for (uint32_t i = 0; i < categories; ++i) {
      mixed->categories.push_back({std::to_string(i), "", static_cast<int64_t>(100 + random.Below(5))});
    }
    for (Seat& seat : mixed->seats) seat.category = static_cast<uint32_t>(random.Below(categories));
    FreeSeats free(mixed);
    BestAvailable wish{static_cast<uint32_t>(1 + random.Below(4)), "", ""};
    if (random.Below(3) > 0) wish.category = std::to_string(random.Below(categories));
    if (random.Below(2) > 0) wish.max_price = static_cast<int64_t>(100 + random.Below(5));
    const auto fits = [&](SeatNo seat_no) {
      return free.IsFree(seat_no) &&
             (wish.category.empty() || mixed->CategoryOf(seat_no).name == wish.category) &&
             (wish.max_price == 0 || mixed->PriceOf(seat_no) <= wish.max_price);
    };
    uint32_t left = 0;
    for (SeatNo seat_no = 1; seat_no <= mixed->capacity(); ++seat_no) {
      if (random.Below(3) > 0) free.Set(seat_no, false);
      left += fits(seat_no) ? 1 : 0;
    }
    const Proposal proposal = free.Choose(wish);
    ASSERT_EQ(proposal.status, left >= wish.count ? Status::kFound : Status::kNotEnough) << "round " << round;
    ASSERT_TRUE(std::ranges::all_of(proposal.seats, fits));
    refused += proposal.status == Status::kNotEnough ? 1 : 0;
  }
  EXPECT_GT(refused, 500) << "there was something to be seen";
}

TEST_F(BestSeatsTest, SeatsThatComeBackAreFoundAgain) {
  Take({1, 2, 3, 4});
  EXPECT_THAT(free_.Choose({2, "", ""}).seats, ElementsAre(5, 6));
  free_.Set(3, true);
  free_.Set(4, true);
  EXPECT_THAT(free_.Choose({2, "", ""}).seats, ElementsAre(3, 4));
}

// A hall of one section whose rows have so many seats, all of category A, or of B where `dear` says so;
// places a unit apart, each row centred, the first one at y = 1.
std::shared_ptr<Layout> Centred(std::initializer_list<uint32_t> lengths) {
  SeatingPlan plan;
  plan.categories = {{"A", ""}};
  plan.zones.push_back({"Floor", {}});
  for (const uint32_t length : lengths) {
    PlanRow row{std::to_string(plan.zones[0].rows.size() + 1), {}};
    for (uint32_t seat = 1; seat <= length; ++seat) {
      row.seats.push_back({row.name + "/" + std::to_string(seat), std::to_string(seat), "A",
                           seat - (length + 1) / 2.0, static_cast<double>(plan.zones[0].rows.size() + 1)});
    }
    plan.zones[0].rows.push_back(std::move(row));
  }
  return std::make_shared<Layout>(MakeLayout(plan, {{"A", 1000}}).value());
}

TEST_F(BestSeatsTest, APartyThatFitsInNoRowSitsInTwoBehindEachOther) {
  const auto hall = Centred({6, 6, 6});
  FreeSeats free(hall);
  for (const SeatNo taken : {1, 4, 5, 6, 7, 10, 13, 16})
    free.Set(taken, false);  // free: 2 3 | 8 9 11 12 | 14 15 17 18
  const Proposal proposal = free.Choose({4, "", ""});
  EXPECT_THAT(proposal.seats, ElementsAre(2, 3, 8, 9)) << "the same columns, half in each row";
  EXPECT_EQ(RungOf(*hall, proposal.seats), Rung::kAdjacentRows);
}

TEST_F(BestSeatsTest, NobodySitsAloneIfThatCanBeAvoided) {
  FreeSeats free(Centred({6, 6}));
  for (const SeatNo taken : {4, 10, 11, 12}) free.Set(taken, false);  // free: 1 2 3 5 6 | 7 8 9
  EXPECT_THAT(free.Choose({4, "", ""}).seats, ElementsAre(1, 2, 7, 8)) << "rather than three and one";
}

TEST_F(BestSeatsTest, GroupsThatDoNotTouchAreNotBehindEachOther) {
  const auto hall = Centred({8, 8});
  EXPECT_EQ(RungOf(*hall, std::vector<SeatNo>{1, 2, 9, 10}), Rung::kAdjacentRows);
  EXPECT_EQ(RungOf(*hall, std::vector<SeatNo>{1, 2, 11, 12}), Rung::kAdjacentRows) << "diagonally beside";
  EXPECT_EQ(RungOf(*hall, std::vector<SeatNo>{1, 2, 12, 13}), Rung::kSection) << "a column between them";
  EXPECT_EQ(RungOf(*hall, std::vector<SeatNo>{1, 3, 9, 10}), Rung::kSection) << "a gap in a row";
}

TEST_F(BestSeatsTest, TheRungSaysHowCloseTheSeatsAre) {
  EXPECT_EQ(RungOf(*hall_, std::vector<SeatNo>{3}), Rung::kRow);
  EXPECT_EQ(RungOf(*hall_, std::vector<SeatNo>{2, 3, 4}), Rung::kRow);
  EXPECT_EQ(RungOf(*hall_, std::vector<SeatNo>{4, 5}), Rung::kSection)
      << "the end of one row and the start of the next";
  EXPECT_EQ(RungOf(*hall_, std::vector<SeatNo>{3, 4, 7, 8}), Rung::kAdjacentRows);
  EXPECT_EQ(RungOf(*hall_, std::vector<SeatNo>{3, 11}), Rung::kSection) << "a row between them";
  EXPECT_EQ(RungOf(*hall_, std::vector<SeatNo>{12, 16}), Rung::kAnywhere)
      << "behind each other, but in two sections";
}

TEST_F(BestSeatsTest, NoSeatCostsMoreThanThePriceAllows) {
  EXPECT_THAT(free_.Choose({2, "", "", 999}).seats, ElementsAre(13, 14));
  EXPECT_EQ(free_.Choose({2, "", "", 499}).status, Status::kNotEnough);
  EXPECT_EQ(free_.Choose({1, "", "A", 999}).status, Status::kNotEnough);
}

TEST_F(BestSeatsTest, WhereTheStageIsKnownTheNearestSeatsAreTheBest) {
  const auto hall = Centred({5, 5, 5});
  hall->stage = Point{0, 4};  // behind the last row
  FreeSeats free(hall);
  EXPECT_THAT(free.Choose({1, "", ""}).seats, ElementsAre(13));
  EXPECT_THAT(free.Choose({3, "", ""}).seats, ElementsAre(12, 13, 14));
  free.Set(13, false);
  EXPECT_THAT(free.Choose({1, "", ""}).seats, ElementsAre(12));
  EXPECT_THAT(free.Choose({3, "", ""}).seats, ElementsAre(7, 8, 9)) << "together, a row further away";
  for (const SeatNo taken : {2, 4, 7, 9, 11, 15}) free.Set(taken, false);
  EXPECT_THAT(free.Choose({3, "", ""}).seats, ElementsAre(8, 12, 14)) << "the nearest of the section";
}

TEST_F(BestSeatsTest, NearestIsTheRunThatIsNearestToWhatWasAskedFor) {
  FreeSeats free(Centred({6, 6, 6}));
  for (const SeatNo taken : {9, 10}) free.Set(taken, false);
  EXPECT_THAT(free.Nearest(std::vector<SeatNo>{9, 10}, false), ElementsAre(3, 4))
      << "the row in front, not the sides";
  for (const SeatNo taken : {3, 4, 15, 16}) free.Set(taken, false);
  EXPECT_THAT(free.Nearest(std::vector<SeatNo>{9, 10}, false), ElementsAre(7, 8));
  for (SeatNo seat_no = 1; seat_no <= 18; ++seat_no) free.Set(seat_no, seat_no == 2 || seat_no == 17);
  EXPECT_THAT(free.Nearest(std::vector<SeatNo>{9, 10}, false), ElementsAre(2, 17))
      << "apart, if there are no others";
  free.Set(2, false);
  EXPECT_THAT(free.Nearest(std::vector<SeatNo>{9, 10}, false), ElementsAre());
}

// Against a look at all runs, in halls that have filled without a pattern.
TEST_F(BestSeatsTest, NearestIsNearestWhereverTheSeatsStandThatAreLeft) {
  const auto hall = Centred({7, 9, 11, 12, 11, 11, 5});
  SeededRandom random(5);
  int found = 0;
  for (int round = 0; round < 2'000; ++round) {
    FreeSeats free(hall);
    const SeatNo first = 1 + static_cast<SeatNo>(random.Below(hall->capacity() - 3));
    std::vector<SeatNo> named(1 + random.Below(4));
    std::iota(named.begin(), named.end(), first);
    const bool row_is_full = random.Below(2) == 0;
    const uint64_t left = 1 + random.Below(10);
    for (SeatNo seat_no = 1; seat_no <= hall->capacity(); ++seat_no) {
      const bool is_own = hall->At(seat_no).row == hall->At(first).row;
      if ((row_is_full && is_own) || random.Below(10) >= left) free.Set(seat_no, false);
    }
    Point middle;
    for (const SeatNo seat_no : named) {
      middle.x += hall->PlaceOf(seat_no).x / static_cast<double>(named.size());
      middle.y += hall->PlaceOf(seat_no).y / static_cast<double>(named.size());
    }
    const auto distance_of = [&](SeatNo run) {
      double distance = 0;
      for (SeatNo seat_no = run; seat_no < run + named.size(); ++seat_no) {
        const bool in_row = hall->Has(seat_no) && hall->At(seat_no).row == hall->At(run).row;
        if (!in_row || !free.IsFree(seat_no)) return std::numeric_limits<double>::max();
        const Point at = hall->PlaceOf(seat_no);
        distance += std::hypot(at.x - middle.x, at.y - middle.y);
      }
      return distance;
    };
    double least = std::numeric_limits<double>::max();
    for (SeatNo run = 1; run <= hall->capacity(); ++run) least = std::min(least, distance_of(run));
    if (least == std::numeric_limits<double>::max()) continue;
    ++found;
    const std::vector<SeatNo> nearest = free.Nearest(named, false);
    ASSERT_EQ(nearest.size(), named.size());
    ASSERT_EQ(nearest.back() - nearest.front() + 1, named.size());
    ASSERT_NEAR(distance_of(nearest.front()), least, 1e-9) << "round " << round;
  }
  EXPECT_GT(found, 1'000) << "there was something to be seen";
}

TEST_F(BestSeatsTest, ASeatThatIsLeftAloneByAChoiceIsAnOrphan) {
  FreeSeats free(Centred({6}));
  EXPECT_THAT(free.OrphansOf(std::vector<SeatNo>{2, 3}), ElementsAre(1));
  EXPECT_THAT(free.OrphansOf(std::vector<SeatNo>{2, 5}), ElementsAre(1, 6));
  EXPECT_THAT(free.OrphansOf(std::vector<SeatNo>{1, 2}), ElementsAre());
  EXPECT_THAT(free.OrphansOf(std::vector<SeatNo>{1, 3}), ElementsAre(2)) << "between the party's own";
  free.Set(2, false);  // 1 was alone before
  EXPECT_THAT(free.OrphansOf(std::vector<SeatNo>{3}), ElementsAre());
  EXPECT_THAT(free.OrphansOf(std::vector<SeatNo>{4, 5}), ElementsAre(3, 6));
}

TEST_F(BestSeatsTest, ByTheOrphanRuleSeatsAreChosenThatLeaveNoneAlone) {
  FreeSeats free(Centred({3, 4}));
  EXPECT_THAT(free.Choose({2, "", ""}, true).seats, ElementsAre(4, 5)) << "the first row would keep one";
  EXPECT_TRUE(free.CanAvoidOrphans(2, 0));
  for (const SeatNo taken : {4, 5, 6, 7}) free.Set(taken, false);
  EXPECT_FALSE(free.CanAvoidOrphans(2, 0));
  EXPECT_THAT(free.Choose({2, "", ""}, true).seats, ElementsAre(1, 2)) << "there is no other choice";
}

// The ladder against a search of all seats, in a hall that fills in an order without a pattern.
TEST_F(BestSeatsTest, NoPartyIsSplitNorRefusedThatDoesNotHaveToBe) {
  for (const bool by_stage : {false, true}) {
    const auto hall = Centred({7, 9, 10, 12, 12, 11, 5});
    if (by_stage) hall->stage = Point{0, 0};
    FreeSeats free(hall);
    SeededRandom random(7);
    const auto fits_in_row = [&](uint32_t count) {
      uint32_t run = 0;
      for (SeatNo seat_no = 1; seat_no <= hall->capacity(); ++seat_no) {
        if (hall->RowOf(seat_no).first_seat + 1 == seat_no) run = 0;
        run = free.IsFree(seat_no) ? run + 1 : 0;
        if (run == count) return true;
      }
      return false;
    };
    uint32_t left = hall->capacity();
    int split = 0;
    for (int party = 0; party < 5'000; ++party) {
      const auto count = static_cast<uint32_t>(1 + random.Below(6));
      const bool fits = fits_in_row(count);
      const Proposal proposal = free.Choose({count, "", ""});
      ASSERT_EQ(proposal.status, count <= left ? Status::kFound : Status::kNotEnough)
          << count << " of " << left;
      if (proposal.status == Status::kNotEnough) {
        // Somebody gives seats back now and then, so that gaps of all kinds come up.
        for (int i = 0; i < 12; ++i) {
          const auto seat_no = static_cast<SeatNo>(1 + random.Below(hall->capacity()));
          left += free.IsFree(seat_no) ? 0 : 1;
          free.Set(seat_no, true);
        }
        continue;
      }
      ASSERT_EQ(proposal.seats.size(), count);
      ASSERT_EQ(RungOf(*hall, proposal.seats) == Rung::kRow, fits) << count << " of " << left;
      split += fits ? 0 : 1;
      for (const SeatNo seat_no : proposal.seats) {
        ASSERT_TRUE(free.IsFree(seat_no));
        free.Set(seat_no, false);
      }
      left -= count;
    }
    EXPECT_GT(split, 100) << "there was something to be seen";
  }
}

}  // namespace
}  // namespace boxoffice::seat
