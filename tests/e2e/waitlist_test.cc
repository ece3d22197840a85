// The waitlist of a show that is sold out, as buyers and operators meet it.
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

constexpr int64_t kPrice = 1'000;

class Waitlist : public ::testing::Test {
 protected:
  // Whoever waits here asks twenty times a second.
  static void SetUpTestSuite() { system_ = new System({"--no-seed", "--limit-user-lists", "0"}); }
  static void TearDownTestSuite() { delete system_; }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  // Two seats, sold to one buyer each.
  void SellOut() {
    show_ = system_->CreateShow({.rows = 1, .seats_per_row = 2});
    for (int seat = 1; seat <= 2; ++seat) {
      owners_.push_back(Visitor(fmt::format("owner{}", seat)));
      ASSERT_TRUE(owners_.back()->Enter(show_));
      ASSERT_EQ(owners_.back()->Charge(kPrice).status, 201);
      const Reply paid = owners_.back()->Reserve(show_, fmt::format(R"("seats":[{}],"pay":true)", seat));
      ASSERT_EQ(paid.at("state"), "CONFIRMED") << paid;
      bought_.push_back(paid.at("id"));
    }
  }
  std::unique_ptr<Buyer> Visitor(const std::string& name) {
    return std::make_unique<Buyer>(*system_, fmt::format("{}-{}", name, show_));
  }
  [[nodiscard]] std::string Path() const { return fmt::format("/v1/shows/{}/waitlist", show_); }
  // A replica may learn a second late that the last seat was sold.
  Reply Join(Buyer& buyer, int count) {
    Reply joined;
    EXPECT_TRUE(Eventually([&] {
      joined = buyer.Call("POST", Path(), fmt::format(R"({{"count":{}}})", count));
      return joined.at("code") != "not_sold_out";
    })) << joined;
    return joined;
  }
  bool Becomes(Buyer& buyer, const std::string& state) {
    return Eventually(
        [&] {
          const Reply all = buyer.Call("GET", "/v1/waitlist");
          return all.status == 200 && !all.body.at("items").as_array().empty() &&
                 all.body.at("items").at(0).at("state").as_string() == state;
        },
        seconds(60));
  }
  void GiveBack(size_t owner) {
    const Reply back = owners_[owner]->Cancel(bought_[owner]);
    ASSERT_EQ(back.at("state"), "CANCELLED") << back;
  }

  static System* system_;
  std::string show_;
  std::vector<std::unique_ptr<Buyer>> owners_;
  std::vector<std::string> bought_;
};
System* Waitlist::system_ = nullptr;

TEST_F(Waitlist, SeatsThatBecomeFreeAreOfferedInTheOrderOfJoiningAndBoughtWithoutTheQueue) {
  SellOut();
  auto first = Visitor("first");
  auto second = Visitor("second");
  const Reply joined = Join(*first, 1);
  ASSERT_EQ(joined.status, 200) << joined;
  EXPECT_EQ(joined.at("state"), "WAITING");
  EXPECT_EQ(joined.number("place"), 1);
  EXPECT_EQ(joined.number("before"), 0);
  const Reply behind = Join(*second, 1);
  EXPECT_EQ(behind.number("before"), 1) << behind;
  EXPECT_EQ(Join(*second, 1).number("place"), 2) << "a repeat is harmless";
  EXPECT_EQ(Join(*second, 2).at("code"), "waitlist_other_wish");
  const Reply list = system_->Admin("GET", fmt::format("/v1/admin/shows/{}/waitlist", show_));
  ASSERT_EQ(list.body.at("items").as_array().size(), 2U) << list;
  EXPECT_EQ(list.body.at("items").at(0).at("user_id").as_string(), first->user());

  GiveBack(0);
  ASSERT_TRUE(Becomes(*first, "OFFERED"));
  const Reply offer = first->Call("GET", Path());
  EXPECT_NE(offer.at("offered_until"), "null") << offer;
  EXPECT_EQ(second->Call("GET", Path()).at("state"), "WAITING");
  EXPECT_EQ(first->Call("DELETE", Path()).at("code"), "waitlist_offered");
  ASSERT_EQ(first->Charge(kPrice).status, 201);
  const Reply paid = first->Confirm(offer.at("reservation_id"));
  EXPECT_EQ(paid.at("state"), "CONFIRMED") << paid;
  ASSERT_TRUE(Becomes(*first, "ACCEPTED"));

  // Declined, it passes on.
  GiveBack(1);
  ASSERT_TRUE(Becomes(*second, "OFFERED"));
  auto third = Visitor("third");
  ASSERT_EQ(Join(*third, 1).status, 200);
  const std::string declined = second->Call("GET", Path()).at("reservation_id");
  EXPECT_EQ(second->Cancel(declined).at("state"), "RELEASED");
  ASSERT_TRUE(Becomes(*second, "LEFT"));
  ASSERT_TRUE(Becomes(*third, "OFFERED"));
  system_->ExpectCleanAudit();
}

TEST_F(Waitlist, WhoeverCanBuyIsToldToBuyAndWhoeverLeavesIsOut) {
  show_ = system_->CreateShow({.rows = 1, .seats_per_row = 2});
  auto buyer = Visitor("buyer");
  EXPECT_EQ(buyer->Call("POST", Path(), R"({"count":1})").at("code"), "not_sold_out");
  EXPECT_EQ(buyer->Call("POST", Path(), R"({"count":3})").at("code"), "not_enough_seats");
  auto holder = Visitor("holder");
  ASSERT_TRUE(holder->Enter(show_));
  ASSERT_EQ(holder->Reserve(show_, R"("seats":[1])").status, 201);
  EXPECT_EQ(Join(*buyer, 2).status, 200) << "two are not free";
  const Reply left = buyer->Call("DELETE", Path());
  EXPECT_EQ(left.at("state"), "LEFT") << left;
  EXPECT_EQ(buyer->Call("DELETE", Path()).at("code"), "not_on_waitlist");
  EXPECT_EQ(buyer->Call("GET", Path()).at("code"), "not_on_waitlist");
  EXPECT_EQ(buyer->Call("POST", Path(), R"({"count":1,"category":"Z"})").at("code"), "category_unknown");
  EXPECT_EQ(buyer->Call("POST", Path(), R"({"count":9})").at("code"), "too_many_seats");
  EXPECT_EQ(buyer->Call("POST", "/v1/shows/999999/waitlist", R"({"count":1})").status, 404);
}

TEST_F(Waitlist, WhileASaleIsStoppedNobodyIsOfferedAnythingAndEverybodyKeepsThePlace) {
  SellOut();
  auto waiting = Visitor("waiting");
  ASSERT_EQ(Join(*waiting, 1).status, 200);
  const std::string opened = system_->Show(show_).at("on_sale_at");
  system_->OpenSaleAt(show_, "2099-01-01T00:00:00Z");
  int stopped = 0;  // as other replicas learn of it a moment later
  ASSERT_TRUE(Eventually([&] {
    stopped = system_->Show(show_).at("state") == "ANNOUNCED" ? stopped + 1 : 0;
    return stopped == (FormOfThisRun() == Form::kScaled ? 10 : 1);
  }));
  GiveBack(0);
  const auto moved = [&] { return waiting->Call("GET", Path()).at("state") != "WAITING"; };
  EXPECT_FALSE(Eventually(moved, seconds(3))) << "some looks at the waitlist";
  system_->OpenSaleAt(show_, opened);
  EXPECT_TRUE(Becomes(*waiting, "OFFERED"));
  system_->ExpectCleanAudit();
}

TEST_F(Waitlist, TheCommandsJoinListAndLeave) {
  SellOut();
  auto waiting = Visitor("waiting");
  ASSERT_EQ(Join(*waiting, 2).status, 200);
  Finished joined;
  EXPECT_TRUE(Eventually([&] {  // as in Join
    joined = system_->Cli({"waitlist", "join", show_, "--count", "2", "--json"});
    return joined.err.find("not_sold_out") == std::string::npos;
  })) << joined.err;
  ASSERT_EQ(joined.exit_code, 0) << joined.err;
  EXPECT_EQ(json::parse(joined.out).at("place").as_int64(), 2);
  EXPECT_EQ(system_->CliJson({"waitlist", "show", show_}).at("before").as_int64(), 1);
  EXPECT_EQ(system_->CliJson({"waitlist", "list", show_}).at("items").as_array().size(), 2U);
  EXPECT_EQ(system_->CliJson({"waitlist", "leave", show_}).at("state").as_string(), "LEFT");
  EXPECT_FALSE(system_->CliJson({"waitlist", "mine"}).at("items").as_array().empty());
}

}  // namespace
}  // namespace boxoffice::e2e
