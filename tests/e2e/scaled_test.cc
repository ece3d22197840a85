// `boxoffice up --scaled`: every service as a process of its own, started, watched and ended by one.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
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
  const Reply charged = mina.Charge(3'000);
  ASSERT_EQ(charged.status, 201) << charged;
  const Reply sold = mina.Reserve(show, R"("seats":[1],"pay":true)");
  ASSERT_EQ(sold.status, 201) << sold;
  EXPECT_EQ(sold.at("state"), "CONFIRMED");
  system.ExpectCleanAudit();
  const std::vector<pid_t> pids = PidsOf(Ps(system));
  EXPECT_EQ(pids.size(), 10U) << "eight services, PostgreSQL and Redis";
  EXPECT_EQ(system.Stop(SIGTERM, /*may_be_forced=*/false), 0);
  EXPECT_TRUE(AllGone(pids));
  system.Start();
  ASSERT_TRUE(system.ready());
  EXPECT_EQ(mina.Get(sold.at("id")).at("state"), "CONFIRMED");
  EXPECT_EQ(mina.Balance(), 2'000);
}

TEST(Scaled, ItsProcessesTakeWhatItGivesThemWhateverTheEnvironmentSays) {
  setenv("BOXOFFICE_STORE_URL", "postgres://nobody@127.0.0.1:1/nowhere", 1);
  System system({"--scaled", "--no-kafka", "--no-seed"});
  unsetenv("BOXOFFICE_STORE_URL");
  ASSERT_TRUE(system.ready());
  EXPECT_EQ(system.Show(system.CreateShow()).status, 200);
}

TEST(Scaled, PsListsEveryReplicaAndADeadOneIsReportedAndStartedAgain) {
  System system({"--scaled", "--no-kafka", "--no-seed"});
  ASSERT_TRUE(system.ready());
  json::value ps = Ps(system);
  EXPECT_EQ(ps.at("url").as_string(), fmt::format("http://127.0.0.1:{}", system.port()));
  std::vector<std::string> services;
  pid_t ranking = 0;
  uint16_t gateway = 0;
  for (const json::value& process : ps.at("processes").as_array()) {
    services.emplace_back(process.at("service").as_string());
    EXPECT_EQ(process.at("replica"), 1);
    EXPECT_EQ(process.at("running"), true);
    const std::string admin(process.at("admin").as_string());
    Api api(PortOf(admin));
    EXPECT_EQ(api.Call("GET", "/readyz").status, 200) << services.back();
    if (services.back() == "ranking") ranking = process.at("pid").to_number<pid_t>();
    if (services.back() == "gateway") gateway = PortOf(admin);
  }
  EXPECT_THAT(services, testing::UnorderedElementsAre("queue", "seat", "wallet", "payment", "reservation",
                                                      "ranking", "relay", "gateway"));
  const std::string show = system.CreateShow();
  kill(ranking, SIGKILL);
  const std::string report = fmt::format("ranking-1 (pid {}) ended with 137", ranking);
  EXPECT_TRUE(Eventually([&] { return system.Log().contains(report); })) << system.Log();
  EXPECT_EQ(Api(gateway).Call("GET", "/readyz").status, 200) << "what it has reached once may go";
  EXPECT_EQ(Api(system.port()).Call("GET", "/v1/shows/" + show).status, 200) << "the others go on";
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
  const Reply charged = mina.Charge(3'000);
  ASSERT_EQ(charged.status, 201) << charged;
  const json::value ps = Ps(system);
  for (const json::value& server : ps.at("servers").as_array())
    kill(server.at("pid").to_number<pid_t>(), SIGKILL);
  EXPECT_TRUE(
      Eventually([&] { return mina.Balance() == 3'000 && mina.Enter(show, seconds(10)); }, seconds(60)));
  const std::string key = NewKey();
  EXPECT_TRUE(Eventually(
      [&] { return mina.Reserve(show, R"("seats":[1],"pay":true)", key).at("state") == "CONFIRMED"; },
      seconds(60)));
  system.ExpectCleanAudit();
}

// The replica of the queue that serves; the others stand by.
struct Leader {
  pid_t pid = 0;
  uint16_t admin = 0;
};
std::optional<Leader> LookForQueueLeader(const System& system) {
  const json::value ps = Ps(system);
  for (const json::value& process : ps.at("processes").as_array()) {
    if (process.at("service") != "queue") continue;
    const uint16_t admin = PortOf(std::string(process.at("admin").as_string()));
    Api api(admin);
    api.SetTimeout(seconds(2));  // it may be paused
    const Reply ready = api.Call("GET", "/readyz");
    if (ready.status == 200 && ready.text.contains(R"("role":"leader")"))
      return Leader{process.at("pid").to_number<pid_t>(), admin};
  }
  return std::nullopt;
}

std::optional<Leader> QueueLeader(const System& system) {
  std::optional<Leader> leader;
  EXPECT_TRUE(Eventually([&] { return (leader = LookForQueueLeader(system)).has_value(); }));
  return leader;
}

// Sells these seats to a buyer each.
void Sell(const System& system, const std::string& show, int first, int last) {
  for (int seat = first; seat <= last; ++seat) {
    const std::string name = fmt::format("buyer-{}", seat);
    Buyer buyer(system.AnyGateway(), name, system.Token(name));
    ASSERT_TRUE(buyer.Enter(show));
    ASSERT_EQ(buyer.Charge(1'000).status, 201);
    const Reply sold = buyer.Reserve(show, fmt::format(R"("seats":[{}],"pay":true)", seat));
    ASSERT_EQ(sold.status, 201) << sold;
    EXPECT_EQ(buyer.Get(sold.at("id")).at("state"), "CONFIRMED") << "whichever replica is asked";
  }
}

// The disk is that of the test's machine.
void ExpectDoctorFindsNoProblemButTheDisk(const System& system) {
  const std::string url = fmt::format("http://127.0.0.1:{}", system.port());
  const Finished done = RunCommand(
      {BinDir() / "boxoffice", "doctor", "--json", "--scaled", "--data", system.data_dir(), "--url", url},
      seconds(120));
  ASSERT_THAT(done.exit_code, testing::AnyOf(0, 1)) << done.err;
  bool tells_of_standby = false;
  const json::value report = json::parse(done.out);
  for (const json::value& finding : report.at("findings").as_array()) {
    EXPECT_TRUE(finding.at("status") != "problem" || finding.at("check") == "disk")
        << json::serialize(finding);
    const std::string detail(finding.at("detail").as_string());
    tells_of_standby |= finding.at("check") == "breaker" && detail.contains("stand by");
  }
  EXPECT_TRUE(tells_of_standby) << done.out;
}

TEST(Scaled, AQueueThatIsPausedPastItsLeaseIsFollowedAndStandsByWhenItWakesUp) {
  System system({"--scaled", "--no-kafka", "--no-seed", "--replicas", "2"});
  ASSERT_TRUE(system.ready());
  ExpectDoctorFindsNoProblemButTheDisk(system);
  const std::string show = system.CreateShow();
  Sell(system, show, 1, 3);
  const auto first = QueueLeader(system);
  ASSERT_TRUE(first.has_value());
  kill(first->pid, SIGSTOP);
  Buyer mina(system, "mina");
  EXPECT_TRUE(Eventually([&] { return mina.Enter(show, seconds(10)); }, seconds(60)));
  const auto second = QueueLeader(system);  // it serves a moment before it says that it leads
  kill(first->pid, SIGCONT);
  ASSERT_TRUE(second.has_value());
  EXPECT_NE(second->pid, first->pid);
  EXPECT_TRUE(Eventually(
      [&] {
        return Api(first->admin).Call("GET", "/readyz").text.contains(R"("role":"standby")") &&
               Api(first->admin).Call("GET", "/metrics").text.contains("boxoffice_queue_leader 0");
      },
      seconds(60)))
      << "it has not ended";
  Sell(system, show, 4, 6);
  const auto still = QueueLeader(system);
  ASSERT_TRUE(still.has_value());
  EXPECT_EQ(still->pid, second->pid);
  system.ExpectCleanAudit();
}

TEST(Scaled, TwoReplicasSellTogetherThroughPostgresRedisAndKafkaAndOneMayDie) {
  BOXOFFICE_NEED_KAFKA();
  System system({"--no-seed"}, Form::kScaled);
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow();
  Sell(system, show, 1, 10);
  system.ExpectCleanAudit();
  std::map<std::string, std::vector<pid_t>> pids;
  const json::value ps = Ps(system);
  EXPECT_EQ(ps.at("servers").as_array().size(), 3U);
  for (const json::value& process : ps.at("processes").as_array())
    pids[std::string(process.at("service").as_string())].push_back(process.at("pid").to_number<pid_t>());
  for (const char* service : {"seat", "wallet", "payment", "reservation", "ranking", "relay"}) {
    ASSERT_EQ(pids[service].size(), 2U) << service;
    kill(pids[service].back(), SIGKILL);
  }
  ASSERT_EQ(pids["queue"].size(), 2U);
  const auto leader = QueueLeader(system);
  ASSERT_TRUE(leader.has_value());
  kill(leader->pid, SIGKILL);
  // What was under way at the dead ones is asked again; their sagas' leases end, and that of the queue. Each
  // gateway finds those who live by itself.
  int seat = 11;
  for (const uint16_t gateway : system.gateways()) {
    const std::string name = fmt::format("last-{}", seat);
    Buyer last(gateway, name, system.Token(name));
    EXPECT_TRUE(Eventually([&] { return last.Enter(show, seconds(10)); }, seconds(60)));
    EXPECT_TRUE(Eventually([&] { return last.Charge(1'000).status == 201; }, seconds(60)));
    const std::string key = NewKey();
    const std::string choice = fmt::format(R"("seats":[{}],"pay":true)", seat++);
    EXPECT_TRUE(Eventually(
        [&] {
          const Reply sold = last.Reserve(show, choice, key);
          return sold.status == 201 && sold.at("state") == "CONFIRMED";
        },
        seconds(60)));
  }
  Sell(system, show, seat, 20);
  system.ExpectCleanAudit();
}

TEST(Scaled, EveryProcessEndsWithTheOneThatStartedIt) {
  System system({"--scaled", "--no-kafka", "--no-seed"});
  ASSERT_TRUE(system.ready());
  const std::vector<pid_t> pids = PidsOf(Ps(system));
  system.Crash();
  EXPECT_TRUE(Eventually([&] { return AllGone(pids); }, seconds(60)));
  system.Start();
  ASSERT_TRUE(system.ready()) << "nothing of the crash is in the way";
  EXPECT_TRUE(Buyer(system, "mina").Enter(system.CreateShow())) << "also not that the dead led the queue";
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
