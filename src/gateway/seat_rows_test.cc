#include "gateway/seat_rows.h"

#include <cmath>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace boxoffice::gateway {
namespace {

namespace json = boost::json;

class SeatRowsTest : public ::testing::Test {
 protected:
  seat::v1::SeatInfo& Add(std::string_view section, std::string_view row, std::string_view number, double x,
                          double y) {
    seat::v1::SeatInfo& seat = *map_.add_layout();
    seat.set_seat_no(static_cast<uint32_t>(map_.layout_size()));
    seat.set_section(std::string(section));
    seat.set_row(std::string(row));
    seat.set_number(std::string(number));
    seat.set_category("R");
    seat.set_price(1'000);
    seat.set_x(static_cast<float>(x));
    seat.set_y(static_cast<float>(y));
    return seat;
  }
  json::value Render() { return json::parse('{' + RenderRows(map_) + '}'); }
  // Reads the rows as openapi/boxoffice.yaml says, and compares each seat.
  void ExpectAllTold() {
    const json::value map = Render();
    const json::object& rows = map.at("rows").as_object();
    int seat_no = 0;
    for (size_t row = 0; row < rows.at("seats").as_array().size(); ++row) {
      for (size_t i = 0; i < rows.at("seats").at(row).to_number<size_t>(); ++i) {
        const seat::v1::SeatInfo& seat = map_.layout(seat_no++);
        EXPECT_EQ(map.at("sections").at(rows.at("section").at(row).to_number<size_t>()).as_string(),
                  seat.section());
        EXPECT_EQ(rows.at("name").at(row).as_string(), seat.row());
        const std::string key = fmt::to_string(row);
        const json::object& others = map.at("exceptions").as_object();
        const json::value& number = rows.at("number").at(row);
        EXPECT_EQ(number.is_null() ? std::string(others.at("number").at(key).at(i).as_string())
                                   : fmt::to_string(number.to_number<size_t>() + i),
                  seat.number());
        const json::value& price = rows.at("price").at(row);
        const json::value& place = map.at("prices").at(
            (price.is_null() ? others.at("price").at(key).at(i) : price).to_number<size_t>());
        EXPECT_EQ(place.at("category").as_string(), seat.category());
        EXPECT_EQ(place.at("price").as_int64(), seat.price());
        EXPECT_EQ(Place(rows, others, "x", row, i), static_cast<double>(seat.x())) << seat.seat_no();
        EXPECT_EQ(Place(rows, others, "y", row, i), static_cast<double>(seat.y())) << seat.seat_no();
      }
    }
    EXPECT_EQ(seat_no, map_.layout_size());
  }
  static double Place(const json::object& rows, const json::object& others, std::string_view axis, size_t row,
                      size_t i) {
    const json::value& first = rows.at(axis).at(row);
    if (first.is_null()) return others.at(axis).at(fmt::to_string(row)).at(i).to_number<double>();
    const double step = rows.at(fmt::format("d{}", axis)).at(row).to_number<double>();
    return std::floor(first.to_number<double>() + static_cast<double>(i) * step + 0.5);
  }

  seat::v1::SeatMap map_;
};

TEST_F(SeatRowsTest, AShowWithoutSeatsHasNoRows) {
  EXPECT_THAT(Render().at("rows").at("seats").as_array(), testing::IsEmpty());
}

TEST_F(SeatRowsTest, BlocksAtAnyAngleAreToldExactlyAndWithoutExceptions) {
  for (int block = 0; block < 24; ++block) {
    const double facing = block * 0.27;
    for (int row = 0; row < 20; ++row) {
      for (int seat = 1; seat <= 40; ++seat) {
        const double along = (seat - 20.5) * 10;
        const double back = row * 14;
        Add(fmt::format("Block {}", block), fmt::format("{}", row + 1), fmt::to_string(seat),
            std::round(2'500 + back * std::cos(facing) - along * std::sin(facing)),
            std::round(2'350 + back * std::sin(facing) + along * std::cos(facing)));
      }
    }
  }
  ExpectAllTold();
  const json::value map = Render();
  for (const auto& [name, rows] : map.at("exceptions").as_object())
    EXPECT_TRUE(rows.as_object().empty()) << name;
  EXPECT_LT(RenderRows(map_).size(), 25'000U) << "for 19,200 seats";
}

TEST_F(SeatRowsTest, WhatFitsNoColumnIsToldForEachSeat) {
  Add("Box", "1", "A", 1.5, 0.25);
  Add("Box", "1", "B", 3, 7);
  for (int seat = 0; seat < 5; ++seat) Add("Arc", "1", fmt::to_string(2 * seat + 1), seat * 10, seat * seat);
  for (int seat = 0; seat < 3; ++seat) Add("Arc", "2", fmt::format("0{}", seat), -seat, 4);
  map_.mutable_layout(9)->set_price(500);
  map_.mutable_layout(8)->set_category("S");
  ExpectAllTold();
  EXPECT_TRUE(Render().at("exceptions").at("price").as_object().contains("2"));
}

TEST_F(SeatRowsTest, RowsOfOneNameInTwoSectionsAreTwo) {
  Add("Left", "1", "1", 0, 0);
  Add("Right", "1", "1", 10, 0);
  Add("Left", "1", "2", 1, 0);
  ExpectAllTold();
  EXPECT_EQ(json::serialize(Render().at("rows").at("section")), "[0,1,0]");
}

TEST_F(SeatRowsTest, SeatsForWheelchairsAndTheirCompanionsAreNamed) {
  Add("A", "1", "1", 0, 0).set_accessible(true);
  Add("A", "1", "2", 1, 0).set_companion_of(1);
  EXPECT_EQ(json::serialize(Render().at("accessible")), "[1]");
  EXPECT_EQ(json::serialize(Render().at("companions")), "[[2,1]]");
}

TEST(FitLineTest, ParallelRowsHaveTheSameStepWhereTheyCan) {
  const std::vector<double> places{0, 3, 7, 10};
  EXPECT_EQ(FitLine(places, 3.4)->step, 3.4);
  EXPECT_NE(FitLine(places, 5)->step, 5);
}

TEST(FitLineTest, WhatIsOnNoLineOrNotWholeHasNone) {
  EXPECT_FALSE(FitLine(std::vector<double>{0, 10, 0}, 0));
  EXPECT_FALSE(FitLine(std::vector<double>{0, 0.5}, 0));
  EXPECT_FALSE(FitLine(std::vector<double>{0, NAN}, 0));
  EXPECT_TRUE(FitLine(std::vector<double>{-7}, 0));
}

// Of a million places there are 5 × 10^11 pairs, of which a test would not see the end.
TEST(FitLineTest, ALongRowIsFittedAtOnce) {
  constexpr size_t kPlaces = 1'000'000;
  const auto fit = [](auto place) {
    std::vector<double> places;
    for (size_t i = 0; i < kPlaces; ++i) places.push_back(place(static_cast<double>(i)));
    return FitLine(places, /*liked=*/10);
  };
  EXPECT_EQ(fit([](double) { return 0; })->step, 0) << "a plan that says nothing of where seats are";
  EXPECT_EQ(fit([](double i) { return 7 + 10 * i; })->step, 10);
  EXPECT_EQ(fit([](double i) { return std::floor(0.25 + 3.4 * i + 0.5); })->step, 3.4);
  EXPECT_FALSE(fit([](double i) { return std::fmod(i, 2); }));
}

}  // namespace
}  // namespace boxoffice::gateway
