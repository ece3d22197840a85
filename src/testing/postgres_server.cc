#include "testing/postgres_server.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
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

// Starts a program with its output in `log`; it ends with the thread that started it.
pid_t Spawn(const std::vector<std::string>& command, const std::filesystem::path& folder,
            const std::filesystem::path& log) {
  const passwd* user = Runner();
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  CHECK(pid >= 0, "fork");
  if (pid > 0) return pid;
  // In the child: nothing but system calls.
  if (user != nullptr &&
      (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
    _exit(126);
  }
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0 || chdir(folder.c_str()) != 0) _exit(126);
  dup2(out, 1);
  dup2(out, 2);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);  // after setuid, which clears it
  if (getppid() != parent) _exit(126);
  execv(arguments[0], arguments.data());
  _exit(127);
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
  const pid_t maker = Spawn({(kPrograms / "initdb").string(), "-D", data_.string(), "-U", "boxoffice", "-A",
                             "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
                            dir_.path(), dir_.path() / "log");
  int status = 0;
  CHECK(waitpid(maker, &status, 0) == maker && status == 0, "initdb failed: {}", Log());
  std::ofstream(data_ / "postgresql.conf", std::ios::app) << fmt::format(
      "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = {}\n"
      "shared_buffers = 16MB\nmax_connections = 60\nlogging_collector = off\n{}\n",
      port_, dir_.path().string(), options.fsync ? "on" : "off", options.more);
  Start();
}

PostgresServer::~PostgresServer() {
  if (pid_ == 0) return;
  Thaw();
  Signal(SIGQUIT, /*whole_family=*/false);  // ends its children, and leaves no shared memory behind
  waitpid(pid_, nullptr, 0);
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

void PostgresServer::Signal(int signal, bool whole_family) const {
  if (whole_family) {
    for (const pid_t child : ChildrenOf(pid_)) kill(child, signal);
  }
  kill(pid_, signal);
}

void PostgresServer::Kill9() {
  if (pid_ == 0) return;
  kill(pid_, SIGSTOP);  // so that it starts no child meanwhile
  const std::vector<pid_t> children = ChildrenOf(pid_);
  for (const pid_t child : children) kill(child, SIGKILL);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  for (const pid_t child : children) {
    while (StatAfterName(child).find_first_not_of("Z") == 0) std::this_thread::sleep_for(kLook);
  }
  pid_ = 0;
  frozen_ = false;
}

void PostgresServer::Start() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (pid_ == 0) {
      pid_ =
          Spawn({(kPrograms / "postgres").string(), "-D", data_.string()}, dir_.path(), dir_.path() / "log");
    }
    if (PQping((Url("postgres") + "?connect_timeout=2").c_str()) == PQPING_OK) return;
    std::this_thread::sleep_for(kLook);
    // One that was killed a moment ago may still hold the shared memory.
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
  }
  CHECK(false, "PostgreSQL does not start: {}", Log());
}

void PostgresServer::Freeze() {
  kill(pid_, SIGSTOP);
  Signal(SIGSTOP, /*whole_family=*/true);
  frozen_ = true;
}

void PostgresServer::Thaw() {
  if (!frozen_) return;
  Signal(SIGCONT, /*whole_family=*/true);
  frozen_ = false;
}

std::string PostgresServer::Log() const {
  std::ifstream file(dir_.path() / "log");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace boxoffice::testbed
