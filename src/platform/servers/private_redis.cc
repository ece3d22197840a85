#include "platform/servers/private_redis.h"

#include <csignal>

#include <fmt/format.h>
#include <unistd.h>

namespace boxoffice::servers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{30};
constexpr const char* kServer = "/usr/bin/redis-server";
constexpr const char* kClient = "/usr/bin/redis-cli";

}  // namespace

bool PrivateRedis::Installed() { return access(kServer, X_OK) == 0 && access(kClient, X_OK) == 0; }

Result<PrivateRedis> PrivateRedis::Start(const std::filesystem::path& folder) {
  if (!Installed()) return Fail(Code::kUnavailable, "redis_missing", "Redis is not installed");
  PrivateRedis server;
  server.folder_ = std::filesystem::absolute(folder);
  std::error_code error;
  std::filesystem::create_directories(server.folder_, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "redis_folder",
                fmt::format("{}: {}", server.folder_.string(), error.message()));
  }
  BOXOFFICE_ASSIGN(server.port_, FreePort());
  const std::string port = std::to_string(server.port_);
  Child::Options options;
  options.log = server.folder_ / "log";
  BOXOFFICE_ASSIGN(server.process_,
                   Supervised::Start("redis",
                                     {kServer, "--port", port, "--bind", "127.0.0.1", "--dir", server.folder_,
                                      "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
                                      "--shutdown-on-sigterm", "now force"},
                                     options));
  const auto answers = [&] {  // -e: an error, as while it loads its data, is an exit code of 1.
    return RunChild({kClient, "-e", "-h", "127.0.0.1", "-p", port, "PING"}, options, kPatience).has_value();
  };
  if (server.process_->Await(answers, kPatience)) return server;
  return Fail(Code::kUnavailable, "redis_not_started",
              fmt::format("Redis does not answer; see {}", options.log.string()));
}

std::string PrivateRedis::Url() const { return fmt::format("redis://127.0.0.1:{}", port_); }

void PrivateRedis::Stop(milliseconds limit) { process_->Stop(SIGTERM, SIGKILL, limit); }

}  // namespace boxoffice::servers
