#include "testing/redis_server.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "platform/servers/child.h"
#include "testing/wait.h"

namespace boxoffice::testbed {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kStartTimeout{60};
constexpr int kStartAttempts = 10;
constexpr int kSlots = 16384;
constexpr seconds kNodeTimeout{15};

std::string FindProgram(std::string_view name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path file = std::filesystem::path(folder) / name;
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

// Below the ports that the kernel gives to outgoing connections, so that a server that is down finds its port
// free when it comes back; and with its cluster bus, 10,000 above.
uint16_t FreeRedisPort() {
  static SeededRandom random(SystemSeed());
  while (true) {
    const auto port = static_cast<uint16_t>(10'100 + random.Below(12'000));
    if (servers::TakePort(port) && servers::TakePort(static_cast<uint16_t>(port + 10'000))) return port;
  }
}

void Flatten(const redisReply& reply, std::vector<std::string>& texts) {
  if (reply.type == REDIS_REPLY_ARRAY) {
    for (size_t i = 0; i < reply.elements; ++i) Flatten(*reply.element[i], texts);
  } else if (reply.type == REDIS_REPLY_INTEGER) {
    texts.push_back(fmt::to_string(reply.integer));
  } else {
    texts.emplace_back(reply.str != nullptr ? reply.str : "", static_cast<size_t>(reply.len));
  }
}

}  // namespace

bool RedisIsInstalled() { return !FindProgram("redis-server").empty(); }
bool AllIsRequired() { return std::getenv("BOXOFFICE_REQUIRE_ALL") != nullptr; }

RedisServer::RedisServer(std::vector<std::string> options) : options_(std::move(options)) {
  std::signal(SIGXFSZ, SIG_IGN);  // the server inherits it: FillDisk is an error to it, and not its end
  for (int attempt = 0; attempt < kStartAttempts; ++attempt) {
    port_ = FreeRedisPort();
    if (TryStart()) return;  // otherwise somebody else was quicker
  }
  CHECK(false, "redis-server does not start in {}", dir_.path().string());
}

std::string RedisServer::Url() const { return fmt::format("redis://127.0.0.1:{}", port_); }
std::string RedisServer::SocketUrl() const {
  return fmt::format("redis+unix://{}", (dir_.path() / "socket").string());
}

bool RedisServer::TryStart() {
  const std::string dir = dir_.path();
  std::vector<std::string> command{FindProgram("redis-server"),
                                   "--port",
                                   fmt::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--unixsocket",
                                   dir + "/socket",
                                   "--dir",
                                   dir,
                                   "--logfile",
                                   dir + "/log",
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "yes",
                                   "--appendfsync",
                                   "no",  // a kill loses nothing by it, and no test waits for the disk
                                   "--repl-diskless-sync-delay",
                                   "0"};
  command.insert(command.end(), options_.begin(), options_.end());
  process_.emplace(command, Process::Options{});
  const auto until = SteadyClock::now() + kStartTimeout;
  while (SteadyClock::now() < until) {
    if (Answers()) return true;
    if (process_->Wait(milliseconds(10))) break;  // it ended
  }
  process_.reset();
  return false;
}

bool RedisServer::Answers() const {
  const std::string pong = AskOne({"PING"});
  return pong == "PONG" || pong.starts_with("NOAUTH");
}

void RedisServer::AwaitLogged() const {
  CHECK(Eventually([this] { return AskOne({"INFO", "persistence"}).contains("aof_buffer_length:0"); }));
}

void RedisServer::Kill9() {
  process_->Signal(SIGKILL);
  CHECK(process_->Wait(seconds(60)).has_value());
  process_.reset();
}

void RedisServer::Start() { CHECK(TryStart(), "redis-server does not start again on port {}", port_); }
void RedisServer::Freeze() { process_->Signal(SIGSTOP); }
void RedisServer::Thaw() { process_->Signal(SIGCONT); }

void RedisServer::FillDisk() {
  constexpr uint64_t kLeft = 100;  // bytes
  uint64_t size = 0;
  for (const auto& entry : std::filesystem::directory_iterator(log_folder())) {
    if (entry.path().extension() == ".aof") size = std::max<uint64_t>(size, entry.file_size());
  }
  const rlimit limit{size + kLeft, RLIM_INFINITY};
  CHECK(::prlimit(process_->pid(), RLIMIT_FSIZE, &limit, nullptr) == 0);
}

void RedisServer::FreeDisk() {
  const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  CHECK(::prlimit(process_->pid(), RLIMIT_FSIZE, &limit, nullptr) == 0);
}

std::string RedisServer::GuideUrl() const {
  std::ifstream guide(BOXOFFICE_SOURCE_DIR "/docs/howto/managed-stores.md");
  for (std::string line; std::getline(guide, line);) {
    std::istringstream text(line);
    const std::vector<std::string> words(std::istream_iterator<std::string>(text),
                                         std::istream_iterator<std::string>{});
    if (words.size() < 3 || words[0] != "ACL" || words[1] != "SETUSER") continue;
    const std::string made = AskOne(words);
    CHECK(made == "OK", "{}", made);
    return fmt::format("redis://{}:PASSWORD@127.0.0.1:{}", words[2], port_);
  }
  CHECK(false, "the guide has no ACL SETUSER");
  return {};
}

std::set<std::string> RedisServer::Refused() const {
  const std::vector<std::string> log = Ask({"ACL", "LOG"});
  std::set<std::string> refused;
  for (size_t i = 0; i + 1 < log.size(); ++i) {
    if (log[i] == "object") refused.insert(log[i + 1]);
  }
  return refused;
}

std::vector<std::string> RedisServer::Ask(const std::vector<std::string>& words) const {
  const timeval timeout{10, 0};
  const std::unique_ptr<redisContext, decltype(&redisFree)> context(
      redisConnectWithTimeout("127.0.0.1", port_, timeout), redisFree);
  CHECK(context != nullptr);
  redisSetTimeout(context.get(), timeout);
  std::vector<const char*> texts;
  std::vector<size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  void* reply = context->err != 0 ? nullptr
                                  : redisCommandArgv(context.get(), static_cast<int>(words.size()),
                                                     texts.data(), sizes.data());
  if (reply == nullptr) return {context->errstr};
  std::vector<std::string> answer;
  Flatten(*static_cast<redisReply*>(reply), answer);
  freeReplyObject(reply);
  return answer;
}

std::string RedisServer::AskOne(const std::vector<std::string>& words) const {
  const std::vector<std::string> answer = Ask(words);
  return answer.empty() ? "" : answer.front();
}

RedisCluster::RedisCluster() {
  for (size_t i = 0; i < kNodes; ++i) {
    nodes_.push_back(std::make_unique<RedisServer>(std::vector<std::string>{
        "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
        "--cluster-allow-replica-migration", "no"}));
  }
  for (size_t i = 0; i < kNodes; ++i) {
    CHECK(nodes_[i]->AskOne({"CLUSTER", "SET-CONFIG-EPOCH", fmt::to_string(i + 1)}) == "OK");
    if (i < kMasters) {
      const std::string first = fmt::to_string(i * kSlots / kMasters);
      const std::string last = fmt::to_string((i + 1) * kSlots / kMasters - 1);
      CHECK(nodes_[i]->AskOne({"CLUSTER", "ADDSLOTSRANGE", first, last}) == "OK");
    }
    for (size_t j = 0; j < i; ++j) {  // everybody meets everybody, so that nobody waits for gossip
      CHECK(nodes_[i]->AskOne({"CLUSTER", "MEET", "127.0.0.1", fmt::to_string(nodes_[j]->port())}) == "OK");
    }
  }
  for (size_t i = kMasters; i < kNodes; ++i) {
    CHECK(
        Eventually([&] { return nodes_[i]->AskOne({"CLUSTER", "REPLICATE", IdOf(i - kMasters)}) == "OK"; }));
  }
  AwaitHealthy();
  SetNodeTimeout(kNodeTimeout);
}

std::string RedisCluster::Url() const {
  std::string url = "redis+cluster://";
  for (const size_t i : {0, 1, 5}) {
    url += fmt::format("{}127.0.0.1:{}", i == 0 ? "" : ",", nodes_[i]->port());
  }
  return url;
}

std::string RedisCluster::IdOf(size_t node) const { return nodes_[node]->AskOne({"CLUSTER", "MYID"}); }

size_t RedisCluster::MasterOf(uint16_t slot) const {
  for (size_t i = 0; i < kNodes; ++i) {
    if (!nodes_[i]->process_ || !nodes_[i]->AskOne({"INFO", "replication"}).contains("role:master")) continue;
    // "ID ADDRESS myself,master - … 0-99 [7->-ID] 300": the slots are the words from the ninth on.
    std::istringstream lines(nodes_[i]->AskOne({"CLUSTER", "NODES"}));
    for (std::string line; std::getline(lines, line);) {
      if (!line.contains("myself")) continue;
      std::istringstream words(line);
      std::string word;
      for (int skipped = 0; skipped < 8; ++skipped) words >> word;
      while (words >> word) {
        int first = 0;
        int last = 0;
        char dash = 0;
        std::istringstream range(word);
        if (!(range >> first)) continue;
        if (!(range >> dash >> last)) last = first;
        if (first <= slot && slot <= last) return i;
      }
    }
  }
  return kNodes;
}

// Of each node its master and its slots, in lines as above; empty while one is taken for failed.
std::set<std::string> RedisCluster::ViewOf(size_t node) const {
  std::set<std::string> view;
  std::istringstream lines(nodes_[node]->AskOne({"CLUSTER", "NODES"}));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<std::string> head(8);
    for (std::string& word : head) words >> word;
    std::string slots;
    std::getline(words, slots);
    if (head[2].contains("fail")) return {};
    view.insert(head[0] + " " + head[3] + slots);
  }
  return view;
}

bool RedisCluster::Healthy() const {
  size_t masters = 0;
  // Each for itself may be well, and not know yet who has which slots since the last failover.
  const std::set<std::string> view = ViewOf(0);
  for (size_t i = 0; i < kNodes; ++i) {
    if (view.empty() || ViewOf(i) != view) return false;
  }
  for (const auto& node : nodes_) {
    const std::string info = node->AskOne({"CLUSTER", "INFO"});
    const std::string replication = node->AskOne({"INFO", "replication"});
    if (!info.contains("cluster_state:ok") || !info.contains("cluster_slots_ok:16384") ||
        !info.contains("cluster_known_nodes:6")) {
      return false;
    }
    if (replication.contains("role:master")) {
      ++masters;
      if (!replication.contains("connected_slaves:1") || !replication.contains("state=online")) return false;
    } else if (!replication.contains("master_link_status:up")) {
      return false;
    }
  }
  return masters == kMasters;
}

void RedisCluster::AwaitHealthy() const {
  CHECK(Eventually([this] { return Healthy(); }), "the cluster is not healthy in time:\n{}",
        nodes_[0]->AskOne({"CLUSTER", "NODES"}));
}

void RedisCluster::SetNodeTimeout(milliseconds timeout) {
  for (const auto& node : nodes_) {
    if (!node->process_) continue;  // it was killed
    CHECK(node->AskOne({"CONFIG", "SET", "cluster-node-timeout", fmt::to_string(timeout.count())}) == "OK");
  }
}

void RedisCluster::FlushAll() {
  for (const auto& node : nodes_) {
    if (node->AskOne({"INFO", "replication"}).contains("role:master")) {
      CHECK(node->AskOne({"FLUSHALL"}) == "OK");
    }
  }
}

void RedisCluster::BeginMove(uint16_t slot, size_t to) {
  const size_t from = MasterOf(slot);
  const std::string number = fmt::to_string(slot);
  CHECK(nodes_[to]->AskOne({"CLUSTER", "SETSLOT", number, "IMPORTING", IdOf(from)}) == "OK");
  CHECK(nodes_[from]->AskOne({"CLUSTER", "SETSLOT", number, "MIGRATING", IdOf(to)}) == "OK");
}

void RedisCluster::MoveKeys(uint16_t slot, size_t to) {
  const size_t from = MasterOf(slot);
  while (true) {
    const std::vector<std::string> keys =
        nodes_[from]->Ask({"CLUSTER", "GETKEYSINSLOT", fmt::to_string(slot), "100"});
    if (keys.empty()) return;
    std::vector<std::string> migrate{"MIGRATE", "127.0.0.1", fmt::to_string(nodes_[to]->port()), "", "0",
                                     "5000",    "KEYS"};
    migrate.insert(migrate.end(), keys.begin(), keys.end());
    CHECK(nodes_[from]->AskOne(migrate) == "OK");
  }
}

void RedisCluster::EndMove(uint16_t slot, size_t to) {
  const size_t from = MasterOf(slot);
  const std::string id = IdOf(to);
  for (const size_t node : {to, from}) {
    CHECK(nodes_[node]->AskOne({"CLUSTER", "SETSLOT", fmt::to_string(slot), "NODE", id}) == "OK");
  }
}

RedisServer& EmptyRedis() {
  static RedisServer server;
  CHECK(server.AskOne({"FLUSHALL"}) == "OK");
  return server;
}

RedisCluster& EmptyRedisCluster() {
  static RedisCluster cluster;
  cluster.AwaitHealthy();
  cluster.SetNodeTimeout(kNodeTimeout);  // a test may have set it, and a node that was restarted forgets it
  cluster.FlushAll();
  return cluster;
}

}  // namespace boxoffice::testbed
