// Shows and seats beyond the main flow: where seats come from, what operators do to them, what buyers are
// offered.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/show_fixture.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;

class Seats : public ShowFixture {
 protected:
  Seats() : ShowFixture(R"("A":1000,"B":500)") {}
  // Two sections of three rows of six seats: 1 to 18 of category A, 19 to 36 of B.
  std::string CreateHall(const std::string& more = {}) {
    return Create(R"("grid":[{"name":"Floor","rows":3,"seats_per_row":6,"category":"A"},)"
                  R"({"name":"Balcony","rows":3,"seats_per_row":6,"category":"B"}])" +
                  more);
  }
  // Other replicas may learn of what an operator did a second later.
  bool ShowBecomes(const std::string& show, const std::string& member, const std::string& value) {
    return Eventually([&] { return system_->Show(show).at(member) == value; });
  }
};

TEST_F(Seats, BestAvailableGoesDownALadderAndSaysItsRung) {
  const std::string show = CreateHall();
  auto first = Enter(show, "first");
  const Reply row = first->Reserve(show, R"("best_available":{"count":4})");
  ASSERT_EQ(row.status, 201) << row;
  EXPECT_EQ(row.at("rung"), "row");
  EXPECT_EQ(SeatsOf(row.body), (std::vector<int64_t>{1, 2, 3, 4}));
  const Reply again = first->Get(row.at("id"));
  EXPECT_EQ(again.at("rung"), "row");
  auto second = Enter(show, "second");
  const Reply cheap = second->Reserve(show, R"("best_available":{"count":2,"max_price":700})");
  ASSERT_EQ(cheap.status, 201) << cheap;
  EXPECT_EQ(SeatsOf(cheap.body), (std::vector<int64_t>{19, 20}));
  auto third = Enter(show, "third");
  const Reply rows = third->Reserve(show, R"("best_available":{"count":8,"section":"Floor"})");
  ASSERT_EQ(rows.status, 201) << rows;
  EXPECT_EQ(rows.at("rung"), "adjacent_rows");
  EXPECT_EQ(SeatsOf(rows.body), (std::vector<int64_t>{5, 6, 7, 8, 9, 10, 11, 12}));
  auto fourth = Enter(show, "fourth");
  const Reply named = fourth->Reserve(show, R"("seats":[15])");
  ASSERT_EQ(named.status, 201) << named;
  EXPECT_EQ(named.at("rung"), "null");
  auto fifth = Enter(show, "fifth");
  const Reply section = fifth->Reserve(show, R"("best_available":{"count":5,"category":"A"})");
  ASSERT_EQ(section.status, 201) << section;
  EXPECT_EQ(section.at("rung"), "section");
  EXPECT_EQ(SeatsOf(section.body), (std::vector<int64_t>{13, 14, 16, 17, 18}));
  const Reply too_many =
      Enter(show, "sixth")->Reserve(show, R"("best_available":{"count":1,"category":"A"})");
  EXPECT_EQ(too_many.status, 409) << too_many;
  EXPECT_EQ(too_many.at("code"), "not_enough_seats");
  system_->ExpectCleanAudit();
}

TEST_F(Seats, WhereTheStageIsKnownTheNearestSeatsAreTheBest) {
  const std::string show = CreateHall(R"(,"stage":{"x":0,"y":8})");  // behind the balcony
  const Reply best = Enter(show, "fan")->Reserve(show, R"("best_available":{"count":2})");
  ASSERT_EQ(best.status, 201) << best;
  EXPECT_EQ(SeatsOf(best.body), (std::vector<int64_t>{33, 34})) << "the middle of the last row";
  EXPECT_EQ(system_->Show(show).at("stage.y"), "8");
}

TEST_F(Seats, AConflictOffersTheNearestSeatsThatAreFree) {
  const std::string show = CreateHall();
  ASSERT_EQ(Enter(show, "first")->Reserve(show, R"("seats":[9,10])").status, 201);
  auto second = Enter(show, "second");
  const Reply refused = second->Reserve(show, R"("seats":[9,10])");
  ASSERT_EQ(refused.status, 409) << refused;
  EXPECT_EQ(refused.at("code"), "seats_taken");
  const json::value& offer = refused.body.at("alternative");
  EXPECT_EQ(offer.at("rung").as_string(), "row");
  EXPECT_EQ(SeatsOf(offer), (std::vector<int64_t>{3, 4})) << "in front of them";
  EXPECT_EQ(offer.at("amount"), 2'000);
  const Reply taken = second->Reserve(show, R"("seats":[3,4])");
  EXPECT_EQ(taken.status, 201) << taken;
}

TEST_F(Seats, OperatorsBlockSeatsAndGiveThemBackWithAReason) {
  const std::string show = CreateHall();
  const std::string blocks = fmt::format("/v1/admin/shows/{}/blocks", show);
  const Reply row =
      system_->Admin("POST", blocks, R"({"section":"Floor","row":"1","reason":"the camera stands here"})");
  ASSERT_EQ(row.status, 200) << row;
  EXPECT_EQ(row.number("blocked"), 6);
  EXPECT_EQ(row.number("free"), 30);
  EXPECT_EQ(system_->Admin("POST", blocks, R"({"section":"Floor","row":"1","reason":"again"})").status, 200);
  auto buyer = Enter(show, "buyer");
  const Reply refused = buyer->Reserve(show, R"("seats":[6,7])");
  ASSERT_EQ(refused.status, 409) << refused;
  EXPECT_EQ(refused.body.at("conflicts").at(0).at("reason").as_string(), "blocked");
  const Reply best = buyer->Reserve(show, R"("best_available":{"count":1})");
  ASSERT_EQ(best.status, 201) << best;
  EXPECT_EQ(SeatsOf(best.body), std::vector<int64_t>{7});
  EXPECT_TRUE(Eventually([&] {
    const Reply seats = buyer->Call("GET", fmt::format("/v1/shows/{}/seats", show));
    return seats.body.at("items").at(0).at("state").as_string() == "blocked" && seats.number("blocked") == 6;
  }));
  const Reply over = system_->Admin("POST", blocks, R"({"seats":[7,8],"reason":"too late"})");
  ASSERT_EQ(over.status, 409) << over;
  EXPECT_EQ(over.body.at("conflicts").at(0).at("reason").as_string(), "held");
  EXPECT_EQ(system_->Admin("POST", blocks, R"({"seats":[99],"reason":"x"})").at("code"), "seat_unknown");
  EXPECT_EQ(system_->Admin("POST", blocks, R"({"section":"Cellar","reason":"x"})").at("code"),
            "section_unknown");
  EXPECT_EQ(system_->Admin("POST", blocks, R"({"section":"Floor","row":"9","reason":"x"})").at("code"),
            "row_unknown");
  const Reply back =
      system_->Admin("POST", blocks + "/release", R"({"seats":[1,2],"reason":"a smaller camera"})");
  ASSERT_EQ(back.status, 200) << back;
  EXPECT_TRUE(ShowBecomes(show, "blocked", "4"));
  const Reply list = system_->Admin("GET", blocks);
  ASSERT_EQ(list.status, 200) << list;
  const json::array& items = list.body.at("items").as_array();
  ASSERT_EQ(items.size(), 2U) << "what changed nothing is not recorded";
  EXPECT_EQ(items[0].at("action").as_string(), "release");
  EXPECT_EQ(items[1].at("reason").as_string(), "the camera stands here");
  EXPECT_EQ(items[1].at("operator_id").as_string(), "operator");
  system_->ExpectCleanAudit();
}

TEST_F(Seats, AConcertWithoutAShowAndADraftAreWhereTheirLocationSays) {
  const Reply concert =
      system_->Admin("POST", "/v1/admin/concerts", R"({"title":"T","artist":"A","venue":"V"})");
  ASSERT_EQ(concert.status, 201) << concert;
  EXPECT_EQ(system_->Admin("GET", concert.header("Location")).at("id"), concert.at("id"));
  const Reply draft = TryCreate(R"("grid":[{"name":"Floor","rows":1,"seats_per_row":6,"category":"A"},)"
                                R"({"name":"Balcony","rows":1,"seats_per_row":6,"category":"B"}],)"
                                R"("draft":true)");
  ASSERT_EQ(draft.status, 201) << draft;
  EXPECT_EQ(system_->Admin("GET", draft.header("Location")).at("state"), "DRAFT");
}

TEST_F(Seats, ADraftIsAnnouncedAndACancelledShowSellsNothingMore) {
  const std::string show = CreateHall(R"(,"draft":true)");
  const std::string admin = "/v1/admin/shows/" + show;
  EXPECT_EQ(system_->Show(show).status, 404);
  Buyer early(*system_, "early");
  EXPECT_EQ(early.Call("GET", fmt::format("/v1/shows/{}/seats", show)).status, 404);
  EXPECT_EQ(system_->Admin("GET", admin).at("state"), "DRAFT");
  EXPECT_EQ(system_->Admin("POST", admin + "/publish").at("state"), "ON_SALE");
  Buyer buyer(*system_, "buyer-" + show);
  Buyer other(*system_, "other-" + show);
  ASSERT_TRUE(Eventually([&] { return buyer.Enter(show, seconds(10)) && other.Enter(show, seconds(10)); }));
  ASSERT_EQ(buyer.Charge(5'000).status, 201);
  Reply held;
  ASSERT_TRUE(Eventually([&] {
    held = buyer.Reserve(show, R"("seats":[1])");
    return held.status == 201;
  })) << held;
  EXPECT_EQ(system_->Admin("POST", admin + "/cancel").status, 202);
  EXPECT_EQ(system_->Admin("POST", admin + "/cancel").status, 202) << "again";
  ASSERT_TRUE(ShowBecomes(show, "state", "CANCELLED"));
  EXPECT_EQ(system_->Admin("POST", admin + "/publish").at("code"), "show_state");
  // A replica that has not heard of it yet may sell for a second.
  int refused = 0;
  Reply late;
  int seat_no = 2;
  ASSERT_TRUE(Eventually(
      [&] {
        late = other.Reserve(show, fmt::format(R"("seats":[{}])", seat_no));
        seat_no = 2 + seat_no % 30;
        refused = late.at("code") == "show_cancelled" ? refused + 1 : 0;
        return refused == (FormOfThisRun() == Form::kScaled ? 10 : 1);
      },
      seconds(60)))
      << late;
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(buyer.Await(held.at("id"), "RELEASED").at("failure.code"), "show_cancelled");
  const Reply paid = buyer.Confirm(held.at("id"));
  EXPECT_EQ(paid.status, 409) << paid;
  EXPECT_EQ(buyer.Balance(), 5'000);
  EXPECT_EQ(system_->Show(show).number("sold"), 0);
  system_->ExpectCleanAudit();
}

// What docs/runbooks/AuditViolation.md does first.
TEST_F(Seats, AnEmergencyStopLetsNobodyWhoIsInHoldMoreAndWhoeverHoldsPays) {
  const std::string show = CreateHall();
  auto holder = Enter(show, "holder", 1'000);
  auto other = Enter(show, "other", 10'000);
  const Reply held = holder->Reserve(show, R"("seats":[1])");
  ASSERT_EQ(held.status, 201) << held;
  const std::string opened = system_->Show(show).at("on_sale_at");
  system_->OpenSaleAt(show, "2099-01-01T00:00:00Z");
  // A replica that has not heard of it yet may hold for a moment.
  int refused = 0;
  Reply more;
  ASSERT_TRUE(Eventually([&] {
    more = other->Reserve(show, R"("seats":[2])");
    if (more.status == 201) (void)other->Cancel(more.at("id"));
    refused = more.at("code") == "show_not_on_sale" ? refused + 1 : 0;
    return refused == (FormOfThisRun() == Form::kScaled ? 10 : 1);
  })) << more;
  EXPECT_EQ(more.status, 409);
  more = other->Reserve(show, R"("best_available":{"count":2},"pay":true)");
  EXPECT_EQ(more.at("code"), "show_not_on_sale") << more;
  EXPECT_EQ(other->Balance(), 10'000);
  const Reply paid = holder->Confirm(held.at("id"));
  EXPECT_EQ(paid.at("state"), "CONFIRMED") << paid;

  system_->OpenSaleAt(show, opened);
  ASSERT_TRUE(Eventually([&] {
    more = other->Reserve(show, R"("seats":[2],"pay":true)");
    return more.status == 201;
  })) << more;
  EXPECT_EQ(more.at("state"), "CONFIRMED") << "she is still in";
  system_->ExpectCleanAudit();
}

TEST_F(Seats, SoldOutIsHonest) {
  const std::string show = Create(R"("grid":[{"name":"Box","rows":1,"seats_per_row":1,"category":"A"},)"
                                  R"({"name":"Loge","rows":1,"seats_per_row":1,"category":"B"}])");
  auto first = Enter(show, "first", 1'000);
  auto second = Enter(show, "second", 1'000);
  ASSERT_EQ(first->Reserve(show, R"("seats":[1],"pay":true)").status, 201);
  const Reply held = second->Reserve(show, R"("seats":[2])");
  ASSERT_EQ(held.status, 201) << held;
  Reply now;
  ASSERT_TRUE(Eventually([&] {
    now = system_->Show(show);
    return now.number("held") == 1 && now.number("sold") == 1;
  })) << now;
  EXPECT_EQ(now.number("free"), 0) << now;
  EXPECT_EQ(now.at("state"), "ON_SALE") << "a seat may come back";
  EXPECT_EQ(now.at("next_release_at"), held.at("hold_expires_at"));
  ASSERT_EQ(second->Confirm(held.at("id")).status, 200);
  EXPECT_TRUE(ShowBecomes(show, "state", "SOLD_OUT"));
  EXPECT_TRUE(ShowBecomes(show, "next_release_at", "null"));
}

TEST_F(Seats, AChoiceMayNotLeaveASeatAloneWhereTheRuleIsOn) {
  const std::string show = CreateHall(R"(,"orphan_rule":true)");
  auto buyer = Enter(show, "buyer");
  const Reply refused = buyer->Reserve(show, R"("seats":[2,3])");
  ASSERT_EQ(refused.status, 409) << refused;
  EXPECT_EQ(refused.at("code"), "orphan_seat");
  EXPECT_EQ(refused.body.at("conflicts").at(0).at("seat_no"), 1);
  EXPECT_EQ(SeatsOf(refused.body.at("alternative")), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(buyer->Reserve(show, R"("seats":[1,2])").status, 201);
  const Reply off = system_->Admin("PATCH", "/v1/admin/shows/" + show, R"({"orphan_rule":false})");
  EXPECT_EQ(off.at("orphan_rule"), "false") << off;
  EXPECT_TRUE(
      Eventually([&] { return Enter(show, "other")->Reserve(show, R"("seats":[8,9])").status == 201; }));
}

TEST_F(Seats, SeatsComeFromCsvAndABadLineImportsNothing) {
  const std::string header = R"("seating_csv":"section,row,number,category\n)";
  const size_t before =
      system_->Admin("GET", "/v1/admin/concerts?limit=200").body.at("items").as_array().size();
  const Reply bad = TryCreate(header + R"(Floor,A,1,A\nFloor,A,2\n")");
  EXPECT_EQ(bad.status, 422) << bad;
  EXPECT_EQ(bad.at("code"), "seating_plan_invalid");
  EXPECT_THAT(bad.at("detail"), HasSubstr("line 3"));
  const Reply concerts = system_->Admin("GET", "/v1/admin/concerts?limit=200");
  ASSERT_EQ(concerts.body.at("items").as_array().size(), before + 1);
  EXPECT_TRUE(concerts.body.at("items").as_array().back().at("shows").as_array().empty());
  const Reply good = TryCreate(header + R"(Floor,A,1,A\nBalcony,A,1,B\nFloor,A,2,A\n")");
  ASSERT_EQ(good.status, 201) << good;
  EXPECT_EQ(good.number("capacity"), 3);
  Buyer buyer(*system_, "reader");
  const Reply seats = buyer.Call("GET", fmt::format("/v1/shows/{}/seats", good.at("id")));
  EXPECT_EQ(seats.body.at("items").at(1).at("label").as_string(), "Floor A-2");
  EXPECT_THAT(TryCreate(R"("grid":[{"name":"F","rows":1,"seats_per_row":1001,"category":"A"}])").at("detail"),
              HasSubstr("grid[0].seats_per_row"));
}

TEST_F(Seats, TheCommandLineDoesAllOfThis) {
  const auto run = [&](std::vector<std::string> words) { return system_->CliJson(std::move(words)); };
  const json::value concert = run({"concert", "create", "--title", "T", "--artist", "A", "--venue", "V"});
  const std::string concert_id(concert.at("id").as_string());
  const json::value show =
      run({"show", "create", "--concert", concert_id, "--starts-at", "2099-06-01T19:00:00Z", "--grid",
           "Floor=3x6=A", "--price", "A=1000", "--draft"});
  const std::string id(show.at("id").as_string());
  EXPECT_EQ(show.at("state").as_string(), "DRAFT");
  EXPECT_EQ(run({"show", "publish", id}).at("state").as_string(), "ON_SALE");
  EXPECT_EQ(run({"seats", "block", id, "--seats", "1-3", "--reason", "camera"}).at("blocked"), 3);
  EXPECT_EQ(run({"seats", "release", id, "--section", "Floor", "--reason", "no camera"}).at("blocked"), 0);
  EXPECT_EQ(run({"seats", "blocks", id}).at("items").as_array().size(), 2U);
  EXPECT_EQ(run({"seats", "list", id}).at("items").as_array().size(), 18U);
  EXPECT_EQ(run({"show", "cancel", id, "--yes", "--wait"}).at("state").as_string(), "done");
}

}  // namespace
}  // namespace boxoffice::e2e
