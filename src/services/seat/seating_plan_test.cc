#include "services/seat/seating_plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/check.h"
#include "services/seat/plan_pretix.h"
#include "services/seat/store_layout.h"

namespace boxoffice::seat {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPlan = R"({
  "name": "Small hall",
  "categories": [{"name": "VIP", "color": "#c00"}, {"name": "A"}],
  "size": {"width": 100, "height": 100},
  "zones": [
    {"name": "Floor", "position": {"x": 10, "y": 20}, "areas": [], "rows": [
      {"row_number": "A", "position": {"x": 1, "y": 2}, "seats": [
        {"seat_guid": "g1", "seat_number": "1", "position": {"x": 3, "y": 4.5}, "category": "VIP"},
        {"seat_guid": "g2", "seat_number": "2", "position": {"x": 4, "y": 4}, "category": "A"}]},
      {"row_number": "B", "seats": [
        {"seat_guid": "g3", "seat_number": "1", "position": {"x": 0, "y": 0}, "category": "A"}]}]},
    {"position": {"x": 0, "y": 0}, "rows": [
      {"row_number": "A", "seats": [
        {"seat_guid": "g4", "seat_number": "1", "position": {"x": 0, "y": 0}, "category": "A"}]}]}]})";
const Prices kPrices = {{"VIP", 9000}, {"A", 5000}};

Result<Layout> Import(std::string_view json, const Prices& prices = kPrices) {
  BOXOFFICE_ASSIGN(const SeatingPlan plan, ParsePretixPlan(json));
  return MakeLayout(plan, prices);
}
std::string With(std::string_view from, std::string_view to) {
  std::string plan(kPlan);
  const size_t at = plan.find(from);
  CHECK(at != std::string::npos, "{}", from);
  return plan.replace(at, from.size(), to);
}
void ExpectInvalid(const Result<Layout>& layout, std::string_view reason, const std::string& detail) {
  ASSERT_FALSE(layout.has_value());
  EXPECT_EQ(layout.error().code, Code::kInvalidArgument);
  EXPECT_EQ(layout.error().reason, reason);
  EXPECT_THAT(layout.error().detail, HasSubstr(detail));
}
// Zones of one row of a thousand seats each.
std::string PlanOf(size_t thousands) {
  std::string plan = R"({"name": "n", "categories": [{"name": "A"}], "zones": [)";
  for (size_t zone = 0; zone < thousands; ++zone) {
    plan += fmt::format(
        R"({}{{"name": "Z{}", "position": {{"x":0,"y":0}}, "rows": [{{"row_number": "1", "seats": [)",
        zone == 0 ? "" : ",", zone);
    for (int seat = 0; seat < 1000; ++seat) {
      plan += fmt::format(
          R"({}{{"seat_guid":"{}-{}","seat_number":"{}","position":{{"x":{},"y":{}}},"category":"A"}})",
          seat == 0 ? "" : ",", zone, seat, seat, seat, zone);
    }
    plan += "]}]}";
  }
  return plan + "]}";
}

TEST(SeatingPlan, SeatsAreNumberedInThePlansOrder) {
  const auto layout = Import(kPlan);
  ASSERT_TRUE(layout.has_value()) << layout.error().detail;
  ASSERT_EQ(layout->capacity(), 4);
  EXPECT_EQ(layout->LabelOf(1), "Floor A-1");
  EXPECT_EQ(layout->LabelOf(3), "Floor B-1");
  EXPECT_EQ(layout->LabelOf(4), "Zone 2 A-1");
  EXPECT_EQ(layout->PriceOf(1), 9000);
  EXPECT_EQ(layout->CategoryOf(2).name, "A");
  EXPECT_EQ(layout->CategoryOf(2).seats, 3);
}

TEST(SeatingPlan, PositionsAreThoseOfZoneRowAndSeatTogether) {
  const auto layout = Import(kPlan);
  ASSERT_TRUE(layout.has_value());
  EXPECT_FLOAT_EQ(layout->At(1).x, 14);
  EXPECT_FLOAT_EQ(layout->At(1).y, 26.5);
}

TEST(SeatingPlan, RepeatedNamesAreToldApart) {
  const auto layout = Import(With(R"("row_number": "B")", R"("row_number": "A")"));
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->LabelOf(3), "Floor A (2)-1");
}

TEST(SeatingPlan, ARowOfAHundredThousandSeatsOfOneNumberIsNamedInSeconds) {
  SeatingPlan plan;
  plan.categories = {{"A", ""}};
  plan.zones = {{"Z", {{"1", {}}}}};
  for (uint32_t i = 0; i < kMaxSeats; ++i)
    plan.zones[0].rows[0].seats.push_back({std::to_string(i), "1", "A"});
  plan.zones[0].rows[0].seats[1].number = "1 (2)";
  const auto start = std::chrono::steady_clock::now();
  const auto layout = MakeLayout(plan, {{"A", 1}});
  ASSERT_TRUE(layout.has_value()) << layout.error().detail;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60))
      << "not by counting from 2 for each";
  EXPECT_EQ(layout->At(2).number, "1 (2)");
  EXPECT_EQ(layout->At(3).number, "1 (3)");
  EXPECT_EQ(layout->At(kMaxSeats).number, "1 (100000)");
}

TEST(SeatingPlan, APlaceThatIsTooFarOutIsRefused) {
  for (const double far :
       {1.1e6, -1e300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    SeatingPlan plan;
    plan.categories = {{"A", ""}};
    plan.zones = {{"Z", {{"1", {{"g", "1", "A", far, 0}}}}}};
    ExpectInvalid(MakeLayout(plan, {{"A", 1}}), "seating_plan_invalid", "seats[0].position");
    plan.zones[0].rows[0].seats[0] = {"g", "1", "A", 0, far};
    ExpectInvalid(MakeLayout(plan, {{"A", 1}}), "seating_plan_invalid", "seats[0].position");
  }
}

// Infinity and minus infinity, which add up to no number.
TEST(SeatingPlan, APlaceThatIsNoNumberIsRefused) {
  std::string plan = With(R"("position": {"x": 10, "y": 20})", R"("position": {"x": 1e999, "y": 20})");
  ExpectInvalid(Import(plan), "seating_plan_invalid", "position: is further out");
  constexpr std::string_view kRow = R"("position": {"x": 1, "y": 2})";
  plan.replace(plan.find(kRow), kRow.size(), R"("position": {"x": -1e999, "y": 2})");
  ExpectInvalid(Import(plan), "seating_plan_invalid", "position: is further out");
}

TEST(SeatingPlan, BrokenJsonNamesLineAndColumn) {
  ExpectInvalid(Import("{\n  \"name\": nope}"), "seating_plan_invalid", "line 2, column ");
  ExpectInvalid(Import(""), "seating_plan_invalid", "line 1, column 1");
  ExpectInvalid(Import("{} x"), "seating_plan_invalid", "line 1, column ");
  ExpectInvalid(Import("[]"), "seating_plan_invalid", "not an object");
  ExpectInvalid(Import(kPlan.substr(0, kPlan.size() - 3)), "seating_plan_invalid", "line 14, column ");
}

TEST(SeatingPlan, AByteOrderMarkIsSkipped) {
  const auto layout = Import("\xEF\xBB\xBF" + std::string(kPlan));
  EXPECT_TRUE(layout.has_value()) << layout.error().detail;
}

TEST(SeatingPlan, AWrongTypeOrAMissingMemberNamesItsPath) {
  ExpectInvalid(Import(With(R"("seat_number": "2")", R"("seat_number": 2)")), "seating_plan_invalid",
                "zones[0].rows[0].seats[1].seat_number: is not a string");
  ExpectInvalid(Import(With(R"("row_number": "B", )", "")), "seating_plan_invalid",
                "zones[0].rows[1].row_number: is missing");
  ExpectInvalid(Import(With(R"({"x": 1, "y": 2})", R"({"x": "1", "y": 2})")), "seating_plan_invalid",
                "zones[0].rows[0].position.x: is not a number");
}

TEST(SeatingPlan, ARepeatedSeatIsRefused) {
  ExpectInvalid(Import(With("g3", "g1")), "seating_plan_invalid",
                R"(zones[0].rows[1].seats[0].seat_guid: "g1" is there twice)");
}

TEST(SeatingPlan, ASeatOfAnUnknownCategoryIsRefused) {
  ExpectInvalid(Import(With(R"("category": "VIP")", R"("category": "Gold")")), "seating_plan_invalid",
                "zones[0].rows[0].seats[0].category: \"Gold\"");
}

TEST(SeatingPlan, APlanWithoutZonesIsRefused) {
  ExpectInvalid(Import(R"({"name": "", "categories": [], "zones": []})"), "seating_plan_invalid", "zones");
  ExpectInvalid(Import(R"({"name": "", "categories": []})"), "seating_plan_invalid", "zones: is missing");
}

TEST(SeatingPlan, APlanWithoutSeatsIsRefused) {
  ExpectInvalid(Import(R"({"name": "", "categories": [], "zones": [{"rows": []}]})"), "seating_plan_invalid",
                "no seat");
}

TEST(SeatingPlan, ARepeatedCategoryIsRefused) {
  ExpectInvalid(Import(With(R"({"name": "A"})", R"({"name": "VIP"})")), "seating_plan_invalid",
                "categories[1].name");
}

TEST(SeatingPlan, EveryCategoryHasOnePrice) {
  ExpectInvalid(Import(kPlan, {{"A", 5000}}), "price_invalid", "VIP");
  ExpectInvalid(Import(kPlan, {{"A", 5000}, {"VIP", 1}, {"Gold", 1}}), "price_invalid", "prices.Gold");
}

TEST(SeatingPlan, APriceIsPositiveAndNotTooLarge) {
  ExpectInvalid(Import(kPlan, {{"A", 0}, {"VIP", 1}}), "price_invalid", "prices.A");
  ExpectInvalid(Import(kPlan, {{"A", -1}, {"VIP", 1}}), "price_invalid", "prices.A");
  ExpectInvalid(Import(kPlan, {{"A", kMaxPrice + 1}, {"VIP", 1}}), "price_invalid", "prices.A");
  EXPECT_TRUE(Import(kPlan, {{"A", kMaxPrice}, {"VIP", 1}}).has_value());
}

TEST(SeatingPlan, LabelsThatWouldReadTheSameAreRefused) {
  SeatingPlan plan;
  plan.categories = {{"A", ""}};
  plan.zones = {{"Z", {{"1-2", {{"g1", "3", "A"}}}, {"1", {{"g2", "2-3", "A"}}}}}};
  ExpectInvalid(MakeLayout(plan, {{"A", 1}}), "seating_plan_invalid", "Z 1-2-3");
}

TEST(SeatingPlan, NoNameHasAControlCharacter) {
  const std::string odd("a\nb");
  const auto plan = [](const std::string& zone, const std::string& row, const std::string& seat,
                       const std::string& category) {
    SeatingPlan made;
    made.categories = {{category, ""}};
    made.zones = {{zone, {{row, {{"g", seat, category}}}}}};
    return MakeLayout(made, {{category, 1}});
  };
  ASSERT_TRUE(plan("Z", "1", "1", "A").has_value());
  ExpectInvalid(plan(odd, "1", "1", "A"), "seating_plan_invalid", "zones[0].name: ");
  ExpectInvalid(plan("Z", odd, "1", "A"), "seating_plan_invalid", "zones[0].rows[0].row_number: ");
  ExpectInvalid(plan("Z", "1", odd, "A"), "seating_plan_invalid", "zones[0].rows[0].seats[0].seat_number: ");
  ExpectInvalid(plan("Z", "1", "1", odd), "seating_plan_invalid", "categories[0].name: ");
}

TEST(SeatingPlan, TwoHundredThousandSeatsAreRefused) {
  ExpectInvalid(Import(PlanOf(200), {{"A", 1}}), "seating_plan_invalid", "200000 seats");
}

TEST(SeatingPlan, FiftyThousandSeatsAreReadAndStored) {
  const auto layout = Import(PlanOf(50), {{"A", 1}});
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->capacity(), 50'000);
  const auto stored = DecodeLayout(EncodeLayout(*layout));
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(*stored, *layout);
}

TEST(SeatingPlan, ADamagedStoredLayoutIsAnError) {
  const auto layout = Import(kPlan);
  ASSERT_TRUE(layout.has_value());
  const std::string bytes = EncodeLayout(*layout);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeLayout(std::string_view(bytes).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(DecodeLayout(bytes + "x").has_value());
}

TEST(SeatingPlan, SeatsAreMarkedAccessibleAndTheirCompanions) {
  constexpr std::string_view kFirst = R"("seat_number": "1", "position": {"x": 3, "y": 4.5},)";
  const auto with = [&](const std::string& mark) { return With(kFirst, std::string(kFirst) + mark); };
  std::string plan = With(R"("seat_guid": "g2",)", R"("seat_guid": "g2", "accessible": true,)");
  const std::string first(kFirst);
  plan.replace(plan.find(first), first.size(), first + R"("companion_of": "g2",)");
  const auto layout = Import(plan);
  ASSERT_TRUE(layout.has_value()) << layout.error().detail;
  EXPECT_EQ(layout->accessible, (std::vector<SeatNo>{2}));
  EXPECT_EQ(layout->companions, (std::vector<Companion>{{1, 2}}));
  ExpectInvalid(Import(with(R"("accessible": "yes",)")), "seating_plan_invalid",
                "zones[0].rows[0].seats[0].accessible: is neither true nor false");
  ExpectInvalid(Import(with(R"("companion_of": "g2",)")), "seating_plan_invalid",
                "zones[0].rows[0].seats[0].companion_of: \"g2\" is no accessible seat");
  ExpectInvalid(Import(with(R"("companion_of": "g9",)")), "seating_plan_invalid", "is no accessible seat");
  ExpectInvalid(Import(with(R"("accessible": true, "companion_of": "g1",)")), "seating_plan_invalid",
                "the seat is accessible itself");
}

}  // namespace
}  // namespace boxoffice::seat
