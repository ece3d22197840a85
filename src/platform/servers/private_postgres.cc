#include "platform/servers/private_postgres.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "base/sync_folder.h"

namespace boxoffice::servers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{60};
constexpr std::string_view kRootsUser = "postgres";

constexpr std::string_view kVersions = "/usr/lib/postgresql";

std::filesystem::path ProgramsOf(std::string_view version) {
  return std::filesystem::path(kVersions) / version / "bin";
}

// What Debian has installed.
std::vector<std::string> InstalledVersions() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : std::filesystem::directory_iterator(kVersions, ignored)) {
    if (access((version.path() / "bin" / "postgres").c_str(), X_OK) == 0)
      found.push_back(version.path().filename());
  }
  std::ranges::sort(found);
  return found;
}

// "9.6" → 9, 6. What is no number counts as 0.
std::pair<int, int> Numbers(std::string_view version) {
  std::pair<int, int> numbers{0, 0};
  const char* const end = version.data() + version.size();
  const char* const dot = std::from_chars(version.data(), end, numbers.first).ptr;
  if (dot != end) std::from_chars(dot + 1, end, numbers.second);
  return numbers;
}

// The version that has made the data; empty: there is none.
std::string VersionOf(const std::filesystem::path& data) {
  std::string version;
  std::ifstream(data / "PG_VERSION") >> version;
  return version;
}

// The programs for data of this version.
Result<std::filesystem::path> Choose(const std::string& of_data, const std::filesystem::path& data) {
  const std::vector<std::string> installed = InstalledVersions();
  if (installed.empty()) return Fail(Code::kUnavailable, "postgres_missing", "PostgreSQL is not installed");
  if (const auto version = ChooseVersion(installed, of_data)) return ProgramsOf(*version);
  return Fail(Code::kUnavailable, "postgres_version",
              fmt::format("{} was made by PostgreSQL {}, which alone can read it, and installed is {}: "
                          "install postgresql-{} too",
                          data.string(), of_data, fmt::join(installed, ", "), of_data));
}

bool MayEnter(const struct stat& folder, const passwd& user) {
  if (folder.st_uid == user.pw_uid) return (folder.st_mode & S_IXUSR) != 0;
  if (folder.st_gid == user.pw_gid) return (folder.st_mode & S_IXGRP) != 0;
  return (folder.st_mode & S_IXOTH) != 0;
}

std::unexpected<Error> BadFolder(const std::filesystem::path& folder, std::string_view why) {
  return Fail(Code::kPermissionDenied, "postgres_folder", fmt::format("{}: {}", folder.string(), why));
}

// Makes the folder, and gives it to the user that the server runs as.
Result<void> Prepare(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return BadFolder(folder, error.message());
  if (geteuid() != 0) return {};
  const passwd* user = getpwnam(std::string(kRootsUser).c_str());
  if (user == nullptr) return BadFolder(folder, "there is no user postgres, as whom it would run");
  for (std::filesystem::path above = folder.parent_path(); !above.empty(); above = above.parent_path()) {
    struct stat info{};
    if (stat(above.c_str(), &info) == 0 && !MayEnter(info, *user))
      return BadFolder(folder,
                       fmt::format("the user postgres, as whom it runs, may not enter {}", above.string()));
    if (above == above.parent_path()) break;
  }
  if (chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) return BadFolder(folder, std::strerror(errno));
  return {};
}

// What attempts that were killed have left of `data`.
void RemoveUnfinished(const std::filesystem::path& data) {
  const std::string prefix = data.filename().string() + ".new";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(data.parent_path(), ignored)) {
    if (entry.path().filename().string().starts_with(prefix))
      std::filesystem::remove_all(entry.path(), ignored);
  }
}

// Makes the database cluster under another name, and gives it its own when it is whole: initdb writes
// PG_VERSION first of all. Each attempt has a name that no other has, as an initdb whose process was killed
// ends a moment later, and removes what it has made.
Result<void> MakeCluster(const std::filesystem::path& initdb, const std::filesystem::path& data,
                         const Child::Options& options) {
  RemoveUnfinished(data);
  const std::filesystem::path unfinished = fmt::format("{}.new-{:x}", data.string(), SystemSeed());
  BOXOFFICE_TRY(
      RunChild({initdb, "-D", unfinished, "-U", "boxoffice", "-A", "trust", "-E", "UTF8", "--locale=C"},
               options, kPatience));
  if (std::rename(unfinished.c_str(), data.c_str()) != 0) return BadFolder(data, std::strerror(errno));
  if (!SyncFolder(data.parent_path())) return BadFolder(data, std::strerror(errno));
  return {};
}

}  // namespace

std::optional<std::string> ChooseVersion(std::span<const std::string> installed, std::string_view of_data) {
  const auto found = of_data.empty() ? std::ranges::max_element(installed, {}, Numbers)
                                     : std::ranges::find(installed, of_data);
  return found == installed.end() ? std::nullopt : std::optional(*found);
}

bool PrivatePostgres::Installed() { return !InstalledVersions().empty(); }

std::filesystem::path PrivatePostgres::Program(std::string_view name) {
  const auto newest = ChooseVersion(InstalledVersions(), {});
  return newest ? ProgramsOf(*newest) / name : std::filesystem::path(name);
}

Child::Options PrivatePostgres::Options() const {
  Child::Options options;
  options.working_dir = folder_;
  options.log = folder_ / "log";
  if (geteuid() == 0) options.user = kRootsUser;
  options.death_signal = SIGQUIT;  // at once, and with its children
  return options;
}

Result<PrivatePostgres> PrivatePostgres::Start(const std::filesystem::path& folder) {
  PrivatePostgres server;
  server.folder_ = std::filesystem::absolute(folder);
  const std::filesystem::path data = server.folder_ / "data";
  BOXOFFICE_ASSIGN(server.programs_, Choose(VersionOf(data), data));
  const std::filesystem::path& programs = server.programs_;
  BOXOFFICE_TRY(Prepare(server.folder_));
  std::error_code ignored;
  if (!std::filesystem::exists(data / "PG_VERSION", ignored))
    BOXOFFICE_TRY(MakeCluster(programs / "initdb", data, server.Options()));
  BOXOFFICE_ASSIGN(server.port_, FreePort());
  // On the command line, so that no file of PostgreSQL's own is edited. The socket's path would be too long
  // for some folders, and nobody needs it.
  BOXOFFICE_ASSIGN(
      server.process_,
      Supervised::Start("postgresql",
                        {programs / "postgres", "-D", data, "-c", "listen_addresses=127.0.0.1", "-p",
                         std::to_string(server.port_), "-c", "unix_socket_directories=", "-c",
                         fmt::format("max_connections={}", kMaxConnections), "-c", "logging_collector=off"},
                        server.Options()));
  const auto answers = [&server] { return server.Ask("postgres", "SELECT 1").has_value(); };
  if (server.process_->Await(answers, kPatience)) return server;
  return Fail(Code::kUnavailable, "postgres_not_started",
              fmt::format("PostgreSQL does not answer; see {}", server.Options().log.string()));
}

Result<void> PrivatePostgres::Ask(const std::string& database, const std::string& sql) const {
  return RunChild({programs_ / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", Url(database), "-c", sql},
                  Options(), kPatience);
}

Result<void> PrivatePostgres::CreateDatabase(const std::string& name) {
  if (Ask(name, "SELECT 1")) return {};
  return Ask("postgres", fmt::format("CREATE DATABASE \"{}\"", name));
}

std::string PrivatePostgres::Url(const std::string& database) const {
  return fmt::format("postgresql://boxoffice@127.0.0.1:{}/{}", port_, database);
}

void PrivatePostgres::Stop(milliseconds limit) { process_->Stop(SIGINT, SIGQUIT, limit); }

}  // namespace boxoffice::servers
