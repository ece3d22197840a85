#include "testing/postgres_server.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include "base/check.h"
#include "testing/free_port.h"
#include "testing/wait.h"

namespace boxoffice::testbed {
namespace {

const std::filesystem::path kPrograms = "/usr/lib/postgresql/15/bin";
constexpr std::chrono::seconds kPatience{90};
constexpr std::chrono::milliseconds kLook{10};

// PostgreSQL refuses to run as root. Null: stay who we are.
const passwd* Runner() {
  if (geteuid() != 0) return nullptr;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr) user = getpwnam("nobody");
  CHECK(user != nullptr, "no user to run PostgreSQL as");
  return user;
}

// Of its programs: as whom they run, and how the kernel ends them.
servers::Child::Options OptionsIn(const std::filesystem::path& folder) {
  servers::Child::Options options;
  options.working_dir = folder;
  options.log = folder / "log";
  if (const passwd* user = Runner()) options.user = user->pw_name;
  options.death_signal = SIGQUIT;
  return options;
}

// What /proc says of a process after its name, "STATE PPID …"; empty: there is none.
std::string StatAfterName(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string stat;
  if (!std::getline(file, stat)) return "";
  const size_t name_end = stat.rfind(')');
  return name_end == std::string::npos ? "" : stat.substr(std::min(name_end + 2, stat.size()));
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  const std::string wanted = fmt::format(" {} ", parent);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    if (StatAfterName(pid).find(wanted) == 1) children.push_back(pid);
  }
  return children;
}

// The first value of a statement's result, if it has one.
std::string Ask(const std::string& url, const std::string& sql) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()), &PQfinish);
  CHECK(PQstatus(connection.get()) == CONNECTION_OK, "{}", PQerrorMessage(connection.get()));
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  CHECK(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "{}", PQerrorMessage(connection.get()));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

int64_t AskNumber(const std::string& url, const std::string& sql) {
  const std::string text = Ask(url, sql);
  int64_t number = 0;
  CHECK(std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc(), "{}: {}", sql,
        text);
  return number;
}

// A connection's counts are written before it goes from the list of those that are there.
void AwaitEndOf(const std::string& url, const std::string& application) {
  const std::string left =
      fmt::format("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}'", application);
  CHECK(Eventually([&] { return AskNumber(url, left) == 0; }));
}

}  // namespace

bool PostgresServer::Installed() { return access((kPrograms / "postgres").c_str(), X_OK) == 0; }

PostgresServer& PostgresServer::Shared() {
  static PostgresServer server({.fsync = false, .more = ""});
  return server;
}

PostgresServer::PostgresServer(const Options& options) : port_(FreePort()) {
  if (const passwd* user = Runner()) {
    CHECK(chown(dir_.path().c_str(), user->pw_uid, user->pw_gid) == 0);
  }
  const Result<void> made =
      servers::RunChild({(kPrograms / "initdb").string(), "-D", data_.string(), "-U", "boxoffice", "-A",
                         "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
                        OptionsIn(dir_.path()), kPatience);
  CHECK(made.has_value(), "{}: {}", made.error().detail, Log());
  std::ofstream(data_ / "postgresql.conf", std::ios::app) << fmt::format(
      "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = {}\n"
      "shared_buffers = 16MB\nmax_connections = 60\nlogging_collector = off\n{}\n",
      port_, dir_.path().string(), options.fsync ? "on" : "off", options.more);
  Start();
}

PostgresServer::~PostgresServer() {
  if (!process_) return;
  Thaw();
  process_->Signal(SIGQUIT);  // ends its children, and leaves no shared memory behind
  (void)process_->Wait(kPatience);
}

std::string PostgresServer::Url(const std::string& database) const {
  return fmt::format("postgresql://boxoffice@127.0.0.1:{}/{}", port_, database);
}

std::string PostgresServer::NewDatabase() {
  const std::string name = fmt::format("test{}", ++databases_);
  Ask(Url("postgres"), fmt::format("CREATE DATABASE {}", name));
  return Url(name);
}

int64_t PostgresServer::ScansOf(const std::string& table, const std::string& url,
                                const std::string& application) {
  AwaitEndOf(url, application);
  return AskNumber(url, fmt::format("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = '{}'", table));
}

int64_t PostgresServer::RowsFoundIn(const std::string& table, const std::string& url,
                                    const std::string& application) {
  AwaitEndOf(url, application);
  return AskNumber(
      url, fmt::format("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = '{}'", table));
}

void PostgresServer::AwaitBlocked(const std::string& url) {
  CHECK(Eventually([&] {
    return AskNumber(url,
                     "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                     "AND wait_event_type = 'Lock'") > 0;
  }));
}

void PostgresServer::SignalAll(int signal) const {
  for (const pid_t child : ChildrenOf(process_->pid())) kill(child, signal);
  process_->Signal(signal);
}

void PostgresServer::Kill9() {
  if (!process_) return;
  process_->Signal(SIGSTOP);  // so that it starts no child meanwhile
  const std::vector<pid_t> children = ChildrenOf(process_->pid());
  for (const pid_t child : children) kill(child, SIGKILL);
  process_.reset();  // kills it, and waits
  for (const pid_t child : children) {
    while (StatAfterName(child).find_first_not_of("Z") == 0) std::this_thread::sleep_for(kLook);
  }
  frozen_ = false;
}

void PostgresServer::Start() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (!process_) {
      Result<servers::Child> started = servers::Child::Start(
          {(kPrograms / "postgres").string(), "-D", data_.string()}, OptionsIn(dir_.path()));
      CHECK(started.has_value(), "{}", started.error().detail);
      process_ = *std::move(started);
    }
    if (PQping((Url("postgres") + "?connect_timeout=2").c_str()) == PQPING_OK) return;
    // One that was killed a moment ago may still hold the shared memory.
    if (process_->Wait(kLook)) process_.reset();
  }
  CHECK(false, "PostgreSQL does not start: {}", Log());
}

void PostgresServer::Freeze() {
  process_->Signal(SIGSTOP);
  SignalAll(SIGSTOP);
  frozen_ = true;
}

void PostgresServer::Thaw() {
  if (!frozen_) return;
  SignalAll(SIGCONT);
  frozen_ = false;
}

std::string PostgresServer::Log() const {
  std::ifstream file(dir_.path() / "log");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace boxoffice::testbed
