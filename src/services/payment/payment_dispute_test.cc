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
  Command SettleOf(std::optional<ProviderAnswer> heard = {}, const std::string& who = "root") {
    return {SettleOutside{key_, who, "charged back"}, "", std::move(heard)};
  }
  static ProviderAnswer GivenBack(SagaId saga) { return {Verdict::kRefundDone, "", "", saga}; }
  void RefusePart() {
    Run(PartOf(saga_));
    Run(PartOf(saga_, Refused(saga_)));
  }
  // By an operator, as the provider refuses it still.
  void SettlePart() {
    RefusePart();
    EXPECT_EQ(Answer(SettleOf(Refused(saga_))).kind, OutcomeKind::kDone);
    events_.clear();
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

// Its row is older than the parts', which are read after it, and nothing is saved that would find it moved.
TEST_F(DisputeTest, AnApprovedPaymentIsNotCancelledForAPartThatWasGivenBackWhileItWasRead) {
  Run(PartOf(saga_));
  const Payment read = Row();
  Run(PartOf(saga_, GivenBack(saga_)));
  rows_[key_] = read;
  EXPECT_EQ(Run(ExamineOf()).next, Next::kAnswer);
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
  Answer(SettleOf(Refused(saga_)));
  EXPECT_FALSE(Row().settled()) << "the rest is still to be given back";
  const Decided rest = Run(ExamineOf());
  EXPECT_EQ(rest.next, Next::kRefund);
  EXPECT_EQ(rest.request.money.amount, 700);
}

// The provider has what was settled outside still: a cancellation would give it back a second time.
TEST_F(DisputeTest, ACancellationGivesBackWithoutWhatWasSettledOutside) {
  SettlePart();
  const Decided rest = Run(CancelOf());
  EXPECT_EQ(rest.next, Next::kRefund);
  EXPECT_EQ(rest.request.money, (Money{700, kKrw}));
  EXPECT_EQ(Row().refunding, 700);
  EXPECT_FALSE(Row().settled());
  const Decided again = Run(CancelOf());
  EXPECT_EQ(again.next, Next::kRefund);
  EXPECT_EQ(again.request.RefundKey(), rest.request.RefundKey());
  const Outcome done = Answer(CancelOf(GivenBack(rest.request.refund)));
  EXPECT_EQ(done.kind, OutcomeKind::kDone);
  EXPECT_EQ(done.resolution, Resolution::kRefunded);
  EXPECT_EQ(Row().refunded, 1000);
  EXPECT_THAT(events_, ElementsAre(EventKind::kRefunded, EventKind::kCancelled));
}

TEST_F(DisputeTest, TheRestOfACancellationMayBeRefusedAndSettledLikeAnyPart) {
  SettlePart();
  const SagaId rest = Run(CancelOf()).request.refund;
  EXPECT_EQ(Answer(CancelOf(Refused(rest))).refusal, Refusal::kRefundRefused);
  EXPECT_EQ(Run(SettleOf()).request.refund, rest);
  EXPECT_EQ(Answer(SettleOf(Refused(rest))).kind, OutcomeKind::kDone);
  EXPECT_EQ(Answer(ExamineOf()).resolution, Resolution::kRefunded) << "nothing is left to be asked for";
  EXPECT_TRUE(Row().settled());
  EXPECT_EQ(Row().refunded, 1000);
  EXPECT_THAT(events_, ElementsAre(EventKind::kRefunded, EventKind::kCancelled));
}

TEST_F(DisputeTest, WhereAllWasSettledOutsideInPartsACancellationAsksNobody) {
  SettlePart();
  const SagaId other = SagaId::Make(kNow, random_);
  Run({GiveBack{key_, other, {700, kKrw}}, "", {}});
  Run({GiveBack{key_, other, {700, kKrw}}, "", Refused(other)});
  Answer(SettleOf(Refused(other)));
  EXPECT_EQ(Answer(CancelOf()).resolution, Resolution::kRefunded);
  EXPECT_TRUE(Row().settled());
}

// It may have been asked since it refused, by whoever else, and have changed its mind.
TEST_F(DisputeTest, BeforeAPartIsSettledOutsideTheProviderIsAskedOnceMore) {
  RefusePart();
  Run(PartOf(saga_));  // and its answer is lost
  const Decided asked = Run(SettleOf());
  EXPECT_EQ(asked.next, Next::kRefund);
  EXPECT_EQ(asked.request.refund, saga_);
  EXPECT_FALSE(Part().done);
  EXPECT_EQ(AnswerError(SettleOf(ProviderAnswer{Verdict::kUnknown, "", "", saga_})).reason,
            "payment_unknown");
  EXPECT_FALSE(Part().done);
  EXPECT_EQ(Answer(SettleOf(GivenBack(saga_))).refusal, Refusal::kNothingRefused);
  EXPECT_TRUE(Part().done);
  EXPECT_EQ(Part().dispute.settled_by, "") << "it is the provider that has given it back";
}

TEST_F(DisputeTest, BeforeACancellationIsSettledOutsideTheProviderIsAskedOnceMore) {
  Run(CancelOf());
  Run(CancelOf(Refused()));
  EXPECT_EQ(Run(SettleOf()).next, Next::kCancel);
  EXPECT_EQ(AnswerError(SettleOf(ProviderAnswer{})).reason, "payment_unknown");
  EXPECT_FALSE(Row().settled());
  EXPECT_EQ(Answer(SettleOf(ProviderAnswer{Verdict::kRefunded, "", "", {}})).refusal,
            Refusal::kNothingRefused);
  EXPECT_EQ(Row().resolution, Resolution::kRefunded);
  EXPECT_EQ(Row().dispute.settled_by, "");
}

TEST_F(DisputeTest, OfSeveralPartsThatAreRefusedEachIsAskedForBeforeItIsSettled) {
  RefusePart();
  const SagaId other = SagaId::Make(kNow, random_);
  Run(PartOf(other));
  Run(PartOf(other, Refused(other)));
  const SagaId first = Run(SettleOf()).request.refund;
  const SagaId second = Run(SettleOf(Refused(first))).request.refund;
  EXPECT_NE(second, first);
  EXPECT_EQ(Row().refunded, 300);
  EXPECT_EQ(Answer(SettleOf(GivenBack(second))).kind, OutcomeKind::kDone);
  EXPECT_EQ(Row().refunded, 600);
  EXPECT_EQ(refunds_.at({key_, first}).dispute.settled_by, "root");
  EXPECT_EQ(refunds_.at({key_, second}).dispute.settled_by, "");
}

TEST_F(DisputeTest, WhatTheProviderContradictsItselfAboutIsSettledOnceItDoesSoAgain) {
  Run(CancelOf());
  const ProviderAnswer not_taken{Verdict::kNeverSeen, "", "", {}};
  Run(CancelOf(not_taken));
  ASSERT_EQ(Row().dispute.refusal, kSaidNotTaken);
  EXPECT_EQ(Run(SettleOf()).next, Next::kCancel);
  EXPECT_EQ(Answer(SettleOf(not_taken)).resolution, Resolution::kSettledOutside);
}

TEST_F(DisputeTest, AProviderThatIsGoneIsNotAskedAndOnlyWhatItHadRefusedIsSettled) {
  const Command gone{SettleOutside{key_, "root", "insolvent", /*provider_gone=*/true}, "", {}};
  Run(PartOf(saga_));
  EXPECT_EQ(Answer(gone).refusal, Refusal::kNothingRefused) << "it is in doubt";
  Run(PartOf(saga_, Refused(saga_)));
  EXPECT_EQ(Answer(gone).kind, OutcomeKind::kDone);
  EXPECT_EQ(Part().dispute.settled_by, "root");
}

TEST_F(DisputeTest, WhatIsGivenBackAfterItWasSettledOutsideIsReported) {
  SettlePart();
  EXPECT_FALSE(Run(PartOf(saga_, Refused(saga_))).given_back_twice);
  EXPECT_TRUE(Run(ExamineOf(GivenBack(saga_))).given_back_twice);
  EXPECT_EQ(Row().refunded, 300);
}

TEST_F(DisputeTest, ACancellationThatIsDoneAfterItWasSettledOutsideIsReported) {
  const ProviderAnswer refunded{Verdict::kRefunded, "", "", {}};
  Run(CancelOf());
  EXPECT_FALSE(Run(CancelOf(Refused())).given_back_twice);
  Run(SettleOf(Refused()));
  EXPECT_FALSE(Run(ExamineOf(ProviderAnswer{Verdict::kNeverSeen, "", "", {}})).given_back_twice);
  EXPECT_TRUE(Run(ExamineOf(refunded)).given_back_twice);
  EXPECT_TRUE(Run(ExamineOf(ProviderAnswer{Verdict::kVoided, "", "", {}})).given_back_twice);
  EXPECT_EQ(Row().resolution, Resolution::kSettledOutside);
}

TEST_F(DisputeTest, WhatTheProviderGaveBackOnceIsNotReportedWhenItSaysSoAgain) {
  Run(PartOf(saga_));
  Run(PartOf(saga_, GivenBack(saga_)));
  EXPECT_FALSE(Run(ExamineOf(GivenBack(saga_))).given_back_twice);
  const ProviderAnswer refunded{Verdict::kRefunded, "", "", {}};
  Run(CancelOf());
  Run(CancelOf(refunded));
  EXPECT_FALSE(Run(ExamineOf(refunded)).given_back_twice);
}

TEST_F(DisputeTest, AnOperatorEndsAPartThatIsRefusedAndItsSagaGoesOn) {
  RefusePart();
  EXPECT_EQ(Answer(SettleOf(Refused(saga_))).kind, OutcomeKind::kDone);
  EXPECT_TRUE(Part().done);
  EXPECT_EQ(Part().dispute, (Dispute{"charge_disputed", "root", "charged back"}));
  EXPECT_EQ(Row().refunding, 0);
  EXPECT_EQ(Row().refunded, 300);
  EXPECT_THAT(events_, ElementsAre(EventKind::kRefunded));
  ASSERT_THAT(last_.events, SizeIs(1));
  EXPECT_EQ(last_.events[0].payment.provider_code, "settled_outside");
  EXPECT_EQ(Answer(PartOf(saga_)).kind, OutcomeKind::kDone);
  EXPECT_EQ(Answer(SettleOf({}, "eve")).kind, OutcomeKind::kDone) << "again";
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Part().dispute.settled_by, "root");
}

TEST_F(DisputeTest, AnOperatorEndsACancellationThatIsRefused) {
  Run(CancelOf());
  Run(CancelOf(Refused()));
  const Outcome settled = Answer(SettleOf(Refused()));
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
