// What an operator makes of a hall: policies, prices, contingents of channels, accessible seats.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/show_fixture.h"

namespace boxoffice::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Hall : public ShowFixture {
 protected:
  Hall() : ShowFixture(R"("A":1000)") {}
  // Two rows of six seats: 1 to 12.
  std::string CreateHall() {
    return Create(R"("grid":[{"name":"Floor","rows":2,"seats_per_row":6,"category":"A"}])");
  }
  // Each replica has learned what an operator did: so many answers in a row say so.
  bool AllSay(const std::function<bool()>& said) {
    int in_a_row = 0;
    return Eventually(
        [&] {
          in_a_row = said() ? in_a_row + 1 : 0;
          return in_a_row == (FormOfThisRun() == Form::kScaled ? 10 : 1);
        },
        seconds(60));
  }
};

TEST_F(Hall, AShowsPolicyIsGivenChangedAndSeenByBuyers) {
  const std::string grid = R"("grid":[{"name":"Floor","rows":1,"seats_per_row":6,"category":"A"}])";
  const Reply made = TryCreate(grid + R"(,"cancel_fee_per_seat":300,"cancel_fee_percent":10,"grace_s":60)");
  ASSERT_EQ(made.status, 201) << made;
  EXPECT_EQ(made.number("cancel_fee_per_seat"), 300);
  EXPECT_EQ(made.number("grace_s"), 60);
  const std::string path = "/v1/admin/shows/" + made.at("id");
  ASSERT_EQ(system_->Admin("PATCH", path, R"({"cancel_fee_percent":0,"grace_s":5})").status, 200);
  EXPECT_TRUE(AllSay([&] {
    const Reply show = system_->Show(made.at("id"));
    return show.number("cancel_fee_percent") == 0 && show.number("cancel_fee_per_seat") == 300 &&
           show.number("grace_s") == 5 && show.at("waitlist_first") == "false";
  }));
  for (const auto& [body, field] : {std::pair{R"({"cancel_fee_percent":101})", "cancel_fee_percent"},
                                    std::pair{R"({"cancel_fee_per_seat":-1})", "cancel_fee_per_seat"},
                                    std::pair{R"({"grace_s":1801})", "grace_s"}}) {
    const Reply refused = system_->Admin("PATCH", path, body);
    EXPECT_EQ(refused.status, 422) << refused;
    EXPECT_EQ(refused.at("field"), field) << refused;
  }
  EXPECT_EQ(system_->CliJson({"show", "set", made.at("id"), "--grace", "7"}).at("grace_s"), 7);
}

TEST_F(Hall, PricesChangeForWhatNobodyHas) {
  const std::string show = CreateHall();
  const std::string prices = fmt::format("/v1/admin/shows/{}/prices", show);
  auto early = Enter(show, "early", 10'000);
  auto late = Enter(show, "late", 10'000);
  const Reply held = early->Reserve(show, R"("seats":[1])");
  ASSERT_EQ(held.status, 201) << held;
  const std::string seats = fmt::format("/v1/shows/{}/seats", show);
  const Reply before = early->Call("GET", seats);
  const Reply changed =
      system_->Admin("POST", prices, R"({"categories":{"A":1500},"reason":"it sells well"})");
  ASSERT_EQ(changed.status, 200) << changed;
  EXPECT_EQ(changed.body.at("price_categories").at(0).at("price"), 1'500);
  const Reply row =
      system_->Admin("POST", prices, R"({"price":700,"section":"Floor","row":"2","reason":"a pillar"})");
  ASSERT_EQ(row.status, 200) << row;
  EXPECT_EQ(row.body.at("price_categories").at(0).at("lowest_price"), 700);
  ASSERT_TRUE(AllSay([&] { return system_->Show(show).number("layout_version") == 2; }));
  Reply map;
  ASSERT_TRUE(AllSay([&] {
    map = early->Call("GET", seats, {}, {{"If-None-Match", before.header("ETag")}});
    return map.status == 200 && map.number("layout_version") == 2 &&
           map.body.at("items").at(1).at("price") == 1'500 && map.body.at("items").at(6).at("price") == 700;
  })) << map;
  EXPECT_NE(map.header("ETag"), before.header("ETag"));
  EXPECT_EQ(early->Confirm(held.at("id")).status, 200);
  EXPECT_EQ(early->Balance(), 9'000) << "what was held keeps its price";
  const Reply paid = late->Reserve(show, R"("best_available":{"count":1},"pay":true)");
  ASSERT_EQ(paid.status, 201) << paid;
  EXPECT_EQ(paid.number("amount"), 1'500);
  EXPECT_EQ(late->Balance(), 8'500);
  auto thrifty = Enter(show, "thrifty");
  const Reply cheap = thrifty->Reserve(show, R"("best_available":{"count":2,"max_price":700})");
  ASSERT_EQ(cheap.status, 201) << cheap;
  EXPECT_THAT(SeatsOf(cheap.body), ElementsAre(7, 8));
  EXPECT_EQ(cheap.number("amount"), 1'400);
  const Reply list = system_->Admin("GET", prices);
  ASSERT_EQ(list.status, 200) << list;
  ASSERT_EQ(list.body.at("items").as_array().size(), 2U);
  EXPECT_EQ(list.body.at("items").at(0).at("reason").as_string(), "a pillar");
  EXPECT_EQ(list.body.at("items").at(1).at("category").as_string(), "A");
  for (const auto& [body, code] :
       {std::pair{R"({"categories":{"X":5},"reason":"x"})", "category_unknown"},
        std::pair{R"({"categories":{"A":0},"reason":"x"})", "price_invalid"},
        std::pair{R"({"price":5,"seats":[99],"reason":"x"})", "seat_unknown"},
        std::pair{R"({"price":5,"section":"Cellar","reason":"x"})", "section_unknown"}}) {
    const Reply refused = system_->Admin("POST", prices, body);
    EXPECT_EQ(refused.status, 422) << refused;
    EXPECT_EQ(refused.at("code"), code) << refused;
  }
  const json::value priced =
      system_->CliJson({"seats", "price", show, "--price", "900", "--seats", "3-4", "--reason", "side view"});
  EXPECT_EQ(priced.at("price_categories").at(0).at("highest_price"), 1'500);
  EXPECT_EQ(system_->CliJson({"seats", "prices", show}).at("items").as_array().size(), 3U);
  system_->ExpectCleanAudit();
}

TEST_F(Hall, AContingentIsItsChannelsUntilItIsGivenBack) {
  const std::string show = CreateHall();
  const std::string contingents = fmt::format("/v1/admin/shows/{}/contingents", show);
  const Reply kept = system_->Admin(
      "POST", contingents, R"({"channel":"fanclub","section":"Floor","row":"1","reason":"members first"})");
  ASSERT_EQ(kept.status, 200) << kept;
  EXPECT_EQ(kept.number("kept_for_channels"), 6);
  EXPECT_EQ(kept.number("free"), 6);
  ASSERT_TRUE(AllSay([&] { return system_->Show(show).number("kept_for_channels") == 6; }));
  auto buyer = Enter(show, "buyer");
  const Reply refused = buyer->Reserve(show, R"("seats":[6,7])");
  ASSERT_EQ(refused.status, 409) << refused;
  EXPECT_EQ(refused.at("code"), "seats_taken");
  EXPECT_EQ(refused.body.at("conflicts").at(0).at("reason").as_string(), "channel");
  const Reply best = buyer->Reserve(show, R"("best_available":{"count":1})");
  ASSERT_EQ(best.status, 201) << best;
  EXPECT_THAT(SeatsOf(best.body), ElementsAre(7));
  auto member = Enter(show, "member", 10'000, {"fanclub", "press"});
  const std::string mine = fmt::format("/v1/shows/{}/contingents", show);
  const Reply hers = member->Call("GET", mine);
  ASSERT_EQ(hers.status, 200) << hers;
  EXPECT_EQ(hers.body.at("items").at(0).at("free_seats").as_array().size(), 6U);
  EXPECT_TRUE(buyer->Call("GET", mine).body.at("items").as_array().empty());
  const Reply reserved = member->Reserve(show, R"("best_available":{"count":2})");
  ASSERT_EQ(reserved.status, 201) << reserved;
  EXPECT_THAT(SeatsOf(reserved.body), ElementsAre(1, 2));
  EXPECT_EQ(member->Confirm(reserved.at("id")).status, 200);
  const Reply taken = system_->Admin("POST", contingents, R"({"channel":"press","seats":[2],"reason":"x"})");
  EXPECT_EQ(taken.at("code"), "seats_taken") << taken;
  EXPECT_EQ(system_
                ->Admin("POST", contingents,
                        R"({"channel":"press","seats":[9],"until":"2020-01-01T00:00:00Z","reason":"x"})")
                .at("code"),
            "channel_invalid");
  // Another replica's map is a moment behind.
  EXPECT_TRUE(AllSay(
      [&] { return system_->CliJson({"seats", "channels", show}).at("items").at(0).at("free") == 4; }));
  const json::value opened =
      system_->CliJson({"seats", "open", show, "--channel", "fanclub", "--reason", "over"});
  EXPECT_EQ(opened.at("kept_for_channels"), 0);
  auto other = Enter(show, "other");
  Reply open;
  ASSERT_TRUE(Eventually([&] {
    open = other->Reserve(show, R"("seats":[3])");
    return open.status == 201;
  })) << open;
  const Reply notes = system_->Admin("GET", fmt::format("/v1/admin/shows/{}/blocks", show));
  EXPECT_EQ(notes.body.at("items").at(0).at("action").as_string(), "channel_release");
  EXPECT_EQ(notes.body.at("items").at(1).at("channel").as_string(), "fanclub");
  system_->ExpectCleanAudit();
}

TEST_F(Hall, AccessibleSeatsAreForPartiesThatNeedThemUnlessTheyAreNamed) {
  const std::string show = Create(
      R"("seating_csv":"section,row,number,category,accessible,companion_of\nF,1,1,A,yes,\nF,1,2,A,,1\nF,1,3,A,,\nF,1,4,A,,\nF,1,5,A,yes,\n")");
  const Reply map = system_->Admin("GET", fmt::format("/v1/admin/shows/{}/seats", show));
  EXPECT_EQ(map.body.at("items").at(0).at("accessible"), true) << map;
  EXPECT_EQ(map.body.at("items").at(1).at("companion_of"), 1);
  EXPECT_EQ(map.body.at("items").at(2).as_object().if_contains("accessible"), nullptr);
  auto first = Enter(show, "first");
  const Reply others = first->Reserve(show, R"("best_available":{"count":2})");
  ASSERT_EQ(others.status, 201) << others;
  EXPECT_THAT(SeatsOf(others.body), ElementsAre(3, 4));
  auto party = Enter(show, "party");
  const Reply held = party->Reserve(show, R"("best_available":{"count":2,"accessible":1})");
  ASSERT_EQ(held.status, 201) << held;
  EXPECT_THAT(SeatsOf(held.body), ElementsAre(1, 2));
  EXPECT_EQ(held.at("rung"), "row");
  auto second = Enter(show, "second");
  EXPECT_EQ(second->Reserve(show, R"("best_available":{"count":1})").at("code"), "not_enough_seats");
  EXPECT_EQ(second->Reserve(show, R"("best_available":{"count":1,"accessible":2})").status, 422);
  EXPECT_EQ(second->Reserve(show, R"("seats":[5])").status, 201) << "anybody may name it";
  const Reply wrong =
      TryCreate(R"("seating_csv":"section,row,number,category,accessible,companion_of\nF,1,1,A,maybe,\n")");
  EXPECT_EQ(wrong.status, 422) << wrong;
  EXPECT_THAT(wrong.at("detail"), HasSubstr("line 2: accessible"));
  system_->ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
