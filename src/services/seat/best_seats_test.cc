#include "services/seat/best_seats.h"

#include <gmock/gmock.h>

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

TEST_F(BestSeatsTest, TheFirstRowIsBest) { EXPECT_THAT(free_.Choose(2, "", "").seats, ElementsAre(1, 2)); }

TEST_F(BestSeatsTest, SeatsNextToEachOtherGoBeforeEarlierRows) {
  Take({2, 4});
  EXPECT_THAT(free_.Choose(2, "", "").seats, ElementsAre(5, 6));
  EXPECT_THAT(free_.Choose(1, "", "").seats, ElementsAre(1));
}

TEST_F(BestSeatsTest, ARunDoesNotGoOnInTheNextRow) {
  Take({1, 2, 3, 6, 7, 8});
  EXPECT_THAT(free_.Choose(2, "", "").seats, ElementsAre(9, 10));
}

TEST_F(BestSeatsTest, WithoutARunTheSeatsAreInOneSection) {
  Take({1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});  // one seat is left on the floor
  Take({14});
  EXPECT_THAT(free_.Choose(3, "", "").seats, ElementsAre(13, 15, 16));
}

TEST_F(BestSeatsTest, WithoutASectionForAllTheyAreAnywhere) {
  Take({1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15});
  EXPECT_THAT(free_.Choose(3, "", "").seats, ElementsAre(2, 13, 16));
}

TEST_F(BestSeatsTest, NotEnoughIsSaidOnlyIfFewerAreFree) {
  Take({1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15});
  EXPECT_EQ(free_.Choose(3, "", "").status, Status::kFound);
  EXPECT_EQ(free_.Choose(4, "", "").status, Status::kNotEnough);
}

TEST_F(BestSeatsTest, ASectionIsKeptTo) {
  EXPECT_THAT(free_.Choose(2, "Balcony", "").seats, ElementsAre(13, 14));
  EXPECT_EQ(free_.Choose(5, "Balcony", "").status, Status::kNotEnough);
  EXPECT_EQ(free_.Choose(1, "Cellar", "").status, Status::kSectionUnknown);
}

TEST_F(BestSeatsTest, ACategoryIsKeptTo) {
  EXPECT_THAT(free_.Choose(2, "", "B").seats, ElementsAre(13, 14));
  EXPECT_EQ(free_.Choose(1, "Floor", "B").status, Status::kNotEnough);
  EXPECT_EQ(free_.Choose(1, "", "C").status, Status::kCategoryUnknown);
}

TEST_F(BestSeatsTest, ACategoryIsKeptToWithinAMixedRow) {
  auto mixed = std::make_shared<Layout>(*hall_);
  mixed->seats[0].category = 1;
  mixed->seats[2].category = 1;
  mixed->seats[3].category = 1;
  const FreeSeats free(mixed);
  EXPECT_THAT(free.Choose(2, "", "B").seats, ElementsAre(3, 4));
  EXPECT_THAT(free.Choose(3, "Floor", "B").seats, ElementsAre(1, 3, 4));
}

TEST_F(BestSeatsTest, SeatsThatComeBackAreFoundAgain) {
  Take({1, 2, 3, 4});
  EXPECT_THAT(free_.Choose(2, "", "").seats, ElementsAre(5, 6));
  free_.Set(3, true);
  free_.Set(4, true);
  EXPECT_THAT(free_.Choose(2, "", "").seats, ElementsAre(3, 4));
}

}  // namespace
}  // namespace boxoffice::seat
