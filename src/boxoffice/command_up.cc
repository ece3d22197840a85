#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/scheduling.h"
#include "boxoffice/cluster.h"
#include "boxoffice/commands.h"
#include "boxoffice/demo.h"
#include "boxoffice/places.h"
#include "boxoffice/private_stores.h"
#include "boxoffice/service_programs.h"
#include "boxoffice/system.h"
#include "gateway/gate.h"
#include "platform/bus/bus_factory.h"
#include "platform/config/keys.h"
#include "platform/module/process.h"
#include "platform/module/serve.h"
#include "platform/obs/log.h"
#include "platform/otlp/exporter.h"
#include "platform/servers/private_postgres.h"
#include "services/relay/module.h"

namespace boxoffice::cli {
namespace {

constexpr std::string_view kForced = "stop_forced";
constexpr std::chrono::milliseconds kReadyPoll{20};
constexpr std::chrono::milliseconds kDrain{1'000};
constexpr std::chrono::milliseconds kStop{4'500};  // a stop takes 5 s at most

struct UpOptions {
  uint16_t port = 8080;
  std::filesystem::path data = ".data";
  bool no_seed = false;
  std::string log_level = "warning";  // a person looks at it; `--log-level info` for machines
  std::string log_form = "json";
  bool scaled = false;
  int replicas = 1;
  bool no_kafka = false;
  std::string kafka_class_path;
  // What single services have keys for; they are flags here.
  relay::RelayConfig relay;
  gateway::EdgeConfig edge;
  otlp::TraceConfig trace;
  config::Keys relay_keys;
  config::Keys edge_keys;
  config::Keys trace_keys;
};

const char* Environment(const char* name) { return std::getenv(name); }

// Flags before variables of the environment, as single services have it. Errors: config.
Result<void> LoadKeys(UpOptions& options) {
  BOXOFFICE_TRY(options.relay_keys.Load(std::nullopt, Environment));
  BOXOFFICE_TRY(options.edge_keys.Load(std::nullopt, Environment));
  BOXOFFICE_TRY(options.trace_keys.Load(std::nullopt, Environment));
  return otlp::CheckTraceConfig(options.trace);
}

// The variable that names another issuer than the development one; empty: there is none.
std::string_view AnotherIssuer() {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    const bool names_issuer = name.starts_with("BOXOFFICE_JWT_") || name.starts_with("BOXOFFICE_SIGN_IN_");
    if (names_issuer && text.size() > name.size() + 1) return name;  // an empty one counts for nothing
  }
  return {};
}

// Whose users these are is a gateway's own to be told: here such a variable would be left out in silence, and
// the development issuer believed instead. Error: config.
Result<void> RefuseAnotherIssuer() {
  const std::string_view name = AnotherIssuer();
  if (name.empty()) return {};
  return Fail(Code::kInvalidArgument, "config",
              fmt::format("{} is set, but `boxoffice up` believes the development issuer's tokens alone: "
                          "run each service by itself, where `boxoffice serve gateway` reads it, or "
                          "unset it",
                          name));
}

// How to buy a first seat, in words that can be pasted into a shell, where a buyer can be had by a
// development token and top up by himself.
std::string Hint(const UpOptions& options, uint16_t port, const demo::Shows& shows) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string program = error ? "boxoffice" : std::filesystem::proximate(self, error).string();
  const std::string data = options.data.string();
  std::string text = fmt::format("data is kept in {}; Ctrl-C stops\n", data);
  auto sink = std::back_inserter(text);
  if (shows.club == 0) {
    fmt::format_to(sink, "there are no demo concerts: `{} concert --help` tells how to make one\n", program);
    return text;
  }
  fmt::format_to(sink, "\nshow {} has 50,000 seats, {} has 2,000, {} has 50\n", shows.stadium, shows.hall,
                 shows.club);
  if (!AnotherIssuer().empty() || !options.edge.self_service) return text;
  fmt::format_to(sink,
                 R"hint(
The first sale:
  TOKEN=$({} token --user alice --data {})
  curl -sX POST http://127.0.0.1:{}/v1/wallet/charges -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: charge-1" -d '{{"amount": 1000000, "currency": "KRW"}}'
  QUEUE=$(curl -sX POST http://127.0.0.1:{}/v1/shows/{}/queue -H "Authorization: Bearer $TOKEN" | sed 's/.*"token":"\([^"]*\)".*/\1/')
  curl -sX POST http://127.0.0.1:{}/v1/reservations -H "Authorization: Bearer $TOKEN" -H "X-Queue-Token: $QUEUE" -H "Idempotency-Key: purchase-1" -d '{{"show_id": "{}", "best_available": {{"count": 2}}, "pay": true}}'
  {} audit --data {} --url http://127.0.0.1:{}
)hint",
                 program, data, port, port, shows.club, port, shows.club, program, data, port);
  return text;
}

Result<void> Up(const UpOptions& options) {
  BOXOFFICE_TRY(RefuseAnotherIssuer());
  BOXOFFICE_TRY(CheckFormOfFolder(options.data, /*own_servers=*/false));
  obs::SetLogLevel(*obs::FindLevel(options.log_level));  // one of those that the flag takes
  obs::SetLogForm(options.log_form == "human" ? obs::Form::kHuman : obs::Form::kJson);
  module::StopSignals signals;
  module::RaiseFileLimit();
  WakeInTurn();
  std::optional<module::StopDeadline> deadline;  // outlives all that may be slow to end
  BOXOFFICE_ASSIGN(const module::DataFolder folder, module::DataFolder::Open(options.data));
  BOXOFFICE_ASSIGN(const auto system, System::Make({.data_dir = folder.path(),
                                                    .port = options.port,
                                                    .allow_networks = options.relay.allow_networks,
                                                    .edge = options.edge,
                                                    .trace = options.trace}));
  BOXOFFICE_TRY(system->Start());
  demo::Shows shows = demo::ReadRecord(folder.path()).shows;
  if (!options.no_seed) {
    BOXOFFICE_ASSIGN(shows, demo::Seed(folder.path(), system->clock(),
                                       [&](std::string_view service) { return system->Channel(service); }));
  }
  bool stopped = false;
  while (!system->Ready() && !stopped) stopped = signals.WaitFor(kReadyPoll);
  if (!stopped) {
    // One write: whoever reads the first line may be gone before the second.
    const std::string text =
        fmt::format("ready http://127.0.0.1:{}\n{}", system->port(), Hint(options, system->port(), shows));
    (void)std::fwrite(text.data(), 1, text.size(), stdout);
    (void)std::fflush(stdout);
    signals.Wait();
  }
  deadline.emplace(kStop);
  system->Stop(kDrain);
  return {};
}

constexpr int kMaxReplicas = 16;
// Of seat, reservation, wallet, payment and relay, one replica each (docs/howto/grow-a-service.md); and of
// commands, and of what was killed and is not gone yet.
constexpr int kConnectionsOfReplica = 4 + 5 + 4 + 3 + 1;
constexpr int kOtherConnections = 40;
static_assert(kMaxReplicas * kConnectionsOfReplica + kOtherConnections <=
              servers::PrivatePostgres::kMaxConnections);
constexpr std::chrono::milliseconds kWatch{200};

// How many processes each service has, and where each keeps its data. `stores` outlives the cluster.
ClusterConfig PlanCluster(const UpOptions& options, const std::filesystem::path& folder,
                          const PrivateStores& stores) {
  ClusterConfig config;
  config.data_dir = std::filesystem::absolute(folder);
  config.port = options.port;
  config.replicas = options.replicas;
  config.log_level = options.log_level;
  config.log_form = options.log_form;
  config.store_urls = stores.store_urls();
  config.servers = [&stores] { return stores.servers(); };
  config.more_config["relay"] = options.relay_keys.Print();
  config.more_config["gateway"] = options.edge_keys.Print();
  for (const module::ServiceProgram& program : ServicePrograms())
    config.more_config[program.service] += "\n" + options.trace_keys.Print();
  if (!options.trace.endpoint.empty())
    config.environment["BOXOFFICE_TRACE_ENDPOINT"] = options.trace.endpoint;
  if (!options.trace.headers.empty())
    config.environment["BOXOFFICE_TRACE_HEADERS"] = fmt::format("{}", fmt::join(options.trace.headers, ","));
  config.bus_url = stores.bus_url();
  if (config.bus_url.empty()) {
    config.bus_url = bus::DefaultBusUrl(config.data_dir);
    fmt::print(stderr, "boxoffice: the event bus is a log in one SQLite file ({})\n", config.bus_url);
  }
  return config;
}

// None: there is to be no Kafka. Error: kafka_missing.
Result<std::optional<std::string>> KafkaClassPath(const UpOptions& options) {
  if (options.no_kafka) return std::nullopt;
  if (!options.kafka_class_path.empty()) return options.kafka_class_path;
  return Fail(
      Code::kInvalidArgument, "kafka_missing",
      "--kafka-class-path is missing; `./dev up --scaled` fetches Kafka's jars and gives it, and with "
      "--no-kafka the bus is a SQLite file");
}

// The same as processes, which end when this one does, however it ends.
Result<void> UpScaled(const UpOptions& options) {
  BOXOFFICE_TRY(CheckFormOfFolder(options.data, /*own_servers=*/true));
  BOXOFFICE_TRY(CheckBusOfFolder(options.data, /*kafka=*/!options.no_kafka));
  module::StopSignals signals;
  module::RaiseFileLimit();
  BOXOFFICE_ASSIGN(const module::DataFolder folder, module::DataFolder::Open(options.data));
  BOXOFFICE_ASSIGN(const auto class_path, KafkaClassPath(options));
  BOXOFFICE_ASSIGN(PrivateStores stores, PrivateStores::Start(folder.path(), class_path));
  Cluster cluster(PlanCluster(options, folder.path(), stores));
  bool stopped = false;
  auto started = cluster.Start([&](std::chrono::milliseconds time) {
    stopped = stopped || signals.WaitFor(time);
    return !stopped;
  });
  if (stopped || !started) {
    cluster.Stop();
    stores.Stop();
    return stopped ? Result<void>() : std::move(started);
  }
  demo::Shows shows = demo::ReadRecord(folder.path()).shows;
  if (!options.no_seed) {
    const SystemClock clock;
    BOXOFFICE_ASSIGN(shows, demo::Seed(folder.path(), clock,
                                       [&](std::string_view service) { return cluster.Channel(service); }));
  }
  const std::string text =
      fmt::format("ready http://127.0.0.1:{}\n{}", cluster.port(), Hint(options, cluster.port(), shows));
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
  (void)std::fflush(stdout);
  while (!signals.WaitFor(kWatch)) {
    for (const auto& news : {stores.Look(), cluster.Look()}) {
      for (const std::string& line : news) Tell(line);
    }
  }
  const bool clean = cluster.Stop();
  stores.Stop();
  if (!clean) return Fail(Code::kInternal, kForced, "some processes had to be killed; nothing is lost");
  return {};
}

}  // namespace

void AddUpCommand(CLI::App& app) {
  const auto options = std::make_shared<UpOptions>();
  CLI::App* command = app.add_subcommand("up", "Run the whole system in this process, on embedded stores");
  command->add_option("--port", options->port, "On 127.0.0.1; 0 takes a free one")
      ->check(CLI::Range(0, 65'535))
      ->capture_default_str();
  command->add_option("--data", options->data, "The folder where everything is kept")->capture_default_str();
  command->add_flag("--no-seed", options->no_seed,
                    "No demo concerts (they are made once, at the first start)");
  command->add_option("--log-level", options->log_level, "The least that is logged on stderr")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command->add_option("--log-form", options->log_form, "json or human: how a line of the log looks")
      ->check(CLI::IsMember({"json", "human"}))
      ->capture_default_str();
  command->footer(
      "Runs in the foreground until SIGTERM, SIGINT or SIGHUP, and prints `ready URL` when it serves. It "
      "stops "
      "within 5 s;\n"
      "Ctrl-C (SIGINT) meanwhile ends it at once, another SIGTERM does not. Nothing is lost either way.\n"
      "Exit codes: 0 stopped as asked; 1 the stop took too long and was forced; 2 it could not start, with "
      "one line on "
      "stderr.");
  CLI::Option* scaled = command->add_flag("--scaled", options->scaled,
                                          "Each service as a process of its own; `boxoffice ps` lists them");
  command->add_option("--replicas", options->replicas, "Processes of each service")
      ->check(CLI::Range(1, kMaxReplicas))
      ->capture_default_str()
      ->needs(scaled);
  command
      ->add_option("--kafka-class-path", options->kafka_class_path,
                   "Where Kafka's jars are, as java's -cp takes it; ./dev up gives it")
      ->envname("BOXOFFICE_KAFKA_CLASS_PATH");
  command
      ->add_flag("--no-kafka", options->no_kafka, "The event bus in its simplest durable form: a SQLite file")
      ->needs(scaled);
  relay::AddNetworkKeys(options->relay_keys, options->relay);
  gateway::AddEdgeKeys(options->edge_keys, options->edge);
  otlp::AddTraceKeys(options->trace_keys, options->trace, Environment);
  options->relay_keys.AddFlags(*command);
  options->edge_keys.AddFlags(*command);
  options->trace_keys.AddFlags(*command);
  command->callback([options] {
    Result<void> ended = LoadKeys(*options);
    if (ended) ended = CheckTimeouts();
    if (ended) ended = options->scaled ? UpScaled(*options) : Up(*options);
    if (ended) return;
    if (ended.error().reason == kForced) {
      fmt::print(stderr, "boxoffice: {}\n", ended.error().detail);
      Exit(kExitNo);
    }
    fmt::print(stderr, "boxoffice: {}\n", module::DescribeFailure(ended.error()));
    Exit(kExitCant);
  });
}

}  // namespace boxoffice::cli
