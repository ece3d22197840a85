#include "services/payment/provider_sandbox.h"

#include <gmock/gmock.h>

#include "services/payment/provider_timer_manual.h"
#include "testing/temp_dir.h"

namespace boxoffice::payment {
namespace {

using namespace std::chrono_literals;

class SandboxTest : public ::testing::Test {
 protected:
  SandboxTest() { Reopen(); }
  void Reopen() {
    sandbox_.reset();
    sandbox_ = *SandboxProvider::Open(dir_.path() / "payment-sandbox.db", timer_, clock_, {});
  }
  void Play(const std::string& script) { request_.instrument = script; }
  // Nothing: no answer came at once.
  std::optional<Verdict> Approve() {
    sandbox_->Approve(request_, [this](const ProviderAnswer& answer) { heard_ = answer; });
    return Heard();
  }
  std::optional<Verdict> Query() {
    sandbox_->Query(request_, [this](const ProviderAnswer& answer) { heard_ = answer; });
    return Heard();
  }
  std::optional<Verdict> Cancel() {
    sandbox_->Cancel(request_, [this](const ProviderAnswer& answer) { heard_ = answer; });
    return Heard();
  }
  std::optional<Verdict> Heard() {
    const auto heard = std::exchange(heard_, std::nullopt);
    if (heard) last_ = *heard;
    return heard ? std::optional(heard->verdict) : std::nullopt;
  }

  testbed::TempDir dir_;
  ManualClock clock_;
  ManualTimer timer_{clock_};
  SeededRandom random_{4};
  ProviderRequest request_{
      ReservationId::Make(clock_.Now(), random_), 1, "ann", {1000, *Currency::Parse("KRW")}, "", ""};
  std::unique_ptr<SandboxProvider> sandbox_;
  std::optional<ProviderAnswer> heard_;
  ProviderAnswer last_;
};

TEST_F(SandboxTest, Approve) {
  Play("approve");
  EXPECT_EQ(Query(), Verdict::kNotFound);
  EXPECT_EQ(Approve(), Verdict::kApproved);
  EXPECT_EQ(last_.reference, "sandbox-" + request_.IdempotencyKey());
  EXPECT_EQ(Approve(), Verdict::kApproved);
  EXPECT_EQ(Query(), Verdict::kApproved);
}

TEST_F(SandboxTest, Decline) {
  Play("decline");
  EXPECT_EQ(Approve(), Verdict::kDeclined);
  EXPECT_EQ(last_.code, "card_declined");
  EXPECT_EQ(Query(), Verdict::kDeclined);
  EXPECT_EQ(Cancel(), Verdict::kNeverSeen);
}

TEST_F(SandboxTest, TimeOutBeforeCaptureLosesTheRequest) {
  Play("timeout_before_capture");
  EXPECT_EQ(Approve(), std::nullopt);
  EXPECT_EQ(Query(), Verdict::kNotFound);
  EXPECT_EQ(Cancel(), Verdict::kNeverSeen);
}

TEST_F(SandboxTest, TimeOutBeforeCaptureLosesOnlyTheFirstRequestOfAKey) {
  Play("timeout_before_capture");
  EXPECT_EQ(Approve(), std::nullopt);
  EXPECT_EQ(Query(), Verdict::kNotFound);
  EXPECT_EQ(Approve(), Verdict::kApproved);
  EXPECT_EQ(Query(), Verdict::kApproved);
  EXPECT_EQ(Cancel(), Verdict::kRefunded);
}

TEST_F(SandboxTest, TimeOutAfterCaptureLosesTheAnswer) {
  Play("timeout_after_capture");
  EXPECT_EQ(Approve(), std::nullopt);
  EXPECT_EQ(Query(), Verdict::kApproved);
}

TEST_F(SandboxTest, ErrorAfterCaptureTellsNothing) {
  Play("error_after_capture");
  EXPECT_EQ(Approve(), Verdict::kUnknown);
  EXPECT_EQ(Query(), Verdict::kApproved);
}

TEST_F(SandboxTest, SlowAnswersAfterTwoSeconds) {
  Play("slow");
  EXPECT_EQ(Approve(), std::nullopt);
  timer_.Advance(1'999ms);
  EXPECT_EQ(Heard(), std::nullopt);
  EXPECT_EQ(Query(), Verdict::kUnknown);
  timer_.Advance(1ms);
  EXPECT_EQ(Heard(), Verdict::kApproved);
}

TEST_F(SandboxTest, ALateApprovalComesUnlessCancelledAlsoAcrossARestart) {
  Play("late_approval");
  EXPECT_EQ(Approve(), std::nullopt);
  timer_.Advance(5'999ms);
  EXPECT_EQ(Query(), Verdict::kUnknown);
  Reopen();
  timer_.Advance(1ms);
  EXPECT_EQ(Query(), Verdict::kApproved);
  ++request_.attempt;
  EXPECT_EQ(Approve(), std::nullopt);
  EXPECT_EQ(Cancel(), Verdict::kVoided);
  timer_.Advance(10s);
  EXPECT_EQ(Query(), Verdict::kDeclined);
}

TEST_F(SandboxTest, CancellingWhatWasTakenRefundsItOnce) {
  Play("timeout_after_capture");
  Approve();
  EXPECT_EQ(Cancel(), Verdict::kRefunded);
  Reopen();
  EXPECT_EQ(Cancel(), Verdict::kRefunded);
  EXPECT_EQ(Query(), Verdict::kDeclined);
}

TEST_F(SandboxTest, AnApprovalAfterItsCancellationIsDeclined) {
  Play("approve");
  EXPECT_EQ(Cancel(), Verdict::kNeverSeen);
  EXPECT_EQ(Approve(), Verdict::kDeclined);
  EXPECT_EQ(Cancel(), Verdict::kNeverSeen);
}

TEST_F(SandboxTest, ACancellationWhileItIsSlowWins) {
  Play("slow");
  Approve();
  EXPECT_EQ(Cancel(), Verdict::kVoided);
  timer_.Advance(2s);
  EXPECT_EQ(Heard(), Verdict::kDeclined);
}

TEST_F(SandboxTest, RefundRefusedTakesTheMoneyAndGivesNothingBack) {
  Play("refund_refused");
  EXPECT_EQ(Cancel(), Verdict::kNeverSeen) << "nothing was taken yet";
  request_.attempt = 2;
  EXPECT_EQ(Approve(), Verdict::kApproved);
  EXPECT_EQ(Cancel(), Verdict::kRefused);
  EXPECT_EQ(last_.code, "charge_disputed");
  request_.refund = SagaId::Make(clock_.Now(), random_);
  sandbox_->Refund(request_, [this](const ProviderAnswer& answer) { heard_ = answer; });
  EXPECT_EQ(Heard(), Verdict::kRefused);
  EXPECT_EQ(last_.code, "charge_disputed");
  EXPECT_EQ(Query(), Verdict::kApproved);
}

TEST_F(SandboxTest, OnlyItsScriptsAreAccepted) {
  for (const char* script : {"approve", "decline", "timeout_before_capture", "timeout_after_capture",
                             "error_after_capture", "slow", "late_approval", "refund_refused"}) {
    EXPECT_TRUE(sandbox_->Accepts(script)) << script;
  }
  EXPECT_FALSE(sandbox_->Accepts(""));
  EXPECT_FALSE(sandbox_->Accepts("fly"));
}

}  // namespace
}  // namespace boxoffice::payment
