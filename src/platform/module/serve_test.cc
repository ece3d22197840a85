#include "platform/module/serve.h"

#include <csignal>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/http/client.h"
#include "platform/module/peer_channels.h"
#include "platform/module/process.h"
#include "platform/module/store_url.h"
#include "testing/temp_dir.h"

namespace boxoffice::module {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(PeerChannelsTest, AServiceHasOneChannel) {
  const auto channels = PeerChannels({{"seat", "127.0.0.1:1"}}, "d");
  EXPECT_EQ(channels("seat"), channels("seat"));
  EXPECT_NE(channels("seat"), channels("wallet"));
}

TEST(StoreUrlTest, TheDefaultIsTheDataFolder) {
  EXPECT_EQ(SqliteFolder(DefaultStoreUrl("d/e")), "d/e");
  EXPECT_EQ(SqliteFolder("other:d"), "");
  EXPECT_THAT(NoStoreFor("other://u:hush@h", "sqlite:DIR").error().detail, Not(HasSubstr("hush")));
}

// Asks the process to stop as soon as it has started.
class ShortLived final : public Module {
 public:
  ShortLived(std::vector<std::string>& calls, Result<void> start, std::function<void()> in_drain)
      : calls_(calls), start_(std::move(start)), in_drain_(std::move(in_drain)) {}
  std::string_view name() const override { return "short"; }
  Result<void> Start() override {
    calls_.emplace_back("start");
    kill(getpid(), SIGTERM);
    return start_;
  }
  void Leave() override { calls_.emplace_back("leave"); }
  void Drain(std::chrono::milliseconds grace) override {
    calls_.push_back("drain " + std::to_string(grace.count()));
    if (in_drain_) in_drain_();
  }
  void Stop() override { calls_.emplace_back("stop"); }

 private:
  std::vector<std::string>& calls_;
  Result<void> start_;
  std::function<void()> in_drain_;
};

class ServeMainTest : public testing::Test {
 protected:
  // `arguments` come behind --data.
  int Serve(std::vector<std::string> arguments, const Result<void>& start = {}) {
    arguments.insert(arguments.begin(), {"boxoffice-short", "--data", temp_.path(), "--drain-notice-ms=0"});
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = ServeMain(static_cast<int>(pointers.size()), pointers.data(), Program(start));
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }
  ServiceProgram Program(const Result<void>& start) {
    ServiceProgram program;
    program.service = "short";
    program.peers = {"seat"};
    program.topics = {"short"};
    program.add_keys = [this](config::Keys& keys) {
      keys.Integer("size", size_, 1, 10, "How large");
      keys.Secret("key", key_, "A secret");
    };
    program.migrate = [this](std::string_view url) {
      calls_.push_back("migrate " + std::string(url));
      return Result<void>();
    };
    program.make = [this, start](const Runtime& runtime) -> Result<std::unique_ptr<Module>> {
      listen_ = runtime.listen.addresses;
      store_url_ = runtime.store_url;
      health_ = runtime.health;
      return std::make_unique<ShortLived>(calls_, start, [this] { health_in_drain_ = health_(); });
    };
    return program;
  }

  testbed::TempDir temp_;
  int size_ = 5;
  std::string key_;
  std::vector<std::string> calls_;
  std::vector<std::string> listen_;
  std::string store_url_;
  std::function<std::vector<Health>()> health_;
  std::vector<Health> health_in_drain_;
  std::string out_;
  std::string err_;
};

TEST_F(ServeMainTest, RunsUntilTheSignalThenDrainsAndStops) {
  EXPECT_EQ(Serve({"--drain-grace-ms", "1234"}), 0) << err_;
  EXPECT_THAT(calls_, ElementsAre("start", "leave", "drain 1234", "stop"));
  EXPECT_THAT(listen_, ElementsAre(SocketAddress(temp_.path(), "short")));
  EXPECT_EQ(SqliteFolder(store_url_), temp_.path());
  EXPECT_THAT(out_, testing::StartsWith("ready short " + SocketAddress(temp_.path(), "short") +
                                        "\nadmin 127.0.0.1:"));
}

// `migrate` makes the database, before anything serves.
TEST_F(ServeMainTest, WhatMigrateMakesIsItsOwnersAlone) {
  const mode_t before = umask(022);
  EXPECT_EQ(Serve({"migrate"}), 0) << err_;
  EXPECT_EQ(umask(before), mode_t{066});
}

TEST_F(ServeMainTest, IsNotReadyWhileItDrains) {
  EXPECT_EQ(Serve({}), 0) << err_;
  ASSERT_EQ(health_in_drain_.size(), 2U);
  EXPECT_EQ(health_in_drain_[0].problem, "");
  EXPECT_THAT(health_in_drain_[1].problem, HasSubstr("draining"));
}

TEST_F(ServeMainTest, WaitsForTheNoticeBeforeItDrains) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(Serve({"--drain-notice-ms=200"}), kExitCantStart) << "given twice";
  std::ofstream(temp_.path() / "short.toml") << "[drain]\nnotice_ms = 200\n";
  std::string config = temp_.path() / "short.toml";
  std::string data = temp_.path();
  std::vector<std::string> arguments{"boxoffice-short", "--config", config, "--data", data};
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  EXPECT_EQ(ServeMain(static_cast<int>(pointers.size()), pointers.data(), Program({})), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(200));
}

TEST_F(ServeMainTest, WhatCantStartEndsWithTwoAndOneLine) {
  EXPECT_EQ(Serve({}, Fail(Code::kUnavailable, "port_taken", "x is in use")), 2);
  EXPECT_EQ(err_, "boxoffice-short: can't start: x is in use (port_taken)\n");
  StopSignals().Wait();  // the one that Start sent
}

TEST_F(ServeMainTest, WhatIsNotUnderstoodEndsWithTwoAndOneLineBeforeAnythingIsTouched) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--sprt"}, "--sprt"},
      {{"tickets"}, "tickets"},
      {{"--size"}, "--size"},
      {{"--size", "11"}, "--size: size = 11: it must be an integer from 1 to 10"},
      {{"--peer", "seat"}, "SERVICE=ADDRESS"},
      {{"--peer", "wallet=127.0.0.1:1"}, "no key peer.wallet"},
      {{"--log-level", "loud"}, "log_level = loud: it must be one of debug, info, warning, error"},
      {{"--config", "none.toml"}, "none.toml: can't be read"},
      {{"--bus-url", "pigeon:x"}, "pigeon:"},
      {{"--admin-listen", "nowhere"}, "nowhere"},
      {{"--listen", "127.0.0.1"}, "listen: an address is IP:PORT, or unix:PATH"},
      {{"--listen", "127.0.0.1:99999"}, "99999"},
      {{"--peer-seat", "127.0.0.1:99999"}, "peer.seat"},
      {{"config"}, "subcommand"},
  };
  for (const auto& [arguments, about] : cases) {
    EXPECT_EQ(Serve(arguments), 2) << about;
    EXPECT_THAT(err_, HasSubstr(about));
    EXPECT_EQ(std::ranges::count(err_, '\n'), 1) << err_;
    EXPECT_THAT(calls_, IsEmpty());
  }
}

TEST_F(ServeMainTest, HelpListsEveryKeyAsFlagAndVariable) {
  EXPECT_EQ(Serve({"--help"}), 0);
  for (const char* word : {"--data", "--listen", "--peer-seat", "--store-url", "--bus-url", "--admin-listen",
                           "--drain-notice-ms", "--size", "BOXOFFICE_DRAIN_GRACE_MS", "migrate", "config"}) {
    EXPECT_THAT(out_, HasSubstr(word));
  }
  EXPECT_THAT(calls_, IsEmpty());
}

TEST_F(ServeMainTest, MigrateMigratesAndEnds) {
  EXPECT_EQ(Serve({"migrate"}), 0) << err_;
  EXPECT_THAT(calls_, ElementsAre("migrate " + DefaultStoreUrl(temp_.path())));
  EXPECT_TRUE(std::filesystem::exists(temp_.path() / "bus.db"));
  EXPECT_EQ(Serve({"migrate", "--store-url", "x:y"}), 0) << err_;
  EXPECT_EQ(calls_.back(), "migrate x:y");
}

TEST_F(ServeMainTest, AMigrationBeforeAStartNeedsNoBusAndAnyOtherDoes) {
  const std::string away = "sqlite:" + (temp_.path() / "none" / "bus.db").string();
  EXPECT_EQ(Serve({"migrate", "--bus-url", away}), kExitCantStart);
  EXPECT_THAT(err_, HasSubstr("(database_unavailable)"));
  calls_.clear();
  EXPECT_EQ(Serve({"migrate", "--bus-may-be-away", "--bus-url", away}), 0) << err_;
  EXPECT_THAT(calls_, ElementsAre("migrate " + DefaultStoreUrl(temp_.path())));
  EXPECT_THAT(out_, HasSubstr("migrated short"));
  EXPECT_THAT(err_, testing::AllOf(HasSubstr("bus_not_prepared"), HasSubstr("database_unavailable")));
  EXPECT_EQ(Serve({"migrate", "--bus-may-be-away", "--bus-url", "pigeon:x"}), kExitCantStart)
      << "that is no bus, and none comes back";
}

// Ends its process, so it runs in one of its own.
class ServeMainDeathTest : public ServeMainTest {
 protected:
  // The migration is sent the signal, and has ended by itself if that did not end it.
  void MigrateUntil(int signal) {
    std::signal(SIGHUP, SIG_DFL);  // whatever runs the tests
    ServiceProgram program = Program({});
    program.migrate = [signal](std::string_view) -> Result<void> {
      raise(signal);
      _exit(0);
    };
    std::vector<std::string> arguments{"boxoffice-short", "migrate", "--data", temp_.path()};
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    _exit(ServeMain(static_cast<int>(pointers.size()), pointers.data(), program));
  }
};

TEST_F(ServeMainDeathTest, ASignalEndsAMigrationThatWaits) {
  EXPECT_EXIT(MigrateUntil(SIGTERM), testing::ExitedWithCode(128 + SIGTERM), "");
  EXPECT_EXIT(MigrateUntil(SIGINT), testing::ExitedWithCode(128 + SIGINT), "");
  EXPECT_EXIT(MigrateUntil(SIGHUP), testing::ExitedWithCode(128 + SIGHUP), "");
}

TEST_F(ServeMainTest, ConfigPrintShowsWhatIsEffectiveWithoutSecrets) {
  EXPECT_EQ(Serve({"config", "print", "--key", "hush", "--peer", "seat=127.0.0.1:7", "--store-url",
                   "x://u:hush@h/d"}),
            0);
  EXPECT_THAT(out_, testing::ContainsRegex("seat = .127.0.0.1:7. +# --peer"));
  EXPECT_THAT(out_, testing::ContainsRegex("size = 5 +# default"));
  EXPECT_THAT(out_, HasSubstr("x://u:***@h/d"));
  EXPECT_THAT(out_, Not(HasSubstr("hush")));
  EXPECT_THAT(calls_, IsEmpty());
}

}  // namespace
}  // namespace boxoffice::module
