#include "platform/module/serve.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/scheduling.h"
#include "platform/bus/bus_factory.h"
#include "platform/config/parse_error.h"
#include "platform/module/admin_server.h"
#include "platform/module/peer_channels.h"
#include "platform/module/process.h"
#include "platform/module/process_metrics.h"
#include "platform/module/shared_keys.h"
#include "platform/module/store_url.h"
#include "platform/obs/log.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/channels.h"
#include "platform/rpc/host.h"
#include "platform/rpc/tls.h"

// Of jemalloc, which looks for this name (its manual, TUNING): an arena for each processor, where four would
// be usual. Each keeps memory of its own, and no more of our threads than processors run at a time.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas_ratio:1";
}

namespace boxoffice::module {
namespace {

using std::chrono::milliseconds;

// After the grace, for leases to be released and threads to end.
constexpr milliseconds kStop{5'000};

// Where the process is in its life, for /readyz.
enum class Phase { kStarting, kServing, kDraining };

struct Invocation {
  enum class Action { kServe, kMigrate, kPrintConfig };
  Action action = Action::kServe;
  bool bus_may_be_away = false;  // of migrate
  std::string config_file;
  std::vector<std::string> peers;  // SERVICE=ADDRESS
};

std::vector<Health> HealthOf(Phase phase, const std::string& service, const Module* module) {
  if (phase == Phase::kStarting) return {{service, "starting"}};
  std::vector<Health> all{{service, module->Unhealthy(), module->Role()}};
  if (phase == Phase::kDraining) all.push_back({"process", "draining: it is about to stop"});
  return all;
}

void Pause(milliseconds time) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  (void)never.wait_for(lock, time, [] { return false; });
}

// What was left to the process to choose.
void FillIn(ProcessConfig& config, const ServiceProgram& program) {
  if (config.store_url.empty()) config.store_url = DefaultStoreUrl(config.data);
  if (config.bus_url.empty()) config.bus_url = bus::DefaultBusUrl(config.data);
  if (config.listen.empty())
    config.listen.push_back(program.listen.empty() ? SocketAddress(config.data, program.service)
                                                   : program.listen);
  config.tls.service = program.service;
}

// Null: plain text. Errors: config (some of the files only), and those of rpc::Tls::Load.
Result<std::shared_ptr<const rpc::Tls>> LoadTls(const rpc::TlsConfig& config, obs::Registry& metrics) {
  const int given = !config.ca.empty() + !config.certificate.empty() + !config.key.empty();
  if (given == 0) return nullptr;
  if (given < 3)
    return Fail(Code::kInvalidArgument, "config",
                "tls.ca_file, tls.certificate_file and tls.key_file: give all of them or none");
  return rpc::Tls::Load(config, &metrics);
}

rpc::Listen ListenAt(const std::vector<std::string>& addresses, const std::shared_ptr<const rpc::Tls>& tls,
                     obs::Registry& metrics) {
  rpc::Listen listen = tls == nullptr ? rpc::Listen(addresses) : rpc::Listen(addresses, tls);
  listen.metrics = &metrics;
  return listen;
}

Result<void> Serve(const ProcessConfig& config, const ServiceProgram& program, StopSignals& signals) {
  std::optional<StopDeadline> deadline;  // outlives all that may be slow to end
  BOXOFFICE_ASSIGN(const DataFolder folder, DataFolder::Open(config.data, program.service));
  const SystemClock clock;
  SeededRandom random(SystemSeed());
  obs::Registry metrics;
  BOXOFFICE_ASSIGN(const auto bus, bus::OpenBus(config.bus_url, clock, metrics));
  BOXOFFICE_ASSIGN(const auto tracing,
                   otlp::Exporter::Start(config.trace, config.store_url, config.bus_url, random, metrics));
  BOXOFFICE_ASSIGN(const auto tls, LoadTls(config.tls, metrics));
  std::atomic<Phase> phase{Phase::kStarting};
  std::unique_ptr<Module> module;
  const auto health = [&] { return HealthOf(phase, program.service, module.get()); };
  const Runtime runtime{.clock = clock,
                        .random = random,
                        .metrics = metrics,
                        .bus = *bus,
                        .channels = PeerChannels(config.peers, folder.path(), tls),
                        .data_dir = folder.path(),
                        .listen = ListenAt(config.listen, tls, metrics),
                        .store_url = config.store_url,
                        .health = health};
  BOXOFFICE_ASSIGN(module, program.make(runtime));
  std::unique_ptr<AdminServer> admin;
  std::string admin_line;
  if (!config.admin_listen.empty()) {
    BOXOFFICE_ASSIGN(admin, AdminServer::Start(config.admin_listen, metrics, health));
    admin_line = fmt::format("admin {}\n", admin->address());
  }
  BOXOFFICE_TRY(module->Start());
  phase = Phase::kServing;
  AddProcessMetrics(metrics, folder.path(), health);
  // One write: whoever reads the first line may be gone before the second.
  const std::string lines =
      fmt::format("ready {} {}\n{}", program.service, fmt::join(config.listen, " "), admin_line);
  (void)std::fwrite(lines.data(), 1, lines.size(), stdout);
  (void)std::fflush(stdout);
  signals.Wait();
  deadline.emplace(config.drain_notice + config.drain_grace + kStop);
  phase = Phase::kDraining;
  obs::Log(obs::Level::kInfo, "not_ready", {{"service", program.service}});
  module->Leave();
  Pause(config.drain_notice);
  obs::Log(obs::Level::kInfo, "draining", {{"service", program.service}});
  module->Drain(config.drain_grace);
  admin.reset();  // nobody asks a module that stops
  module->Stop();
  obs::Log(obs::Level::kInfo, "stopped", {{"service", program.service}});
  return {};
}

Result<void> PrepareStore(const ProcessConfig& config, const ServiceProgram& program) {
  KeepFromOthers();
  std::error_code error;
  std::filesystem::create_directories(config.data, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "data_folder_unwritable",
                fmt::format("{}: {}", config.data.string(), error.message()));
  }
  if (program.migrate) BOXOFFICE_TRY(program.migrate(config.store_url));
  return {};
}

Result<void> PrepareTopics(const ProcessConfig& config, const ServiceProgram& program) {
  bus::BusNeeds needs{.published = program.topics, .group = {}, .consumed = program.consumed_topics};
  if (!needs.consumed.empty()) needs.group = program.service;
  needs.partitions = config.bus_partitions;
  needs.replication_factor = config.bus_replication_factor;
  return bus::PrepareBus(config.bus_url, needs);
}

Result<void> Migrate(const ProcessConfig& config, const ServiceProgram& program, const Invocation& invocation,
                     StopSignals& signals) {
  signals.EndProcess();  // it may wait for a lock for long, and what it has not committed is rolled back
  BOXOFFICE_TRY(PrepareStore(config, program));
  if (Result<void> topics = PrepareTopics(config, program); !topics) {
    const Error& error = topics.error();
    if (!invocation.bus_may_be_away || error.code != Code::kUnavailable) return topics;
    obs::Log(obs::Level::kWarning, "bus_not_prepared",
             {{"service", program.service}, {"reason", error.reason}, {"detail", error.detail}});
  }
  fmt::print("migrated {}\n", program.service);
  return {};
}

// The configuration of this command line. Error: config.
Result<void> Configure(config::Keys& keys, const Invocation& invocation) {
  std::optional<std::filesystem::path> file;
  if (!invocation.config_file.empty()) file = invocation.config_file;
  BOXOFFICE_TRY(keys.Load(file, [](const char* name) -> const char* { return std::getenv(name); }));
  for (const std::string& peer : invocation.peers) {
    const size_t equals = peer.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == peer.size()) {
      return Fail(Code::kInvalidArgument, "config",
                  fmt::format("--peer is SERVICE=ADDRESS, not \"{}\"", peer));
    }
    BOXOFFICE_TRY(keys.Set("peer." + peer.substr(0, equals), peer.substr(equals + 1), "--peer"));
  }
  return {};
}

// Error: config.
Result<void> CheckAddresses(const ProcessConfig& config) {
  const auto wrong = [](std::string_view key, const Error& error) {
    return Fail(Code::kInvalidArgument, "config", fmt::format("{}: {}", key, error.detail));
  };
  for (const std::string& address : config.listen) {
    if (const auto checked = rpc::CheckListenAddress(address); !checked)
      return wrong("listen", checked.error());
  }
  for (const auto& [peer, address] : config.peers) {
    if (address.empty()) continue;
    if (const auto replicas = rpc::ParseReplicas(address); !replicas)
      return wrong("peer." + peer, replicas.error());
  }
  return {};
}

void AddCommands(CLI::App& app, Invocation& invocation) {
  app.add_option("--config", invocation.config_file, "A TOML file with the keys below")
      ->envname("BOXOFFICE_CONFIG");
  app.add_option("--peer", invocation.peers, "SERVICE=ADDRESS: the same as --peer-SERVICE ADDRESS")
      ->type_name("TEXT …")
      ->allow_extra_args(false);
  using Action = Invocation::Action;
  CLI::App* migrate =
      app.add_subcommand("migrate", "Bring the store's schema up to date, create the topics, and end");
  migrate->fallthrough()->callback([&invocation] { invocation.action = Action::kMigrate; });
  migrate->add_flag("--bus-may-be-away", invocation.bus_may_be_away,
                    "Where the bus does not answer, log that and create no topics: before a start, which "
                    "needs the store alone");
  CLI::App* config = app.add_subcommand("config", "What the process is configured to do");
  config->fallthrough()->require_subcommand(1);
  CLI::App* print = config->add_subcommand(
      "print",
      "Print the effective configuration as TOML, with the origin of each value. What its URLs, keys and "
      "files hold is judged at the start, not here");
  print->fallthrough()->callback([&invocation] { invocation.action = Action::kPrintConfig; });
  app.footer(
      "A key is written [TABLE] NAME in the file, BOXOFFICE_TABLE_NAME in the environment and --TABLE-NAME "
      "as "
      "a flag; a flag is\nover the environment, that over the file. Times are in milliseconds. Exit codes: 0 "
      "done, or stopped as asked; 1 the stop\ntook too long and was forced (nothing is lost); 2 it could not "
      "start, with one line on stderr that says why.");
}

}  // namespace

void AddProcessKeys(config::Keys& keys, ProcessConfig& config, const ServiceProgram& program) {
  keys.Path("data", config.data, "The folder of files of its own");
  keys.List("listen", config.listen,
            fmt::format("Where it listens, IP:PORT or unix:PATH; none: {}",
                        program.listen.empty() ? "a socket in the data folder" : program.listen));
  keys.OneOf(
      "log_level", config.log_level, {"debug", "info", "warning", "error"},
      "The least that is logged on stderr; changed while it runs by PUT /log-level at admin.listen, and "
      "by SIGUSR1 (more) and SIGUSR2 (less)");
  keys.OneOf("log_form", config.log_form, {"json", "human"}, "How a line of the log looks");
  for (const std::string& peer : program.peers) {
    keys.Text("peer." + peer, config.peers[peer],
              fmt::format("Where {} listens: IP:PORT or unix:PATH, several of them separated by commas, or "
                          "dns:NAME:PORT; empty: at its socket in the data folder",
                          peer));
  }
  if (program.migrate)
    keys.Url("store.url", config.store_url, "Where its data is; empty: SQLite in the data folder");
  keys.Url("bus.url", config.bus_url, "The event bus; empty: SQLite in the data folder");
  keys.Integer("bus.partitions", config.bus_partitions, 1, 10'000,
               "Of topics that migrate makes: the most processes of a group that can share the work");
  keys.Integer("bus.replication_factor", config.bus_replication_factor, 1, 10,
               "Of topics that migrate makes: brokers that have each event; 3 in production");
  keys.Path(
      "tls.ca_file", config.tls.ca,
      "PEM of the authorities that all services trust; with the next two: mutual TLS between services. All "
      "three are taken anew when they change");
  keys.Path("tls.certificate_file", config.tls.certificate, "PEM of this service's certificate");
  keys.Path("tls.key_file", config.tls.key, "PEM of its private key");
  keys.Text("admin.listen", config.admin_listen,
            "IP:PORT of /healthz, /readyz, /metrics and /log-level; port 0: a free one; empty: none");
  otlp::AddTraceKeys(keys, config.trace, [](const char* name) -> const char* { return std::getenv(name); });
  keys.Duration("drain.notice_ms", config.drain_notice, milliseconds(0), milliseconds(600'000),
                "From the signal on, not ready but serving, so that balancers and callers go elsewhere");
  keys.Duration("drain.grace_ms", config.drain_grace, milliseconds(0), milliseconds(600'000),
                "Then, for what is under way to end");
}

Result<ProcessConfig> ReadConfig(const ServiceProgram& program, const std::filesystem::path& file,
                                 const std::filesystem::path& data) {
  ProcessConfig config;
  config::Keys keys;
  AddProcessKeys(keys, config, program);
  program.add_keys(keys);
  Invocation invocation;
  invocation.config_file = file;
  BOXOFFICE_TRY(Configure(keys, invocation));
  config.token_keys = keys.ListAt(kTokenKeys);
  if (!data.empty()) config.data = data;
  FillIn(config, program);
  return config;
}

Result<void> Prepare(const ProcessConfig& config, const ServiceProgram& program) {
  BOXOFFICE_TRY(PrepareStore(config, program));
  return PrepareTopics(config, program);
}

int ServeMain(int argc, char** argv, const ServiceProgram& program, const CheckConfig& check) {
  StopSignals signals;
  RaiseFileLimit();
  WakeInTurn();
  const std::string name = std::filesystem::path(argv[0]).filename().string();
  ProcessConfig config;
  config::Keys keys;
  AddProcessKeys(keys, config, program);
  program.add_keys(keys);
  Invocation invocation;
  CLI::App app(fmt::format("Serves the service \"{}\" until SIGTERM, SIGINT or SIGHUP.", program.service),
               name);
  AddCommands(app, invocation);
  keys.AddFlags(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}: {}; --help lists the flags\n", name, config::DescribeParseError(app, error));
    return kExitCantStart;
  }
  const auto fail = [&name](const Error& error) {
    fmt::print(stderr, "{}: {}\n", name, error.reason == "config" ? error.detail : DescribeFailure(error));
    return kExitCantStart;
  };
  if (auto configured = Configure(keys, invocation); !configured) return fail(configured.error());
  FillIn(config, program);
  if (auto checked = CheckAddresses(config); !checked) return fail(checked.error());
  if (invocation.action == Invocation::Action::kPrintConfig) {
    fmt::print("{}", keys.Print());
    return 0;
  }
  if (auto checked = check ? check(program, config) : Result<void>(); !checked) return fail(checked.error());
  obs::SetLogLevel(*obs::FindLevel(config.log_level));  // one of those that the key takes
  obs::SetLogForm(config.log_form == "human" ? obs::Form::kHuman : obs::Form::kJson);
  const auto ran = invocation.action == Invocation::Action::kMigrate
                       ? Migrate(config, program, invocation, signals)
                       : Serve(config, program, signals);
  if (!ran) return fail(ran.error());
  return 0;
}

}  // namespace boxoffice::module
