// A show that is cancelled: every reservation of it ends, all money comes back, and an operator sees how far
// that is.
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

constexpr int64_t kPrice = 1'000;

class ShowCancellation : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { system_ = new System(); }
  static void TearDownTestSuite() { delete system_; }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  std::unique_ptr<Buyer> Enter(const std::string& show, const std::string& name) {
    auto buyer = std::make_unique<Buyer>(*system_, fmt::format("{}-{}", name, show));
    EXPECT_TRUE(buyer->Enter(show));
    EXPECT_EQ(buyer->Charge(10 * kPrice).status, 201);
    return buyer;
  }
  Reply Progress(const std::string& show) {
    return system_->Admin("GET", fmt::format("/v1/admin/shows/{}/cancellation", show));
  }

  static System* system_;
};
System* ShowCancellation::system_ = nullptr;

TEST_F(ShowCancellation, EveryReservationEndsAndAllMoneyComesBackWhateverTheDeadlineWithProgress) {
  const std::string show = system_->CreateShow();
  const Reply deadline =
      system_->Admin("PATCH", "/v1/admin/shows/" + show, R"({"cancel_deadline":"2020-01-01T00:00:00Z"})");
  ASSERT_EQ(deadline.status, 200) << deadline;
  std::vector<std::unique_ptr<Buyer>> buyers;
  std::vector<std::string> bought;
  for (int i = 0; i < 5; ++i) {
    buyers.push_back(Enter(show, fmt::format("buyer{}", i)));
    const Reply paid =
        buyers.back()->Reserve(show, fmt::format(R"("seats":[{},{}],"pay":true{})", 2 * i + 1, 2 * i + 2,
                                                 i % 2 == 1 ? R"(,"payment_method":"sandbox:approve")" : ""));
    ASSERT_EQ(paid.at("state"), "CONFIRMED") << paid;
    bought.push_back(paid.at("id"));
  }
  auto holder = Enter(show, "holder");
  const Reply held = holder->Reserve(show, R"("seats":[11])");
  ASSERT_EQ(held.status, 201) << held;
  EXPECT_EQ(Progress(show).at("code"), "show_not_cancelled");

  const std::string path = fmt::format("/v1/admin/shows/{}/cancel", show);
  const Reply begun = system_->Admin("POST", path, R"({"reason":"storm"})");
  ASSERT_TRUE(begun.status == 202 || begun.status == 200) << begun;
  ASSERT_TRUE(Eventually([&] { return Progress(show).at("state") == "done"; }, seconds(60)))
      << Progress(show);
  const Reply done = Progress(show);
  EXPECT_EQ(done.number("refunded"), 5) << done;
  EXPECT_EQ(done.number("released"), 1) << done;
  EXPECT_EQ(done.at("reason"), "storm");
  EXPECT_EQ(done.body.at("refunded_amounts").at(0).at("amount"), 10 * kPrice);
  const Reply again = system_->Admin("POST", path);
  EXPECT_EQ(again.status, 200) << "again: the same cancellation";
  EXPECT_EQ(again.text, done.text);

  for (size_t i = 0; i < buyers.size(); ++i) {
    const Reply ended = buyers[i]->Get(bought[i]);
    EXPECT_EQ(ended.at("state"), "CANCELLED") << ended;
    EXPECT_EQ(ended.at("failure.code"), "show_cancelled");
    EXPECT_EQ(buyers[i]->Balance(), 10 * kPrice);
  }
  EXPECT_EQ(holder->Get(held.at("id")).at("state"), "RELEASED");
  EXPECT_EQ(holder->Reserve(show, R"("seats":[20])").at("code"), "show_cancelled");
  EXPECT_TRUE(Eventually([&] { return system_->Show(show).at("state") == "CANCELLED"; }));
  system_->ExpectCleanAudit();
}

TEST_F(ShowCancellation, TheCommandWaitsUntilItIsDone) {
  const std::string show = system_->CreateShow();
  auto buyer = Enter(show, "buyer");
  const Reply paid = buyer->Reserve(show, R"("seats":[1],"pay":true)");
  ASSERT_EQ(paid.at("state"), "CONFIRMED") << paid;
  EXPECT_EQ(system_->Cli({"show", "cancel", show}).exit_code, 2) << "without --yes";
  const Finished done = system_->Cli({"show", "cancel", show, "--yes", "--wait", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out).at("refunded").as_int64(), 1) << done.out;
  EXPECT_EQ(system_->Cli({"show", "cancellation", show}).exit_code, 0);
  EXPECT_EQ(buyer->Balance(), 10 * kPrice);
}

TEST_F(ShowCancellation, WhatCantBeCancelledIsRefusedByName) {
  EXPECT_EQ(system_->Admin("POST", "/v1/admin/shows/999999/cancel").at("code"), "show_not_found");
  EXPECT_EQ(Progress("999999").at("code"), "show_not_cancelled");
  const std::string show = system_->CreateShow();
  const std::string path = fmt::format("/v1/admin/shows/{}/cancel", show);
  EXPECT_EQ(system_->Admin("POST", path, R"({"reason":5})").status, 400);
  EXPECT_EQ(system_->Admin("POST", path, "{").status, 400);
  EXPECT_EQ(Progress(show).at("code"), "show_not_cancelled") << "nothing is half done";
  EXPECT_EQ(Enter(show, "buyer")->Call("POST", path).status, 403);
}

}  // namespace
}  // namespace boxoffice::e2e
