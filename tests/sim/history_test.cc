// The history checker: each rule finds its violation, and a true history passes.
#include "sim/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/scheduler.h"

namespace boxoffice::sim {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Kind = Operation::Kind;
using Outcome = Operation::Outcome;
using reservation::State;

constexpr int64_t kPrice = 100;

class History : public ::testing::Test {
 protected:
  History() {
    a_ = ReservationId::Make(At(0), rng_);
    b_ = ReservationId::Make(At(0), rng_);
    // mina tops up and buys seat 1; then jun holds seat 2 and cancels.
    Operation top_up = Make(Kind::kTopUp, "mina", "t1", 0, 1);
    top_up.amount = 500;
    Operation pay = Make(Kind::kPay, "mina", "p1", 2, 5);
    pay.reservation = a_;
    pay.state = State::kConfirmed;
    pay.seats = {1};
    pay.amount = kPrice;
    pay.version = 2;
    Operation hold = Make(Kind::kHold, "jun", "h1", 6, 8);
    hold.reservation = b_;
    hold.state = State::kHeld;
    hold.seats = {2};
    hold.held_until = At(100);
    hold.version = 2;
    Operation cancel = Make(Kind::kCancel, "jun", "c1", 20, 22);
    cancel.reservation = b_;
    cancel.state = State::kReleased;
    cancel.version = 4;
    history_ = {top_up, pay, hold, cancel};
    end_.reservations[a_] = {"mina", State::kConfirmed, {1}, kPrice, 0, 2};
    end_.reservations[b_] = {"jun", State::kReleased, {2}, kPrice, 0, 4};
    end_.balances = {{"mina", 400}};
    end_.paid_in["mina"]["t1"] = 500;
    end_.owners[1] = a_;
  }

  static Timestamp At(int64_t ms) { return FromUnixMs(1'800'000'000'000 + ms); }
  static Operation Make(Kind kind, std::string buyer, std::string key, int64_t invoked, int64_t returned) {
    Operation op;
    op.kind = kind;
    op.buyer = std::move(buyer);
    op.key = std::move(key);
    op.invoked = At(invoked);
    op.returned = At(returned);
    op.outcome = Outcome::kOk;
    return op;
  }
  Operation& TopUp() { return history_[0]; }
  Operation& Pay() { return history_[1]; }
  Operation& Hold() { return history_[2]; }
  std::vector<std::string> Check() const { return CheckHistory(history_, end_, milliseconds(0)); }
  void ExpectFound(const std::string& what) const { EXPECT_THAT(Check(), Contains(HasSubstr(what))); }

  Rng rng_{1};
  ReservationId a_;
  ReservationId b_;
  std::vector<Operation> history_;
  FinalRead end_;
};

TEST_F(History, WhatHappenedIsFine) { EXPECT_THAT(Check(), IsEmpty()); }

TEST_F(History, ASeatOfTwoAtATimeIsFound) {
  Hold().seats = {1};
  ExpectFound("seat 1 was");
}

TEST_F(History, ASeatAfterAnothersHoldHasEndedIsFine) {
  Operation pay = Make(Kind::kHold, "lee", "h2", 120, 125);
  pay.reservation = ReservationId::Make(At(0), rng_);
  pay.seats = {2};
  pay.held_until = At(300);
  end_.reservations[pay.reservation] = {"lee", State::kExpired, {2}, kPrice, 0, 3};
  history_.push_back(pay);
  EXPECT_THAT(Check(), IsEmpty());
}

// An operator's word may come into effect after an answer that it was asked for before.
TEST_F(History, ASeatAfterItsOwnerWasCancelledBesideHerOwnRequestIsFine) {
  Operation cancel = Make(Kind::kCancel, "mina", "o1", 4, 30);
  cancel.reservation = a_;
  history_.push_back(cancel);
  Hold().seats = {1};
  end_.reservations[a_].state = State::kCancelled;
  end_.balances["mina"] = 500;
  end_.owners.clear();
  EXPECT_THAT(Check(), IsEmpty());
  history_.back().invoked = At(0);
  history_.back().returned = At(1);  // it was refused
  ExpectFound("seat 1 was");
}

TEST_F(History, WhatItsShowHasEndedMayBeCancelledThoughNobodyAskedForIt) {
  end_.reservations[a_].state = State::kCancelled;
  end_.balances["mina"] = 500;
  end_.owners.clear();
  ExpectFound("was answered CONFIRMED, and is CANCELLED");
  end_.reservations[a_].ended_by_show = true;
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(History, ARefusalOfSeatsThatNobodyHadIsFound) {
  Operation refused = Make(Kind::kHold, "lee", "h2", 30, 31);
  refused.outcome = Outcome::kFailed;
  refused.refusal = "seats_taken";
  refused.seats = {7};
  history_.push_back(refused);
  ExpectFound("refused seats that nobody had asked for");
  history_.back().seats = {2};  // jun had it
  EXPECT_THAT(Check(), IsEmpty());
  history_.back().seats = {7};
  const auto offer = ReservationId::Make(At(32), rng_);
  end_.reservations[offer] = {"kim", State::kExpired, {7}, kPrice, 0, 4, false, /*from_waitlist=*/true};
  ExpectFound("refused seats that nobody had asked for");
  end_.reservations[ReservationId::Make(At(20), rng_)] = end_.reservations[offer];
  EXPECT_THAT(Check(), IsEmpty()) << "it may have been offered to kim";
}

TEST_F(History, MoneyThatIsGoneIsFound) {
  end_.balances["mina"] = 399;
  ExpectFound("mina has 399");
}

TEST_F(History, ATopUpThatIsGoneIsFound) {
  end_.paid_in.clear();
  end_.balances["mina"] = -100;
  ExpectFound("the top-up t1 of mina is gone");
}

TEST_F(History, AWalletThatIsGoneWholeIsFound) {
  end_.paid_in.clear();
  end_.balances.erase("mina");
  ExpectFound("the top-up t1 of mina is gone");
  ExpectFound("mina has 0, and what was paid in and bought leaves -100");
}

TEST_F(History, AWalletThatNobodyWasToldOfNeedNotBeThere) {
  Operation top_up = Make(Kind::kTopUp, "lee", "t2", 30, 40);
  top_up.amount = 500;
  top_up.outcome = Outcome::kUnknown;
  history_.push_back(top_up);
  EXPECT_THAT(Check(), IsEmpty());
  history_.back().outcome = Outcome::kFailed;
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(History, ATopUpThatWasRefusedAndDoneIsFound) {
  TopUp().outcome = Outcome::kFailed;
  ExpectFound("was refused, and done");
}

TEST_F(History, ATopUpOfWhichNothingIsKnownMayBeDoneOrNot) {
  TopUp().outcome = Outcome::kUnknown;
  EXPECT_THAT(Check(), IsEmpty());
  end_.paid_in.clear();
  end_.balances["mina"] = -100;
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(History, ATopUpThatWasDoneTwiceIsFound) {
  end_.paid_in["mina"]["t1"] = 1'000;
  end_.balances["mina"] = 900;
  ExpectFound("came to 1000, not 500");
}

TEST_F(History, ABalanceThatWasNotTooLowIsFound) {
  Operation refused = Make(Kind::kPay, "mina", "p2", 30, 31);
  refused.outcome = Outcome::kFailed;
  refused.refusal = "balance_too_low";
  refused.amount = 300;
  history_.push_back(refused);
  ExpectFound("was told that it is less than 300");
  history_.back().amount = 450;
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(History, AConfirmationThatIsTakenBackIsFound) {
  end_.reservations[a_].state = State::kFailed;
  end_.balances["mina"] = 500;
  ExpectFound("was answered CONFIRMED, and is FAILED");
}

TEST_F(History, AConfirmationThatIsLostIsFound) {
  end_.reservations.erase(a_);
  end_.balances["mina"] = 500;
  ExpectFound("was answered, and does not exist");
}

TEST_F(History, AConfirmationWithoutItsSeatIsFound) {
  end_.owners.clear();
  ExpectFound("bought seat 1, and has it not");
}

TEST_F(History, ARefusalThatSoldIsFound) {
  Pay().outcome = Outcome::kFailed;
  Pay().refusal = "payment_declined";
  ExpectFound("was answered payment_declined, and is CONFIRMED");
}

TEST_F(History, ACancellationThatIsNoneIsFound) {
  end_.reservations[b_].state = State::kHeld;
  ExpectFound("was answered cancelled, and is HELD");
}

TEST_F(History, APurchaseThatNobodyAskedForIsFound) {
  end_.reservations[b_].state = State::kConfirmed;
  ExpectFound("nobody had asked for it");
}

TEST_F(History, AnotherPriceThanThatOfTheHoldIsFound) {
  Hold().amount = kPrice;
  Operation confirm = Make(Kind::kConfirm, "jun", "k1", 9, 12);
  confirm.reservation = b_;
  confirm.state = State::kConfirmed;
  confirm.seats = {2};
  confirm.version = 3;
  confirm.amount = 2 * kPrice;
  history_.push_back(confirm);
  ExpectFound("was held for 100, and has cost 200");
  history_.back().amount = kPrice;
  EXPECT_THAT(Check(), Not(Contains(HasSubstr("was held for"))));
}

TEST_F(History, ASeatThatAnOperatorWithholdsMayBeRefused) {
  Operation refused = Make(Kind::kPay, "jun", "p2", 30, 33);
  refused.outcome = Outcome::kFailed;
  refused.refusal = "seats_taken";
  refused.seats = {3};
  history_.push_back(refused);
  ExpectFound("was refused seats that nobody had asked for");
  Operation withhold = Make(Kind::kWithhold, "operator", "", 25, 26);
  withhold.outcome = Outcome::kUnknown;
  withhold.seats = {3};
  history_.push_back(withhold);
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(History, AVersionThatGoesBackIsFound) {
  end_.reservations[a_].version = 1;
  ExpectFound("went back from version 2 to 1");
}

TEST_F(History, OneKeyWithTwoAnswersIsFound) {
  Operation again = Pay();
  history_.push_back(again);
  EXPECT_THAT(Check(), IsEmpty());
  history_.back().reservation = b_;
  ExpectFound("the key p1 of mina was answered with");
}

TEST_F(History, ARepeatThatIsToldWhatIsNoLongerSoIsFineUnlessItIsAnotherAnswer) {
  Operation again = Hold();  // jun has cancelled it since, and mina has taken its seat
  again.again = true;
  again.invoked = At(40);
  again.returned = At(41);
  Operation taken = Make(Kind::kPay, "mina", "p2", 30, 35);
  taken.reservation = ReservationId::Make(At(0), rng_);
  taken.state = State::kConfirmed;
  taken.seats = {2};
  taken.amount = kPrice;
  end_.reservations[taken.reservation] = {"mina", State::kConfirmed, {2}, kPrice, 0, 0};
  end_.balances["mina"] = 300;
  end_.owners[2] = taken.reservation;
  history_.insert(history_.end(), {taken, again});
  EXPECT_THAT(Check(), IsEmpty());
  history_.back().version = 4;
  ExpectFound("the key h1 of jun was answered with");
}

TEST_F(History, ATopUpThatIsAskedForAgainIsOne) {
  Operation again = TopUp();
  again.again = true;
  history_.push_back(again);
  EXPECT_THAT(Check(), IsEmpty());
}

TEST_F(History, AnotherRequestByTheSameKeyThatIsNotRefusedIsFound) {
  Operation other = Pay();
  other.again = other.other_body = true;
  history_.push_back(other);
  ExpectFound("asked with another body, was answered as if it were new");
  history_.back().outcome = Outcome::kFailed;
  history_.back().refusal = "idempotency_key_reused";
  history_.back().reservation = {};
  EXPECT_THAT(Check(), IsEmpty());
  history_.back().other_body = false;
  ExpectFound("asked as before, was answered idempotency_key_reused");
}

}  // namespace
}  // namespace boxoffice::sim
