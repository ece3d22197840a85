#include "platform/module/process.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/obs/log.h"
#include "testing/temp_dir.h"

namespace boxoffice::module {
namespace {

TEST(DataFolderTest, IsMadeWithWhatBelongsIntoIt) {
  const testbed::TempDir temp;
  const auto folder = DataFolder::Open(temp.path() / "a" / "b");
  ASSERT_TRUE(folder.has_value());
  EXPECT_TRUE(std::filesystem::is_directory(temp.path() / "a" / "b" / "keys"));
  EXPECT_TRUE(std::filesystem::is_directory(temp.path() / "a" / "b" / "run"));
}

TEST(DataFolderTest, WhatIsMadeInItIsItsOwnersAlone) {
  using std::filesystem::perms;
  const testbed::TempDir temp;
  const auto mode = [](const std::filesystem::path& file) {
    return std::filesystem::status(file).permissions();
  };
  for (const mode_t stricter : {mode_t{0}, mode_t{0011}}) {
    const std::filesystem::path path = temp.path() / (stricter == 0 ? "usual" : "strict");
    const mode_t before = umask(0022 | stricter);
    const auto folder = DataFolder::Open(path);
    std::ofstream(path / "seat.db") << "x";
    umask(before);
    ASSERT_TRUE(folder.has_value());
    EXPECT_EQ(mode(path),
              stricter != 0 ? perms::owner_all : perms::owner_all | perms::group_exec | perms::others_exec);
    EXPECT_EQ(mode(path / "seat.db"), perms::owner_read | perms::owner_write);
  }
}

// As `import --config` of root's does, before a service runs there that is another user's.
TEST(DataFolderTest, WhatRootMakesInSomebodysFolderIsTheirs) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make files for others";
  constexpr uid_t kUser = 4711;
  const testbed::TempDir temp;
  ASSERT_EQ(chown(temp.path().c_str(), kUser, kUser), 0);
  ASSERT_TRUE(DataFolder::Open(temp.path(), "seat").has_value());
  for (const char* made : {"keys", "run", "lock", "run/seat.lock"}) {
    struct stat info{};
    ASSERT_EQ(stat((temp.path() / made).c_str(), &info), 0) << made;
    EXPECT_EQ(info.st_uid, kUser) << made;
  }
}

TEST(DataFolderTest, OfTwoWholeSystemsTheSecondIsRefused) {
  const testbed::TempDir temp;
  const auto first = DataFolder::Open(temp.path());
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(DataFolder::Open(temp.path()).error().reason, "data_folder_in_use");
}

TEST(DataFolderTest, AServiceAndTheWholeSystemExcludeEachOther) {
  const testbed::TempDir temp;
  {
    const auto whole = DataFolder::Open(temp.path());
    EXPECT_EQ(DataFolder::Open(temp.path(), "seat").error().reason, "data_folder_in_use");
  }
  const auto seat = DataFolder::Open(temp.path(), "seat");
  ASSERT_TRUE(seat.has_value());
  EXPECT_EQ(DataFolder::Open(temp.path()).error().reason, "data_folder_in_use");
}

TEST(DataFolderTest, ServicesShareAFolderButEachIsThereOnce) {
  const testbed::TempDir temp;
  const auto seat = DataFolder::Open(temp.path(), "seat");
  const auto wallet = DataFolder::Open(temp.path(), "wallet");
  ASSERT_TRUE(seat.has_value());
  ASSERT_TRUE(wallet.has_value());
  EXPECT_EQ(DataFolder::Open(temp.path(), "seat").error().reason, "data_folder_in_use");
}

TEST(DataFolderTest, IsFreeAgainAfterwards) {
  const testbed::TempDir temp;
  {
    ASSERT_TRUE(DataFolder::Open(temp.path()).has_value());
  }
  EXPECT_TRUE(DataFolder::Open(temp.path()).has_value());
}

TEST(DataFolderTest, AFileInItsPlaceIsAClearError) {
  const testbed::TempDir temp;
  std::ofstream(temp.path() / "file") << "x";
  const auto folder = DataFolder::Open(temp.path() / "file");
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().reason, "data_folder_unwritable");
}

// Takes the signals of its process, so each test runs in one of its own.
void StopTwice(int first, int second) {
  std::signal(SIGHUP, SIG_DFL);  // whatever runs the tests
  StopSignals signals;
  raise(first);
  signals.Wait();
  raise(second);
  _exit(0);
}

TEST(StopSignalsDeathTest, ASecondCtrlCEndsTheProcessAtOnce) {
  EXPECT_EXIT(StopTwice(SIGINT, SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(StopTwice(SIGTERM, SIGINT), testing::KilledBySignal(SIGINT), "");
}

TEST(StopSignalsDeathTest, ASecondSigtermDoesNotCutTheStopShort) {
  EXPECT_EXIT(StopTwice(SIGTERM, SIGTERM), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(StopTwice(SIGINT, SIGTERM), testing::ExitedWithCode(0), "");
}

TEST(StopSignalsDeathTest, ATerminalThatGoesStopsTheProcessAsSigtermDoes) {
  EXPECT_EXIT(StopTwice(SIGHUP, SIGTERM), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(StopTwice(SIGTERM, SIGHUP), testing::ExitedWithCode(0), "");
}

void HangUpUnderNohup() {
  std::signal(SIGHUP, SIG_IGN);
  StopSignals signals;
  raise(SIGHUP);
  _exit(signals.WaitFor(std::chrono::milliseconds(0)) ? 1 : 0);
}

TEST(StopSignalsDeathTest, UnderNohupATerminalThatGoesStopsNothing) {
  EXPECT_EXIT(HangUpUnderNohup(), testing::ExitedWithCode(0), "");
}

void TurnLogAndStop() {
  StopSignals signals;
  const auto turn = [&](int signal, obs::Level expected) {
    raise(signal);
    if (signals.WaitFor(std::chrono::seconds(10))) _exit(1);
    if (obs::LogLevel() != expected) _exit(2);
  };
  turn(SIGUSR1, obs::Level::kDebug);
  turn(SIGUSR1, obs::Level::kDebug);  // there is no more
  turn(SIGUSR2, obs::Level::kInfo);
  turn(SIGUSR2, obs::Level::kWarning);
  turn(SIGUSR2, obs::Level::kError);
  turn(SIGUSR2, obs::Level::kError);
  raise(SIGTERM);
  signals.Wait();
  _exit(0);
}

TEST(StopSignalsDeathTest, TwoOtherSignalsTurnTheLogUpAndDownAndEndNothing) {
  EXPECT_EXIT(TurnLogAndStop(), testing::ExitedWithCode(0), "");
}

TEST(FileLimitTest, OneBelowWhatTheConnectionsNeedIsAWarning) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto warned = [](uint64_t connections) {
    testing::internal::CaptureStderr();
    WarnOfFileLimit(connections);
    return testing::internal::GetCapturedStderr();
  };
  const rlimit small{.rlim_cur = 1'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  EXPECT_EQ(warned(600), "");
  EXPECT_THAT(warned(900), testing::HasSubstr(R"("event":"file_limit_low","limit":"1000")"));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(DescribeFailureTest, SaysWhereWhatAndTheReasonInOneLine) {
  EXPECT_EQ(DescribeFailure({Code::kUnavailable, "port_taken", "gateway: 127.0.0.1:8080 is in use"}),
            "can't start: gateway: 127.0.0.1:8080 is in use (port_taken)");
  EXPECT_EQ(
      DescribeFailure({Code::kInternal, "schema_newer", "seat: seat.db"}),
      "can't start: seat: seat.db: the database was written by a newer version of Boxoffice (schema_newer)");
  EXPECT_EQ(DescribeFailure({Code::kInternal, "odd", "two\nlines"}), "can't start: two lines (odd)");
  EXPECT_EQ(DescribeFailure({Code::kInternal, "odd", ""}), "can't start (odd)");
}

TEST(SocketAddressTest, IsInTheDataFolder) { EXPECT_EQ(SocketAddress("d", "seat"), "unix:d/run/seat.sock"); }

}  // namespace
}  // namespace boxoffice::module
