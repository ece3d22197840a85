// Money that a provider says it took, and that was not asked for: other money, or the same once more.
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
  Command CapturedOf(int64_t amount, const std::string& id = "w1", const std::string& reference = "acq-1") {
    return {Webhook{key_, {"http", id}, {amount, kKrw}, {Verdict::kApproved, reference, "", {}}}, "", {}};
  }
  WebhookEffect EffectOf(const std::string& id, const std::string& reference) {
    return Run(CapturedOf(1000, id, reference)).answer->effect;
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

// Which its logs then say: nobody else would ever hear of that money.
TEST_F(OtherMoneyTest, WhatIsTakenOnceMoreOfAnApprovedPaymentIsIgnoredByItsReference) {
  EXPECT_EQ(EffectOf("w1", "acq-1"), WebhookEffect::kDone);
  EXPECT_EQ(EffectOf("w2", "acq-1"), WebhookEffect::kDone) << "the same, told again";
  EXPECT_EQ(EffectOf("w3", "acq-2"), WebhookEffect::kIgnored);
  EXPECT_EQ(EffectOf("w4", KeyText(key_)), WebhookEffect::kDone) << "it has no reference of its own";
  EXPECT_EQ(Row().provider_reference, "acq-1");
  EXPECT_EQ(Row().state, State::kApproved);
}

TEST_F(OtherMoneyTest, OfAPaymentWithoutAReferenceOfItsOwnNothingIsKnownToBeTakenOnceMore) {
  EXPECT_EQ(EffectOf("w1", KeyText(key_)), WebhookEffect::kDone);
  EXPECT_EQ(EffectOf("w2", "acq-1"), WebhookEffect::kDone);
}

TEST_F(OtherMoneyTest, WhatIsTakenOnceMoreOfACancelledPaymentIsIgnoredAndTheFirstStillGivenBack) {
  EXPECT_EQ(EffectOf("w1", "acq-1"), WebhookEffect::kDone);
  Run(CancelOf());
  const Decided while_cancelled = Run(CapturedOf(1000, "w2", "acq-2"));
  EXPECT_EQ(while_cancelled.answer->effect, WebhookEffect::kIgnored);
  EXPECT_EQ(while_cancelled.next, Next::kCancel);
  Run(CancelOf(Said(Verdict::kRefunded)));
  EXPECT_EQ(EffectOf("w3", "acq-3"), WebhookEffect::kIgnored);
  EXPECT_EQ(EffectOf("w4", "acq-1"), WebhookEffect::kDone);
  EXPECT_EQ(Row().resolution, Resolution::kRefunded);
  EXPECT_FALSE(Row().captured_late);
}

}  // namespace
}  // namespace boxoffice::payment
