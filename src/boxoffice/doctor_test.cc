#include "boxoffice/doctor.h"

#include <gmock/gmock.h>

namespace boxoffice::doctor {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What is well needs no advice, and what is not has one.
void Expect(const Finding& finding, Status status) {
  EXPECT_EQ(finding.status, status) << finding.detail;
  EXPECT_EQ(finding.advice.empty(), status == Status::kOk) << finding.advice;
}

TEST(DoctorTest, AClockThatIsOffIsAWarningAndOneThatBreaksTokensAProblem) {
  Expect(JudgeClock("PostgreSQL", milliseconds(-900)), Status::kOk);
  Expect(JudgeClock("PostgreSQL", milliseconds(-1'500)), Status::kWarning);
  Expect(JudgeClock("PostgreSQL", milliseconds(29'000)), Status::kProblem);
  EXPECT_THAT(JudgeClock("PostgreSQL", milliseconds(-1'500)).detail, HasSubstr("-1.500 s"));
}

TEST(DoctorTest, ADiskIsJudgedByWhatIsFree) {
  constexpr uint64_t kGiB = 1ULL << 30;
  Expect(JudgeDisk("/data", 500 * kGiB, 1'000 * kGiB), Status::kOk);
  Expect(JudgeDisk("/data", 50 * kGiB, 1'000 * kGiB), Status::kWarning);
  Expect(JudgeDisk("/data", 1 * kGiB, 4 * kGiB), Status::kWarning);
  Expect(JudgeDisk("/data", 10 * kGiB, 1'000 * kGiB), Status::kProblem);
  Expect(JudgeDisk("/data", kGiB / 8, 1 * kGiB), Status::kProblem);
}

TEST(DoctorTest, ACertificateIsToBeRenewedBeforeItEnds) {
  Expect(JudgeCertificate("seat", "seat.crt", hours(24 * 60)), Status::kOk);
  Expect(JudgeCertificate("seat", "seat.crt", hours(24 * 20)), Status::kWarning);
  Expect(JudgeCertificate("seat", "seat.crt", hours(24)), Status::kProblem);
  EXPECT_THAT(JudgeCertificate("seat", "seat.crt", seconds(-5)).detail, HasSubstr("has ended"));
}

TEST(DoctorTest, AStandbyOfTheQueueIsNoProblem) {
  Expect(JudgeReachability("gateway_queue", "queue", 1, {"10.0.0.2:9001"}), Status::kOk);
  const Finding gone = JudgeReachability("gateway_queue", "queue", 0, {"10.0.0.1:9001", "10.0.0.2:9001"});
  Expect(gone, Status::kProblem);
  EXPECT_THAT(gone.detail, HasSubstr("10.0.0.1:9001, 10.0.0.2:9001"));
}

TEST(DoctorTest, AServiceWithoutOneOfItsReplicasIsAWarningAndWithoutAnyAProblem) {
  Expect(JudgeReachability("gateway_seat", "seat", 1, {"10.0.0.2:9002"}), Status::kWarning);
  Expect(JudgeReachability("gateway_seat", "seat", 0, {"10.0.0.2:9002"}), Status::kProblem);
}

TEST(DoctorTest, AFolderThatNobodyNamedAndThatIsNotThereIsSkipped) {
  const Error missing{Code::kNotFound, "no_data_folder", "there is no .data"};
  Expect(JudgeConfiguration(missing, /*assumed=*/true), Status::kSkipped);
  Expect(JudgeConfiguration(missing, /*assumed=*/false), Status::kProblem);
  Expect(JudgeConfiguration({Code::kInvalidArgument, "config", "seat.toml:2"}, /*assumed=*/true),
         Status::kProblem);
}

TEST(DoctorTest, ReplicasOfAnotherVersionAreNamed) {
  Expect(JudgeVersion("seat-1", "0.2.0", "0.2.0"), Status::kOk);
  Expect(JudgeVersion("seat-1", "0.1.0", "0.2.0"), Status::kWarning);
  Expect(JudgeVersion("seat-1", "", "0.2.0"), Status::kWarning);
}

TEST(DoctorTest, EveryReasonOfAStoreHasAnAdviceOfItsOwn) {
  for (const char* reason : {"no_store", "schema_older", "schema_newer", "schema_foreign", "store_url",
                             "invalid_redis_url", "database_unavailable"}) {
    const Finding finding = JudgeStore("seat", {Code::kUnavailable, reason, "detail"});
    EXPECT_EQ(finding.status, Status::kProblem);
    EXPECT_THAT(finding.detail, HasSubstr(reason));
    EXPECT_THAT(finding.advice, Not(HasSubstr("see docs"))) << reason;
  }
  EXPECT_THAT(JudgeStore("seat", {Code::kInternal, "new", ""}).advice, Not(IsEmpty()));
}

}  // namespace
}  // namespace boxoffice::doctor
