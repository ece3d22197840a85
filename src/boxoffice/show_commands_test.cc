// The commands of shows and their seats.
#include <fstream>

#include <boost/json.hpp>
#include <gmock/gmock.h>

#include "boxoffice/operator_commands_for_test.h"
#include "testing/temp_dir.h"

namespace boxoffice::cli {
namespace {

using testing::HasSubstr;

constexpr std::string_view kShow =
    R"({"id":"1","concert_id":"7","state":"ON_SALE","capacity":50,"price_categories":[{"name":"R","price":1000,"seats":50}]})";

TEST_F(OperatorCommandsTest, ShowIsCreatedFromAPlanFile) {
  const testbed::TempDir folder;
  const std::string plan = (folder.path() / "plan.json").string();
  std::ofstream(plan) << "{\n\"zones\": [";
  On("POST /v1/admin/shows", kShow, 201);
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "2026-12-24T20:00:00Z", "--plan", plan,
                 "--price", "R=1000", "--price", "a=b=2", "--seat-limit", "4"}),
            0)
      << err_;
  const boost::json::value body = boost::json::parse(Last().body);
  EXPECT_EQ(body.at("seating_plan").as_string(), "{\n\"zones\": [")
      << "as it is in the file, also if it is broken";
  EXPECT_EQ(body.at("prices").at("R").as_int64(), 1000);
  EXPECT_EQ(body.at("prices").at("a=b").as_int64(), 2);
  EXPECT_EQ(body.at("seat_limit").as_int64(), 4);
  EXPECT_FALSE(body.as_object().contains("hold_ttl_s"));
}

TEST_F(OperatorCommandsTest, APlanThatIsNotUtf8IsRefusedWithItsLineAndAsksNothing) {
  const testbed::TempDir folder;
  const std::string plan = (folder.path() / "plan.csv").string();
  // Korean of a spreadsheet (CP949), and UTF-16.
  for (const std::string_view text :
       {std::string_view("section,row\n\xb0\xa1,1\n"), std::string_view("s\0e\0\n\0", 6)}) {
    std::ofstream(plan, std::ios::binary) << text;
    EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "2026-12-24T20:00:00Z", "--csv", plan,
                   "--price", "R=1000"}),
              2);
    EXPECT_THAT(err_,
                HasSubstr(text.starts_with("section") ? "is not UTF-8: line 2" : "is not UTF-8: line 1"));
  }
  EXPECT_EQ(Last().line, "");
}

TEST_F(OperatorCommandsTest, ShowsAreListedWithTheirConcert) {
  On("GET /v1/admin/concerts?limit=200",
     fmt::format(
         R"({{"items":[{{"id":"7","title":"One","shows":[{}]}},{{"id":"8","title":"Two","shows":[]}}],"next_cursor":null}})",
         kShow));
  EXPECT_EQ(Run({"show", "list"}), 0);
  EXPECT_THAT(out_, HasSubstr("One"));
  EXPECT_EQ(Run({"show", "list", "--concert", "8", "--json"}), 0);
  EXPECT_EQ(out_, "{\"items\":[],\"next_cursor\":null}\n");
  On("GET /v1/admin/shows/1", kShow);
  EXPECT_EQ(Run({"show", "get", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("CATEGORY  PRICE  SEATS\nR         1000   50\n"));
  On("PATCH /v1/admin/shows/1", kShow);
  EXPECT_EQ(Run({"show", "set", "1", "--hold-ttl", "480"}), 0);
  EXPECT_EQ(Last().body, R"({"hold_ttl_s":480})");
}

TEST_F(OperatorCommandsTest, ShowIsCreatedFromAGridOrCsvAndPublishedAndCancelled) {
  On("POST /v1/admin/shows", kShow, 201);
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "2026-12-24T20:00:00Z", "--price",
                 "A=1000", "--grid", "Floor=20x30=A", "--grid", "Up=stairs=2x3=A", "--stage", "0", "-1.5",
                 "--draft", "--orphan-rule", "true"}),
            0)
      << err_;
  const boost::json::value body = boost::json::parse(Last().body);
  EXPECT_EQ(boost::json::serialize(body.at("grid")),
            R"([{"name":"Floor","rows":20,"seats_per_row":30,"category":"A"},)"
            R"({"name":"Up=stairs","rows":2,"seats_per_row":3,"category":"A"}])");
  EXPECT_EQ(body.at("stage").at("y").as_double(), -1.5);
  EXPECT_TRUE(body.at("draft").as_bool());
  EXPECT_TRUE(body.at("orphan_rule").as_bool());
  const testbed::TempDir folder;
  const std::string csv = (folder.path() / "plan.csv").string();
  std::ofstream(csv) << "section,row\n";
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "2026-12-24T20:00:00Z", "--price",
                 "A=1000", "--csv", csv}),
            0);
  EXPECT_EQ(boost::json::parse(Last().body).at("seating_csv").as_string(), "section,row\n");
  On("POST /v1/admin/shows/1/publish", kShow);
  EXPECT_EQ(Run({"show", "publish", "1"}), 0);
}

constexpr std::string_view kCancellation =
    R"({"show_id":"1","state":"running","reason":"storm","operator_id":"root","started_at":"2026-11-22T10:00:00Z",
"finished_at":null,"total":7,"refunded":3,"released":1,"waiting":2,"parked":1,
"refunded_amounts":[{"amount":330000,"currency":"KRW"}],"last_error":null})";

TEST_F(OperatorCommandsTest, AShowIsCancelledWithAReasonAndItsProgressIsShown) {
  On("POST /v1/admin/shows/1/cancel", kCancellation);
  EXPECT_EQ(Run({"show", "cancel", "1", "--reason", "storm", "--yes"}), 0);
  EXPECT_EQ(Last().line, "POST /v1/admin/shows/1/cancel");
  EXPECT_EQ(Last().body, R"({"reason":"storm"})");
  EXPECT_THAT(out_, HasSubstr("330000 KRW"));
  On("GET /v1/admin/shows/1/cancellation", kCancellation);
  EXPECT_EQ(Run({"show", "cancellation", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("running"));
  EXPECT_EQ(Run({"show", "cancellation", "1", "--json"}), 0);
  EXPECT_EQ(boost::json::parse(out_).at("refunded").as_int64(), 3);
}

TEST_F(OperatorCommandsTest, WhoFollowsACancellationHearsOfItsEndAndOfWhatIsParked) {
  std::string done(kCancellation);
  done.replace(done.find("running"), 7, "done");
  On("GET /v1/admin/shows/1/cancellation", done);
  EXPECT_EQ(Run({"show", "cancellation", "1", "--wait"}), 0);
  std::string refused(kCancellation);
  refused.replace(refused.find("running"), 7, "refused");
  On("GET /v1/admin/shows/1/cancellation", refused);
  EXPECT_EQ(Run({"show", "cancellation", "1", "--wait"}), 1) << "the show began";
}

TEST_F(OperatorCommandsTest, SeatsAreListedBlockedAndGivenBack) {
  On("GET /v1/admin/shows/1/seats",
     R"({"items":[{"seat_no":1,"label":"Floor A-1","category":"R","price":1000,"state":"blocked"}],"next_cursor":null})");
  EXPECT_EQ(Run({"seats", "list", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("Floor A-1"));
  On("POST /v1/admin/shows/1/blocks", kShow);
  EXPECT_EQ(Run({"seats", "block", "1", "--seats", "3,5-7", "--reason", "camera", "--json"}), 0);
  EXPECT_EQ(Last().body, R"({"reason":"camera","seats":[3,5,6,7]})");
  EXPECT_EQ(boost::json::parse(out_).at("id").as_string(), "1");
  On("POST /v1/admin/shows/1/blocks/release", kShow);
  EXPECT_EQ(Run({"seats", "release", "1", "--section", "Floor", "--row", "A", "--reason", "no camera"}), 0);
  EXPECT_EQ(Last().body, R"({"reason":"no camera","section":"Floor","row":"A"})");
  On("GET /v1/admin/shows/1/blocks?limit=200",
     R"({"items":[{"id":"1","action":"block","seats":[3],"reason":"camera","operator_id":"op","at":"2026-11-22T10:00:00.000Z"}],"next_cursor":null})");
  EXPECT_EQ(Run({"seats", "blocks", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("camera"));
}

TEST_F(OperatorCommandsTest, SeatsAreDrawnRowByRow) {
  // Seats 1 to 5: free, held, sold, blocked; sold.
  On("GET /v1/admin/shows/1/seat-map",
     R"({"show_id":"1","free":1,"held":1,"sold":2,"blocked":1,"states":"5AI","sections":["Floor","Tier"],)"
     R"("rows":{"section":[0,1],"name":["A","B"],"seats":[3,2]}})");
  EXPECT_EQ(Run({"seats", "map", "1"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Floor    A    1     .o#\n"));
  EXPECT_THAT(out_, HasSubstr("Tier     B    0     x#\n"));
  EXPECT_THAT(out_, HasSubstr(". 1 free, o 1 held, # 2 sold, x 1 blocked"));
  EXPECT_EQ(Run({"seats", "map", "1", "--json"}), 0);
  EXPECT_EQ(boost::json::parse(out_).at("states").as_string(), "5AI");
}

TEST_F(OperatorCommandsTest, PricesAreChangedAndListed) {
  On("POST /v1/admin/shows/1/prices",
     R"({"id":"1","price_categories":[{"name":"R","price":1500,"lowest_price":700,"highest_price":1500,"seats":50}]})");
  EXPECT_EQ(
      Run({"seats", "price", "1", "--category", "R=1500", "--category", "A=b=900", "--reason", "it sells"}),
      0)
      << err_;
  EXPECT_EQ(Last().body, R"({"reason":"it sells","categories":{"R":1500,"A=b":900}})");
  EXPECT_THAT(out_, HasSubstr("LOWEST"));
  EXPECT_EQ(Run({"seats", "price", "1", "--price", "700", "--seats", "3,5-6", "--reason", "pillar"}), 0)
      << err_;
  EXPECT_EQ(Last().body, R"({"reason":"pillar","seats":[3,5,6],"price":700})");
  const std::string last = Last().body;
  EXPECT_EQ(Run({"seats", "price", "1", "--reason", "x"}), 2) << "of what?";
  EXPECT_EQ(Run({"seats", "price", "1", "--price", "700", "--category", "R=1", "--reason", "x"}), 2);
  EXPECT_EQ(Run({"seats", "price", "1", "--price", "700", "--reason", "x"}), 2) << "of which seats?";
  EXPECT_EQ(Run({"seats", "price", "1", "--category", "R", "--reason", "x"}), 2);
  EXPECT_EQ(Last().body, last) << "nothing was sent";
  On("GET /v1/admin/shows/1/prices?limit=200",
     R"({"items":[{"id":"1","layout_version":1,"category":"R","seats":[],"price":1500,"reason":"it sells","operator_id":"op","at":"2026-11-22T10:00:00.000Z"}],"next_cursor":null})");
  EXPECT_EQ(Run({"seats", "prices", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("it sells"));
}

TEST_F(OperatorCommandsTest, SeatsAreKeptForChannelsAndOpened) {
  On("POST /v1/admin/shows/1/contingents", kShow);
  EXPECT_EQ(Run({"seats", "channel", "1", "--channel", "fanclub", "--section", "Floor", "--until",
                 "2026-11-22T10:00:00Z", "--reason", "members"}),
            0)
      << err_;
  EXPECT_EQ(Last().body,
            R"({"reason":"members","section":"Floor","channel":"fanclub","until":"2026-11-22T10:00:00Z"})");
  On("POST /v1/admin/shows/1/contingents/release", kShow);
  EXPECT_EQ(Run({"seats", "open", "1", "--channel", "fanclub", "--reason", "over"}), 0) << err_;
  EXPECT_EQ(Last().body, R"({"reason":"over","channel":"fanclub"})");
  EXPECT_EQ(Run({"seats", "open", "1", "--seats", "3", "--reason", "over"}), 0) << err_;
  EXPECT_EQ(Last().body, R"({"reason":"over","seats":[3]})");
  EXPECT_EQ(Run({"seats", "open", "1", "--reason", "over"}), 2) << "which?";
  EXPECT_EQ(Run({"seats", "open", "1", "--channel", "fanclub", "--row", "3", "--reason", "over"}), 2)
      << "a row of which section? Not all of the channel's";
  EXPECT_EQ(Run({"seats", "channel", "1", "--seats", "3", "--reason", "x"}), 2) << "for whom?";
  On("GET /v1/admin/shows/1/contingents",
     R"({"items":[{"channel":"fanclub","capacity":3,"free":1,"free_seats":[7],"next_until":null}],"next_cursor":null})");
  EXPECT_EQ(Run({"seats", "channels", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("fanclub"));
}

TEST_F(OperatorCommandsTest, AShowsPolicyAndAccessibleSeatsAreGiven) {
  On("POST /v1/admin/shows", kShow);
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "2026-12-24T20:00:00Z", "--price",
                 "A=1000", "--grid", "Floor=2x8=A", "--accessible", "Floor=2", "--cancel-fee-per-seat", "300",
                 "--cancel-fee-percent", "10", "--grace", "60"}),
            0)
      << err_;
  const boost::json::value body = boost::json::parse(Last().body);
  EXPECT_EQ(body.at("grid").at(0).at("accessible").as_int64(), 2);
  EXPECT_EQ(body.at("cancel_fee_per_seat").as_int64(), 300);
  EXPECT_EQ(body.at("cancel_fee_percent").as_int64(), 10);
  EXPECT_EQ(body.at("grace_s").as_int64(), 60);
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "2026-12-24T20:00:00Z", "--price",
                 "A=1000", "--grid", "Floor=2x8=A", "--accessible", "Flor=2"}),
            2)
      << "no such section";
}

TEST_F(OperatorCommandsTest, ACancellationDeadlineIsTakenAway) {
  On("PATCH /v1/admin/shows/1", kShow);
  EXPECT_EQ(Run({"show", "set", "1", "--cancel-deadline", "none"}), 0) << err_;
  EXPECT_EQ(Last().body, R"({"cancel_deadline":null})");
}

TEST_F(OperatorCommandsTest, AChangeThatChangedNoSeatSaysSo) {
  On("POST /v1/admin/shows/1/contingents/release", R"({"id":"1","changed_seats":0})");
  EXPECT_EQ(Run({"seats", "open", "1", "--channel", "typo", "--reason", "over"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("changed_seats      0\n"));
}

}  // namespace
}  // namespace boxoffice::cli
