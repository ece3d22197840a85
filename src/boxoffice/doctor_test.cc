#include "boxoffice/doctor.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "testing/temp_dir.h"

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

TEST(DoctorTest, AGatewayThatDoesNotKnowWhatTheQueueSignsWithIsAProblem) {
  Expect(JudgeTokenKeys({"k1=hush"}, {"k1=hush"}), Status::kOk);
  Expect(JudgeTokenKeys({"k2=new", "k1=hush"}, {"k1=hush", "k2=new"}),
         Status::kOk);  // they are being exchanged
  Expect(JudgeTokenKeys({"k1=hush"}, {"k1=hush", "k2=new"}), Status::kOk);
  for (const auto& gateway : std::vector<std::vector<std::string>>{{}, {"k1=other"}, {"k2=new", "k1=hush"}}) {
    const Finding finding = JudgeTokenKeys({"k1=hush"}, gateway);
    Expect(finding, Status::kProblem);
    EXPECT_THAT(finding.detail, Not(HasSubstr("hush")));
  }
  Expect(JudgeTokenKeys({}, {"k1=hush"}), Status::kProblem);
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

TEST(DoctorTest, AProcessThatRunsAndDoesNotAnswerIsSaidToBeFrozen) {
  const testbed::TempDir folder;
  boost::asio::io_context io;
  // The system takes connections for it, as for a process that is stopped.
  const boost::asio::ip::tcp::acceptor frozen(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  std::ofstream(folder.path() / "cluster.json") << fmt::format(
      R"({{"pid":{0},"servers":[],"processes":[)"
      R"({{"service":"seat","replica":1,"pid":{0},"admin":"127.0.0.1:{1}","log":"seat-1.log"}},)"
      R"({{"service":"wallet","replica":1,"pid":{0},"admin":"127.0.0.1:1","log":"wallet-1.log"}}]}})",
      getpid(), frozen.local_endpoint().port());
  Options options;
  options.places.data = folder.path();
  options.places.own_servers = true;
  options.api.url = "http://127.0.0.1:1";
  const std::vector<Finding> findings = Examine(options);
  const auto find = [&findings](std::string_view subject) {
    const auto found = std::ranges::find(findings, subject, &Finding::subject);
    return found != findings.end() ? *found : Finding();
  };
  const Finding seat = find("seat-1");
  Expect(seat, Status::kProblem);
  EXPECT_THAT(seat.detail, HasSubstr("frozen or busy"));
  EXPECT_THAT(seat.detail, HasSubstr(fmt::format("pid {}, state ", getpid())));
  EXPECT_THAT(seat.advice, HasSubstr(fmt::format("/proc/{}/status", getpid())));
  EXPECT_THAT(seat.advice, HasSubstr(fmt::format("kill -KILL {}", getpid())));
  EXPECT_EQ(find("wallet-1").advice, "see wallet-1.log") << "it does not listen: its log says why";
}

TEST(DoctorTest, ReplicasOfAnotherVersionAreNamed) {
  Expect(JudgeVersion("seat-1", "0.2.0", "0.2.0"), Status::kOk);
  Expect(JudgeVersion("seat-1", "0.1.0", "0.2.0"), Status::kWarning);
  Expect(JudgeVersion("seat-1", "", "0.2.0"), Status::kWarning);
}

TEST(DoctorTest, EveryReasonOfAStoreHasAnAdviceOfItsOwn) {
  for (const char* reason : {"no_store", "schema_older", "schema_newer", "schema_foreign", "store_url",
                             "invalid_redis_url", "database_unavailable"}) {
    const Finding finding = JudgeStore("seat", {Code::kUnavailable, reason, "detail"}, "boxoffice migrate");
    EXPECT_EQ(finding.status, Status::kProblem);
    EXPECT_THAT(finding.detail, HasSubstr(reason));
    EXPECT_THAT(finding.advice, Not(HasSubstr("see docs"))) << reason;
  }
  EXPECT_THAT(JudgeStore("seat", {Code::kInternal, "new", ""}, "boxoffice migrate").advice, Not(IsEmpty()));
}

// Told of its data folder alone, `migrate` refuses that of own servers.
TEST(DoctorTest, AStoreIsBroughtUpToDateByWhatThisSystemIsToldOf) {
  const std::string own = MigrateCommand({.data = "box", .own_servers = true});
  EXPECT_EQ(own, "boxoffice migrate --config box/config --data box");
  EXPECT_EQ(MigrateCommand({.data = "box"}), "boxoffice migrate --data box");
  EXPECT_EQ(MigrateCommand({.config = "etc"}), "boxoffice migrate --config etc");
  for (const char* reason : {"no_store", "schema_older"})
    EXPECT_THAT(JudgeStore("seat", {Code::kConflict, reason, ""}, own).advice, HasSubstr(own)) << reason;
}

}  // namespace
}  // namespace boxoffice::doctor
