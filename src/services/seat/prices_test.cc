#include "services/seat/prices.h"

#include <gmock/gmock.h>

#include "services/seat/best_seats.h"
#include "services/seat/store_layout.h"
#include "services/seat/testing_hall.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr int64_t kShow = 7;

// Seats 1 to 8 are of category A at 1000, 9 to 12 of B at 500.
class PricesTest : public ::testing::Test {
 protected:
  Repriced Change(const PriceChange& change) {
    auto repriced = ChangePrices(*layout_, kShow, change, kNow);
    EXPECT_TRUE(repriced.has_value()) << repriced.error().detail;
    if (repriced->layout) layout_ = repriced->layout;
    return *std::move(repriced);
  }
  void ExpectRefused(const PriceChange& change, const std::string& reason) {
    const auto refused = ChangePrices(*layout_, kShow, change, kNow);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, reason) << refused.error().detail;
  }
  static PriceChange Categories(Prices prices) { return {std::move(prices), 0, {}, "why", "op"}; }
  static PriceChange Seats(int64_t price, std::vector<SeatNo> seats) {
    return {{}, price, std::move(seats), "why", "op"};
  }

  std::shared_ptr<const Layout> layout_ = MakeHall({4, 4, 4});
};

TEST_F(PricesTest, ACategoryCostsSomethingElseAndTheVersionGrows) {
  const auto before = layout_;
  const Repriced repriced = Change(Categories({{"A", 1500}}));
  EXPECT_EQ(layout_->version, 1);
  EXPECT_EQ(layout_->PriceOf(1), 1500);
  EXPECT_EQ(layout_->PriceOf(9), 500);
  EXPECT_EQ(layout_->FirstPriceOf(1), 1000) << "what was held before prices were noted";
  EXPECT_EQ(before->PriceOf(1), 1000) << "a layout is a value";
  ASSERT_THAT(repriced.notes, SizeIs(1));
  EXPECT_EQ(repriced.notes[0], (PriceNote{kShow, 1, "A", {}, 1500, "why", "op", kNow}));
}

TEST_F(PricesTest, ASeatsOwnPriceHoldsUntilItsCategoryIsPriced) {
  Change(Seats(700, {1, 9}));
  EXPECT_EQ(layout_->PriceOf(1), 700);
  EXPECT_EQ(layout_->PriceOf(2), 1000);
  EXPECT_EQ(layout_->PriceOf(9), 700);
  EXPECT_EQ(layout_->categories[0].lowest, 700);
  EXPECT_EQ(layout_->categories[0].highest, 1000);
  Change(Categories({{"A", 1200}}));
  EXPECT_EQ(layout_->PriceOf(1), 1200);
  EXPECT_EQ(layout_->PriceOf(9), 700) << "of another category";
  EXPECT_EQ(layout_->version, 2);
  EXPECT_EQ(layout_->FirstPriceOf(9), 500);
}

TEST_F(PricesTest, WhatCostsThatAlreadyChangesNothingAndIsNotRecorded) {
  EXPECT_EQ(Change(Categories({{"A", 1000}})).layout, nullptr);
  EXPECT_EQ(Change(Seats(1000, {1, 2})).layout, nullptr);
  EXPECT_EQ(layout_->version, 0);
  const Repriced some = Change(Seats(500, {8, 9}));
  ASSERT_THAT(some.notes, SizeIs(1));
  EXPECT_THAT(some.notes[0].seats, ElementsAre(8)) << "9 cost that";
}

TEST_F(PricesTest, WhatCantBeMeantIsRefusedByName) {
  ExpectRefused(Categories({}), "price_invalid");
  ExpectRefused(Categories({{"X", 5}}), "category_unknown");
  ExpectRefused(Categories({{"A", 0}}), "price_invalid");
  ExpectRefused(Categories({{"A", kMaxPrice + 1}}), "price_invalid");
  ExpectRefused(Seats(0, {1}), "price_invalid");
  ExpectRefused(Seats(5, {1, 99}), "seat_unknown");
  PriceChange both = Categories({{"A", 5}});
  both.seats = {1};
  ExpectRefused(both, "price_invalid");
}

TEST_F(PricesTest, BestAvailableGoesByTheNewPrices) {
  FreeSeats free(layout_);
  EXPECT_THAT(free.Choose({2, "", "", 600}).seats, ElementsAre(9, 10));
  Change(Seats(600, {2, 3}));
  free.SetPrices(layout_);
  EXPECT_THAT(free.Choose({2, "", "", 600}).seats, ElementsAre(2, 3));
  Change(Categories({{"A", 2000}, {"B", 900}}));
  free.SetPrices(layout_);
  EXPECT_EQ(free.Choose({2, "", "", 600}).status, Proposal::Status::kNotEnough);
  EXPECT_THAT(free.Choose({2, "", "", 900}).seats, ElementsAre(9, 10));
}

TEST_F(PricesTest, PricesComeBackFromTheirStoredForm) {
  Change(Categories({{"B", 450}}));
  Change(Seats(700, {1, 9}));
  Layout stored = *MakeHall({4, 4, 4});
  ASSERT_TRUE(DecodePrices(EncodePrices(*layout_), stored).has_value());
  stored.version = layout_->version;
  EXPECT_EQ(stored, *layout_);
  Layout untouched = *MakeHall({4, 4, 4});
  ASSERT_TRUE(DecodePrices("", untouched).has_value()) << "none were changed";
  EXPECT_EQ(untouched, *MakeHall({4, 4, 4}));
  EXPECT_FALSE(DecodePrices("x", untouched).has_value());
  Layout other = *MakeHall({2});
  EXPECT_FALSE(DecodePrices(EncodePrices(*layout_), other).has_value()) << "of another hall";
}

}  // namespace
}  // namespace boxoffice::seat
