#include "platform/module/serve.h"

#include <csignal>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "platform/module/process.h"
#include "testing/temp_dir.h"

namespace boxoffice::module {
namespace {

Result<ServeOptions> Parse(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return ParseServeFlags(pointers);
}

TEST(ServeFlagsTest, WithoutFlagsEverythingIsInTheDefaultFolder) {
  const auto options = Parse({});
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->data_dir, ".data");
  EXPECT_THAT(options->listen, testing::IsEmpty());
  EXPECT_THAT(options->peers, testing::IsEmpty());
}

TEST(ServeFlagsTest, FlagsTakeTheirValueAfterASpaceOrAnEqualsSign) {
  const auto options = Parse({"--data=d", "--listen", "127.0.0.1:1", "--listen=unix:s", "--peer",
                              "seat=127.0.0.1:2", "--peer=wallet=unix:w", "--log-level", "error"});
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->data_dir, "d");
  EXPECT_THAT(options->listen, testing::ElementsAre("127.0.0.1:1", "unix:s"));
  EXPECT_THAT(options->peers,
              testing::ElementsAre(testing::Pair("seat", "127.0.0.1:2"), testing::Pair("wallet", "unix:w")));
  EXPECT_EQ(options->log_level, obs::Level::kError);
}

TEST(ServeFlagsTest, WhatIsNotUnderstoodIsRefusedByName) {
  EXPECT_THAT(Parse({"--port"}).error().detail, testing::HasSubstr("--port"));
  EXPECT_THAT(Parse({"seat"}).error().detail, testing::HasSubstr("seat"));
  EXPECT_THAT(Parse({"--data"}).error().detail, testing::HasSubstr("needs a value"));
  EXPECT_THAT(Parse({"--data="}).error().detail, testing::HasSubstr("needs a value"));
  EXPECT_THAT(Parse({"--peer", "seat"}).error().detail, testing::HasSubstr("SERVICE=ADDRESS"));
  EXPECT_THAT(Parse({"--peer", "seat=somewhere"}).error().detail, testing::HasSubstr("\"somewhere\" is not"));
  EXPECT_THAT(Parse({"--log-level", "loud"}).error().detail, testing::HasSubstr("loud"));
}

TEST(PeerChannelsTest, AServiceHasOneChannel) {
  const auto channels = PeerChannels({{"seat", "127.0.0.1:1"}}, "d");
  EXPECT_EQ(channels("seat"), channels("seat"));
  EXPECT_NE(channels("seat"), channels("wallet"));
}

// Asks the process to stop as soon as it has started.
class ShortLived final : public Module {
 public:
  ShortLived(std::vector<std::string>& calls, Result<void> start) : calls_(calls), start_(std::move(start)) {}
  std::string_view name() const override { return "short"; }
  Result<void> Start() override {
    calls_.push_back("start");
    kill(getpid(), SIGTERM);
    return start_;
  }
  void Drain(std::chrono::milliseconds) override { calls_.push_back("drain"); }
  void Stop() override { calls_.push_back("stop"); }

 private:
  std::vector<std::string>& calls_;
  Result<void> start_;
};

class ServeMainTest : public testing::Test {
 protected:
  int Serve(std::vector<std::string> arguments, const Result<void>& start = {}) {
    arguments.insert(arguments.begin(), "boxoffice-short");
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    return ServeMain(static_cast<int>(pointers.size()), pointers.data(), "short",
                     [&](const Runtime& runtime) {
                       listen_ = runtime.listen;
                       return std::make_unique<ShortLived>(calls_, start);
                     });
  }
  testbed::TempDir temp_;
  std::vector<std::string> calls_;
  std::vector<std::string> listen_;
};

TEST_F(ServeMainTest, RunsUntilTheSignalThenDrainsAndStops) {
  EXPECT_EQ(Serve({"--data", temp_.path()}), 0);
  EXPECT_THAT(calls_, testing::ElementsAre("start", "drain", "stop"));
  EXPECT_THAT(listen_, testing::ElementsAre(SocketAddress(temp_.path(), "short")));
}

TEST_F(ServeMainTest, WhatCantStartEndsWithTwoAndOneLine) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Serve({"--data", temp_.path()}, Fail(Code::kUnavailable, "port_taken", "x is in use")), 2);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "boxoffice-short: can't start: x is in use (port_taken)\n");
  StopSignals().Wait();  // the one that Start sent
}

TEST_F(ServeMainTest, AnUnknownFlagEndsWithTwoBeforeAnythingIsTouched) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Serve({"--sprt"}), 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("--sprt"));
  EXPECT_THAT(calls_, testing::IsEmpty());
}

}  // namespace
}  // namespace boxoffice::module
