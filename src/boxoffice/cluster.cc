#include "boxoffice/cluster.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <ranges>
#include <sstream>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/check.h"
#include "boxoffice/service_programs.h"
#include "platform/config/keys.h"
#include "platform/http/client.h"
#include "platform/rpc/channels.h"

namespace boxoffice {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

// A producer sends a request for each partition, and the broker shares this machine: docs/performance.md.
constexpr int kFewPartitions = 4;
constexpr seconds kMigrateLimit{120};
constexpr seconds kReadyLimit{120};
constexpr milliseconds kReadyPoll{50};
// On one machine nobody balances but our own channels, which notice within this.
constexpr milliseconds kNotice{500};
constexpr milliseconds kGrace{5'000};
constexpr milliseconds kStopLimit = kNotice + kGrace + seconds(6);

std::filesystem::path StateFile(const std::filesystem::path& data_dir) { return data_dir / "cluster.json"; }

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

Result<void> WriteWhole(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path temporary = file.string() + ".new";
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  std::ofstream out(temporary);
  out << text;
  out.close();
  if (out) std::filesystem::rename(temporary, file, error);
  if (!out || error) {
    return Fail(Code::kPermissionDenied, "cluster_config",
                fmt::format("{} can't be written: is the disk full?", file.string()));
  }
  return {};
}

// The last line of a log, which says why a process could not start.
std::string LastLine(const std::filesystem::path& log) {
  std::ifstream in(log);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

std::string Self() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  CHECK(!error, "/proc is not there: {}", error.message());
  return self;
}

// Callers first: the gateway, then who calls other services, then the rest.
int StopStage(const module::ServiceProgram& program) {
  if (program.service == "gateway") return 0;
  return program.peers.empty() ? 2 : 1;
}

// One that has ended, and that nobody has waited for, is still there, but does not run.
bool Runs(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  const std::string stat(std::istreambuf_iterator<char>(in), {});
  const size_t name_end = stat.rfind(')');  // "PID (name) STATE …"
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] != 'Z';
}

// What it answers with 200 at this path of its admin port; nothing if it doesn't.
std::optional<std::string> FetchFrom(const std::string& admin, std::string_view path) {
  http::ClientRequest request;
  request.url = fmt::format("http://{}{}", admin, path);
  request.timeout = seconds(2);
  auto response = http::FetchBlocking(std::move(request));
  if (!response || response->status != 200) return std::nullopt;
  return std::move(response->body);
}

// Whether it is ready, and, with `serving`, does not just stand by for another one.
bool IsReady(const std::string& admin, bool serving) {
  const auto health = FetchFrom(admin, "/readyz");
  return health && !(serving && health->contains(R"("role":"standby")"));
}

// Whether it is connected to a replica of each service that it calls.
bool ReachesAll(const std::string& admin) {
  const auto metrics = FetchFrom(admin, "/metrics");
  if (!metrics) return false;
  std::istringstream lines(*metrics);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("boxoffice_rpc_connected_replicas{") && line.ends_with(" 0")) return false;
  }
  return true;
}

}  // namespace

std::string Replica::name() const { return fmt::format("{}-{}", service, number); }

Cluster::~Cluster() = default;

Result<void> Cluster::Plan() {
  for (const module::ServiceProgram& program : ServicePrograms()) {
    for (int number = 1; number <= config_.replicas; ++number) {
      Replica replica{.service = program.service, .number = number};
      uint16_t port = program.service == "gateway" && number == 1 ? config_.port : uint16_t{0};
      if (port == 0) {
        BOXOFFICE_ASSIGN(port, servers::FreePort());
      }
      if (program.service == "gateway" && number == 1) port_ = port;
      BOXOFFICE_ASSIGN(const uint16_t admin, servers::FreePort());
      replica.listen = fmt::format("127.0.0.1:{}", port);
      replica.admin = fmt::format("127.0.0.1:{}", admin);
      replica.log = config_.data_dir / "logs" / (replica.name() + ".log");
      if (config_.wrap) replica.command = config_.wrap(replica);
      const std::vector<std::string> command{Program(),
                                             "serve",
                                             program.service,
                                             "--config",
                                             config_.data_dir / "config" / (program.service + ".toml"),
                                             "--data",
                                             config_.data_dir / "replicas" / replica.name(),
                                             "--listen",
                                             replica.listen,
                                             "--admin-listen",
                                             replica.admin};
      replica.command.insert(replica.command.end(), command.begin(), command.end());
      // One auditor is enough; the others' gateways audit when they are asked to.
      if (program.service == "gateway" && number > 1)
        replica.command.insert(replica.command.end(), {"--audit-interval-ms", "0"});
      plan_.push_back(std::move(replica));
    }
  }
  return {};
}

std::string Cluster::Program() const { return config_.program.empty() ? Self() : config_.program.string(); }

std::string Cluster::AddressesOf(std::string_view service, std::string_view caller) const {
  std::vector<std::string> addresses;
  for (const Replica& replica : plan_) {
    if (replica.service != service) continue;
    const bool straight = caller.empty() || !config_.reach;
    addresses.push_back(straight ? replica.listen : config_.reach(caller, replica));
  }
  return fmt::format("{}", fmt::join(addresses, ","));
}

Result<void> Cluster::WriteConfig(const module::ServiceProgram& program) {
  std::string text =
      fmt::format("# Written by `boxoffice up --scaled` at each start.\nlog_level = {}\nlog_form = {}\n",
                  Quoted(config_.log_level), Quoted(config_.log_form));
  const auto url = config_.store_urls.find(program.service);
  if (program.migrate && url != config_.store_urls.end())
    text += fmt::format("\n[store]\nurl = {}\n", Quoted(url->second));
  text += fmt::format("\n[bus]\nurl = {}\npartitions = {}\n", Quoted(config_.bus_url),
                      std::max(kFewPartitions, config_.replicas));
  if (!program.peers.empty()) text += "\n[peer]\n";
  for (const std::string& peer : program.peers)
    text += fmt::format("{} = {}\n", peer, Quoted(AddressesOf(peer, program.service)));
  text += fmt::format("\n[drain]\nnotice_ms = {}\ngrace_ms = {}\n", kNotice.count(), kGrace.count());
  // The sandbox plays a provider, whom all replicas see.
  if (program.service == "payment") {
    const std::string file = config_.data_dir / "payment-sandbox.db";
    text += fmt::format("\n[sandbox]\nfile = {}\n", Quoted(file));
  }
  if (const auto more = config_.more_config.find(program.service); more != config_.more_config.end())
    text += "\n" + more->second;
  auto& environment = environments_[program.service];
  for (const std::string& variable : config::VariablesOver(text)) environment[variable] = std::nullopt;
  for (const auto& [name, value] : config_.environment) environment[name] = value;
  return WriteWhole(config_.data_dir / "config" / (program.service + ".toml"), text);
}

// The development keys of the folder as a whole, for `boxoffice token` too.
Result<void> Cluster::ShareKeys(const Replica& replica) const {
  const std::filesystem::path folder = config_.data_dir / "replicas" / replica.name();
  const std::filesystem::path keys = folder / "keys";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  // A link is made anew: that of an earlier version names the place where the folder was then. This one goes
  // along with a folder that is moved or copied.
  std::error_code ignored;
  if (std::filesystem::is_symlink(keys, ignored)) std::filesystem::remove(keys, error);
  if (!error && !std::filesystem::exists(keys, error))
    std::filesystem::create_directory_symlink("../../keys", keys, error);
  if (error) return Fail(Code::kPermissionDenied, "cluster_config", folder.string() + ": " + error.message());
  return {};
}

Result<void> Cluster::Migrate(const module::ServiceProgram& program) const {
  servers::Child::Options options;
  options.log = config_.data_dir / "logs" / "migrate.log";
  options.environment = environments_.at(program.service);
  return servers::RunChild({Program(), "serve", program.service, "migrate", "--config",
                            config_.data_dir / "config" / (program.service + ".toml"), "--data",
                            config_.data_dir / "replicas" / (program.service + "-1")},
                           options, kMigrateLimit);
}

Result<void> Cluster::Launch(const Replica& replica) {
  servers::Child::Options options;
  options.log = replica.log;
  options.read_stdout = true;
  options.environment = environments_.at(replica.service);
  BOXOFFICE_ASSIGN(auto process, servers::Supervised::Start(replica.name(), replica.command, options));
  running_.push_back({replica, std::move(process)});
  return {};
}

Result<void> Cluster::CheckAlive() {
  for (Running& running : running_) {
    if (!running.process.child().Wait(milliseconds(0))) continue;
    return Fail(Code::kUnavailable, "replica_ended",
                fmt::format("{}: {}", running.replica.name(), LastLine(running.replica.log)));
  }
  return {};
}

Result<void> Cluster::Await(const Wait& wait, const Replica& replica, const std::function<bool()>& ready) {
  const auto end = SteadyClock::now() + kReadyLimit;
  while (!ready()) {
    BOXOFFICE_TRY(CheckAlive());
    if (SteadyClock::now() > end)
      return Fail(Code::kUnavailable, "not_ready",
                  fmt::format("{} is not ready; see {}", replica.name(), replica.log.string()));
    if (!wait(kReadyPoll)) return Fail(Code::kUnavailable, "stopped", "before it was ready");
  }
  return {};
}

Result<void> Cluster::AwaitReady(const Wait& wait) {
  for (const Replica& replica : plan_)
    BOXOFFICE_TRY(Await(wait, replica, [&] { return IsReady(replica.admin, /*serving=*/false); }));
  // After a crash, all of a service's may stand by until the lease of the dead one has ended.
  for (const Replica& replica : plan_) {
    if (replica.number > 1) continue;
    BOXOFFICE_TRY(Await(wait, replica, [&] {
      return std::ranges::any_of(plan_, [&](const Replica& other) {
        return other.service == replica.service && IsReady(other.admin, /*serving=*/true);
      });
    }));
  }
  // Who started before those that it calls is not connected to them yet, and would refuse the first buyer.
  for (const Replica& replica : plan_)
    BOXOFFICE_TRY(Await(wait, replica, [&] { return ReachesAll(replica.admin); }));
  return {};
}

Result<void> Cluster::Start(const Wait& wait) {
  CHECK(plan_.empty(), "a cluster starts once");
  BOXOFFICE_TRY(Plan());
  std::error_code ignored;
  std::filesystem::create_directories(config_.data_dir / "logs", ignored);
  for (const Replica& replica : plan_) BOXOFFICE_TRY(ShareKeys(replica));
  for (const module::ServiceProgram& program : ServicePrograms()) {
    BOXOFFICE_TRY(WriteConfig(program));
    BOXOFFICE_TRY(Migrate(program));
    if (!wait(milliseconds(0))) return Fail(Code::kUnavailable, "stopped", "before it was ready");
  }
  for (const Replica& replica : plan_) BOXOFFICE_TRY(Launch(replica));
  BOXOFFICE_TRY(WriteState());
  return AwaitReady(wait);
}

bool Cluster::Stop() {
  bool clean = true;
  for (int stage = 0; stage <= 2; ++stage) {
    std::vector<Running*> ending;
    for (Running& running : running_) {
      const auto program = FindServiceProgram(running.replica.service);
      if (program && StopStage(*program) == stage && !running.process.ended()) ending.push_back(&running);
    }
    for (const Running* running : ending) running->process.child().Signal(SIGTERM);
    const auto end = SteadyClock::now() + kStopLimit;
    for (Running* running : ending) {
      const auto left = std::chrono::duration_cast<milliseconds>(end - SteadyClock::now());
      servers::Child& child = running->process.child();
      if (child.Wait(std::max(left, milliseconds(0)))) continue;
      clean = false;
      child.Signal(SIGKILL);
      (void)child.Wait(seconds(5));
    }
  }
  if (!running_.empty()) {
    std::error_code ignored;
    std::filesystem::remove(StateFile(config_.data_dir), ignored);
  }
  running_.clear();
  return clean;
}

std::vector<std::string> Cluster::Look() {
  std::vector<std::string> news;
  for (Running& running : running_) {
    if (auto told = running.process.Look(SteadyClock::now())) news.push_back(*std::move(told));
  }
  if (const auto written = WriteState(); !written) news.push_back(written.error().detail);
  return news;
}

std::vector<std::pair<Replica, pid_t>> Cluster::Processes() const {
  std::vector<std::pair<Replica, pid_t>> all;
  for (const Running& running : running_) all.emplace_back(running.replica, running.process.pid());
  return all;
}

std::string Cluster::State() const {
  json::array processes;
  for (const Running& running : running_) {
    const Replica& replica = running.replica;
    processes.push_back(json::object{{"service", replica.service},
                                     {"replica", replica.number},
                                     {"pid", running.process.pid()},
                                     {"restarts", running.process.restarts()},
                                     {"listen", replica.listen},
                                     {"admin", replica.admin},
                                     {"log", replica.log.string()},
                                     {"command", json::value_from(replica.command)}});
  }
  json::array servers;
  for (const Server& server : config_.servers())
    servers.push_back(json::object{{"name", server.name}, {"pid", server.pid}, {"listen", server.address}});
  const json::object state{{"pid", getpid()},
                           {"url", fmt::format("http://127.0.0.1:{}", port_)},
                           {"replicas", config_.replicas},
                           {"servers", std::move(servers)},
                           {"processes", std::move(processes)}};
  return json::serialize(state) + "\n";
}

// Nothing is written while nothing changes.
Result<void> Cluster::WriteState() {
  std::string state = State();
  if (state == state_) return {};
  BOXOFFICE_TRY(WriteWhole(StateFile(config_.data_dir), state));
  state_ = std::move(state);
  return {};
}

std::shared_ptr<grpc::Channel> Cluster::Channel(std::string_view service) const {
  return rpc::ChannelFactory::Network([this](std::string_view name) { return AddressesOf(name, {}); })(
      service);
}

void Tell(std::string_view news) {
  const std::string text = fmt::format("boxoffice: {}\n", news);
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

Result<json::value> DescribeCluster(const std::filesystem::path& data_dir) {
  std::ifstream in(StateFile(data_dir));
  const std::string text(std::istreambuf_iterator<char>(in), {});
  boost::system::error_code error;
  json::value state = json::parse(text, error);
  if (error || !state.is_object() || !state.as_object().contains("processes") ||
      !state.as_object().contains("servers")) {
    return Fail(Code::kNotFound, "no_cluster",
                fmt::format("no `boxoffice up --scaled` runs on {}", data_dir.string()));
  }
  const auto mark = [](json::object& process) {
    process["running"] = Runs(process.at("pid").to_number<pid_t>());
  };
  mark(state.as_object());
  for (const char* list : {"servers", "processes"}) {
    for (json::value& process : state.at(list).as_array()) mark(process.as_object());
  }
  return state;
}

}  // namespace boxoffice
