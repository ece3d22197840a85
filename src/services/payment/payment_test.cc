#include "services/payment/payment.h"

#include <gmock/gmock.h>

#include "services/payment/payment_for_test.h"

namespace boxoffice::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PaymentTest : public DecidedTest {
 protected:
  Command ApproveOf(uint32_t attempt = 1, std::string method = "internal") {
    const Route route = method == kInternal ? Route::kInternal : Route::kExternal;
    return {payment::Approve{{reservation_, attempt}, saga_, "ann", {1000, kKrw}, std::move(method), route},
            "",
            {}};
  }
  Command ExternalOf(uint32_t attempt = 1) { return ApproveOf(attempt, "sandbox:approve"); }
  Command CancelOf(uint32_t attempt = 1) {
    return {payment::Cancel{{reservation_, attempt}, SagaId::Make(kNow, random_)}, "", {}};
  }
  Command QueryOf(uint32_t attempt = 1) { return {payment::Query{{reservation_, attempt}}, "", {}}; }
  Command RefundOf(SagaId saga, int64_t amount, Currency currency = kKrw) {
    return {GiveBack{{reservation_, 1}, saga, {amount, currency}}, "", {}};
  }
  SagaId NewSaga() { return SagaId::Make(kNow, random_); }
  static Command HearingRefund(Command command) {
    command.heard = ProviderAnswer{Verdict::kRefundDone, "", "", std::get<GiveBack>(command.body).saga};
    return command;
  }
  Command WebhookOf(const std::string& id, Verdict verdict = Verdict::kApproved, int64_t amount = 1000,
                    const std::string& provider = "sandbox") {
    return {Webhook{{reservation_, 1}, {provider, id}, {amount, kKrw}, {verdict, "ref-9", "", {}}}, "", {}};
  }
  WebhookEffect Effect(Command command) {
    const Decided decided = Run(std::move(command));
    EXPECT_TRUE(decided.answer.has_value());
    return decided.answer->effect;
  }
  void ApproveExternally() {
    Run(ExternalOf());
    Run(Hearing(ExternalOf(), Verdict::kApproved));
  }
  Command ExamineOf(uint32_t attempt = 1) { return {Examine{{reservation_, attempt}}, "", {}}; }
  static Command Hearing(Command command, Verdict verdict) {
    command.heard = ProviderAnswer{verdict, "ref-7", verdict == Verdict::kDeclined ? "51" : "", {}};
    return command;
  }
  // An answer to a cancellation that was asked for once more, under another key.
  static Command HearingAgain(Command command, Verdict verdict) {
    command = Hearing(std::move(command), verdict);
    command.heard->cancelled_before = true;
    return command;
  }
};

TEST_F(PaymentTest, AnInternalApprovalIsDoneInOneStep) {
  const Outcome outcome = Answer(ApproveOf());
  EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  EXPECT_EQ(outcome.state, State::kApproved);
  EXPECT_EQ(outcome.id, Row().id);
  EXPECT_EQ(Row().money, (Money{1000, kKrw}));
  EXPECT_EQ(Row().created_at, kNow);
  EXPECT_THAT(events_, ElementsAre(EventKind::kApproved));
}

TEST_F(PaymentTest, ARepeatedApprovalGetsTheRecordedAnswer) {
  const Outcome first = Answer(ApproveOf());
  EXPECT_EQ(Answer(ApproveOf()), first);
  EXPECT_TRUE(last_.empty());
  EXPECT_THAT(events_, SizeIs(1));
}

TEST_F(PaymentTest, AnApprovalRepeatedWithOtherContentIsAMismatch) {
  Answer(ApproveOf());
  Command other = ApproveOf();
  std::get<payment::Approve>(other.body).money.amount = 1;
  EXPECT_EQ(Answer(other).kind, OutcomeKind::kMismatch);
  other = ApproveOf();
  std::get<payment::Approve>(other.body).user_id = "bob";
  EXPECT_EQ(Answer(other).kind, OutcomeKind::kMismatch);
  other = ApproveOf();
  std::get<payment::Approve>(other.body).saga = SagaId::Make(kNow, random_);
  EXPECT_EQ(Answer(other).kind, OutcomeKind::kMismatch);
  EXPECT_EQ(Answer(ExternalOf()).kind, OutcomeKind::kMismatch);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, AnUnknownMethodIsRefusedAndNotRecorded) {
  Command command = ApproveOf(1, "sandbox:fly");
  std::get<payment::Approve>(command.body).route = Route::kUnknown;
  const Outcome outcome = Answer(command);
  EXPECT_EQ(outcome.kind, OutcomeKind::kRefused);
  EXPECT_EQ(outcome.refusal, Refusal::kMethodUnknown);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, AReservationHasAtMostOneApprovedPayment) {
  Answer(ApproveOf(1));
  const Outcome second = Answer(ApproveOf(2));
  EXPECT_EQ(second.kind, OutcomeKind::kRefused);
  EXPECT_EQ(second.refusal, Refusal::kAlreadyApproved);
  EXPECT_TRUE(last_.empty());
  Answer(CancelOf(1));
  EXPECT_EQ(Answer(ApproveOf(2)).state, State::kApproved);
}

TEST_F(PaymentTest, TwoAttemptsInOneBatchAreNotBothApproved) {
  const auto outcomes = RunBatch({ApproveOf(1), ApproveOf(2)});
  EXPECT_EQ(outcomes[0].answer->kind, OutcomeKind::kDone);
  EXPECT_EQ(outcomes[1].answer->refusal, Refusal::kAlreadyApproved);
}

TEST_F(PaymentTest, NoAttemptStartsWhileAnotherIsNotSettled) {
  Run(ExternalOf(1));
  EXPECT_EQ(AnswerError(ApproveOf(2)).reason, "attempt_unsettled");
  Run(CancelOf(1));  // the provider has not been heard yet
  const Error error = AnswerError(ApproveOf(2));
  EXPECT_EQ(error.reason, "attempt_unsettled");
  EXPECT_EQ(error.code, Code::kUnavailable);
  Run(Hearing(CancelOf(1), Verdict::kVoided));
  EXPECT_EQ(Answer(ApproveOf(2)).state, State::kApproved);
}

TEST_F(PaymentTest, AnExternalApprovalIsPendingBeforeTheProviderIsTold) {
  const Decided decided = Run(ExternalOf());
  EXPECT_EQ(decided.next, Next::kSend);
  EXPECT_EQ(Row().state, State::kPending);
  EXPECT_EQ(decided.request.reservation, reservation_);
  EXPECT_EQ(decided.request.money, (Money{1000, kKrw}));
  EXPECT_EQ(decided.request.instrument, "approve");
  EXPECT_EQ(decided.request.IdempotencyKey(), reservation_.ToString() + "/1");
  EXPECT_EQ(decided.method, "sandbox:approve");
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(PaymentTest, WhatTheProviderApprovesIsApproved) {
  Run(ExternalOf());
  EXPECT_EQ(Answer(Hearing(ExternalOf(), Verdict::kApproved)).state, State::kApproved);
  EXPECT_EQ(Row().provider_reference, "ref-7");
  EXPECT_THAT(events_, ElementsAre(EventKind::kApproved));
  EXPECT_EQ(Answer(Hearing(ExternalOf(), Verdict::kApproved)).state, State::kApproved);
  EXPECT_THAT(events_, SizeIs(1));
}

TEST_F(PaymentTest, WhatTheProviderDeclinesIsRefusedWithItsCode) {
  Run(ExternalOf());
  const Outcome outcome = Answer(Hearing(ExternalOf(), Verdict::kDeclined));
  EXPECT_EQ(outcome.kind, OutcomeKind::kRefused);
  EXPECT_EQ(outcome.refusal, Refusal::kDeclined);
  EXPECT_EQ(outcome.provider_code, "51");
  EXPECT_THAT(events_, ElementsAre(EventKind::kDeclined));
  EXPECT_EQ(Answer(ExternalOf()), outcome);
}

TEST_F(PaymentTest, SilenceConcludesNothing) {
  Run(ExternalOf());
  const Error error = AnswerError(Hearing(ExternalOf(), Verdict::kUnknown));
  EXPECT_EQ(error.code, Code::kUnknown);
  EXPECT_EQ(error.reason, "payment_unknown");
  EXPECT_EQ(Row().state, State::kPending);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, ARepeatedApprovalOfAPendingPaymentAsksTheProviderAndSendsAgainIfItKnowsNothing) {
  Run(ExternalOf());
  EXPECT_EQ(Run(ExternalOf()).next, Next::kAsk);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Run(Hearing(ExternalOf(), Verdict::kNotFound)).next, Next::kSend);
  EXPECT_EQ(Row().state, State::kPending);
}

TEST_F(PaymentTest, ACancellationThatComesFirstLeavesATombstone) {
  const Outcome outcome = Answer(CancelOf());
  EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  EXPECT_EQ(outcome.state, State::kCancelled);
  EXPECT_EQ(outcome.resolution, Resolution::kNeverSent);
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_EQ(Answer(CancelOf()), outcome);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, AnApprovalAfterItsCancellationIsAborted) {
  Answer(CancelOf(1));
  EXPECT_EQ(Answer(ApproveOf(1)).kind, OutcomeKind::kAborted);
  EXPECT_EQ(Answer(ExternalOf(1)).kind, OutcomeKind::kAborted);
  Answer(ApproveOf(2));
  Answer(CancelOf(2));
  EXPECT_EQ(Answer(ApproveOf(2)).kind, OutcomeKind::kAborted);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, CancellingAnInternalPaymentVoidsItAtOnce) {
  Answer(ApproveOf());
  const Outcome outcome = Answer(CancelOf());
  EXPECT_EQ(outcome.state, State::kCancelled);
  EXPECT_EQ(outcome.resolution, Resolution::kVoided);
  EXPECT_THAT(events_, ElementsAre(EventKind::kApproved, EventKind::kCancelled));
  EXPECT_EQ(Answer(CancelOf()), outcome);
  EXPECT_THAT(events_, SizeIs(2));
}

TEST_F(PaymentTest, CancellingADeclinedPaymentLeavesATombstoneSoThatALateDuplicateCannotApprove) {
  Run(ExternalOf());
  Answer(Hearing(ExternalOf(), Verdict::kDeclined));
  const Outcome outcome = Answer(CancelOf());
  EXPECT_EQ(outcome.state, State::kCancelled);
  EXPECT_EQ(outcome.resolution, Resolution::kNeverSent);
  EXPECT_EQ(Answer(ExternalOf()).kind, OutcomeKind::kAborted);
}

TEST_F(PaymentTest, ACancellationIsDoneOnlyWhenTheProviderHasSaidHowItEnded) {
  for (const auto& [verdict, resolution] :
       std::map<Verdict, Resolution>{{Verdict::kNeverSeen, Resolution::kNeverSent},
                                     {Verdict::kVoided, Resolution::kVoided},
                                     {Verdict::kRefunded, Resolution::kRefunded}}) {
    rows_.clear();
    events_.clear();
    Run(ExternalOf());
    EXPECT_EQ(Run(CancelOf()).next, Next::kCancel);
    EXPECT_EQ(Row().state, State::kCancelled);  // the tombstone is there before the provider is told
    EXPECT_FALSE(Row().settled());
    EXPECT_EQ(AnswerError(Hearing(CancelOf(), Verdict::kUnknown)).reason, "payment_unknown");
    EXPECT_EQ(Run(CancelOf()).next, Next::kCancel);
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(Answer(Hearing(CancelOf(), verdict)).resolution, resolution);
    EXPECT_TRUE(Row().settled());
    EXPECT_THAT(events_, ElementsAre(EventKind::kCancelled));
  }
}

TEST_F(PaymentTest, AnExternalApprovalIsCancelledAtTheProvider) {
  Run(ExternalOf());
  Run(Hearing(ExternalOf(), Verdict::kApproved));
  EXPECT_EQ(Run(CancelOf()).next, Next::kCancel);
  EXPECT_EQ(Answer(Hearing(CancelOf(), Verdict::kRefunded)).resolution, Resolution::kRefunded);
}

TEST_F(PaymentTest, AnApprovalThatIsHeardAfterTheTombstoneIsGivenBack) {
  Run(ExternalOf());
  Run(CancelOf());
  Run(Hearing(CancelOf(), Verdict::kNeverSeen));
  EXPECT_EQ(Answer(Hearing(ExternalOf(), Verdict::kApproved)).kind, OutcomeKind::kAborted);
  EXPECT_EQ(Row().resolution, Resolution::kReopened);
  EXPECT_FALSE(Row().settled());
  EXPECT_EQ(Run(ExamineOf()).next, Next::kCancel);
  Answer(Hearing(ExamineOf(), Verdict::kRefunded));
  EXPECT_EQ(Row().resolution, Resolution::kRefunded);
  // The cancellation once.
  EXPECT_THAT(events_, ElementsAre(EventKind::kCancelled, EventKind::kCapturedLate));
  EXPECT_TRUE(Row().captured_late);
}

TEST_F(PaymentTest, AnApprovalThatIsHeardWhileTheCancellationIsUnderWayIsGivenBack) {
  Run(ExternalOf());
  Run(CancelOf());
  EXPECT_EQ(Run(Hearing(ExamineOf(), Verdict::kApproved)).next, Next::kCancel);
  EXPECT_EQ(Row().state, State::kCancelled);
}

TEST_F(PaymentTest, AnApprovalThatIsHeardAgainAfterTheRefundChangesNothing) {
  Run(ExternalOf());
  Run(CancelOf());
  Run(Hearing(CancelOf(), Verdict::kRefunded));
  Run(Hearing(ExamineOf(), Verdict::kApproved));
  EXPECT_EQ(Row().resolution, Resolution::kRefunded);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, AnApprovalThatIsHeardAfterTheDeclineIsGivenBack) {
  Run(ExternalOf());
  Run(Hearing(ExternalOf(), Verdict::kDeclined));
  EXPECT_EQ(Run(Hearing(ExamineOf(), Verdict::kApproved)).next, Next::kCancel);
  EXPECT_EQ(Row().state, State::kCancelled);
}

TEST_F(PaymentTest, AQueryTellsWhatIsKnownAndAsksWhereItIsNot) {
  EXPECT_EQ(Answer(QueryOf()), Outcome{});
  Run(ExternalOf());
  EXPECT_EQ(Run(QueryOf()).next, Next::kAsk);
  EXPECT_EQ(Answer(Hearing(QueryOf(), Verdict::kUnknown)).state, State::kPending);
  EXPECT_EQ(Answer(Hearing(QueryOf(), Verdict::kNotFound)).state, State::kPending);
  EXPECT_EQ(Answer(Hearing(QueryOf(), Verdict::kApproved)).state, State::kApproved);
  EXPECT_EQ(Answer(QueryOf()).kind, OutcomeKind::kDone);
  Run(CancelOf());
  EXPECT_EQ(Run(QueryOf()).next, Next::kCancel);
  EXPECT_EQ(Answer(Hearing(QueryOf(), Verdict::kRefunded)).resolution, Resolution::kRefunded);
}

TEST_F(PaymentTest, TheReconcilerNeverSendsAnApprovalItself) {
  Run(ExternalOf());
  EXPECT_EQ(Run(ExamineOf()).next, Next::kAsk);
  EXPECT_EQ(Run(Hearing(ExamineOf(), Verdict::kNotFound)).next, Next::kAnswer);
  EXPECT_EQ(Row().state, State::kPending);
}

TEST_F(PaymentTest, ActionAndUndoInOneBatchEndNeutralInEitherOrder) {
  auto outcomes = RunBatch({ApproveOf(1), CancelOf(1)});
  EXPECT_EQ(outcomes[1].answer->resolution, Resolution::kVoided);
  ASSERT_THAT(last_.payments, SizeIs(1));
  EXPECT_EQ(last_.payments[0].version, 0);
  outcomes = RunBatch({CancelOf(2), ApproveOf(2)});
  EXPECT_EQ(outcomes[1].answer->kind, OutcomeKind::kAborted);
}

TEST_F(PaymentTest, TheLoadedVersionTravelsToTheSave) {
  Answer(ApproveOf());
  Answer(CancelOf());
  EXPECT_EQ(last_.payments.at(0).version, 1);
}

TEST_F(PaymentTest, APartIsGivenBackAndTheRestStaysApproved) {
  Answer(ApproveOf());
  const SagaId saga = NewSaga();
  const Outcome outcome = Answer(RefundOf(saga, 300));
  EXPECT_EQ(outcome.kind, OutcomeKind::kDone);
  EXPECT_EQ(outcome.state, State::kApproved);
  EXPECT_EQ(outcome.refunded, 300);
  EXPECT_EQ(Row().refunded, 300);
  EXPECT_THAT(events_, ElementsAre(EventKind::kApproved, EventKind::kRefunded));
  EXPECT_EQ(last_.events.at(0).payment.money.amount, 300);
  EXPECT_EQ(Answer(RefundOf(saga, 300)), outcome);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, ARefundRepeatedWithOtherMoneyIsAMismatch) {
  Answer(ApproveOf());
  const SagaId saga = NewSaga();
  Answer(RefundOf(saga, 300));
  EXPECT_EQ(Answer(RefundOf(saga, 301)).kind, OutcomeKind::kMismatch);
  EXPECT_EQ(Answer(RefundOf(saga, 300, *Currency::Parse("EUR"))).kind, OutcomeKind::kMismatch);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, RefundsTogetherAreNeverMoreThanWasCaptured) {
  Answer(ApproveOf());
  Answer(RefundOf(NewSaga(), 600));
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 401)).refusal, Refusal::kExceedsCaptured);
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 1, *Currency::Parse("EUR"))).refusal, Refusal::kExceedsCaptured);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 400)).refunded, 1000);
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 1)).refusal, Refusal::kExceedsCaptured);
}

TEST_F(PaymentTest, ARefundThatIsNotCertainYetCountsAgainstWhatWasCaptured) {
  ApproveExternally();
  EXPECT_EQ(Run(RefundOf(NewSaga(), 600)).next, Next::kRefund);
  EXPECT_EQ(Row().refunding, 600);
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 401)).refusal, Refusal::kExceedsCaptured);
}

TEST_F(PaymentTest, OnlyWhatIsApprovedCanBeGivenBackInPart) {
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 1)).refusal, Refusal::kNotApproved);
  Run(ExternalOf());
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 1)).refusal, Refusal::kNotApproved);
  Run(Hearing(ExternalOf(), Verdict::kDeclined));
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 1)).refusal, Refusal::kNotApproved);
  Answer(CancelOf());
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 1)).kind, OutcomeKind::kAborted);
  EXPECT_TRUE(last_.empty());
}

TEST_F(PaymentTest, AnExternalRefundIsRecordedBeforeTheProviderIsToldAndDoneWhenItSaysSo) {
  ApproveExternally();
  const SagaId saga = NewSaga();
  const Decided decided = Run(RefundOf(saga, 300));
  EXPECT_EQ(decided.next, Next::kRefund);
  EXPECT_EQ(decided.request.money, (Money{300, kKrw}));
  EXPECT_EQ(decided.request.RefundKey(), reservation_.ToString() + "/1/" + saga.ToString());
  ASSERT_THAT(last_.refunds, SizeIs(1));
  EXPECT_FALSE(last_.refunds[0].done);
  EXPECT_EQ(AnswerError(Hearing(RefundOf(saga, 300), Verdict::kUnknown)).reason, "payment_unknown");
  EXPECT_EQ(Run(RefundOf(saga, 300)).next, Next::kRefund) << "asked again with the same key";
  EXPECT_EQ(Answer(HearingRefund(RefundOf(saga, 300))).refunded, 300);
  EXPECT_EQ(Row().refunding, 0);
  EXPECT_EQ(Row().refunded, 300);
  EXPECT_EQ(Answer(HearingRefund(RefundOf(saga, 300))).refunded, 300);
  EXPECT_THAT(events_, ElementsAre(EventKind::kApproved, EventKind::kRefunded));
}

TEST_F(PaymentTest, TheReconcilerFindsOutAboutRefunds) {
  ApproveExternally();
  const SagaId saga = NewSaga();
  Run(RefundOf(saga, 300));
  const Decided decided = Run(ExamineOf());
  EXPECT_EQ(decided.next, Next::kRefund);
  EXPECT_EQ(decided.request.refund, saga);
  Command heard = ExamineOf();
  heard.heard = ProviderAnswer{Verdict::kRefundDone, "", "", saga};
  Run(heard);
  EXPECT_EQ(Row().refunded, 300);
  EXPECT_EQ(Run(ExamineOf()).next, Next::kAnswer);
}

TEST_F(PaymentTest, ACancellationGivesTheRestBackOnceThePartsAreCertain) {
  ApproveExternally();
  const SagaId saga = NewSaga();
  Run(RefundOf(saga, 300));
  const Decided part = Run(CancelOf());
  EXPECT_EQ(part.next, Next::kRefund) << "first the part, so that the provider never gives back too much";
  EXPECT_EQ(Row().state, State::kCancelled);
  EXPECT_EQ(AnswerError(Hearing(CancelOf(), Verdict::kUnknown)).reason, "payment_unknown");
  Command heard = CancelOf();
  heard.heard = ProviderAnswer{Verdict::kRefundDone, "", "", saga};
  EXPECT_EQ(Run(heard).next, Next::kCancel);
  EXPECT_EQ(Row().refunded, 300);
  EXPECT_EQ(Answer(Hearing(CancelOf(), Verdict::kRefunded)).resolution, Resolution::kRefunded);
  EXPECT_EQ(Answer(RefundOf(saga, 300)).kind, OutcomeKind::kDone) << "it was done before";
  EXPECT_EQ(Answer(RefundOf(NewSaga(), 1)).kind, OutcomeKind::kAborted);
}

TEST_F(PaymentTest, AWebhookSettlesAPaymentOnce) {
  Run(ExternalOf());
  EXPECT_EQ(Effect(WebhookOf("w1")), WebhookEffect::kDone);
  EXPECT_EQ(Row().state, State::kApproved);
  EXPECT_EQ(Row().provider_reference, "ref-9");
  EXPECT_EQ(Effect(WebhookOf("w1")), WebhookEffect::kRepeated);
  EXPECT_TRUE(last_.empty());
  EXPECT_EQ(Effect(WebhookOf("w2")), WebhookEffect::kDone) << "said twice, taken as it is";
  EXPECT_THAT(events_, ElementsAre(EventKind::kApproved));
}

TEST_F(PaymentTest, AWebhookOfOtherMoneyOrOfAnotherProviderProvesNothing) {
  EXPECT_EQ(Effect(WebhookOf("w0")), WebhookEffect::kIgnored) << "of a payment that we do not know";
  Run(ExternalOf());
  EXPECT_EQ(Effect(WebhookOf("w1", Verdict::kApproved, 999)), WebhookEffect::kDone) << "it is kept in mind";
  EXPECT_EQ(Effect(WebhookOf("w2", Verdict::kApproved, 1000, "http")), WebhookEffect::kIgnored);
  EXPECT_EQ(Row().state, State::kPending);
}

TEST_F(PaymentTest, MoneyThatAWebhookSaysWasTakenAfterTheEndIsGivenBackAndReported) {
  Run(ExternalOf());
  Run(CancelOf());
  Run(Hearing(CancelOf(), Verdict::kNeverSeen));
  const Decided decided = Run(WebhookOf("w1"));
  EXPECT_EQ(decided.next, Next::kCancel);
  EXPECT_EQ(decided.answer->effect, WebhookEffect::kDone) << "its sender is answered at once";
  EXPECT_TRUE(Row().captured_late);
  EXPECT_THAT(events_, ElementsAre(EventKind::kCancelled, EventKind::kCapturedLate));
  Run(Hearing(ExamineOf(), Verdict::kRefunded));
  EXPECT_EQ(Row().resolution, Resolution::kRefunded);
  EXPECT_EQ(Run(WebhookOf("w2")).next, Next::kAnswer) << "it is given back already";
}

TEST_F(PaymentTest, WhateverAWebhookSaysWasTakenAfterTheEndIsGivenBack) {
  Run(ExternalOf());
  Run(CancelOf());
  Run(Hearing(CancelOf(), Verdict::kNeverSeen));
  EXPECT_EQ(Effect(WebhookOf("w1", Verdict::kApproved, 999, "http")), WebhookEffect::kIgnored);
  EXPECT_EQ(Row().resolution, Resolution::kNeverSent) << "of another provider it proves nothing";
  EXPECT_EQ(Run(WebhookOf("w2", Verdict::kApproved, 999)).next, Next::kCancel);
  EXPECT_TRUE(Row().captured_late);
  Run(Hearing(ExamineOf(), Verdict::kRefunded));
  EXPECT_EQ(Row().resolution, Resolution::kRefunded);
}

TEST_F(PaymentTest, WhateverAWebhookSaysWasTakenAfterADeclineIsGivenBack) {
  Run(ExternalOf());
  Run(Hearing(ExternalOf(), Verdict::kDeclined));
  EXPECT_EQ(Run(WebhookOf("w1", Verdict::kApproved, 1001)).next, Next::kCancel);
  EXPECT_EQ(Row().state, State::kCancelled);
  EXPECT_TRUE(Row().captured_late);
}

// A webhook may overtake the answer to the cancellation; and an acquirer may repeat an answer of before.
TEST_F(PaymentTest, ThatNothingWasTakenIsNotBelievedOfWhatTheProviderSaysItTook) {
  Run(ExternalOf());
  Run(CancelOf());
  Run(WebhookOf("w1"));
  EXPECT_EQ(AnswerError(Hearing(CancelOf(), Verdict::kNeverSeen)).reason, "payment_unknown");
  EXPECT_FALSE(Row().settled());
  EXPECT_EQ(Row().dispute.refusal, "said_not_taken");
  const Decided again = Run(CancelOf());
  EXPECT_EQ(again.next, Next::kCancel);
  EXPECT_TRUE(again.request.cancelled_before) << "asked under another key than before";
  EXPECT_EQ(Answer(Hearing(CancelOf(), Verdict::kRefunded)).resolution, Resolution::kRefunded);
  EXPECT_EQ(Row().dispute.refusal, "");
  EXPECT_THAT(events_, ElementsAre(EventKind::kCancelled));
}

TEST_F(PaymentTest, WhatWasTakenAfterTheEndIsNotEndedByAnAnswerOfBefore) {
  Run(ExternalOf());
  Run(CancelOf());
  Run(Hearing(CancelOf(), Verdict::kVoided));
  const Decided late = Run(WebhookOf("w1"));
  EXPECT_TRUE(late.request.cancelled_before);
  for (const Verdict stale : {Verdict::kNeverSeen, Verdict::kVoided}) {
    Run(Hearing(ExamineOf(), stale));
    EXPECT_FALSE(Row().settled());
  }
  Run(Hearing(ExamineOf(), Verdict::kRefunded));
  EXPECT_EQ(Row().resolution, Resolution::kRefunded);
}

TEST_F(PaymentTest, ThatAllIsVoidIsNotBelievedOfWhatWasTakenWhileItWasBeingCancelled) {
  Run(ExternalOf());
  Run(CancelOf());
  const Decided told = Run(WebhookOf("w1"));
  EXPECT_EQ(told.next, Next::kCancel);
  EXPECT_TRUE(told.request.cancelled_before) << "under its first key it may repeat what it said before";
  EXPECT_EQ(Row().dispute.refusal, "") << "it has refused nothing";
  EXPECT_EQ(AnswerError(Hearing(CancelOf(), Verdict::kVoided)).reason, "payment_unknown");
  EXPECT_FALSE(Row().settled());
  EXPECT_TRUE(Run(CancelOf()).request.cancelled_before);
  EXPECT_FALSE(Row().captured_late) << "it may have been taken before";
  Answer(HearingAgain(CancelOf(), Verdict::kRefused));
  EXPECT_TRUE(Run(CancelOf()).request.cancelled_before) << "also once it has refused";
  EXPECT_EQ(AnswerError(Hearing(CancelOf(), Verdict::kVoided)).reason, "payment_unknown");
  EXPECT_EQ(Answer(HearingAgain(CancelOf(), Verdict::kRefunded)).resolution, Resolution::kRefunded);
  EXPECT_THAT(events_, ElementsAre(EventKind::kCancelled));
}

// It may also have been taken before the cancellation, and only the webhook was slow.
TEST_F(PaymentTest, ThatAllIsVoidIsBelievedOnceItIsAnsweredToWhatWasAskedAfterTheMoneyWasHeardOf) {
  for (const bool ended : {false, true}) {
    rows_.clear();
    webhooks_.clear();
    Run(ExternalOf());
    Run(CancelOf());
    if (ended) Run(Hearing(CancelOf(), Verdict::kVoided));
    Run(WebhookOf("w1"));
    Run(HearingAgain(ExamineOf(), Verdict::kNeverSeen));
    EXPECT_FALSE(Row().settled()) << "it was taken";
    Run(HearingAgain(ExamineOf(), Verdict::kVoided));
    EXPECT_EQ(Row().resolution, Resolution::kVoided);
    EXPECT_EQ(Row().dispute.refusal, "");
  }
}

TEST_F(PaymentTest, AnApprovalThatIsHeardAgainAfterTheVoidChangesNothing) {
  ApproveExternally();
  Run(CancelOf());
  Run(Hearing(CancelOf(), Verdict::kVoided));
  Command told = WebhookOf("w1");
  std::get<Webhook>(told.body).told.reference = Row().provider_reference;
  EXPECT_EQ(Effect(told), WebhookEffect::kDone);
  EXPECT_THAT(last_.payments, IsEmpty());
  EXPECT_EQ(Row().resolution, Resolution::kVoided);
  EXPECT_THAT(events_, ElementsAre(EventKind::kApproved, EventKind::kCancelled));
  EXPECT_EQ(Run(WebhookOf("w2")).next, Next::kCancel) << "of another reference: taken anew";
  EXPECT_TRUE(Row().captured_late);
}

TEST_F(PaymentTest, AnApprovalWithoutAReferenceAfterTheVoidIsGivenBack) {
  Run(ExternalOf());
  Run(CancelOf());
  Run(Hearing(CancelOf(), Verdict::kVoided));
  Command told = WebhookOf("w1");
  std::get<Webhook>(told.body).told.reference.clear();
  EXPECT_EQ(Run(told).next, Next::kCancel);
  EXPECT_TRUE(Row().captured_late);
}

TEST_F(PaymentTest, WhatWasApprovedMayBeVoidedBeforeTheMoneyMoves) {
  ApproveExternally();
  EXPECT_FALSE(Run(CancelOf()).request.cancelled_before);
  EXPECT_EQ(Answer(Hearing(CancelOf(), Verdict::kVoided)).resolution, Resolution::kVoided);
}

TEST_F(PaymentTest, AMethodIsAProviderAndItsInstrument) {
  EXPECT_EQ(SplitMethod("sandbox:slow").provider, "sandbox");
  EXPECT_EQ(SplitMethod("sandbox:slow").instrument, "slow");
  EXPECT_EQ(SplitMethod("sandbox").provider, "sandbox");
  EXPECT_EQ(SplitMethod("sandbox").instrument, "");
}

TEST_F(PaymentTest, WhatIsJustBeingPaidIsNotInDoubtAndAfterAMinuteItIs) {
  Run(ExternalOf());
  EXPECT_EQ(CountInDoubt(Stored(), kNow + kJustAsked - milliseconds(1)), 0);
  EXPECT_EQ(CountInDoubt(Stored(), kNow + kJustAsked), 1);
  Run(Hearing(ExternalOf(), Verdict::kApproved));
  EXPECT_EQ(CountInDoubt(Stored(), kNow + kJustAsked), 0);
}

TEST_F(PaymentTest, ACancellationIsInDoubtFromAMinuteAfterItBegan) {
  ApproveExternally();
  const Timestamp later = kNow + std::chrono::hours(1);
  Run(CancelOf(), later);
  EXPECT_EQ(CountInDoubt(Stored(), later), 0) << "however long ago it was paid";
  Run(Hearing(CancelOf(), Verdict::kUnknown), later + kJustAsked - milliseconds(1));
  EXPECT_EQ(CountInDoubt(Stored(), later + kJustAsked), 1) << "however often it was asked again";
}

TEST_F(PaymentTest, APartIsInDoubtFromAMinuteAfterItWasAskedFor) {
  ApproveExternally();
  Run(RefundOf(NewSaga(), 300));
  EXPECT_EQ(CountInDoubt(Stored(), kNow + kJustAsked - milliseconds(1)), 0);
  Command other = RefundOf(NewSaga(), 200);
  Run(other, kNow + kJustAsked);
  Run(HearingRefund(std::move(other)), kNow + kJustAsked);
  EXPECT_EQ(CountInDoubt(Stored(), kNow + kJustAsked), 1) << "the other part tells nothing of it";
}

}  // namespace
}  // namespace boxoffice::payment
