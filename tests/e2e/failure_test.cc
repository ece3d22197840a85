// What can go wrong in a sale, one buyer at a time: each ends well, and the audit is clean after it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

using ::testing::AnyOf;

constexpr int64_t kSeats = 50;  // of a show

class Failure : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { system_ = new System(); }
  static void TearDownTestSuite() { delete system_; }
  void SetUp() override {
    ASSERT_TRUE(system_->ready());
    show_ = system_->CreateShow();
    buyer_ =
        std::make_unique<Buyer>(*system_, ::testing::UnitTest::GetInstance()->current_test_info()->name());
    ASSERT_TRUE(buyer_->Enter(show_));
  }
  void TearDown() override {
    if (system_->ready()) system_->ExpectCleanAudit();
  }

  Reply OneShot(Buyer& buyer, const std::string& method) const {
    return buyer.Reserve(
        show_, fmt::format(R"("best_available":{{"count":1}},"pay":true,"payment_method":"{}")", method));
  }
  int64_t FreeSeats() { return system_->Show(show_).number("free"); }
  // Whoever has nothing left of the attempt: no seat and all the money.
  void ExpectNothingKept(int64_t balance, int64_t free_seats) {
    EXPECT_EQ(buyer_->Balance(), balance);
    // The counts of a show may be a quarter of a second old where there are several replicas.
    EXPECT_TRUE(Eventually([&] { return FreeSeats() == free_seats; })) << FreeSeats();
  }

  static System* system_;
  std::string show_;
  std::unique_ptr<Buyer> buyer_;
};
System* Failure::system_ = nullptr;

TEST_F(Failure, DeclinedPaymentIs402RefundedAndReleased) {
  ASSERT_EQ(buyer_->Charge(1'000).status, 201);
  const Reply declined = OneShot(*buyer_, "sandbox:decline");
  EXPECT_EQ(declined.status, 402) << declined;
  EXPECT_EQ(declined.at("code"), "payment_declined");
  EXPECT_NE(declined.at("provider_code"), "");
  ASSERT_EQ(declined.at("reservation.state"), "FAILED") << declined;
  EXPECT_EQ(buyer_->Get(declined.at("reservation.id")).at("failure.code"), "payment_declined");
  ExpectNothingKept(1'000, kSeats);
}

TEST_F(Failure, DeclinedConfirmationIs402RefundedAndReleased) {
  ASSERT_EQ(buyer_->Charge(1'000).status, 201);
  const Reply held = buyer_->Reserve(show_, R"("best_available":{"count":1})");
  ASSERT_EQ(held.status, 201) << held;
  const Reply declined = buyer_->Confirm(held.at("id"), "sandbox:decline");
  EXPECT_EQ(declined.status, 402) << declined;
  EXPECT_EQ(buyer_->Get(held.at("id")).at("state"), "FAILED");
  ExpectNothingKept(1'000, kSeats);
}

TEST_F(Failure, UnknownPaymentMethodIsRefusedAndNothingIsKept) {
  ASSERT_EQ(buyer_->Charge(1'000).status, 201);
  const Reply reply = OneShot(*buyer_, "sandbox:nonsense");
  EXPECT_EQ(reply.status, 422) << reply;
  ExpectNothingKept(1'000, kSeats);
}

// Whatever the first answer was: paid once and CONFIRMED, or nothing.
class FailureUnknown : public Failure, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(system_->ready());
    show_ = system_->CreateShow();
    std::string user = GetParam();
    std::ranges::replace(user, ':', '-');
    buyer_ = std::make_unique<Buyer>(*system_, user);
    ASSERT_TRUE(buyer_->Enter(show_));
  }
};

TEST_P(FailureUnknown, PaymentWhoseOutcomeIsUnknownEndsWell) {
  ASSERT_EQ(buyer_->Charge(1'000).status, 201);
  const Reply first = OneShot(*buyer_, GetParam());
  ASSERT_THAT(first.status, AnyOf(201, 202)) << first;
  EXPECT_EQ(first.at("state"), first.status == 201 ? "CONFIRMED" : "CONFIRMING") << first;
  // Asked again with the same key, each of them tells in the end that it has the money.
  const Reply ended = buyer_->Await(first.at("id"), "CONFIRMED", seconds(60));
  ASSERT_EQ(ended.at("state"), "CONFIRMED") << ended;
  ExpectNothingKept(0, kSeats - 1);
  // Nobody loses money by giving it back either.
  EXPECT_EQ(buyer_->Cancel(first.at("id")).status, 200);
  EXPECT_EQ(buyer_->Await(first.at("id"), "CANCELLED").at("state"), "CANCELLED");
  ExpectNothingKept(1'000, kSeats);
}

INSTANTIATE_TEST_SUITE_P(Scripts, FailureUnknown,
                         ::testing::Values("sandbox:timeout_after_capture", "sandbox:timeout_before_capture",
                                           "sandbox:error_after_capture", "sandbox:slow",
                                           "sandbox:late_approval"),
                         [](const auto& info) {
                           std::string name = info.param;
                           return name.substr(name.find(':') + 1);
                         });

TEST_F(Failure, UnknownPaymentIs202AndConfirming) {
  ASSERT_EQ(buyer_->Charge(1'000).status, 201);
  const std::string key = NewKey();
  const std::string choice =
      R"("best_available":{"count":1},"pay":true,"payment_method":"sandbox:late_approval")";
  const Reply pending = buyer_->Reserve(show_, choice, key);
  EXPECT_EQ(pending.status, 202) << pending;
  EXPECT_EQ(pending.at("state"), "CONFIRMING") << pending;
  EXPECT_EQ(pending.header("Location"), "/v1/reservations/" + pending.at("id"));
  EXPECT_EQ(buyer_->Await(pending.at("id"), "CONFIRMED", seconds(60)).at("state"), "CONFIRMED");
  EXPECT_EQ(buyer_->Balance(), 0);
  const Reply again = buyer_->Reserve(show_, choice, key);
  EXPECT_EQ(again.status, 201) << "a repeated request gets what became of it: " << again;
  EXPECT_EQ(again.at("id"), pending.at("id"));
  EXPECT_EQ(again.at("state"), "CONFIRMED");
}

TEST_F(Failure, BalanceTooLowInTwoStepsLeavesTheSeatsHeld) {
  ASSERT_EQ(buyer_->Charge(300).status, 201);
  const Reply held = buyer_->Reserve(show_, R"("best_available":{"count":1})");
  ASSERT_EQ(held.status, 201) << held;
  const Reply too_low = buyer_->Confirm(held.at("id"));
  EXPECT_EQ(too_low.status, 402) << too_low;
  EXPECT_EQ(too_low.at("code"), "balance_too_low");
  EXPECT_EQ(too_low.number("balance"), 300);
  EXPECT_EQ(too_low.number("needed"), 1'000);
  const Reply still = buyer_->Get(held.at("id"));
  EXPECT_EQ(still.at("state"), "HELD") << still;
  EXPECT_EQ(still.at("failure.code"), "balance_too_low");
  EXPECT_EQ(buyer_->Balance(), 300);

  ASSERT_EQ(buyer_->Charge(700).status, 201);
  const Reply confirmed = buyer_->Confirm(held.at("id"));
  EXPECT_EQ(confirmed.status, 200) << confirmed;
  EXPECT_EQ(confirmed.at("state"), "CONFIRMED");
  EXPECT_EQ(buyer_->Balance(), 0);
}

TEST_F(Failure, BalanceTooLowAtOnceReleases) {
  ASSERT_EQ(buyer_->Charge(999).status, 201);
  const Reply too_low = OneShot(*buyer_, "internal");
  EXPECT_EQ(too_low.status, 402) << too_low;
  EXPECT_EQ(too_low.number("balance"), 999);
  EXPECT_EQ(too_low.number("needed"), 1'000);
  EXPECT_EQ(too_low.at("reservation.state"), "FAILED") << too_low;
  ExpectNothingKept(999, kSeats);
}

}  // namespace
}  // namespace boxoffice::e2e
