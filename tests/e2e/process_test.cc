// The process as an operating system and an administrator see it.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>

#include <arpa/inet.h>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "e2e/system.h"
#include "platform/auth/development.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Program() { return BinDir() / "boxoffice"; }

void ExpectOneClearLine(const Finished& finished, const std::string& about) {
  EXPECT_EQ(finished.exit_code, 2) << finished.err;
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr(about));
  EXPECT_THAT(finished.out, ::testing::Not(HasSubstr("ready ")));
}

// Of three stops, of which a busy machine may hold some up, one is done in time; and it runs again.
bool StopsWithinFiveSeconds(System& system, int signal) {
  for (int tries = 0; tries < 3 && system.ready(); ++tries) {
    const auto signalled = std::chrono::steady_clock::now();
    const auto code = system.Stop(signal, /*may_be_forced=*/false);
    const bool in_time = std::chrono::steady_clock::now() - signalled < seconds(5);
    EXPECT_TRUE(code == 0 || code == 1) << "1: it was forced";
    system.Start();
    if (code == 0 && in_time) return true;
  }
  return false;
}

TEST(Process, StopsWithinFiveSecondsAndKeepsItsData) {
  System system;
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow();
  Buyer mina(system, "mina");
  ASSERT_TRUE(mina.Enter(show));
  ASSERT_EQ(mina.Charge(3'000).status, 201);
  const Reply sold = mina.Reserve(show, R"("seats":[1],"pay":true)");
  ASSERT_EQ(sold.status, 201) << sold;
  ASSERT_TRUE(mina.AwaitPlaceCompleted());
  ASSERT_TRUE(mina.Enter(show));
  const Reply held = mina.Reserve(show, R"("seats":[2])");
  ASSERT_EQ(held.status, 201) << held;
  for (const int signal : {SIGTERM, SIGINT}) {
    EXPECT_TRUE(StopsWithinFiveSeconds(system, signal)) << system.Log();
    ASSERT_TRUE(system.ready());
    EXPECT_EQ(mina.Get(sold.at("id")).at("state"), "CONFIRMED");
    EXPECT_EQ(mina.Get(held.at("id")).at("state"), "HELD");
    EXPECT_EQ(mina.Balance(), 2'000);
    EXPECT_EQ(system.Show(show).number("sold"), 1);
  }
  EXPECT_EQ(mina.Confirm(held.at("id")).status, 200);
  system.ExpectCleanAudit();
}

TEST(Process, ASupervisorWhoRepeatsItselfDoesNotCutTheStopShort) {
  const testbed::TempDir dir;
  const auto log = dir.path() / "stderr";
  Process process(
      {Program(), "up", "--no-seed", "--port", std::to_string(FreePort()), "--data", dir.path() / "data"},
      {{}, log});
  const auto line = process.ReadLine(seconds(60));
  ASSERT_TRUE(line && line->starts_with("ready "));
  std::optional<int> code;
  for (int i = 0; i < 5'000 && !code; ++i) {  // until it has ended, so that some come while it stops
    process.Signal(SIGTERM);
    code = process.Wait(milliseconds(1));
  }
  std::ifstream in(log);
  const std::string logged(std::istreambuf_iterator<char>(in), {});
  EXPECT_TRUE(code == 0 || (code == 1 && WasForced(logged))) << code.value_or(-1) << "\n" << logged;
}

TEST(Process, APortThatIsTakenIsOneLineAndExit2) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));
  const testbed::TempDir dir;
  ExpectOneClearLine(
      RunCommand({Program(), "up", "--no-seed", "--port", port, "--data", dir.path()}, seconds(60)), port);
  close(listener);
}

TEST(Process, ADataFolderThatCantBeWrittenIsOneLineAndExit2) {
  const testbed::TempDir dir;
  std::ofstream(dir.path() / "file") << "in the way";
  for (const std::string& data : {(dir.path() / "file/data").string(), std::string("/proc/data")}) {
    ExpectOneClearLine(
        RunCommand({Program(), "up", "--no-seed", "--port", std::to_string(FreePort()), "--data", data},
                   seconds(60)),
        data);
  }
}

TEST(Process, ADataFolderInUseIsOneLineAndExit2) {
  System system;
  ASSERT_TRUE(system.ready());
  ExpectOneClearLine(RunCommand({Program(), "up", "--no-seed", "--port", std::to_string(FreePort()), "--data",
                                 system.data_dir()},
                                seconds(60)),
                     system.data_dir());
}

// Buyers' names, and the secrets of relay targets, are nobody else's on that machine.
TEST(Process, OnlyTheOwnerReadsItsData) {
  using std::filesystem::perms;
  const mode_t before = umask(022);  // as most people have it
  const System system;
  umask(before);
  ASSERT_TRUE(system.ready());
  constexpr perms kOfOthers =
      perms::group_read | perms::group_write | perms::others_read | perms::others_write;
  EXPECT_EQ(std::filesystem::status(system.data_dir()).permissions() & kOfOthers, perms::none);
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(system.data_dir())) {
    std::error_code gone;  // as what SQLite makes for a moment
    const std::filesystem::file_status status = entry.status(gone);
    if (!std::filesystem::exists(status)) continue;
    EXPECT_EQ(status.permissions() & kOfOthers, perms::none) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 8) << "a database of each service, and more";
}

// Its stores are elsewhere: it would begin with empty ones, and the two would share a bus. So with the bus.
TEST(Process, AFolderOfTheOtherFormOrBusIsRefusedAndLeftAlone) {
  const testbed::TempDir dir;
  const auto refused = [&](const std::filesystem::path& data, const std::vector<std::string>& form,
                           const std::string& cure) {
    std::vector<std::string> command{Program(), "up", "--no-seed", "--port", "0", "--data", data};
    command.insert(command.end(), form.begin(), form.end());
    ExpectOneClearLine(RunCommand(command, seconds(60)), cure);
    const std::filesystem::directory_iterator entries(data);
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "nothing is made there";
  };
  const std::filesystem::path scaled = dir.path() / "scaled";
  std::filesystem::create_directories(scaled / "postgres" / "data");
  refused(scaled, {}, "give --scaled");
  const std::filesystem::path embedded = dir.path() / "embedded";
  std::filesystem::create_directories(embedded);
  std::ofstream(embedded / "seat.db") << "";
  refused(embedded, {"--scaled", "--no-kafka"}, "leave --scaled out");
  const std::filesystem::path on_kafka = dir.path() / "on_kafka";
  std::filesystem::create_directories(on_kafka / "kafka");
  std::ofstream(on_kafka / "kafka" / "ports") << "1 2\n";
  refused(on_kafka, {"--scaled", "--no-kafka"}, "leave --no-kafka out");
}

// In one process too, a saga's settings come from the environment.
TEST(Process, ASettingOfSagasThatCantBeIsOneLineAndExit2) {
  const testbed::TempDir dir;
  const auto up_with = [&](const std::string& setting, const std::vector<std::string>& form = {}) {
    std::vector<std::string> command{
        "/usr/bin/env", setting,   Program(), "up", "--no-seed", "--port", std::to_string(FreePort()),
        "--data",       dir.path()};
    command.insert(command.end(), form.begin(), form.end());
    return RunCommand(command, seconds(60));
  };
  ExpectOneClearLine(up_with("BOXOFFICE_STEP_PAYMENT_TIMEOUT_MS=1"), "BOXOFFICE_STEP_PAYMENT_TIMEOUT_MS");
  ExpectOneClearLine(up_with("BOXOFFICE_LEASE_RENEW_MS=60000"), "lease.renew_ms");
  // No longer than payment waits for its provider.
  const std::string too_short = "BOXOFFICE_STEP_PAYMENT_TIMEOUT_MS=3000";
  ExpectOneClearLine(up_with(too_short), "provider.timeout_ms");
  ExpectOneClearLine(up_with(too_short, {"--scaled", "--no-kafka"}), "provider.timeout_ms");
}

TEST(Process, ADatabaseNewerThanTheProgramIsOneLineAndExit2) {
  System system;
  ASSERT_TRUE(system.ready());
  ASSERT_EQ(system.Stop(SIGTERM), 0);
  for (const char* service : {"seat", "wallet", "reservation"}) {
    const auto file = system.data_dir() / fmt::format("{}.db", service);
    ASSERT_TRUE(std::filesystem::exists(file)) << file;
    auto database = sql::Database::Open(file);
    ASSERT_TRUE(database) << database.error().detail;
    ASSERT_TRUE(database->Execute("PRAGMA user_version=9999"));
  }
  ExpectOneClearLine(RunCommand({Program(), "up", "--no-seed", "--port", std::to_string(FreePort()), "--data",
                                 system.data_dir()},
                                seconds(60)),
                     "newer");
}

// The same system as eight processes on one data folder.
TEST(ProcessOfItsOwn, EachServiceSellsWithTheOthers) {
  const testbed::TempDir dir;
  const std::string data = dir.path() / "data";
  const uint16_t port = FreePort();
  std::vector<Process> processes;
  for (const char* service :
       {"queue", "seat", "wallet", "payment", "reservation", "ranking", "relay", "gateway"}) {
    std::vector<std::string> command{Program(), "serve", service, "--data", data, "--drain-notice-ms", "0"};
    if (std::string_view(service) == "gateway")
      command.insert(command.end(), {"--listen", fmt::format("127.0.0.1:{}", port)});
    processes.emplace_back(command, Process::Options{{}, dir.path() / "stderr"});
    const auto line = processes.back().ReadLine(seconds(60));
    ASSERT_TRUE(line && line->starts_with("ready ")) << service;
  }
  const SystemClock clock;
  const auto issuer = auth::TokenIssuer::Make(auth::DevelopmentTokens(data).value(), clock).value();
  const auto bearer = [&](const char* user, auth::Role role) {
    return std::pair<std::string, std::string>("Authorization",
                                               "Bearer " + issuer.Issue(user, role, seconds(600)).value());
  };
  const auto boss = bearer("boss", auth::Role::kOperator);
  const auto mina = bearer("mina", auth::Role::kBuyer);
  Api api(port);
  ASSERT_TRUE(Eventually([&] { return api.Call("GET", "/readyz").status == 200; }));
  const Reply concert = api.Call("POST", "/v1/admin/concerts", {boss, {"Idempotency-Key", "c"}},
                                 R"({"title":"T","artist":"A","venue":"V"})");
  ASSERT_EQ(concert.status, 201) << concert;
  const Reply show =
      api.Call("POST", "/v1/admin/shows", {boss, {"Idempotency-Key", "s"}},
               fmt::format(R"({{"concert_id":"{}","starts_at":"2099-06-01T19:00:00Z","currency":"KRW",)"
                           R"("seating_plan":{},"prices":{{"A":1000}}}})",
                           concert.at("id"), SeatingPlan({})));
  ASSERT_EQ(show.status, 201) << show;
  const Reply joined = api.Call("POST", fmt::format("/v1/shows/{}/queue", show.at("id")), {mina});
  ASSERT_EQ(joined.status, 200) << joined;
  const std::pair<std::string, std::string> place("X-Queue-Token", joined.at("token"));
  ASSERT_TRUE(
      Eventually([&] { return api.Call("GET", "/v1/queue", {mina, place}).at("state") == "ACTIVE"; }));
  ASSERT_EQ(api.Call("POST", "/v1/wallet/charges", {mina, {"Idempotency-Key", "w"}},
                     R"({"amount":2000,"currency":"KRW"})")
                .status,
            201);
  const Reply sold = api.Call("POST", "/v1/reservations", {mina, place, {"Idempotency-Key", "r"}},
                              fmt::format(R"({{"show_id":"{}","seats":[1,2],"pay":true}})", show.at("id")));
  EXPECT_EQ(sold.status, 201) << sold;
  EXPECT_EQ(sold.at("state"), "CONFIRMED");
  EXPECT_TRUE(Eventually([&] {
    const Reply ranking = api.Call("GET", "/v1/rankings");
    return ranking.status == 200 && !ranking.body.at("items").as_array().empty();
  })) << "the events went from process to process";
  const Reply verdict = api.Call("POST", "/v1/admin/audit", {boss});
  ASSERT_EQ(verdict.status, 200) << verdict;
  EXPECT_EQ(verdict.body.at("ok"), true) << verdict;
  EXPECT_EQ(verdict.body.at("checked").at("reservations"), 1) << verdict;
  EXPECT_TRUE(Eventually([&] { return AllIsPublished(api.Call("GET", "/v1/admin/outbox", {boss})); }));
  for (auto process = processes.rbegin(); process != processes.rend(); ++process) {
    process->Signal(SIGTERM);
    EXPECT_EQ(process->Wait(seconds(60)), 0);
  }
}

}  // namespace
}  // namespace boxoffice::e2e
