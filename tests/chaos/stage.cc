#include "chaos/stage.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/check.h"
#include "platform/bus/bus_factory.h"
#include "platform/http/client.h"

namespace boxoffice::chaos {
namespace {

struct Disk {
  const char* name;
  const char* size;
};
// Room enough for hours; they are in memory, and take no more than is on them.
constexpr Disk kDisks[] = {
    {"postgres", "size=3g,mode=0755"}, {"redis", "size=512m,mode=0755"}, {"bus", "size=1g,mode=0755"}};
constexpr const char* kBallast = "ballast";
constexpr size_t kPiece = 1 << 20;

uint16_t PortOf(std::string_view address) {
  uint16_t port = 0;
  const size_t colon = address.rfind(':') + 1;
  std::from_chars(address.data() + colon, address.data() + address.size(), port);
  return port;
}

std::filesystem::path ClockFile(const StageOptions& options, const std::string& replica) {
  return options.data / "clocks" / replica;
}

}  // namespace

bool Stage::AllowDisks() {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

Result<void> Stage::MountDisks() {
  for (const Disk& disk : kDisks) {
    const std::filesystem::path folder = options_.data / disk.name;
    std::error_code ignored;
    std::filesystem::create_directories(folder, ignored);
    if (options_.disks && ::mount("boxoffice-chaos", folder.c_str(), "tmpfs", 0, disk.size) != 0)
      return Fail(Code::kPermissionDenied, "disk",
                  fmt::format("{}: {}", folder.string(), std::strerror(errno)));
  }
  return {};
}

// Each service goes to its store, and to each replica that it calls, by a way of its own.
Result<ClusterConfig> Stage::Plan() {
  ClusterConfig config;
  config.data_dir = options_.data;
  config.port = 0;
  config.replicas = 2;
  config.program = options_.programs / "boxoffice";
  config.servers = [this] { return stores_->servers(); };
  for (const auto& [service, url] : stores_->store_urls()) {
    // "postgresql://boxoffice@127.0.0.1:12345/seat", "redis://127.0.0.1:12345"
    constexpr std::string_view kHere = "127.0.0.1:";
    const size_t host = url.find(kHere);
    CHECK(host != std::string::npos, "{}", url);
    const size_t end = std::min(url.find('/', host), url.size());
    BOXOFFICE_ASSIGN(const Link* link, proxy_.Add(service, url.starts_with("redis") ? "redis" : "postgresql",
                                                  url.substr(host, end - host)));
    config.store_urls[service] =
        url.substr(0, host) + fmt::format("{}{}", kHere, link->port()) + url.substr(end);
  }
  config.bus_url = stores_->bus_url();
  if (config.bus_url.empty()) config.bus_url = bus::DefaultBusUrl(options_.data / "bus");
  config.reach = [this](std::string_view caller, const Replica& callee) {
    const auto link = proxy_.Add(std::string(caller), callee.name(), callee.listen);
    CHECK(link.has_value(), "{}", link.error().detail);
    return fmt::format("127.0.0.1:{}", (*link)->port());
  };
  config.wrap = [this](const Replica& replica) -> std::vector<std::string> {
    SetClock(replica.name(), milliseconds(0));
    return {"/usr/bin/env", fmt::format("LD_PRELOAD={}", (options_.programs / "libclock_jump.so").string()),
            fmt::format("CLOCK_JUMP_FILE={}", ClockFile(options_, replica.name()).string())};
  };
  return config;
}

Result<std::unique_ptr<Stage>> Stage::Start(const StageOptions& options, const Cluster::Wait& wait) {
  std::unique_ptr<Stage> stage(new Stage(options));
  BOXOFFICE_TRY(stage->MountDisks());
  std::error_code ignored;
  std::filesystem::create_directories(options.data / "clocks", ignored);
  std::filesystem::create_directories(options.data / "keys", ignored);
  BOXOFFICE_ASSIGN(stage->stores_, PrivateStores::Start(options.data, options.kafka_class_path));
  BOXOFFICE_ASSIGN(ClusterConfig config, stage->Plan());
  stage->cluster_ = std::make_unique<Cluster>(std::move(config));
  BOXOFFICE_TRY(stage->cluster_->Start(wait));
  return stage;
}

Stage::~Stage() { Stop(); }

std::vector<std::string> Stage::Look() {
  std::vector<std::string> news = stores_->Look();
  std::ranges::move(cluster_->Look(), std::back_inserter(news));
  return news;
}

bool Stage::Stop() {
  const bool clean = !cluster_ || cluster_->Stop();
  cluster_.reset();
  if (stores_) stores_->Stop();
  stores_.reset();
  if (options_.disks) {
    for (const Disk& disk : kDisks) ::umount2((options_.data / disk.name).c_str(), MNT_DETACH);
  }
  return clean;
}

std::vector<Stage::Running> Stage::Replicas() const {
  std::vector<Running> all;
  for (const auto& [replica, pid] : cluster_->Processes())
    all.push_back({replica.name(), replica.service, PortOf(replica.listen), replica.admin, pid});
  return all;
}

std::vector<Stage::Running> Stage::ReplicasOf(const std::string& service) const {
  std::vector<Running> all = Replicas();
  std::erase_if(all, [&](const Running& replica) { return replica.service != service; });
  return all;
}

pid_t Stage::ServerPid(const std::string& name) const {
  for (const Server& server : stores_->servers()) {
    if (server.name == name) return server.pid;
  }
  return 0;
}

std::vector<uint16_t> Stage::Gateways() const {
  std::vector<uint16_t> ports;
  for (const Running& gateway : ReplicasOf("gateway")) ports.push_back(gateway.port);
  return ports;
}

bool Stage::IsReady(const Running& replica) {
  http::ClientRequest request;
  request.url = fmt::format("http://{}/readyz", replica.admin);
  request.timeout = milliseconds(500);
  const auto response = http::FetchBlocking(std::move(request));
  return response && response->status == 200;
}

// A file of eight bytes is written in place: the process has it mapped.
void Stage::SetClock(const std::string& replica, milliseconds ahead) {
  const int64_t us = ahead.count() * 1'000;
  const int fd = ::open(ClockFile(options_, replica).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  CHECK(fd >= 0 && ::pwrite(fd, &us, sizeof us, 0) == sizeof us, "{}", std::strerror(errno));
  ::close(fd);
}

std::vector<std::string> Stage::disks() const {
  std::vector<std::string> names;
  if (!options_.disks) return names;
  for (const Disk& disk : kDisks) {
    // Kafka keeps its own files, elsewhere.
    if (std::string_view(disk.name) != "bus" || !options_.kafka_class_path) names.emplace_back(disk.name);
  }
  return names;
}

Result<void> Stage::FillDisk(const std::string& name) {
  const std::filesystem::path file = options_.data / name / kBallast;
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 && errno != ENOSPC)
    return Fail(Code::kUnavailable, "disk", fmt::format("{}: {}", file.string(), std::strerror(errno)));
  const std::vector<char> piece(kPiece);
  while (fd >= 0 && ::write(fd, piece.data(), piece.size()) > 0) {
  }
  if (fd >= 0) ::close(fd);
  return {};
}

void Stage::FreeDisk(const std::string& name) {
  std::error_code ignored;
  std::filesystem::remove(options_.data / name / kBallast, ignored);
}

}  // namespace boxoffice::chaos
