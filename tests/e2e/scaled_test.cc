// `boxoffice up --scaled`: every service as a process of its own, started, watched and ended by one.
#include <algorithm>
#include <csignal>
#include <map>

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/parts.h"
#include "e2e/system.h"
#include "testing/kafka_broker.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;

std::vector<pid_t> PidsOf(const json::value& ps) {
  std::vector<pid_t> pids;
  for (const char* list : {"servers", "processes"}) {
    for (const json::value& process : ps.at(list).as_array())
      pids.push_back(process.at("pid").to_number<pid_t>());
  }
  return pids;
}

bool AllGone(const std::vector<pid_t>& pids) { return std::ranges::all_of(pids, IsGone); }

TEST(Scaled, SellsAndStopsAndSellsAgain) {
  System system({"--scaled", "--no-kafka", "--no-seed"});
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow();
  Buyer mina(system, "mina");
  ASSERT_TRUE(mina.Enter(show));
  ASSERT_EQ(mina.Charge(3'000).status, 201);
  const Reply sold = mina.Reserve(show, R"("seats":[1],"pay":true)");
  ASSERT_EQ(sold.status, 201) << sold;
  EXPECT_EQ(sold.at("state"), "CONFIRMED");
  system.ExpectCleanAudit();
  const std::vector<pid_t> pids = PidsOf(Ps(system));
  EXPECT_EQ(pids.size(), 10U) << "eight services, PostgreSQL and Redis";
  EXPECT_EQ(system.Stop(SIGTERM), 0);
  EXPECT_TRUE(AllGone(pids));
  system.Start();
  ASSERT_TRUE(system.ready());
  EXPECT_EQ(mina.Get(sold.at("id")).at("state"), "CONFIRMED");
  EXPECT_EQ(mina.Balance(), 2'000);
}

TEST(Scaled, PsListsEveryReplicaAndADeadOneIsReportedAndStartedAgain) {
  System system({"--scaled", "--no-kafka", "--no-seed"});
  ASSERT_TRUE(system.ready());
  json::value ps = Ps(system);
  EXPECT_EQ(ps.at("url").as_string(), fmt::format("http://127.0.0.1:{}", system.port()));
  std::vector<std::string> services;
  pid_t ranking = 0;
  for (const json::value& process : ps.at("processes").as_array()) {
    services.emplace_back(process.at("service").as_string());
    EXPECT_EQ(process.at("replica"), 1);
    EXPECT_EQ(process.at("running"), true);
    const std::string admin(process.at("admin").as_string());
    Api api(PortOf(admin));
    EXPECT_EQ(api.Call("GET", "/readyz").status, 200) << services.back();
    if (services.back() == "ranking") ranking = process.at("pid").to_number<pid_t>();
  }
  EXPECT_THAT(services, testing::UnorderedElementsAre("queue", "seat", "wallet", "payment", "reservation",
                                                      "ranking", "relay", "gateway"));
  kill(ranking, SIGKILL);
  const std::string report = fmt::format("ranking-1 (pid {}) ended with 137", ranking);
  EXPECT_TRUE(Eventually([&] { return system.Log().contains(report); })) << system.Log();
  EXPECT_EQ(system.Show(system.CreateShow()).status, 200) << "the others go on";
  EXPECT_TRUE(Eventually([&] {
    const json::value now = Ps(system);
    const json::value& process = *std::ranges::find(now.at("processes").as_array(), "ranking",
                                                    [](const json::value& p) { return p.at("service"); });
    Api api(PortOf(std::string(process.at("admin").as_string())));
    return process.at("restarts") == 1 && process.at("pid") != ranking && process.at("running").as_bool() &&
           api.Call("GET", "/readyz").status == 200;
  }));
}

TEST(Scaled, AServerThatDiesIsStartedAgainWithItsData) {
  System system({"--scaled", "--no-kafka", "--no-seed"});
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow();
  Buyer mina(system, "mina");
  ASSERT_EQ(mina.Charge(3'000).status, 201);
  const json::value ps = Ps(system);
  for (const json::value& server : ps.at("servers").as_array())
    kill(server.at("pid").to_number<pid_t>(), SIGKILL);
  EXPECT_TRUE(Eventually([&] { return mina.Balance() == 3'000 && mina.Enter(show); }, seconds(30)));
  const std::string key = NewKey();
  EXPECT_TRUE(Eventually(
      [&] { return mina.Reserve(show, R"("seats":[1],"pay":true)", key).at("state") == "CONFIRMED"; },
      seconds(30)));
  system.ExpectCleanAudit();
}

TEST(Scaled, TwoReplicasSellTogetherThroughPostgresRedisAndKafkaAndOneMayDie) {
  BOXOFFICE_NEED_KAFKA();
  System system({"--no-seed"}, Form::kScaled);
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow();
  const auto sell = [&](int first, int last) {
    for (int seat = first; seat <= last; ++seat) {
      Buyer buyer(system, fmt::format("buyer-{}", seat));
      ASSERT_TRUE(buyer.Enter(show));
      ASSERT_EQ(buyer.Charge(1'000).status, 201);
      const Reply sold = buyer.Reserve(show, fmt::format(R"("seats":[{}],"pay":true)", seat));
      ASSERT_EQ(sold.status, 201) << sold;
      EXPECT_EQ(buyer.Get(sold.at("id")).at("state"), "CONFIRMED") << "whichever replica is asked";
    }
  };
  sell(1, 10);
  system.ExpectCleanAudit();
  std::map<std::string, std::vector<pid_t>> pids;
  const json::value ps = Ps(system);
  EXPECT_EQ(ps.at("servers").as_array().size(), 3U);
  for (const json::value& process : ps.at("processes").as_array())
    pids[std::string(process.at("service").as_string())].push_back(process.at("pid").to_number<pid_t>());
  for (const char* service : {"seat", "wallet", "payment", "reservation", "relay"}) {
    ASSERT_EQ(pids[service].size(), 2U) << service;
    kill(pids[service].back(), SIGKILL);
  }
  // What was under way at the dead ones is asked again; their sagas' leases end.
  Buyer last(system, "last");
  ASSERT_TRUE(last.Enter(show));
  ASSERT_EQ(last.Charge(1'000).status, 201);
  const std::string key = NewKey();
  EXPECT_TRUE(Eventually(
      [&] {
        const Reply sold = last.Reserve(show, R"("seats":[11],"pay":true)", key);
        return sold.status == 201 && sold.at("state") == "CONFIRMED";
      },
      seconds(30)));
  sell(12, 20);
  system.ExpectCleanAudit();
}

TEST(Scaled, EveryProcessEndsWithTheOneThatStartedIt) {
  System system({"--scaled", "--no-kafka", "--no-seed"});
  ASSERT_TRUE(system.ready());
  const std::vector<pid_t> pids = PidsOf(Ps(system));
  system.Crash();
  EXPECT_TRUE(Eventually([&] { return AllGone(pids); }, seconds(20)));
  system.Start();
  EXPECT_TRUE(system.ready()) << "nothing of the crash is in the way";
}

TEST(Scaled, AReplicaThatCantStartIsOneLineAndNothingStays) {
  System system({"--scaled", "--no-kafka", "--no-seed"});
  ASSERT_TRUE(system.ready());
  const testbed::TempDir dir;
  const Finished second = RunCommand({BinDir() / "boxoffice", "up", "--scaled", "--no-kafka", "--no-seed",
                                      "--port", std::to_string(system.port()), "--data", dir.path()},
                                     seconds(60));
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, HasSubstr("gateway-1"));
  EXPECT_THAT(second.err, HasSubstr("port_taken"));
}

}  // namespace
}  // namespace boxoffice::e2e
