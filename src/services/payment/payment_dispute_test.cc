// What a provider refuses to give back: on record with its code, asked for again, and ended by an operator.
#include <map>

#include <gmock/gmock.h>

#include "services/payment/payment.h"

namespace boxoffice::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Currency kKrw = *Currency::Parse("KRW");
const Timestamp kNow = FromUnixMs(1'800'000'000'000);

// An approved payment of 1000, as a store would keep it.
class DisputeTest : public ::testing::Test {
 protected:
  DisputeTest() {
    const Approve approve{
        key_, SagaId::Make(kNow, random_), "ann", {1000, kKrw}, "sandbox:x", Route::kExternal};
    Run({approve, "", {}});
    Run({approve, "", ProviderAnswer{Verdict::kApproved, "ref", "", {}}});
    events_.clear();
  }
  Decided Run(Command command, Timestamp now = kNow) {
    Rows rows;
    for (const auto& [key, row] : rows_) rows.payments.push_back(row);
    for (const auto& [saga, row] : refunds_) rows.refunds.push_back(row);
    Decision decision = Decide(rows, std::vector{std::move(command)}, now, random_);
    changed_ = !decision.changes.empty();
    for (Payment row : decision.changes.payments) {
      ++row.version;
      rows_[row.key] = row;
    }
    for (const Refund& row : decision.changes.refunds) refunds_[row.saga] = row;
    for (const PaymentEvent& event : decision.changes.events) events_.push_back(event);
    return std::move(decision.outcomes.at(0));
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
  Outcome Answer(Command command) {
    const Decided decided = Run(std::move(command));
    EXPECT_EQ(decided.next, Next::kAnswer);
    return decided.answer.value_or(Outcome{});
  }
  void RefusePart() {
    Run(PartOf(saga_));
    Run(PartOf(saga_, Refused(saga_)));
  }
  const Payment& Row() { return rows_.at(key_); }

  SeededRandom random_{17};
  PaymentKey key_{ReservationId::Make(kNow, random_), 1};
  SagaId saga_ = SagaId::Make(kNow, random_);
  std::map<PaymentKey, Payment> rows_;
  std::map<SagaId, Refund> refunds_;
  std::vector<PaymentEvent> events_;
  bool changed_ = false;
};

TEST_F(DisputeTest, ARefusedPartIsSaidToBeRefusedAndNeverToBeGivenBack) {
  Run(PartOf(saga_));
  const Outcome refused = Answer(PartOf(saga_, Refused(saga_)));
  EXPECT_EQ(refused.kind, OutcomeKind::kRefused);
  EXPECT_EQ(refused.refusal, Refusal::kRefundRefused);
  EXPECT_EQ(refused.provider_code, "charge_disputed");
  EXPECT_EQ(refunds_.at(saga_).dispute.refusal, "charge_disputed");
  EXPECT_FALSE(refunds_.at(saga_).done);
  EXPECT_EQ(Row().refunding, 300) << "it still counts against what was captured";
  EXPECT_EQ(Row().refunded, 0);
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(DisputeTest, WhoeverAsksAgainForARefusedPartMakesTheProviderBeAskedAgain) {
  RefusePart();
  EXPECT_EQ(Run(PartOf(saga_)).next, Next::kRefund);
  const ProviderAnswer done{Verdict::kRefundDone, "", "", saga_};
  EXPECT_EQ(Answer(PartOf(saga_, done)).refunded, 300);
  EXPECT_EQ(refunds_.at(saga_).dispute, Dispute{});
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
  const Refund& part = refunds_.at(saga_);
  EXPECT_TRUE(part.done);
  EXPECT_EQ(part.dispute, (Dispute{"charge_disputed", "root", "charged back"}));
  EXPECT_EQ(Row().refunding, 0);
  EXPECT_EQ(Row().refunded, 300);
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].kind, EventKind::kRefunded);
  EXPECT_EQ(events_[0].payment.provider_code, "settled_outside");
  EXPECT_EQ(Answer(PartOf(saga_)).kind, OutcomeKind::kDone);
  EXPECT_EQ(Answer(SettleOf("eve")).kind, OutcomeKind::kDone) << "again";
  EXPECT_FALSE(changed_);
  EXPECT_EQ(refunds_.at(saga_).dispute.settled_by, "root");
}

TEST_F(DisputeTest, AnOperatorEndsACancellationThatIsRefused) {
  Run(CancelOf());
  Run(CancelOf(Refused()));
  const Outcome settled = Answer(SettleOf());
  EXPECT_EQ(settled.kind, OutcomeKind::kDone);
  EXPECT_EQ(settled.resolution, Resolution::kSettledOutside);
  EXPECT_TRUE(Row().settled());
  EXPECT_EQ(Row().dispute.settled_by, "root");
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].kind, EventKind::kCancelled);
  EXPECT_EQ(events_[0].payment.provider_code, "settled_outside");
  EXPECT_EQ(Answer(CancelOf()).resolution, Resolution::kSettledOutside);
}

TEST_F(DisputeTest, OnlyWhatTheProviderHasRefusedCanBeSettledOutside) {
  EXPECT_EQ(Answer(SettleOf()).refusal, Refusal::kNothingRefused);
  Run(PartOf(saga_));
  EXPECT_EQ(Answer(SettleOf()).refusal, Refusal::kNothingRefused) << "it may be given back yet";
  Run(CancelOf());
  Run(CancelOf(ProviderAnswer{}));
  EXPECT_EQ(Answer(SettleOf()).refusal, Refusal::kNothingRefused);
  EXPECT_FALSE(changed_);
  EXPECT_FALSE(Row().settled());
}

TEST_F(DisputeTest, ARefusalThatComesAfterThePartIsGivenBackChangesNothing) {
  Run(PartOf(saga_));
  Run(PartOf(saga_, ProviderAnswer{Verdict::kRefundDone, "", "", saga_}));
  EXPECT_EQ(Answer(PartOf(saga_, Refused(saga_))).kind, OutcomeKind::kDone);
  EXPECT_FALSE(changed_);
}

}  // namespace
}  // namespace boxoffice::payment
