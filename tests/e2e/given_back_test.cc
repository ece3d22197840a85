// Seats that are given back, kept after a refused payment, moved and searched, by buyers and operators.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/show_fixture.h"

namespace boxoffice::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kPrice = 1'000;  // of the seats 1 to 20
constexpr int64_t kCheap = 600;    // of the seats 21 to 30
constexpr int64_t kFee = 130;      // of a seat of kPrice

class GivenBack : public ShowFixture {
 protected:
  GivenBack() : ShowFixture(fmt::format(R"("A":{},"B":{})", kPrice, kCheap)) {}
  void SetUp() override {
    ASSERT_TRUE(system_->ready());
    show_ = CreateShow(R"("cancel_fee_per_seat":30,"cancel_fee_percent":10)");
    buyer_ =
        std::make_unique<Buyer>(*system_, ::testing::UnitTest::GetInstance()->current_test_info()->name());
    ASSERT_TRUE(buyer_->Enter(show_));
    ASSERT_EQ(buyer_->Charge(10 * kPrice).status, 201);
  }
  void TearDown() override {
    if (system_->ready()) system_->ExpectCleanAudit();
  }

  std::string CreateShow(const std::string& policy) {
    return Create(R"("grid":[{"name":"Floor","rows":2,"seats_per_row":10,"category":"A"},)"
                  R"({"name":"Up","rows":1,"seats_per_row":10,"category":"B"}],)" +
                  policy);
  }
  // After a purchase the place in the queue has been used: it is taken anew.
  Reply Reserve(const std::string& choice) {
    EXPECT_TRUE(buyer_->Enter(show_));
    return buyer_->Reserve(show_, choice);
  }
  // The id of a paid reservation.
  std::string Buy(const std::string& seats, const std::string& method = "") {
    const Reply bought =
        Reserve(fmt::format(R"("seats":[{}],"pay":true,"payment_method":"{}")", seats, method));
    EXPECT_EQ(bought.status, 201) << bought;
    // The queue hears of it a moment after the buyer, who would be refused until then.
    EXPECT_TRUE(buyer_->AwaitPlaceCompleted());
    return bought.at("id");
  }
  Reply CancelSeats(const std::string& id, const std::string& seats, const std::string& key = NewKey()) {
    return buyer_->Call("POST", fmt::format("/v1/reservations/{}/cancel", id),
                        fmt::format(R"({{"seats":[{}]}})", seats), {{"Idempotency-Key", key}});
  }
  static Reply AdminPost(const std::string& id, const std::string& what, const std::string& body) {
    return system_->Admin("POST", fmt::format("/v1/admin/reservations/{}/{}", id, what), body);
  }
  // `boxoffice reservation WORDS` of an operator.
  static Finished Run(std::vector<std::string> words) {
    words.insert(words.begin(), "reservation");
    return system_->Cli(std::move(words));
  }

  std::string show_;
  std::unique_ptr<Buyer> buyer_;
};

TEST_F(GivenBack, SomeSeatsAndThenTheRestCostTheirFeesAndNoMore) {
  const std::string id = Buy("1,2,3", "sandbox:approve");
  const Reply quote = buyer_->Call("GET", fmt::format("/v1/reservations/{}/cancellation?seats=2", id));
  EXPECT_EQ(quote.number("amount"), kPrice - kFee) << quote;
  EXPECT_EQ(quote.number("fee"), kFee);
  const std::string key = NewKey();
  const Reply part = CancelSeats(id, "2", key);
  ASSERT_EQ(part.status, 200) << part;
  EXPECT_EQ(part.at("state"), "CONFIRMED");
  EXPECT_THAT(SeatsOf(part.body), ElementsAre(1, 3));
  EXPECT_EQ(part.number("amount"), 2 * kPrice);
  EXPECT_EQ(part.number("fees"), kFee);
  EXPECT_EQ(part.number("returned.amount"), kPrice - kFee);
  EXPECT_EQ(buyer_->Balance(), 8 * kPrice - kFee);
  EXPECT_EQ(CancelSeats(id, "2", key).text, part.text) << "the same answer, and nothing more";
  system_->ExpectCleanAudit();
  // Somebody else can have the seat.
  EXPECT_EQ(Buy("2").empty(), false);
  const Reply rest = buyer_->Cancel(id);
  ASSERT_EQ(rest.status, 200) << rest;
  EXPECT_EQ(rest.at("state"), "CANCELLED");
  EXPECT_EQ(rest.number("fees"), 3 * kFee);
  EXPECT_EQ(rest.number("returned.amount"), 2 * (kPrice - kFee));
  EXPECT_EQ(buyer_->Balance(), 9 * kPrice - 3 * kFee);
}

TEST_F(GivenBack, WhatTheReservationHasNotIsRefusedByNameAndNothingIsDone) {
  const std::string id = Buy("1,2");
  const Reply refused = CancelSeats(id, "1,9");
  EXPECT_EQ(refused.status, 409) << refused;
  EXPECT_EQ(refused.at("code"), "seat_not_in_reservation");
  EXPECT_EQ(refused.body.at("conflicts").at(0).at("seat_no").as_int64(), 9);
  EXPECT_EQ(CancelSeats(id, "").at("code"), "no_seats");
  EXPECT_EQ(CancelSeats(id, "1,1").at("code"), "duplicate_seat");
  EXPECT_EQ(buyer_->Get(id).number("amount"), 2 * kPrice);
  EXPECT_EQ(buyer_->Balance(), 8 * kPrice);
  const Reply held = Reserve(R"("seats":[5,6])");
  EXPECT_EQ(CancelSeats(held.at("id"), "5").at("code"), "reservation_state");
  EXPECT_EQ(CancelSeats(held.at("id"), "5,6").at("state"), "RELEASED");
}

TEST_F(GivenBack, AnOperatorCancelsAfterTheDeadlineAndWithoutAFee) {
  show_ = CreateShow(R"("cancel_deadline":"2020-01-01T00:00:00Z")");
  const std::string id = Buy("1,2");
  EXPECT_EQ(CancelSeats(id, "1").at("code"), "cancel_deadline_passed");
  EXPECT_EQ(buyer_->Cancel(id).at("code"), "cancel_deadline_passed");
  EXPECT_EQ(AdminPost(id, "cancel", R"({"seats":[1]})").at("field"), "reason");
  const Reply part = AdminPost(id, "cancel", R"({"seats":[1],"reason":"a broken seat"})");
  ASSERT_EQ(part.status, 200) << part;
  EXPECT_EQ(part.number("fees"), 0);
  EXPECT_EQ(part.body.at("saga").at("timeline").at(0).at("detail").as_string(), "operator: a broken seat");
  const Finished rest = Run({"cancel", id, "--reason", "fire", "--yes", "--json"});
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.out, HasSubstr("CANCELLED"));
  EXPECT_EQ(buyer_->Balance(), 10 * kPrice);
}

TEST_F(GivenBack, ARefusedPaymentKeepsTheSeatsForTheGraceTime) {
  show_ = CreateShow(R"("grace_s":600)");
  const Reply one_shot = Reserve(R"("seats":[1],"pay":true,"payment_method":"sandbox:decline")");
  EXPECT_EQ(one_shot.at("code"), "payment_declined") << one_shot;
  EXPECT_EQ(one_shot.at("reservation.state"), "HELD");
  EXPECT_EQ(buyer_->Balance(), 10 * kPrice);
  EXPECT_EQ(buyer_->Confirm(one_shot.at("reservation.id"), "sandbox:approve").at("state"), "CONFIRMED");
  const Reply held = Reserve(R"("seats":[2])");
  const Reply declined = buyer_->Confirm(held.at("id"), "sandbox:decline");
  EXPECT_EQ(declined.at("code"), "payment_declined") << declined;
  EXPECT_EQ(declined.at("reservation.state"), "HELD");
  EXPECT_GT(declined.at("reservation.hold_expires_at"), held.at("hold_expires_at"));
  EXPECT_EQ(buyer_->Balance(), 9 * kPrice);
  EXPECT_EQ(buyer_->Confirm(held.at("id"), "sandbox:approve").at("state"), "CONFIRMED");
}

TEST_F(GivenBack, APaymentThatIsRefusedForTheBalanceGivesTheHoldNoMoreTime) {
  Buyer poor(*system_, "poor");
  ASSERT_TRUE(poor.Enter(show_));
  const Reply held = poor.Reserve(show_, R"("seats":[1])");
  ASSERT_EQ(held.status, 201) << held;
  EXPECT_EQ(poor.Confirm(held.at("id")).at("code"), "balance_too_low");
  EXPECT_EQ(poor.Get(held.at("id")).at("hold_expires_at"), held.at("hold_expires_at"));
  EXPECT_TRUE(
      Eventually([&] { return system_->Show(show_).at("next_release_at") == held.at("hold_expires_at"); }));
}

TEST_F(GivenBack, AnOperatorMovesABuyerAndGivesTheDifferenceBack) {
  const std::string id = Buy("1,2", "sandbox:approve");
  const std::string other = Buy("3");
  const Reply taken = AdminPost(id, "move", R"({"from":[1],"to":[3],"reason":"a pillar"})");
  EXPECT_EQ(taken.status, 409) << taken;
  EXPECT_EQ(taken.at("code"), "seats_taken");
  EXPECT_EQ(AdminPost(id, "move", R"({"from":[9],"to":[10],"reason":"a pillar"})").at("code"),
            "seat_not_in_reservation");
  EXPECT_EQ(AdminPost(id, "move", R"({"from":[1],"to":[999],"reason":"a pillar"})").at("code"),
            "seat_unknown");
  EXPECT_THAT(SeatsOf(buyer_->Get(id).body), ElementsAre(1, 2));
  const Reply moved = AdminPost(id, "move", R"({"from":[1],"to":[25],"reason":"a pillar"})");
  ASSERT_EQ(moved.status, 200) << moved;
  EXPECT_EQ(moved.at("state"), "CONFIRMED");
  EXPECT_THAT(SeatsOf(moved.body), ElementsAre(2, 25));
  EXPECT_EQ(moved.number("amount"), kPrice + kCheap);
  EXPECT_EQ(moved.number("returned.amount"), kPrice - kCheap);
  EXPECT_EQ(moved.body.at("saga").at("timeline").at(0).at("detail").as_string(), "operator: a pillar");
  EXPECT_EQ(buyer_->Balance(), 7 * kPrice + kPrice - kCheap);
  system_->ExpectCleanAudit();
  // To a better seat at no charge, by the command line; and then all is given back.
  const Finished upgraded = Run({"move", id, "--from", "25", "--to", "1", "--reason", "sorry", "--json"});
  EXPECT_EQ(upgraded.exit_code, 0) << upgraded.err;
  EXPECT_EQ(buyer_->Get(id).number("amount"), kPrice + kCheap);
  EXPECT_EQ(AdminPost(id, "cancel", R"({"reason":"the end"})").at("state"), "CANCELLED");
  EXPECT_EQ(buyer_->Balance(), 9 * kPrice);
  EXPECT_EQ(buyer_
                ->Call("POST", fmt::format("/v1/admin/reservations/{}/move", other),
                       R"({"from":[3],"to":[4],"reason":"x"})")
                .status,
            403);
}

TEST_F(GivenBack, ReservationsAreFoundByUserShowStateAndTime) {
  const std::string first = Buy("1");
  const Reply held = Reserve(R"("seats":[2])");
  ASSERT_EQ(held.status, 201) << held;
  EXPECT_EQ(AdminPost(first, "cancel", R"({"reason":"x"})").status, 200);
  const std::string made = buyer_->Get(first).at("created_at");
  const auto found = [&](const std::string& filters) {
    const Reply page =
        system_->Admin("GET", fmt::format("/v1/admin/reservations?show_id={}{}", show_, filters));
    EXPECT_EQ(page.status, 200) << page;
    std::vector<std::string> ids;
    for (const json::value& item : page.body.at("items").as_array()) {
      ids.emplace_back(item.at("id").as_string());
    }
    return ids;
  };
  EXPECT_THAT(found(""), ElementsAre(held.at("id"), first));
  EXPECT_THAT(found("&user_id=" + buyer_->user() + "&state=CANCELLED"), ElementsAre(first));
  EXPECT_THAT(found("&state=HELD"), ElementsAre(held.at("id")));
  EXPECT_THAT(found("&user_id=nobody"), ElementsAre());
  EXPECT_THAT(found("&until=" + made), ElementsAre());
  EXPECT_THAT(found(fmt::format("&from={}&until={}", made, held.at("created_at"))), ElementsAre(first));
  EXPECT_THAT(found("&from=2099-01-01T00:00:00Z"), ElementsAre());
  const Reply own = buyer_->Call("GET", "/v1/reservations?state=CANCELLED&from=" + made);
  EXPECT_EQ(own.body.at("items").as_array().size(), 1U) << own;
  EXPECT_EQ(system_->Admin("GET", "/v1/admin/reservations?from=noon").at("field"), "from");
  const Finished listed = Run({"list", "--show", show_, "--state", "CANCELLED"});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr(first));
  EXPECT_EQ(Run({"list", "--until", "noon"}).exit_code, 1);
}

}  // namespace
}  // namespace boxoffice::e2e
