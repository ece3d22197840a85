#include "boxoffice/demo_plans.h"

#include <set>

#include <boost/json.hpp>
#include <gmock/gmock.h>

namespace boxoffice::demo {
namespace {

namespace json = boost::json;

// What an import would ask of it, and what a person would: no two seats in one place.
void ExpectSound(const Plan& plan, uint32_t seats) {
  EXPECT_EQ(plan.seats, seats);
  const json::value parsed = json::parse(plan.seating_plan);
  std::set<std::string> categories;
  for (const json::value& category : parsed.at("categories").as_array()) {
    categories.emplace(category.at("name").as_string());
  }
  EXPECT_EQ(categories.size(), plan.prices.size());
  std::set<std::string> guids;
  std::set<std::string> used;
  std::set<std::pair<int64_t, int64_t>> places;
  std::set<std::string> zones;
  for (const json::value& zone : parsed.at("zones").as_array()) {
    EXPECT_TRUE(zones.emplace(zone.at("name").as_string()).second);
    const int64_t x = zone.at("position").at("x").as_int64();
    const int64_t y = zone.at("position").at("y").as_int64();
    for (const json::value& row : zone.at("rows").as_array()) {
      for (const json::value& seat : row.at("seats").as_array()) {
        guids.emplace(seat.at("seat_guid").as_string());
        used.emplace(seat.at("category").as_string());
        const auto& position = seat.at("position");
        places.emplace(x + position.at("x").as_int64(), y + position.at("y").as_int64());
        EXPECT_GE(x + position.at("x").as_int64(), 0);
        EXPECT_GE(y + position.at("y").as_int64(), 0);
        EXPECT_LE(x + position.at("x").as_int64(), parsed.at("size").at("width").as_int64());
        EXPECT_LE(y + position.at("y").as_int64(), parsed.at("size").at("height").as_int64());
      }
    }
  }
  EXPECT_EQ(guids.size(), seats);
  EXPECT_EQ(places.size(), seats);
  EXPECT_EQ(used, categories);
  for (const std::string& category : categories) EXPECT_TRUE(plan.prices.contains(category)) << category;
}

TEST(DemoPlans, TheStadiumHasFiftyThousandSeats) { ExpectSound(Stadium(), 50'000); }
TEST(DemoPlans, TheHallHasTwoThousandSeats) { ExpectSound(Hall(), 2000); }
TEST(DemoPlans, TheClubHasFiftySeats) { ExpectSound(Club(), 50); }

}  // namespace
}  // namespace boxoffice::demo
