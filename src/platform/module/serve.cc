#include "platform/module/serve.h"

#include <cstdio>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/clock.h"
#include "base/random.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/module/process.h"
#include "platform/obs/metrics.h"

namespace boxoffice::module {
namespace {

constexpr std::string_view kGatewayAddress = "127.0.0.1:8080";
constexpr std::chrono::milliseconds kDrain{2'000};
constexpr std::chrono::milliseconds kStop{4'500};  // a stop takes 5 s at most

constexpr std::string_view kHelp =
    R"(usage: {} [--data DIR] [--listen ADDRESS]… [--peer SERVICE=ADDRESS]… [--log-level LEVEL]

Serves the service "{}" until SIGTERM or SIGINT, and stops within 5 s; a SIGINT meanwhile ends it at once. Other processes
on the same data folder find it by themselves.

  --data DIR               where files are kept (default .data)
  --listen ADDRESS         127.0.0.1:9001 or unix:PATH; may be repeated (default: a socket in the
                           data folder; of the gateway 127.0.0.1:8080)
  --peer SERVICE=ADDRESS   where another service listens; may be repeated (default: its socket in the data folder).
                           Of several replicas: their addresses with commas between, or dns:NAME:PORT
  --log-level LEVEL        debug, info, warning or error (default info)

Exit codes: 0 stopped as asked; 2 could not start, with one line on stderr that says why.
)";

int CantStart(std::string_view program, const Error& error) {
  fmt::print(stderr, "{}: {}\n", program, DescribeFailure(error));
  return kExitCantStart;
}

Result<void> Run(const ServeOptions& options, std::string_view service, StopSignals& signals,
                 const MakeModule& make) {
  std::optional<StopDeadline> deadline;  // outlives all that may be slow to end
  BOXOFFICE_ASSIGN(const DataFolder folder, DataFolder::Open(options.data_dir, service));
  const SystemClock clock;
  SeededRandom random(SystemSeed());
  obs::Registry metrics;
  bus::SqliteBusConfig bus_config;
  bus_config.file = folder.path() / "bus.db";
  BOXOFFICE_ASSIGN(const auto bus, bus::SqliteBus::Open(std::move(bus_config), clock, metrics));
  const Runtime runtime{.clock = clock,
                        .random = random,
                        .metrics = metrics,
                        .bus = *bus,
                        .channels = PeerChannels(options.peers, folder.path()),
                        .data_dir = folder.path(),
                        .listen = options.listen};
  const std::unique_ptr<Module> module = make(runtime);
  BOXOFFICE_TRY(module->Start());
  fmt::print("ready {} {}\n", service, fmt::join(options.listen, " "));
  std::fflush(stdout);
  signals.Wait();
  deadline.emplace(kStop);
  module->Drain(kDrain);
  module->Stop();
  return {};
}

}  // namespace

Result<obs::Level> ParseLogLevel(std::string_view name) {
  if (name == "debug") return obs::Level::kDebug;
  if (name == "info") return obs::Level::kInfo;
  if (name == "warning") return obs::Level::kWarning;
  if (name == "error") return obs::Level::kError;
  return Fail(Code::kInvalidArgument, "usage",
              fmt::format("--log-level is debug, info, warning or error, not \"{}\"", name));
}

Result<ServeOptions> ParseServeFlags(std::span<char* const> arguments) {
  ServeOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string_view flag = argument.substr(0, equals);
    if (flag != "--data" && flag != "--listen" && flag != "--peer" && flag != "--log-level")
      return Fail(Code::kInvalidArgument, "usage",
                  fmt::format("no flag \"{}\"; --help lists them", argument));
    if (equals == std::string_view::npos && ++i == arguments.size())
      return Fail(Code::kInvalidArgument, "usage", fmt::format("{} needs a value", flag));
    const std::string value(equals == std::string_view::npos ? std::string_view(arguments[i])
                                                             : argument.substr(equals + 1));
    if (value.empty()) return Fail(Code::kInvalidArgument, "usage", fmt::format("{} needs a value", flag));
    if (flag == "--data") {
      options.data_dir = value;
    } else if (flag == "--listen") {
      options.listen.push_back(value);
    } else if (flag == "--log-level") {
      BOXOFFICE_ASSIGN(options.log_level, ParseLogLevel(value));
    } else {
      const size_t split = value.find('=');
      if (split == std::string::npos || split == 0 || split + 1 == value.size())
        return Fail(Code::kInvalidArgument, "usage",
                    fmt::format("--peer is SERVICE=ADDRESS, not \"{}\"", value));
      if (const auto replicas = rpc::ParseReplicas(value.substr(split + 1)); !replicas)
        return Fail(Code::kInvalidArgument, "usage", fmt::format("--peer: {}", replicas.error().detail));
      options.peers[value.substr(0, split)] = value.substr(split + 1);
    }
  }
  return options;
}

rpc::ChannelFactory PeerChannels(std::map<std::string, std::string> peers, std::filesystem::path data_dir) {
  return rpc::ChannelFactory::Network(
      [peers = std::move(peers), data_dir = std::move(data_dir)](std::string_view service) {
        const auto peer = peers.find(std::string(service));
        return peer != peers.end() ? peer->second : SocketAddress(data_dir, service);
      });
}

int ServeMain(int argc, char** argv, std::string_view service, const MakeModule& make) {
  StopSignals signals;
  RaiseFileLimit();
  const std::string program = std::filesystem::path(argv[0]).filename().string();
  auto options = ParseServeFlags(std::span(argv + 1, static_cast<size_t>(argc - 1)));
  if (!options) {
    fmt::print(stderr, "{}: {}\n", program, options.error().detail);
    return kExitCantStart;
  }
  if (options->help) {
    fmt::print(fmt::runtime(kHelp), program, service);
    return 0;
  }
  // The gateway is for browsers, so it is found where they look.
  if (options->listen.empty())
    options->listen.push_back(service == "gateway" ? std::string(kGatewayAddress)
                                                   : SocketAddress(options->data_dir, service));
  obs::SetLogLevel(options->log_level);
  if (auto ran = Run(*options, service, signals, make); !ran) return CantStart(program, ran.error());
  return 0;
}

}  // namespace boxoffice::module
