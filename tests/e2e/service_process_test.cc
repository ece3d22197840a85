// One service as a process: what orchestrators, administrators and balancers meet.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/service.h"
#include "e2e/system.h"
#include "platform/auth/key_pair_for_test.h"
#include "platform/auth/token.h"

namespace boxoffice::e2e {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

Finished RunService(std::vector<std::string> words) {
  words.insert(words.begin(), {BinDir() / "boxoffice", "serve"});
  return RunCommand(words, seconds(60));
}

// All that a gateway calls: it is ready once it has reached them.
constexpr std::array kCallees{"queue", "seat", "wallet", "payment", "reservation", "ranking", "relay"};

std::vector<std::unique_ptr<Service>> StartCallees(const std::filesystem::path& folder) {
  const std::vector<std::string> flags{"--drain-notice-ms=0", "--log-level", "warning"};
  std::vector<std::unique_ptr<Service>> services;
  for (const char* name : kCallees) services.push_back(std::make_unique<Service>(name, folder, flags));
  return services;
}

bool BecomesReady(const Service& service) {
  return Eventually([&] { return service.Admin("/readyz").status == 200; });
}

// Asks it for all that it has for machines.
void ExpectAnswersMachines(const std::string& name, const Service& service) {
  EXPECT_THAT(service.ready_line(), testing::StartsWith(fmt::format("ready {} ", name)));
  EXPECT_EQ(service.Admin("/healthz").status, 200) << name;
  const Reply ready = service.Admin("/readyz");
  EXPECT_EQ(ready.status, 200) << name << ready;
  EXPECT_THAT(ready.text, HasSubstr(fmt::format(R"({{"name":"{}","problem":null)", name)));
  EXPECT_EQ(service.Admin("/metrics").status, 200) << name;
  EXPECT_EQ(service.Admin("/v1/concerts").status, 404) << name;
}

TEST(ServiceProcess, HealthReadinessAndMetricsHaveAnAddressOfTheirOwn) {
  const testbed::TempDir dir;
  std::vector<std::unique_ptr<Service>> services = StartCallees(dir.path());
  for (size_t i = 0; i < services.size(); ++i) ExpectAnswersMachines(kCallees[i], *services[i]);
  services.push_back(std::make_unique<Service>(
      "gateway", dir.path(),
      std::vector<std::string>{"--drain-notice-ms=0", fmt::format("--listen=127.0.0.1:{}", FreePort())}));
  EXPECT_TRUE(BecomesReady(*services.back()));
  ExpectAnswersMachines("gateway", *services.back());
  for (auto service = services.rbegin(); service != services.rend(); ++service) {
    (*service)->process().Signal(SIGTERM);
    EXPECT_EQ((*service)->process().Wait(seconds(60)), 0) << (*service)->ready_line();
  }
}

// Whoever balances sends nobody to one that could only refuse them; but one that reaches some of the services
// is better than none.
TEST(ServiceProcess, AGatewayIsReadyOnceItHasReachedEachServiceOrTriedForTenSeconds) {
  const testbed::TempDir dir;
  const auto before = std::chrono::steady_clock::now();
  const auto waited = [&] { return std::chrono::steady_clock::now() - before; };
  const Service gateway("gateway", dir.path(), {fmt::format("--listen=127.0.0.1:{}", FreePort())});
  ASSERT_TRUE(gateway.ready()) << "it listens meanwhile: " << gateway.Log();
  const Reply alone = gateway.Admin("/readyz");
  if (waited() < seconds(10)) {  // as it is, but where the machine is too busy
    EXPECT_EQ(alone.status, 503) << alone;
    EXPECT_THAT(alone.text, HasSubstr("it has not reached yet: queue"));
  }
  EXPECT_TRUE(BecomesReady(gateway));
  EXPECT_GE(waited(), seconds(10));
}

// One start in three that is not held up by a busy machine tells it.
TEST(ServiceProcess, AGatewayThatReachesEachServiceIsReadyBeforeTheTenSecondsAreOver) {
  const testbed::TempDir dir;
  const auto callees = StartCallees(dir.path());
  for (const auto& callee : callees) ASSERT_TRUE(BecomesReady(*callee)) << callee->Log();
  auto soonest = std::chrono::steady_clock::duration::max();
  for (int tries = 0; tries < 3 && soonest >= seconds(10); ++tries) {
    const auto before = std::chrono::steady_clock::now();
    const Service gateway("gateway", dir.path(), {fmt::format("--listen=127.0.0.1:{}", FreePort())});
    ASSERT_TRUE(BecomesReady(gateway)) << gateway.Log();
    soonest = std::min(soonest, std::chrono::steady_clock::now() - before);
  }
  EXPECT_LT(soonest, seconds(10));
}

// Not ready → the notice, in which it serves → draining → the end.
TEST(ServiceProcess, AtTheSignalItIsNotReadyButServesUntilTheNoticeIsOver) {
  const testbed::TempDir dir;
  const auto callees = StartCallees(dir.path());
  const uint16_t port = FreePort();
  Service gateway(
      "gateway", dir.path(),
      {fmt::format("--listen=127.0.0.1:{}", port), "--drain-notice-ms=10000", "--drain-grace-ms=3000"});
  Api api(port);
  ASSERT_TRUE(Eventually([&] { return api.Call("GET", "/readyz").status == 200; }));
  const auto signalled = std::chrono::steady_clock::now();
  gateway.process().Signal(SIGTERM);
  ASSERT_TRUE(Eventually([&] { return gateway.Admin("/readyz").status == 503; }, seconds(8)));
  EXPECT_THAT(gateway.Admin("/readyz").text, HasSubstr("draining"));
  EXPECT_EQ(gateway.Admin("/healthz").status, 200);
  EXPECT_EQ(api.Call("GET", "/readyz").status, 503) << "the public address tells it as well";
  EXPECT_EQ(api.Call("GET", "/openapi.yaml").status, 200) << "it still serves";
  EXPECT_EQ(gateway.process().Wait(seconds(60)), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - signalled, seconds(10));
  const std::string log = gateway.Log();
  EXPECT_LT(log.find("not_ready"), log.find("draining"));
  EXPECT_LT(log.find("draining"), log.find("\"stopped\""));
}

TEST(ServiceProcess, ASecondCtrlCEndsItAtOnce) {
  const testbed::TempDir dir;
  Service service("seat", dir.path(), {"--drain-notice-ms=60000"});
  service.process().Signal(SIGINT);
  ASSERT_TRUE(Eventually([&] { return service.Admin("/readyz").status == 503; }));
  service.process().Signal(SIGINT);
  EXPECT_EQ(service.process().Wait(seconds(30)), 128 + SIGINT);
}

TEST(ServiceProcess, MigrateMakesTheStoreAndEnds) {
  const testbed::TempDir dir;
  for (int i = 0; i < 2; ++i) {
    const Finished migrated = RunService({"wallet", "migrate", "--data", dir.path()});
    EXPECT_EQ(migrated.exit_code, 0) << migrated.err;
    EXPECT_EQ(migrated.out, "migrated wallet\n");
    EXPECT_TRUE(std::filesystem::exists(dir.path() / "wallet.db"));
    EXPECT_TRUE(std::filesystem::exists(dir.path() / "bus.db"));
  }
}

TEST(ServiceProcess, AStoreThatItDoesNotHaveIsOneLineAndExit2) {
  const testbed::TempDir dir;
  for (const char* service : {"queue", "seat", "wallet", "payment", "reservation", "ranking", "relay"}) {
    for (const bool migrate : {false, true}) {
      std::vector<std::string> words{service, "--data", dir.path(), "--store-url", "abacus://u:hush@h/x"};
      if (migrate) words.emplace_back("migrate");
      const Finished finished = RunService(words);
      EXPECT_EQ(finished.exit_code, 2) << service;
      EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
      EXPECT_THAT(finished.err, HasSubstr("abacus://u:***@h/x"));
      EXPECT_THAT(finished.err, HasSubstr("(store_url)"));
    }
  }
}

TEST(ServiceProcess, AMistakeInTheFileIsOneLineThatNamesItsPlaceAndExit2) {
  const testbed::TempDir dir;
  const std::filesystem::path file = dir.path() / "reservation.toml";
  std::ofstream(file) << "[saga]\nmax_tries = 20\n[lease]\nduration = 5\n";
  Finished finished = RunService({"reservation", "--data", dir.path() / "data", "--config", file});
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_EQ(finished.err,
            fmt::format("boxoffice: {}:4: no key lease.duration: [lease] has duration_ms, renew_ms\n",
                        file.string()));
  std::ofstream(file) << "[lease]\nrenew_ms = 8000\n";
  finished = RunService({"reservation", "--data", dir.path() / "data", "--config", file});
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_THAT(finished.err, HasSubstr("lease.renew_ms must be less than half of lease.duration_ms"));
}

std::vector<std::string> TlsFlags(const std::filesystem::path& certs, const std::string& service) {
  return {"--tls-ca-file",  certs / "ca.crt",          "--tls-certificate-file", certs / (service + ".crt"),
          "--tls-key-file", certs / (service + ".key")};
}

// Payment lets the auditor ask and not the gateway, in whose process the auditor is.
TEST(ServiceProcess, WithMutualTlsTheAuditorCallsAsItself) {
  const testbed::TempDir dir;
  const std::filesystem::path certs = dir.path() / "certs";
  ASSERT_EQ(RunCommand({BinDir() / "boxoffice", "certs", "--out", certs}, seconds(60)).exit_code, 0);
  const uint16_t port = FreePort();
  std::vector<std::unique_ptr<Service>> services;
  for (const char* name :
       {"queue", "seat", "wallet", "payment", "reservation", "ranking", "relay", "gateway"}) {
    std::vector<std::string> flags = TlsFlags(certs, name);
    flags.insert(flags.end(), {"--drain-notice-ms=0", "--log-level", "warning"});
    if (std::string_view(name) == "gateway")
      flags.insert(flags.end(), {fmt::format("--listen=127.0.0.1:{}", port), "--audit-certificate-file",
                                 certs / "audit.crt", "--audit-key-file", certs / "audit.key"});
    services.push_back(std::make_unique<Service>(name, dir.path(), flags));
    ASSERT_THAT(services.back()->ready_line(), testing::StartsWith("ready ")) << name;
  }
  const Finished audit = RunCommand({BinDir() / "boxoffice", "audit", "--json", "--data", dir.path() / "data",
                                     "--url", fmt::format("http://127.0.0.1:{}", port)},
                                    seconds(60));
  EXPECT_EQ(audit.exit_code, 0) << audit.err;
  EXPECT_THAT(audit.out, HasSubstr(R"("ok":true)"));
}

TEST(ServiceProcess, TheAuditorHasACertificateWhereServicesHave) {
  const testbed::TempDir dir;
  ASSERT_EQ(RunCommand({BinDir() / "boxoffice", "certs", "--out", dir.path()}, seconds(60)).exit_code, 0);
  std::vector<std::string> without = TlsFlags(dir.path(), "gateway");
  without.insert(without.begin(), {"gateway", "--data", dir.path() / "data"});
  const std::vector<std::string> plain{"gateway", "--data", dir.path() / "data", "--audit-key-file",
                                       dir.path() / "audit.key"};
  for (const auto& words : {without, plain}) {
    const Finished run = RunService(words);
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr("audit.certificate_file and audit.key_file"));
  }
}

TEST(ServiceProcess, HowUsersAreToldIsConfiguredInOneWay) {
  const testbed::TempDir dir;
  const std::string url = "--jwt-jwks-url=https://login.example/keys";
  const std::string issuer = "--jwt-issuer=https://login.example";
  for (const auto& [flags, words] : std::initializer_list<std::pair<std::vector<std::string>, const char*>>{
           {{url}, "jwt.issuer must be given"},
           {{url, issuer, "--jwt-key=a-secret-of-thirty-two-characters"}, "give one of them"},
           {{url, issuer, "--jwt-algorithm=HS256"}, "jwt.algorithm is ES256 or RS256 there"},
           {{issuer, "--jwt-jwks-url=login.example"}, "jwt.jwks_url is http://HOST/PATH"},
           {{"--jwt-jwks-ca-file=ca.crt"}, "which is missing"},
       }) {
    std::vector<std::string> command{"gateway", "--data", dir.path() / "data"};
    command.insert(command.end(), flags.begin(), flags.end());
    const Finished run = RunService(command);
    EXPECT_EQ(run.exit_code, 2) << words;
    EXPECT_THAT(run.err, HasSubstr(words));
  }
}

TEST(ServiceProcess, AGatewayRemembersSignaturesUnlessToldOtherwise) {
  const auth::EcKeyPair pair = auth::GenerateEcKeyPair();
  const SystemClock clock;
  const auth::TokenConfig tokens{auth::Algorithm::kEs256, pair.private_pem, "https://login.example",
                                 "boxoffice"};
  const std::string token =
      *auth::TokenIssuer::Make(tokens, clock)->Issue("ada", auth::Role::kBuyer, seconds(600));
  const testbed::TempDir dir;
  std::ofstream(dir.path() / "jwt.pem") << pair.public_pem;
  for (const auto& [more, computed] : std::initializer_list<std::pair<std::vector<std::string>, int>>{
           {{}, 1}, {{"--jwt-remembered-signatures=0"}, 3}}) {
    const uint16_t port = FreePort();
    std::vector<std::string> flags{
        fmt::format("--listen=127.0.0.1:{}", port), "--drain-notice-ms=0", "--jwt-algorithm=ES256",
        "--jwt-issuer=https://login.example",       "--jwt-key-file",      dir.path() / "jwt.pem"};
    flags.insert(flags.end(), more.begin(), more.end());
    const Service gateway("gateway", dir.path(), flags);
    Api api(port);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(api.Call("GET", "/v1/session", {{"Authorization", "Bearer " + token}}).at("user"), "ada");
    EXPECT_THAT(gateway.Admin("/metrics").text,
                HasSubstr(fmt::format("boxoffice_gateway_signatures_computed_total {}\n", computed)));
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they bring an allocator of their own
TEST(ServiceProcess, MemoryHasAnArenaForEachProcessor) {
  setenv("MALLOC_CONF", "stats_print:true", 1);
  for (const char* program : {"boxoffice", "boxoffice-queue"}) {
    const Finished run = RunCommand({BinDir() / program, "--version"}, seconds(60));
    EXPECT_THAT(run.err, HasSubstr(fmt::format("opt.narenas: {}\n", std::thread::hardware_concurrency())))
        << program;
  }
  unsetenv("MALLOC_CONF");
}
#endif

TEST(ServiceProcess, ConfigPrintTellsOriginsAndMasksSecrets) {
  const testbed::TempDir dir;
  const std::filesystem::path file = dir.path() / "gateway.toml";
  std::ofstream(file) << "[jwt]\nkey = \"a-secret-of-thirty-two-characters\"\nissuer = \"us\"\n"
                         "[token]\nkeys = [\"k1=hush-hush-hush-hush\"]\n";
  setenv("BOXOFFICE_CALL_QUERY_TIMEOUT_MS", "1500", 1);
  const Finished printed = RunService({"gateway", "config", "print", "--config", file, "--peer",
                                       "seat=10.0.0.1:9001", "--bus-url", "x://u:hush@h"});
  unsetenv("BOXOFFICE_CALL_QUERY_TIMEOUT_MS");
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_THAT(printed.out, Not(HasSubstr("hush")));
  EXPECT_THAT(printed.out, Not(HasSubstr("thirty-two")));
  EXPECT_THAT(printed.out, ContainsRegex("query_timeout_ms = 1500 +# BOXOFFICE_CALL_QUERY_TIMEOUT_MS\n"));
  EXPECT_THAT(printed.out, ContainsRegex("seat = .10.0.0.1:9001. +# --peer\n"));
  EXPECT_THAT(printed.out, ContainsRegex("issuer = .us. +# .*gateway.toml:3\n"));
  EXPECT_THAT(printed.out, ContainsRegex("saga_timeout_ms = 10000 +# default\n"));
}

}  // namespace
}  // namespace boxoffice::e2e
