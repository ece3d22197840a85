#include "services/seat/plan_csv.h"

#include <gmock/gmock.h>

#include "services/seat/plan_grid.h"

namespace boxoffice::seat {
namespace {

using ::testing::HasSubstr;

void ExpectInvalid(std::string_view csv, const std::string& detail) {
  const auto plan = ParseCsvPlan(csv);
  ASSERT_FALSE(plan.has_value()) << csv;
  EXPECT_EQ(plan.error().code, Code::kInvalidArgument);
  EXPECT_EQ(plan.error().reason, "seating_plan_invalid");
  EXPECT_THAT(plan.error().detail, HasSubstr(detail));
}

TEST(CsvPlan, SectionsRowsAndSeatsStandAsTheyFirstCome) {
  const auto plan = ParseCsvPlan(
      "\xEF\xBB\xBFnumber,section,row,category,x,y\r\n"
      "1,Floor,A,VIP,1,2.5\r\n"
      "1,\"Up, stairs\",A,A,0,9\r\n"
      "\r\n"
      "2, Floor ,A,A,2,-1e1\r\n"
      "1,Floor,B,A,1,3");
  ASSERT_TRUE(plan.has_value()) << plan.error().detail;
  const Layout layout = MakeLayout(*plan, {{"VIP", 2}, {"A", 1}}).value();
  ASSERT_EQ(layout.capacity(), 4U);
  EXPECT_EQ(layout.LabelOf(1), "Floor A-1");
  EXPECT_EQ(layout.LabelOf(2), "Floor A-2");
  EXPECT_EQ(layout.LabelOf(3), "Floor B-1");
  EXPECT_EQ(layout.LabelOf(4), "Up, stairs A-1");
  EXPECT_EQ(layout.CategoryOf(1).name, "VIP");
  EXPECT_EQ(layout.At(2).y, -10);
}

TEST(CsvPlan, WhatIsWrongIsToldWithItsLine) {
  const std::string header = "section,row,number,category\n";
  ExpectInvalid("", "line 1: ");
  ExpectInvalid("x", "line 1: column \"section\" is missing");
  ExpectInvalid(header, "line 2: there is no seat");
  ExpectInvalid("section,row,number\nF,A,1\n", "line 1: column \"category\" is missing");
  ExpectInvalid("section,row,number,category,x\nF,A,1,A,2\n", "line 1: column \"y\" is missing");
  ExpectInvalid("section,row,number,category,price\nF,A,1,A,2\n", "line 1: column \"price\" is none of");
  ExpectInvalid("section,row,row,category\nF,A,1,A\n", "line 1: column \"row\" is there twice");
  ExpectInvalid(header + "F,A,1,A\nF,A,2\n", "line 3: 3 fields, where there are 4 columns");
  ExpectInvalid(header + "F,A,1,A\nF,A,,A\n", "line 3: the number is empty");
  ExpectInvalid(header + "F,A,1,A\n\nF,B,1,A\nF,A,1,A\n",
                "line 5: seat \"1\" of row \"A\" in section \"F\" is there twice, first in line 2");
  ExpectInvalid(header + "F,A,1,A\nF,A,\"2,A\nF,A,3,A\n", "line 3: a quote");
  ExpectInvalid(header + "F,A,1,A\nF,A,2\"x\",A\n", "line 3: a quote");
  ExpectInvalid("section,row,number,category,x,y\nF,A,1,A,1,1\nF,A,2,A,1,two\n",
                "line 3: y: \"two\" is not a number");
  ExpectInvalid("section,row,number,category,x,y\nF,A,1,A,inf,1\n", "line 2: x: ");
  ExpectInvalid("section,row,number,category,x,y\nF,A,1,A,,1\n", "line 2: the x is empty");
  ExpectInvalid(header + "F,A,1,A\n" + std::string(101, 'x') + ",A,2,A\n", "line 3: the section is longer");
  ExpectInvalid(header + "F,A,1,\"a\nb\"\n", "line 2: the category has a control character");
}

TEST(CsvPlan, ALineIsCountedAsAnEditorDoesAlsoAfterAFieldOfSeveralLines) {
  ExpectInvalid("section,row,number,category\n\"F\n\nG\",A,1,A\nF,A,2\"x\",A\n", "line 5: a quote");
}

// Two sections and two rows whose names, one after the other, would read the same.
TEST(CsvPlan, NamesWithLineBreaksAreRefused) {
  ExpectInvalid("section,row,number,category\n\"A\nB\",C,1,x\nA,\"B\nC\",2,x\n",
                "line 2: the section has a control character");
}

TEST(GridPlan, HasEqualRowsThatStandCentredBehindEachOther) {
  const std::vector<GridSection> sections = {{"Floor", 2, 3, "A"}, {"Balcony", 1, 2, "B"}};
  const Layout layout = MakeLayout(MakeGridPlan(sections).value(), {{"A", 2}, {"B", 1}}).value();
  ASSERT_EQ(layout.capacity(), 8U);
  EXPECT_EQ(layout.LabelOf(6), "Floor 2-3");
  EXPECT_EQ(layout.LabelOf(7), "Balcony 1-1");
  EXPECT_EQ(layout.PlaceOf(2), (Point{0, 1}));
  EXPECT_EQ(layout.PlaceOf(6), (Point{1, 2}));
  EXPECT_EQ(layout.PlaceOf(7), (Point{-0.5, 4}));
}

TEST(GridPlan, WhatIsOutOfRangeIsNamed) {
  const auto detail = [](const std::vector<GridSection>& sections) {
    const auto plan = MakeGridPlan(sections);
    return plan ? "" : plan.error().detail;
  };
  EXPECT_THAT(detail({}), HasSubstr("grid: there is no section"));
  EXPECT_THAT(detail({{"F", 1, 1, "A"}, {"G", 0, 1, "A"}}), HasSubstr("grid[1].rows: 0 is not within"));
  EXPECT_THAT(detail({{"F", 1, 1001, "A"}}), HasSubstr("grid[0].seats_per_row: 1001"));
  EXPECT_THAT(detail({{"F", 1000, 101, "A"}}), HasSubstr("101000 seats"));
}

TEST(GridPlan, ANameThatCantBeOneIsToldAsItWasSent) {
  const auto detail = [](const std::string& name, const std::string& category) {
    const auto plan = MakeGridPlan(std::vector<GridSection>{{"F", 1, 1, "A"}, {name, 1, 1, category}});
    return plan ? "" : plan.error().detail;
  };
  EXPECT_EQ(detail("", "A"), "") << "it gets one";
  EXPECT_EQ(detail(std::string(101, 'x'), "A"), "grid[1].name: is longer than 100 bytes");
  EXPECT_EQ(detail(std::string("a\0b", 3), "A"), "grid[1].name: has a control character");
  EXPECT_EQ(detail("G", std::string("a\0b", 3)), "grid[1].category: has a control character");
  EXPECT_EQ(detail("G", ""), "grid[1].category: is empty");
}

TEST(PlanCsv, SeatsAreMarkedAccessibleAndTheirCompanions) {
  const auto plan = ParseCsvPlan(
      "section,row,number,category,companion_of,accessible\n"
      "F,1,1,A,2,\nF,1,2,A,,yes\nF,1,3,A,2,no\nF,2,2,A,,\n");
  ASSERT_TRUE(plan.has_value()) << plan.error().detail;
  const auto layout = MakeLayout(*plan, {{"A", 1000}});
  ASSERT_TRUE(layout.has_value()) << layout.error().detail;
  EXPECT_EQ(layout->accessible, (std::vector<SeatNo>{2}));
  EXPECT_EQ(layout->companions, (std::vector<Companion>{{1, 2}, {3, 2}}));
  const std::pair<const char*, const char*> wrong[] = {
      {"F,1,1,A,,perhaps\n", "line 2: accessible: \"perhaps\" is neither yes nor no"},
      {"F,1,1,A,7,\n", "line 2: companion_of: the row has no accessible seat \"7\""},
      {"F,1,1,A,,\nF,1,2,A,1,\n", "line 3: companion_of: the row has no accessible seat \"1\""},
      {"F,1,1,A,,yes\nF,2,1,A,1,\n", "line 3: companion_of: the row has no accessible seat \"1\""},
      {"F,1,1,A,,yes\nF,1,2,A,1,yes\n", "line 3: companion_of: the seat is accessible itself"}};
  for (const auto& [lines, detail] : wrong) {
    const auto refused =
        ParseCsvPlan(std::string("section,row,number,category,companion_of,accessible\n") + lines);
    ASSERT_FALSE(refused.has_value()) << lines;
    EXPECT_EQ(refused.error().detail, std::string("seating_csv: ") + detail);
  }
}

}  // namespace
}  // namespace boxoffice::seat
