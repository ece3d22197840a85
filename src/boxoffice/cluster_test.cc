// The scaled system's processes over stores in files, without servers.
#include "boxoffice/cluster.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "boxoffice/service_programs.h"
#include "platform/bus/bus_factory.h"
#include "platform/http/client.h"
#include "platform/module/process.h"
#include "testing/free_port.h"
#include "testing/process.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

bool AnswersReady(const Replica& replica) {
  http::ClientRequest request;
  request.url = fmt::format("http://{}/readyz", replica.admin);
  const auto response = http::FetchBlocking(std::move(request));
  return response && response->status == 200;
}

ClusterConfig ConfigIn(const std::filesystem::path& dir) {
  ClusterConfig config;
  config.data_dir = dir;
  config.servers = [] { return std::vector<Server>(); };
  config.port = 0;
  config.bus_url = bus::DefaultBusUrl(dir);
  config.program = testbed::BinDir() / "boxoffice";
  return config;
}

// Else the first who buys would be refused.
TEST(ClusterTest, IsNotReadyWhileAServiceIsNotConnectedToOneThatItCalls) {
  const testbed::TempDir dir;
  const auto folder = module::DataFolder::Open(dir.path());
  ASSERT_TRUE(folder) << folder.error().detail;
  ClusterConfig config = ConfigIn(dir.path());
  const std::string nowhere = fmt::format("127.0.0.1:{}", testbed::FreePort());
  // Not the gateway's: that one would say by itself, for ten seconds, that it is not ready.
  config.reach = [&](std::string_view caller, const Replica& callee) {
    return caller == "reservation" && callee.service == "wallet" ? nowhere : callee.listen;
  };
  Cluster cluster(std::move(config));
  // All are ready for that long, each by itself.
  constexpr seconds kLong{2};
  std::optional<SteadyClock::time_point> ready_since;
  const auto started = cluster.Start([&](milliseconds time) {
    testbed::Pause(time);
    const auto processes = cluster.Processes();
    const bool ready =
        processes.size() == ServicePrograms().size() &&
        std::ranges::all_of(processes, [](const auto& one) { return AnswersReady(one.first); });
    if (ready && !ready_since) ready_since = SteadyClock::now();
    return !ready_since || SteadyClock::now() - *ready_since < kLong;
  });
  ASSERT_FALSE(started) << "nobody could buy";
  EXPECT_EQ(started.error().reason, "stopped") << started.error().detail;
  EXPECT_TRUE(cluster.Stop());
}

// What an earlier version wrote there, in a folder that was moved since; a copy would read the keys of
// another system.
TEST(ClusterTest, ItsReplicasHaveTheKeysOfTheFolderWhereItIsNow) {
  const testbed::TempDir dir;
  const auto folder = module::DataFolder::Open(dir.path());
  ASSERT_TRUE(folder) << folder.error().detail;
  const std::filesystem::path keys = dir.path() / "replicas" / "queue-1" / "keys";
  std::filesystem::create_directories(keys.parent_path());
  std::filesystem::create_directory_symlink("/where/it/was/keys", keys);
  Cluster cluster(ConfigIn(dir.path()));
  const auto started = cluster.Start([](milliseconds) { return false; });  // as soon as it is asked
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "stopped") << started.error().detail;
  EXPECT_EQ(std::filesystem::read_symlink(keys).string(), "../../keys");
  EXPECT_TRUE(std::filesystem::equivalent(keys, dir.path() / "keys"));
}

}  // namespace
}  // namespace boxoffice
