// What a provider refuses to give back: on record with its code, asked for again, and ended by an operator.
#include <gmock/gmock.h>

#include "services/payment/payment_for_test.h"

namespace boxoffice::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// An approved payment of 1000, of which a part, saga_'s, may be given back.
class DisputeTest : public DecidedTest {
 protected:
  DisputeTest() {
    const Approve approve{
        key_, SagaId::Make(kNow, random_), "ann", {1000, kKrw}, "sandbox:x", Route::kExternal};
    Run({approve, "", {}});
    Run({approve, "", ProviderAnswer{Verdict::kApproved, "ref", "", {}}});
    events_.clear();
  }
  static ProviderAnswer Refused(SagaId saga = {}) { return {Verdict::kRefused, "", "charge_disputed", saga}; }
  Command PartOf(SagaId saga, std::optional<ProviderAnswer> heard = {}) {
    return {GiveBack{key_, saga, {300, kKrw}}, "", std::move(heard)};
  }
  Command CancelOf(std::optional<ProviderAnswer> heard = {}) {
    return {Cancel{key_, SagaId::Make(kNow, random_)}, "", std::move(heard)};
  }
  Command ExamineOf(std::optional<ProviderAnswer> heard = {}) {
    return {Examine{key_}, "", std::move(heard)};
  }
  Command SettleOf(const std::string& who = "root") {
    return {SettleOutside{key_, who, "charged back"}, "", {}};
  }
  void RefusePart() {
    Run(PartOf(saga_));
    Run(PartOf(saga_, Refused(saga_)));
  }
  const Refund& Part() { return refunds_.at({key_, saga_}); }

  const PaymentKey key_{reservation_, 1};
};

TEST_F(DisputeTest, ARefusedPartIsSaidToBeRefusedAndNeverToBeGivenBack) {
  Run(PartOf(saga_));
  const Outcome refused = Answer(PartOf(saga_, Refused(saga_)));
  EXPECT_EQ(refused.kind, OutcomeKind::kRefused);
  EXPECT_EQ(refused.refusal, Refusal::kRefundRefused);
  EXPECT_EQ(refused.provider_code, "charge_disputed");
  EXPECT_EQ(Part().dispute.refusal, "charge_disputed");
  EXPECT_FALSE(Part().done);
  EXPECT_EQ(Row().refunding, 300) << "it still counts against what was captured";
  EXPECT_EQ(Row().refunded, 0);
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(DisputeTest, WhatIsRefusedIsInDoubtAtOnceAndHoweverOftenItIsAskedForAgain) {
  RefusePart();
  EXPECT_EQ(CountInDoubt(Stored(), kNow), 1);
  Run(PartOf(saga_, ProviderAnswer{Verdict::kRefundDone, "", "", saga_}));
  EXPECT_EQ(CountInDoubt(Stored(), kNow + kJustAsked), 0) << "it is given back";
  const Timestamp later = kNow + kRefusedPause;
  Run(CancelOf(), later);
  Run(CancelOf(Refused()), later);
  EXPECT_EQ(CountInDoubt(Stored(), later), 1);
}

TEST_F(DisputeTest, WhoeverAsksAgainForARefusedPartMakesTheProviderBeAskedAgain) {
  RefusePart();
  EXPECT_EQ(Run(PartOf(saga_)).next, Next::kRefund);
  const ProviderAnswer done{Verdict::kRefundDone, "", "", saga_};
  EXPECT_EQ(Answer(PartOf(saga_, done)).refunded, 300);
  EXPECT_EQ(Part().dispute, Dispute{});
}

TEST_F(DisputeTest, TheReconcilerAsksForWhatWasRefusedOnlyNowAndThen) {
  RefusePart();
  EXPECT_EQ(Run(ExamineOf(), kNow + kRefusedPause - milliseconds(1)).next, Next::kAnswer);
  EXPECT_EQ(Run(ExamineOf(), kNow + kRefusedPause).next, Next::kRefund);
  const SagaId other = SagaId::Make(kNow, random_);
  Run(PartOf(other));
  const Decided decided = Run(ExamineOf());
  EXPECT_EQ(decided.next, Next::kRefund) << "another part does not wait with it";
  EXPECT_EQ(decided.request.refund, other);
}

TEST_F(DisputeTest, TheReconcilerAsksForARefusedCancellationOnlyNowAndThen) {
  Run(CancelOf());
  Run(CancelOf(Refused()));
  EXPECT_EQ(Run(ExamineOf()).next, Next::kAnswer);
  EXPECT_EQ(Run(ExamineOf(), kNow + kRefusedPause).next, Next::kCancel);
}

TEST_F(DisputeTest, ARefusedCancellationIsNotDone) {
  Run(CancelOf());
  const Outcome refused = Answer(CancelOf(Refused()));
  EXPECT_EQ(refused.kind, OutcomeKind::kRefused);
  EXPECT_EQ(refused.refusal, Refusal::kRefundRefused);
  EXPECT_EQ(refused.provider_code, "charge_disputed");
  EXPECT_FALSE(Row().settled());
  EXPECT_EQ(Row().dispute.refusal, "charge_disputed");
  EXPECT_EQ(Run(CancelOf()).next, Next::kCancel);
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(DisputeTest, ACancellationDoesNotPassAPartThatIsRefused) {
  RefusePart();
  EXPECT_EQ(Run(CancelOf()).next, Next::kRefund);
  EXPECT_EQ(Answer(CancelOf(Refused(saga_))).refusal, Refusal::kRefundRefused);
  EXPECT_EQ(Row().dispute.refusal, "") << "it is the part that is refused";
  Answer(SettleOf());
  EXPECT_FALSE(Row().settled()) << "the rest is still to be given back";
  EXPECT_EQ(Run(CancelOf()).next, Next::kCancel);
}

TEST_F(DisputeTest, AnOperatorEndsAPartThatIsRefusedAndItsSagaGoesOn) {
  RefusePart();
  EXPECT_EQ(Answer(SettleOf()).kind, OutcomeKind::kDone);
  EXPECT_TRUE(Part().done);
  EXPECT_EQ(Part().dispute, (Dispute{"charge_disputed", "root", "charged back"}));
  EXPECT_EQ(Row().refunding, 0);
  EXPECT_EQ(Row().refunded, 300);
  EXPECT_THAT(events_, ElementsAre(EventKind::kRefunded));
  ASSERT_THAT(last_.events, SizeIs(1));
  EXPECT_EQ(last_.events[0].payment.provider_code, "settled_outside");
  EXPECT_EQ(Answer(PartOf(saga_)).kind, OutcomeKind::kDone);
  EXPECT_EQ(Answer(SettleOf("eve")).kind, OutcomeKind::kDone) << "again";
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Part().dispute.settled_by, "root");
}

TEST_F(DisputeTest, AnOperatorEndsACancellationThatIsRefused) {
  Run(CancelOf());
  Run(CancelOf(Refused()));
  const Outcome settled = Answer(SettleOf());
  EXPECT_EQ(settled.kind, OutcomeKind::kDone);
  EXPECT_EQ(settled.resolution, Resolution::kSettledOutside);
  EXPECT_TRUE(Row().settled());
  EXPECT_EQ(Row().dispute.settled_by, "root");
  EXPECT_THAT(events_, ElementsAre(EventKind::kCancelled));
  ASSERT_THAT(last_.events, SizeIs(1));
  EXPECT_EQ(last_.events[0].payment.provider_code, "settled_outside");
  EXPECT_EQ(Answer(CancelOf()).resolution, Resolution::kSettledOutside);
}

TEST_F(DisputeTest, OnlyWhatTheProviderHasRefusedCanBeSettledOutside) {
  EXPECT_EQ(Answer(SettleOf()).refusal, Refusal::kNothingRefused);
  Run(PartOf(saga_));
  EXPECT_EQ(Answer(SettleOf()).refusal, Refusal::kNothingRefused) << "it may be given back yet";
  Run(CancelOf());
  Run(CancelOf(ProviderAnswer{}));
  EXPECT_EQ(Answer(SettleOf()).refusal, Refusal::kNothingRefused);
  EXPECT_TRUE(last_.empty());
  EXPECT_FALSE(Row().settled());
  EXPECT_EQ(Answer({SettleOutside{{reservation_, 9}, "root", "charged back"}, "", {}}).refusal,
            Refusal::kNotFound);
}

TEST_F(DisputeTest, ARefusalThatComesAfterThePartIsGivenBackChangesNothing) {
  Run(PartOf(saga_));
  Run(PartOf(saga_, ProviderAnswer{Verdict::kRefundDone, "", "", saga_}));
  EXPECT_EQ(Answer(PartOf(saga_, Refused(saga_))).kind, OutcomeKind::kDone);
  EXPECT_TRUE(last_.empty());
}

}  // namespace
}  // namespace boxoffice::payment
