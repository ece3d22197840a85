// Other money than was asked for, that a provider says it took while the payment was PENDING.
#include <gmock/gmock.h>

#include "services/payment/payment_for_test.h"

namespace boxoffice::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A PENDING payment of 1000.
class OtherMoneyTest : public DecidedTest {
 protected:
  OtherMoneyTest() { Run(ApproveOf()); }
  Command ApproveOf(std::optional<ProviderAnswer> heard = {}) {
    return {Approve{key_, saga_, "ann", {1000, kKrw}, "http:card", Route::kExternal}, "", std::move(heard)};
  }
  Command CancelOf(std::optional<ProviderAnswer> heard = {}) {
    return {Cancel{key_, saga_}, "", std::move(heard)};
  }
  Command CapturedOf(int64_t amount, const std::string& id = "w1") {
    return {Webhook{key_, {"http", id}, {amount, kKrw}, {Verdict::kApproved, "acq-1", "", {}}}, "", {}};
  }
  static ProviderAnswer Said(Verdict verdict) { return {verdict, "", "", {}}; }

  const PaymentKey key_{reservation_, 1};
};

TEST_F(OtherMoneyTest, OtherMoneyThatWasTakenWhilePendingIsGivenBack) {
  const Decided told = Run(CapturedOf(999));
  EXPECT_EQ(told.next, Next::kAsk) << "what it says then decides";
  EXPECT_EQ(Row().state, State::kPending) << "it approves nothing";
  EXPECT_EQ(Answer(ApproveOf(Said(Verdict::kDeclined))).refusal, Refusal::kDeclined);
  EXPECT_EQ(Run(CancelOf()).next, Next::kCancel) << "it is not over with a tombstone";
  EXPECT_TRUE(Row().captured_late);
  EXPECT_EQ(AnswerError(CancelOf(Said(Verdict::kNeverSeen))).reason, "payment_unknown") << "it was taken";
  EXPECT_EQ(Answer(CancelOf(Said(Verdict::kRefunded))).resolution, Resolution::kRefunded);
  EXPECT_THAT(events_, ElementsAre(EventKind::kDeclined, EventKind::kCapturedLate, EventKind::kCancelled));
}

TEST_F(OtherMoneyTest, ThatNothingWasTakenIsNotBelievedOfWhatIsCancelledWhilePending) {
  Run(CapturedOf(999));
  EXPECT_EQ(Run(CancelOf()).next, Next::kCancel);
  EXPECT_EQ(AnswerError(CancelOf(Said(Verdict::kNeverSeen))).reason, "payment_unknown");
  EXPECT_FALSE(Row().settled());
  EXPECT_EQ(Answer(CancelOf(Said(Verdict::kRefunded))).resolution, Resolution::kRefunded);
  EXPECT_THAT(events_, ElementsAre(EventKind::kCancelled));
}

TEST_F(OtherMoneyTest, WhatIsApprovedAfterAllIsWhatWasAskedFor) {
  Run(CapturedOf(999));
  EXPECT_EQ(Run(CapturedOf(1000, "w2")).answer->effect, WebhookEffect::kDone);
  EXPECT_EQ(Row().state, State::kApproved);
  EXPECT_EQ(Run(CapturedOf(999, "w3")).answer->effect, WebhookEffect::kIgnored);
  EXPECT_THAT(last_.payments, IsEmpty());
}

}  // namespace
}  // namespace boxoffice::payment
