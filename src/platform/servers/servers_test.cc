#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/servers/child.h"
#include "platform/servers/private_kafka.h"
#include "platform/servers/private_postgres.h"
#include "platform/servers/private_redis.h"
#include "platform/servers/supervised.h"
#include "testing/kafka_broker.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::servers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Where it is missing, the test is skipped, or fails if everything has to be there.
#define NEEDS(Server)                                                                       \
  do {                                                                                      \
    if (!Server::Installed()) {                                                             \
      if (std::getenv("BOXOFFICE_REQUIRE_ALL") != nullptr) FAIL() << #Server " is missing"; \
      GTEST_SKIP() << #Server " is not installed";                                          \
    }                                                                                       \
  } while (false)

std::string Contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ChildTest : public ::testing::Test {
 protected:
  Result<Child> Start(const std::string& script, bool read_stdout = true) {
    Child::Options options;
    options.log = dir_.path() / "log";
    options.read_stdout = read_stdout;
    return Child::Start({"/bin/sh", "-c", script}, options);
  }
  const testbed::TempDir dir_;
};

TEST_F(ChildTest, ItsLinesAreReadItsErrorsAreLoggedAndItsCodeIsTold) {
  auto child = Start("echo one; echo two; echo oh >&2; exit 7");
  ASSERT_TRUE(child) << child.error().detail;
  EXPECT_EQ(child->ReadLine(seconds(60)), "one");
  EXPECT_EQ(child->ReadLine(seconds(60)), "two");
  EXPECT_EQ(child->ReadLine(seconds(60)), std::nullopt);
  EXPECT_EQ(child->Wait(seconds(60)), 7);
  EXPECT_EQ(child->Wait(seconds(0)), 7);
  EXPECT_EQ(Contents(dir_.path() / "log"), "oh\n");
}

TEST_F(ChildTest, ALastLineWithoutItsBreakIsReadToo) {
  auto child = Start("echo one; printf two");
  ASSERT_TRUE(child) << child.error().detail;
  EXPECT_EQ(child->ReadLine(seconds(60)), "one");
  EXPECT_EQ(child->ReadLine(seconds(60)), "two");
  EXPECT_EQ(child->ReadLine(seconds(60)), std::nullopt);
}

TEST_F(ChildTest, OneThatRunsIsWaitedForInVainAndEndsWithItsSignal) {
  auto child = Start("echo up; exec sleep 100");
  ASSERT_TRUE(child);
  EXPECT_EQ(child->ReadLine(seconds(60)), "up");
  EXPECT_EQ(child->Wait(milliseconds(20)), std::nullopt);
  child->Signal(SIGTERM);
  EXPECT_EQ(child->Wait(seconds(60)), 128 + SIGTERM);
}

TEST_F(ChildTest, ItsEnvironmentIsThisOneWithWhatItIsToldToChange) {
  ::setenv("CHILD_TEST_KEPT", "a", 1);
  ::setenv("CHILD_TEST_CHANGED", "b", 1);
  ::setenv("CHILD_TEST_LEFT_OUT", "c", 1);
  Child::Options options;
  options.log = dir_.path() / "log";
  options.read_stdout = true;
  options.environment = {{"CHILD_TEST_CHANGED", "d=e"}, {"CHILD_TEST_LEFT_OUT", std::nullopt}};
  auto child = Child::Start({"/bin/sh", "-c", "env | grep ^CHILD_TEST_ | sort"}, options);
  ASSERT_TRUE(child) << child.error().detail;
  EXPECT_EQ(child->ReadLine(seconds(60)), "CHILD_TEST_CHANGED=d=e");
  EXPECT_EQ(child->ReadLine(seconds(60)), "CHILD_TEST_KEPT=a");
  EXPECT_EQ(child->ReadLine(seconds(60)), std::nullopt);
}

TEST_F(ChildTest, ItDoesNotInheritBlockedSignals) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  auto child = Start("exec sleep 100");
  ASSERT_TRUE(child);
  child->Signal(SIGTERM);
  EXPECT_EQ(child->Wait(seconds(60)), 128 + SIGTERM);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

TEST(RestartPauseTest, GrowsWhileItKeepsEndingAndBeginsAnewAfterTenSeconds) {
  RestartPause pause;
  EXPECT_EQ(pause.After(seconds(3600)), seconds(0));
  for (const int expected : {1, 2, 4, 8, 16, 30, 30}) EXPECT_EQ(pause.After(seconds(1)), seconds(expected));
  EXPECT_EQ(pause.After(seconds(10)), seconds(0));
  EXPECT_EQ(pause.After(seconds(9)), seconds(1));
}

TEST_F(ChildTest, ASupervisedOneIsStartedAgainAtOnceAndThenAfterAPause) {
  Child::Options options;
  options.log = dir_.path() / "log";
  auto supervised = Supervised::Start("clerk", {"/bin/sh", "-c", "exec sleep 100"}, options);
  ASSERT_TRUE(supervised);
  const auto now = std::chrono::steady_clock::now();
  EXPECT_EQ(supervised->Look(now), std::nullopt) << "it runs";
  const pid_t first = supervised->pid();
  supervised->child().Signal(SIGKILL);
  ASSERT_EQ(supervised->child().Wait(seconds(60)), 137);
  EXPECT_EQ(supervised->Look(now), fmt::format("clerk (pid {}) ended with 137; starting it again; see {}",
                                               first, options.log.string()));
  EXPECT_EQ(supervised->Look(now), std::nullopt);
  EXPECT_NE(supervised->pid(), first);
  EXPECT_EQ(supervised->restarts(), 1);
  EXPECT_FALSE(supervised->ended());

  supervised->child().Signal(SIGTERM);
  ASSERT_EQ(supervised->child().Wait(seconds(60)), 143);
  EXPECT_THAT(supervised->Look(now).value_or(""), HasSubstr("starting it again in 1 s"));
  EXPECT_EQ(supervised->Look(now + milliseconds(999)), std::nullopt);
  EXPECT_TRUE(supervised->ended()) << "not yet";
  EXPECT_EQ(supervised->Look(now + seconds(1)), std::nullopt);
  EXPECT_FALSE(supervised->ended());
}

TEST_F(ChildTest, ASupervisedOneThatEndedIsNotAwaited) {
  auto supervised = Supervised::Start("clerk", {"/bin/sh", "-c", "exit 3"}, {.log = dir_.path() / "log"});
  ASSERT_TRUE(supervised);
  EXPECT_FALSE(supervised->Await([] { return false; }, std::chrono::hours(1)));
}

TEST_F(ChildTest, ASupervisedOneThatDoesNotListenIsForcedToEnd) {
  Child::Options options{.log = dir_.path() / "log", .read_stdout = true};
  auto supervised =
      Supervised::Start("clerk", {"/bin/sh", "-c", "trap '' TERM; echo up; exec sleep 100"}, options);
  ASSERT_TRUE(supervised);
  EXPECT_EQ(supervised->child().ReadLine(seconds(60)), "up");
  supervised->Stop(SIGTERM, SIGKILL, milliseconds(0));
  EXPECT_EQ(supervised->child().Wait(seconds(60)), 128 + SIGKILL);
}

TEST_F(ChildTest, ItEndsWithItsOwner) {
  pid_t pid = 0;
  {
    auto child = Start("exec sleep 100");
    ASSERT_TRUE(child);
    pid = child->pid();
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(ChildTest, WhatCantBeStartedSaysWhy) {
  Child::Options options;
  options.log = dir_.path() / "log";
  const auto program = Child::Start({"/no/such/program"}, options);
  ASSERT_FALSE(program);
  EXPECT_THAT(program.error().detail, HasSubstr("/no/such/program"));
  options.user = "no-such-user";
  EXPECT_FALSE(Child::Start({"/bin/true"}, options));
  options.user.clear();
  options.log = dir_.path() / "none" / "log";
  EXPECT_FALSE(Child::Start({"/bin/true"}, options));
}

TEST_F(ChildTest, RunChildFailsWithTheCodeOrTheTime) {
  Child::Options options;
  options.log = dir_.path() / "log";
  EXPECT_TRUE(RunChild({"/bin/true"}, options, seconds(60)));
  const auto failed = RunChild({"/bin/sh", "-c", "exit 3"}, options, seconds(60));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().detail, HasSubstr("ended with 3"));
  const auto late = RunChild({"/bin/sleep", "100"}, options, milliseconds(20));
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().detail, HasSubstr("did not end"));
}

TEST(FreePortTest, GivesNoPortTwice) {
  const auto first = FreePort();
  const auto second = FreePort();
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
}

// Between the choice of a port and the start of the server that is to listen there.
TEST(FreePortTest, WhatItGaveNobodyElseTakes) {
  const auto port = FreePort();
  ASSERT_TRUE(port);
  EXPECT_FALSE(TakePort(*port));
}

TEST(PrivatePostgresTest, KeepsItsDatabasesFromOneStartToTheNext) {
  NEEDS(PrivatePostgres);
  const testbed::TempDir dir;
  // TempDir is for its owner alone; where that is root, PostgreSQL runs as somebody else.
  std::filesystem::permissions(dir.path(), std::filesystem::perms::others_exec,
                               std::filesystem::perm_options::add);
  for (int start = 0; start < 2; ++start) {
    auto server = PrivatePostgres::Start(dir.path() / "postgres");
    ASSERT_TRUE(server) << server.error().detail << Contents(dir.path() / "postgres" / "log");
    ASSERT_TRUE(server->CreateDatabase("seat"));
    ASSERT_TRUE(server->CreateDatabase("seat")) << "again";
    EXPECT_EQ(server->Url("seat"),
              "postgresql://boxoffice@127.0.0.1:" + std::to_string(server->port()) + "/seat");
    Child::Options options;
    options.log = dir.path() / "psql";
    const std::string sql =
        start == 0 ? "CREATE TABLE kept(x int); INSERT INTO kept VALUES (42)" : "SELECT x FROM kept";
    EXPECT_TRUE(RunChild({"/usr/bin/psql", "-d", server->Url("seat"), "-c", sql}, options, seconds(60)));
    server->Stop(seconds(60));
    EXPECT_EQ(server->process().child().Wait(milliseconds(0)), 0);
  }
  EXPECT_THAT(Contents(dir.path() / "psql"), HasSubstr("42"));
}

// It writes PG_VERSION first of all, and then works on for a second or more.
TEST(PrivatePostgresTest, AnInitdbThatWasKilledIsBegunAgain) {
  NEEDS(PrivatePostgres);
  const testbed::TempDir dir;
  const std::filesystem::path folder = dir.path() / "postgres";
  const std::filesystem::path left = folder / "data.new-1";  // by an earlier one
  std::filesystem::create_directories(left / "base");
  const auto has_begun = [&folder] {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      if (std::filesystem::exists(entry.path() / "PG_VERSION", ignored)) return true;
    }
    return false;
  };
  const pid_t first = fork();
  ASSERT_GE(first, 0);
  if (first == 0) {
    (void)PrivatePostgres::Start(folder);
    _exit(0);
  }
  EXPECT_TRUE(testbed::Eventually(has_begun));
  kill(first, SIGKILL);
  ASSERT_EQ(waitpid(first, nullptr, 0), first);
  std::optional<PrivatePostgres> server;
  std::string why;
  // Where the first one has come as far as to run its server, that one ends a moment later.
  EXPECT_TRUE(testbed::Eventually([&] {
    auto started = PrivatePostgres::Start(folder);
    if (started) server = *std::move(started);
    if (!started) why = started.error().detail;
    return server.has_value();
  })) << why
      << Contents(folder / "log");
  EXPECT_FALSE(std::filesystem::exists(left));
  if (server) server->Stop(seconds(60));
}

TEST(PrivatePostgresTest, NewDataIsOfTheNewestVersionByNumber) {
  const std::vector<std::string> installed{"10", "15", "9.10", "9.6", "backup"};
  EXPECT_EQ(ChooseVersion(installed, ""), "15");
  EXPECT_EQ(ChooseVersion(std::vector<std::string>{"9.10", "9.6"}, ""), "9.10");
  EXPECT_EQ(ChooseVersion({}, ""), std::nullopt);
}

TEST(PrivatePostgresTest, DataThatIsThereKeepsItsVersion) {
  const std::vector<std::string> installed{"15", "17"};
  EXPECT_EQ(ChooseVersion(installed, "15"), "15");
  EXPECT_EQ(ChooseVersion(installed, "16"), std::nullopt);
}

TEST(PrivatePostgresTest, DataOfAVersionThatIsNotInstalledIsRefusedByNameAndLeftAlone) {
  NEEDS(PrivatePostgres);
  const testbed::TempDir dir;
  const std::filesystem::path data = dir.path() / "postgres" / "data";
  std::filesystem::create_directories(data);
  std::ofstream(data / "PG_VERSION") << "7.4\n";
  const auto server = PrivatePostgres::Start(dir.path() / "postgres");
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().reason, "postgres_version");
  EXPECT_THAT(server.error().detail, HasSubstr(data.string() + " was made by PostgreSQL 7.4"));
  EXPECT_THAT(server.error().detail, HasSubstr("install postgresql-7.4"));
  EXPECT_EQ(Contents(data / "PG_VERSION"), "7.4\n");
}

TEST(PrivatePostgresTest, AFolderThatItsUserCantEnterIsRefusedByName) {
  NEEDS(PrivatePostgres);
  if (geteuid() != 0) GTEST_SKIP() << "only root runs it as another user";
  const testbed::TempDir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms::owner_all);
  const auto server = PrivatePostgres::Start(dir.path() / "postgres");
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().reason, "postgres_folder");
  EXPECT_THAT(server.error().detail, HasSubstr("may not enter " + dir.path().string()));
}

// Else a copy would work on the data of the folder that it is a copy of.
TEST(PrivateKafkaTest, ItsDataIsWhereItsFolderIsNow) {
  if (access("/usr/bin/java", X_OK) != 0) GTEST_SKIP() << "Java is not installed";
  const testbed::TempDir dir;
  const std::filesystem::path folder = dir.path() / "kafka";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "ports") << FreePort().value() << ' ' << FreePort().value() << '\n';  // it has run
  std::ofstream(folder / "server.properties") << "log.dirs=/where/it/was/data\n";
  const auto server = PrivateKafka::Start(folder, "/no/such.jar");
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().reason, "kafka_not_started");
  EXPECT_THAT(Contents(folder / "server.properties"),
              HasSubstr("log.dirs=" + (folder / "data").string() + "\n"));
}

// A copy of a folder has its ports: what answers there is not its own.
TEST(PrivateKafkaTest, APortThatAnotherServerHasIsNotItsOwn) {
  if (access("/usr/bin/java", X_OK) != 0) GTEST_SKIP() << "Java is not installed";
  const testbed::TempDir dir;
  const std::filesystem::path folder = dir.path() / "kafka";
  std::filesystem::create_directories(folder);
  const int original = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(listen(original, SOMAXCONN), 0);  // nobody accepts, and it is asked over and over
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(original, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::ofstream(folder / "ports") << ntohs(address.sin_port) << ' ' << FreePort().value() << '\n';
  const auto server = PrivateKafka::Start(folder, "/no/such.jar");
  close(original);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().reason, "kafka_port_taken");
}

// What a kill, or a loss of power, leaves between the formatting of the data and what says that it is done.
TEST(PrivateKafkaTest, AFirstStartThatWasCutOffIsGoneOnWith) {
  BOXOFFICE_NEED_KAFKA();
  const testbed::TempDir dir;
  const std::filesystem::path folder = dir.path() / "kafka";
  for (int start = 0; start < 2; ++start) {
    auto server = PrivateKafka::Start(folder, testbed::KafkaBroker::ClassPath());
    ASSERT_TRUE(server) << server.error().detail << Contents(folder / "log");
    server->Stop(seconds(60));
    ASSERT_TRUE(std::filesystem::remove(folder / "ports"));
  }
}

TEST(PrivateRedisTest, KeepsItsDataFromOneStartToTheNext) {
  NEEDS(PrivateRedis);
  const testbed::TempDir dir;
  for (int start = 0; start < 2; ++start) {
    auto server = PrivateRedis::Start(dir.path() / "redis");
    ASSERT_TRUE(server) << server.error().detail << Contents(dir.path() / "redis" / "log");
    Child::Options options;
    options.log = dir.path() / "cli";
    std::vector<std::string> command{"/usr/bin/redis-cli", "-u", server->Url()};
    for (const char* word : start == 0 ? std::vector<const char*>{"SET", "kept", "forty-two"}
                                       : std::vector<const char*>{"GET", "kept"})
      command.emplace_back(word);
    EXPECT_TRUE(RunChild(command, options, seconds(60)));
    server->Stop(seconds(60));
    EXPECT_EQ(server->process().child().Wait(milliseconds(0)), 0);
  }
  EXPECT_THAT(Contents(dir.path() / "cli"), HasSubstr("forty-two"));
}

}  // namespace
}  // namespace boxoffice::servers
