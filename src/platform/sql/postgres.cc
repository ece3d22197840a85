#include "platform/sql/postgres.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include "base/random.h"
#include "platform/dns/lookup.h"
#include "platform/sql/postgres_hosts.h"

namespace boxoffice::sql::pg {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr int kBinary = 1;

// Without the line breaks and carets that libpq makes for terminals.
std::string OneLine(const char* message) {
  std::string line = message != nullptr ? message : "";
  while (!line.empty() && line.back() == '\n') line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

bool IsFatal(const PGresult* result) {
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == nullptr || std::string_view(severity) == "FATAL" ||
         std::string_view(severity) == "PANIC";
}

constexpr std::chrono::seconds kTolerant{10};  // see Insert

// Whoever comes to a table after a migration that waits for it waits behind it: so it waits less than a
// service does (Config::lock_timeout), but longer than the server's deadlock_timeout (1 s by default), which
// is when it makes an autovacuum give way. Then it lets everybody pass, and tries again, ever more rarely.
constexpr milliseconds kMigrationLock{1'300};
constexpr milliseconds kMigrationPause{500};
constexpr milliseconds kMigrationMaxPause{10'000};
constexpr std::chrono::minutes kMigrationPatience{10};
constexpr std::chrono::minutes kMigrationTimeout{10};

// By SQLSTATE (PostgreSQL's manual, appendix A): what an error that the server reported says. The transaction
// was rolled back.
Error Classify(const PGresult* result) {
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view state = field != nullptr ? field : "";
  std::string detail = fmt::format("{} [{}]", OneLine(PQresultErrorMessage(result)), state);
  const auto in_class = [&](std::string_view prefix) { return state.starts_with(prefix); };
  if (in_class("40")) return {Code::kUnavailable, "transaction_conflict", std::move(detail)};
  if (in_class("23")) return {Code::kConflict, "constraint", std::move(detail)};
  if (in_class("22")) return {Code::kInvalidArgument, "invalid_value", std::move(detail)};
  // No state: libpq's own message about a broken connection. 25006: read-only. 55P03: lock_timeout.
  constexpr std::array<std::string_view, 11> kUnavailable = {"08", "28",    "3D",    "53",    "57", "58",
                                                             "F0", "25006", "25P03", "55P03", "XX"};
  if (state.empty() || std::ranges::any_of(kUnavailable, in_class)) {
    return {Code::kUnavailable, "database_unavailable", std::move(detail)};
  }
  return {Code::kInternal, "sql_error", std::move(detail)};
}

// Whether it was others that kept a script from being run: by a lock that they had (lock_not_available), or
// in a deadlock. Nothing was done.
bool IsKeptByOthers(const Error& error) {
  return error.detail.ends_with("[55P03]") || error.reason == "transaction_conflict";
}

// Whether a write was refused because its transaction may only read (read_only_sql_transaction).
bool IsOfReadOnly(const Error& error) { return error.detail.ends_with("[25006]"); }

bool IsUniqueViolation(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state != nullptr && std::string_view(state) == "23505";
}

}  // namespace

struct Connection::State {
  Config config;
  PGconn* conn = nullptr;
  // Statements by their SQL, and the names of those that this connection has. A name of more than 63 bytes is
  // cut.
  std::map<std::string, std::string, std::less<>> names;
  std::set<std::string, std::less<>> prepared;
  bool warned = false;     // the server warned during this round trip
  bool unsettled = false;  // a commit has ended unknown, and none was waited for since
  // The marker (Settle) that `conn` has under way: what its results will be, as in SendAll.
  std::optional<std::vector<std::string_view>> marker;
  bool row_exists = false;  // an INSERT of it found its key taken
  SteadyClock::time_point tolerant_until{};
  uint64_t generation = 0;  // grows with each connection made
  int64_t process = 0;      // the server's, that this connection has
  bool took_writes = true;  // when it was made, as far as the server says
  SeededRandom random{SystemSeed()};
  std::string last_failure;
  milliseconds backoff;
  SteadyClock::time_point next_attempt{};

  explicit State(Config given) : config(std::move(given)), backoff(config.backoff) {}
  ~State() { Close(); }

  void Close() {
    PQfinish(conn);
    conn = nullptr;
    marker.reset();
    prepared.clear();
  }

  bool SaysReadOnly() const {
    const char* told = PQparameterStatus(conn, "default_transaction_read_only");
    return told != nullptr && std::string_view(told) == "on";
  }

  const std::string& NameOf(std::string_view sql) {
    const auto found = names.find(sql);
    if (found != names.end()) return found->second;
    return names.emplace(sql, fmt::format("s{}", names.size())).first->second;
  }

  static void OnNotice(void* state, const PGresult* result) {
    const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != nullptr && std::string_view(severity) == "WARNING")
      static_cast<State*>(state)->warned = true;
  }

  // Waits until the next result is there, sending what is left to send. False: the connection is lost, or
  // `deadline` has passed.
  bool WaitForResult(SteadyClock::time_point deadline) {
    while (true) {
      const int unsent = PQflush(conn);
      if (unsent < 0) return false;
      if (unsent == 0 && PQisBusy(conn) == 0) return true;
      const auto left = std::chrono::ceil<milliseconds>(deadline - SteadyClock::now()).count();
      if (left <= 0) return false;
      pollfd fd{PQsocket(conn), static_cast<short>(POLLIN | (unsent > 0 ? POLLOUT : 0)), 0};
      if (fd.fd < 0) return false;
      if (poll(&fd, 1, static_cast<int>(left)) < 0 && errno != EINTR) return false;
      // A failure shows in PQisBusy and PQgetResult, which still give what came before it.
      if ((fd.revents & ~POLLOUT) != 0 && PQconsumeInput(conn) == 0 && PQisBusy(conn) != 0) return false;
    }
  }
};

Connection::Connection(Config config) : state_(std::make_unique<State>(std::move(config))) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::Open(Config config) {
  CHECK(config.answer_timeout > config.statement_timeout, "the server is to give up first");
  std::unique_ptr<Connection> connection(new Connection(std::move(config)));
  BOXOFFICE_TRY(connection->EnsureConnected());
  return connection;
}

Result<void> Connection::EnsureReady() {
  BOXOFFICE_TRY(EnsureConnected());
  return state_->unsettled ? Settle() : Result<void>();
}

// The commit of what is written to the log waits for the disk and for the synchronous standby, and all that
// stands before it in the log is there then, too. One that is late stays under way: the server would go on
// waiting in its place, and each one more would take another connection from all who use that server.
Result<void> Connection::Settle() {
  State& state = *state_;
  const auto unsettled = [](std::string detail) {
    return Fail(Code::kUnavailable, "database_unavailable", std::move(detail));
  };
  if (!state.marker) {
    Batch marker;
    marker.Add("SELECT pg_logical_emit_message(true, 'boxoffice', '')");
    std::vector<std::string_view> sent;
    if (auto queued = Send(marker.items_, Ends::kTransaction, /*tolerant=*/false, sent); !queued) {
      return unsettled(queued.error().detail);
    }
    state.marker = std::move(sent);
  }
  const auto deadline = SteadyClock::now() + state.config.answer_timeout;
  if (!state.WaitForResult(deadline) && SteadyClock::now() >= deadline) {
    if (HasMoved()) state.Close();
    return unsettled("a commit that ended unknown is waited for");
  }
  const auto sent = *std::exchange(state.marker, std::nullopt);
  const auto settled = Receive(sent, Ends::kTransaction, /*tolerant=*/false);
  // Where the function is forbidden, nothing is found out so, and nobody is to wait for it.
  if (!settled && settled.error().reason != "sql_error") {
    state.Close();  // a server that has become a standby fails it for as long as it is one
    return unsettled(settled.error().detail);
  }
  state.unsettled = false;
  return {};
}

// Whether the writes go to a server by now that does not have this connection's process: the one that has it
// may have stopped where it stands, which its socket does not tell. Where no other can be asked: no.
bool Connection::HasMoved() const {
  const auto other = Open(state_->config);
  if (!other) return false;
  Batch look;
  look.Add(
      "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND datname = current_database() "
      "AND usename = session_user",
      state_->process);
  const auto found = (*other)->Read(look);
  return found && (*found)[0].empty();
}

Result<void> Connection::EnsureConnected() {
  State& state = *state_;
  if (state.conn != nullptr) return {};
  if (SteadyClock::now() < state.next_attempt) {
    return Fail(Code::kUnavailable, "database_unavailable", state.last_failure);
  }
  auto connected = Connect();
  if (connected) {
    state.backoff = state.config.backoff;
    return {};
  }
  state.Close();
  state.last_failure = connected.error().detail;
  // Full jitter above half of it: replicas must not come back in step.
  const auto half = static_cast<uint64_t>(state.backoff.count() / 2);
  state.next_attempt = SteadyClock::now() + milliseconds(half + state.random.Below(half + 1));
  state.backoff = std::min(state.backoff * 2, state.config.max_backoff);
  return connected;
}

Result<void> Connection::Connect() {
  State& state = *state_;
  const std::string connect_timeout = std::to_string(state.config.connect_timeout.count());
  const std::string user_timeout = std::to_string(state.config.answer_timeout.count());
  dns::Lookup& lookup = state.config.lookup != nullptr ? *state.config.lookup : dns::Lookup::OfProcess();
  BOXOFFICE_ASSIGN(const Hosts hosts, LookUpHosts(state.config.url, state.config.connect_timeout, lookup));
  // In order, the later wins, unless it is empty: what the URL says, but for its hosts, which are looked up,
  // and the name, by which it is known who is there.
  const std::array<std::pair<const char*, const char*>, 13> settings = {{
      {"connect_timeout", connect_timeout.c_str()},
      {"client_encoding", "UTF8"},
      {"keepalives", "1"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "3"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", user_timeout.c_str()},
      {"target_session_attrs", "read-write"},
      {"dbname", state.config.url.c_str()},
      {"host", hosts.names.c_str()},
      {"hostaddr", hosts.addresses.c_str()},
      {"port", hosts.ports.c_str()},
      {"application_name", state.config.application_name.c_str()},
  }};
  std::array<const char*, settings.size() + 1> names{};
  std::array<const char*, settings.size() + 1> values{};
  for (size_t i = 0; i < settings.size(); ++i) std::tie(names[i], values[i]) = settings[i];
  state.conn = PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/1);
  if (state.conn == nullptr || PQstatus(state.conn) != CONNECTION_OK) {
    return Fail(Code::kUnavailable, "database_unavailable", OneLine(PQerrorMessage(state.conn)));
  }
  CHECK(PQsetnonblocking(state.conn, 1) == 0);
  PQsetNoticeReceiver(state.conn, &State::OnNotice, &state);
  ++state.generation;
  state.took_writes = !state.SaysReadOnly();
  // A stricter synchronous_commit than "on" stays, unless it is to be lazy. The server's keepalives end what
  // a node that is gone has left, in 11 s; on a unix socket it ignores them.
  Batch configure;
  configure.Add(
      "SELECT pg_backend_pid(), "
      "set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false), "
      "set_config('idle_in_transaction_session_timeout', $3, false), "
      "set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false), "
      "set_config('tcp_keepalives_count', '3', false), "
      "set_config('default_transaction_isolation', 'read committed', false), "
      "CASE WHEN $4 THEN set_config('synchronous_commit', 'off', false) "
      "WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') "
      "THEN set_config('synchronous_commit', 'on', false) END",
      std::to_string(state.config.statement_timeout.count()),
      std::to_string(state.config.lock_timeout.count()), std::to_string(state.config.idle_timeout.count()),
      state.config.lazy_commit);
  if (!state.config.whole_tables) {
    // Without jit: a plan against which all speaks looks dear, and would be compiled.
    configure.Add(
        "SELECT set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false), "
        "set_config('enable_mergejoin', 'off', false), set_config('jit', 'off', false), "
        "set_config('plan_cache_mode', 'force_generic_plan', false)");
  }
  BOXOFFICE_ASSIGN(const std::vector<Rows> configured, RoundTrip(configure.items_, Ends::kNothing));
  state.process = configured[0][0].Int(0);
  return {};
}

std::unexpected<Error> Connection::Lost(bool commit_sent, std::string detail) {
  state_->Close();
  if (commit_sent) return Unknown(std::move(detail));
  return Fail(Code::kUnavailable, "database_unavailable", std::move(detail));
}

std::unexpected<Error> Connection::Unknown(std::string detail) {
  state_->unsettled = true;
  return Fail(Code::kUnknown, "commit_unknown", std::move(detail));
}

// Whether the server has closed the connection while nothing was asked of it.
bool Connection::FoundDead() {
  for (int i = 0; i < 8; ++i) {  // a last message, then the end; anything longer is not idle
    pollfd fd{PQsocket(state_->conn), POLLIN, 0};
    if (fd.fd < 0 || PQstatus(state_->conn) == CONNECTION_BAD) return true;
    if (poll(&fd, 1, 0) <= 0) return false;
    if (PQconsumeInput(state_->conn) == 0) return true;
    (void)PQisBusy(state_->conn);  // parses, so that a notice goes to its receiver
  }
  return PQstatus(state_->conn) == CONNECTION_BAD;
}

// Queues the statements and the sync. `sent`: for each result to come, the name that it prepares, or empty
// for rows.
Result<void> Connection::SendAll(std::span<const Batch::Item> items, bool tolerant,
                                 std::vector<std::string_view>& sent) {
  PGconn* conn = state_->conn;
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  bool ok = PQenterPipelineMode(conn) == 1;
  for (const Batch::Item& item : items) {
    types.clear(), values.clear(), lengths.clear();
    for (const Parameter& parameter : item.parameters) {
      types.push_back(parameter.oid());
      values.push_back(parameter.is_null() ? nullptr : parameter.bytes().data());
      lengths.push_back(static_cast<int>(parameter.bytes().size()));
    }
    formats.assign(types.size(), kBinary);
    const int count = static_cast<int>(types.size());
    const std::string_view sql = tolerant && !item.tolerant_sql.empty() ? item.tolerant_sql : item.sql;
    const std::string& name = state_->NameOf(sql);
    if (!state_->prepared.contains(name) && std::ranges::find(sent, name) == sent.end()) {
      ok = ok && PQsendPrepare(conn, name.c_str(), std::string(sql).c_str(), count, types.data()) == 1;
      sent.emplace_back(name);
    }
    ok = ok && PQsendQueryPrepared(conn, name.c_str(), count, values.data(), lengths.data(), formats.data(),
                                   kBinary) == 1;
    sent.emplace_back();
  }
  ok = ok && PQpipelineSync(conn) == 1;
  if (!ok) return Fail(Code::kUnavailable, "database_unavailable", OneLine(PQerrorMessage(conn)));
  return {};
}

// Sends the statements on a connection that has not been closed meanwhile.
Result<void> Connection::Send(std::span<const Batch::Item> items, Ends ends, bool tolerant,
                              std::vector<std::string_view>& sent) {
  if (FoundDead()) return Lost(false, "the server has closed the connection");
  state_->warned = false;
  state_->row_exists = false;
  if (auto queued = SendAll(items, tolerant, sent); !queued) {
    return Lost(ends == Ends::kTransaction, queued.error().detail);
  }
  return {};
}

Result<std::vector<Rows>> Connection::RoundTrip(std::span<const Batch::Item> items, Ends ends,
                                                Begins begins) {
  const bool tolerant = begins == Begins::kNothing || SteadyClock::now() < state_->tolerant_until;
  std::vector<std::string_view> sent;
  BOXOFFICE_TRY(Send(items, ends, tolerant, sent));
  return Receive(sent, ends, tolerant);
}

// The results of what was sent, and the answer to the sync.
Result<std::vector<Rows>> Connection::Receive(std::span<const std::string_view> sent, Ends ends,
                                              bool tolerant) {
  State& state = *state_;
  const bool commits = ends == Ends::kTransaction;
  const auto deadline = SteadyClock::now() + state.config.answer_timeout;
  std::vector<Rows> results;
  results.reserve(sent.size());
  std::optional<Error> error;
  for (size_t next = 0;;) {
    if (!state.WaitForResult(deadline)) {
      const bool late = SteadyClock::now() >= deadline;
      return Lost(commits, late ? "no answer in time" : OneLine(PQerrorMessage(state.conn)));
    }
    PGresult* result = PQgetResult(state.conn);
    if (result == nullptr) {  // between two results
      if (PQstatus(state.conn) == CONNECTION_BAD) return Lost(commits, OneLine(PQerrorMessage(state.conn)));
      continue;
    }
    Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_FATAL_ERROR) {
      // The end of the session, or of the server, says nothing of a COMMIT that was on its way.
      if (IsFatal(result)) return Lost(commits, OneLine(PQresultErrorMessage(result)));
      if (!error) {
        error = Classify(result);
        state.row_exists = !tolerant && IsUniqueViolation(result);
      }
    }
    // At the sync itself, as of a constraint that is deferred to the commit.
    if (next == sent.size()) return Lost(commits, error ? error->detail : PQresStatus(status));
    if (const std::string_view prepares = sent[next++]; prepares.empty()) {
      results.push_back(std::move(rows));
    } else if (status == PGRES_COMMAND_OK) {
      state.prepared.emplace(prepares);
    }
  }
  if (PQexitPipelineMode(state.conn) != 1) return Lost(commits, OneLine(PQerrorMessage(state.conn)));
  // Perhaps another server takes the writes by now; what this one has to tell may be old.
  if ((state.took_writes && state.SaysReadOnly()) || (error && IsOfReadOnly(*error))) state.Close();
  if (error) return std::unexpected(*std::move(error));
  // A commit that stopped waiting for its synchronous standby succeeds with a warning.
  if (commits && state.warned) return Unknown("the commit ended with a warning");
  return results;
}

Result<std::vector<Rows>> Connection::Read(const Batch& batch) {
  const bool connected = state_->conn != nullptr;
  BOXOFFICE_TRY(EnsureReady());
  auto rows = RoundTrip(batch.items_, Ends::kNothing);
  if (!connected || state_->conn != nullptr) return rows;
  BOXOFFICE_TRY(EnsureReady());
  return RoundTrip(batch.items_, Ends::kNothing);
}

bool Connection::MayBeRunAgain(std::span<const Batch::Item> items, const Result<std::vector<Rows>>& results) {
  State& state = *state_;
  if (results || !state.row_exists) return false;
  const bool inserts =
      std::ranges::any_of(items, [](const auto& item) { return !item.tolerant_sql.empty(); });
  if (inserts) state.tolerant_until = SteadyClock::now() + kTolerant;
  return inserts;
}

Result<std::vector<Rows>> Connection::Write(const Batch& batch) {
  BOXOFFICE_TRY(EnsureReady());
  auto results = RoundTrip(batch.items_, Ends::kTransaction, Begins::kTransaction);
  if (MayBeRunAgain(batch.items_, results)) return RoundTrip(batch.items_, Ends::kTransaction);
  return results;
}

Result<void> Connection::Execute(std::string_view script, milliseconds timeout, milliseconds lock_timeout) {
  BOXOFFICE_TRY(EnsureReady());
  State& state = *state_;
  if (FoundDead()) return Lost(false, "the server has closed the connection");
  // The server has the COMMIT already: it looks now and then whether this process is there still.
  const std::string text = fmt::format(
      "BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; SELECT set_config(name, '1s', "
      "true) FROM pg_settings WHERE name = 'client_connection_check_interval';\n{}\n;COMMIT",
      timeout.count(), lock_timeout.count(), script);
  // One more second, so that the server gives up first.
  const auto deadline = SteadyClock::now() + timeout + std::chrono::seconds(1);
  if (PQsendQuery(state.conn, text.c_str()) != 1) return Lost(true, OneLine(PQerrorMessage(state.conn)));
  std::optional<Error> error;
  while (true) {
    if (!state.WaitForResult(deadline)) return Lost(true, OneLine(PQerrorMessage(state.conn)));
    PGresult* result = PQgetResult(state.conn);
    if (result == nullptr) break;
    const Rows rows(result);
    if (PQresultStatus(result) != PGRES_FATAL_ERROR) continue;
    if (IsFatal(result)) return Lost(true, OneLine(PQresultErrorMessage(result)));
    if (!error) error = Classify(result);
  }
  if (!error) return {};
  Batch rollback;
  rollback.Add("ROLLBACK");
  (void)RoundTrip(rollback.items_, Ends::kNothing);
  if (IsOfReadOnly(*error)) state.Close();
  return std::unexpected(*std::move(error));
}

uint64_t Connection::session() const { return state_->conn != nullptr ? state_->generation : 0; }

Result<void> Connection::Migrate(std::string_view service, std::span<const Migration> migrations) {
  // IF NOT EXISTS does not keep two processes from creating it at once: the second breaks a constraint of the
  // catalogue, or finds the table, and looks again.
  Result<void> created;
  for (int attempt = 0; attempt < 3; ++attempt) {
    created = Execute(
        "CREATE TABLE IF NOT EXISTS schema_version(one BOOLEAN PRIMARY KEY DEFAULT true CHECK(one), "
        "service TEXT NOT NULL, version BIGINT NOT NULL);"
        "CREATE TABLE IF NOT EXISTS schema_migration(version BIGINT PRIMARY KEY, serves_from BIGINT NOT "
        "NULL)");
    if (created || created.error().code == Code::kUnavailable) break;
  }
  BOXOFFICE_TRY(created);
  Batch open;
  open.Add("INSERT INTO schema_version(service, version) VALUES ($1, 0) ON CONFLICT DO NOTHING", service);
  // Programs from before schema_migration made nothing for older ones.
  open.Add(
      "SELECT service, version, COALESCE((SELECT max(serves_from) FROM schema_migration), version) "
      "FROM schema_version");
  BOXOFFICE_ASSIGN(const std::vector<Rows> found, Write(open));
  const Row row = found[1][0];
  if (row.Text(0) != service) {
    return Fail(Code::kConflict, "schema_foreign",
                fmt::format("the database belongs to the service {}, not to {}", row.Text(0), service));
  }
  const int64_t newest = migrations.empty() ? 0 : migrations.back().version;
  if (row.Int(2) > newest) {
    return Fail(
        Code::kConflict, "schema_newer",
        fmt::format("the database has schema version {}, which serves programs that know {}; this one "
                    "knows up to {}; run a newer program",
                    row.Int(1), row.Int(2), newest));
  }
  for (const Migration& migration : migrations) {
    if (migration.version > row.Int(1)) BOXOFFICE_TRY(ApplyMigration(migration));
  }
  return {};
}

// The row is locked and read again in the migration's own transaction: another process may have been first,
// and then the script is skipped, by an error that says so.
Result<void> Connection::ApplyMigration(const Migration& migration) {
  constexpr std::string_view kApplied = "boxoffice: already applied";
  const int serves_from = migration.serves_from != 0 ? migration.serves_from : migration.version;
  const std::string script = fmt::format(
      "DO $lock$ DECLARE found BIGINT; BEGIN SELECT version INTO found FROM schema_version FOR UPDATE; "
      "IF found >= {0} THEN RAISE EXCEPTION '{1}'; END IF; "
      "IF found <> {0} - 1 THEN RAISE EXCEPTION 'boxoffice: a gap before migration {0}'; END IF; END "
      "$lock$;\n"
      "{2}\n; UPDATE schema_version SET version = {0}; "
      "INSERT INTO schema_migration(version, serves_from) VALUES ({0}, {3})",
      migration.version, kApplied, migration.sql, serves_from);
  const auto until = SteadyClock::now() + kMigrationPatience;
  Result<void> applied;
  for (milliseconds pause = kMigrationPause;; pause = std::min(2 * pause, kMigrationMaxPause)) {
    applied = Execute(script, kMigrationTimeout, kMigrationLock);
    if (applied || !IsKeptByOthers(applied.error()) || SteadyClock::now() >= until) break;
    (void)poll(nullptr, 0, static_cast<int>(pause.count()));  // of nothing: waits
  }
  if (!applied && applied.error().detail.find(kApplied) != std::string::npos) return {};
  if (!applied) applied.error().detail = fmt::format("{}: {}", migration.name, applied.error().detail);
  return applied;
}

// Where a marker is under way, the connection has gone on after a commit that ended unknown.
bool Transaction::IsLost() const {
  const Connection::State& state = *connection_.state_;
  return state.conn == nullptr || state.generation != generation_ || state.marker;
}

Transaction::~Transaction() {
  if (!begun_ || over_ || IsLost()) return;
  Batch rollback;
  rollback.Add("ROLLBACK");
  // Where it fails, the connection is closed, and the server rolls back by itself.
  (void)connection_.RoundTrip(rollback.items_, Connection::Ends::kNothing);
}

Result<std::vector<Rows>> Transaction::Run(const Batch& batch) {
  CHECK(!over_, "the transaction has ended");
  if (begun_) {
    if (IsLost()) return Fail(Code::kUnavailable, "database_unavailable", "the transaction was lost");
    auto results = connection_.RoundTrip(batch.items_, Connection::Ends::kNothing);
    failed_ = !results;
    return results;
  }
  BOXOFFICE_TRY(connection_.EnsureReady());
  Batch with_begin;
  with_begin.Add("BEGIN");
  with_begin.items_.insert(with_begin.items_.end(), batch.items_.begin(), batch.items_.end());
  begun_ = true;
  generation_ = connection_.state_->generation;
  auto results =
      connection_.RoundTrip(with_begin.items_, Connection::Ends::kNothing, Connection::Begins::kTransaction);
  if (connection_.MayBeRunAgain(batch.items_, results)) {
    with_begin.items_.front().sql = "ROLLBACK AND CHAIN";  // of the one that failed; and BEGIN
    results = connection_.RoundTrip(with_begin.items_, Connection::Ends::kNothing);
  }
  if (results) results->erase(results->begin());
  failed_ = !results;
  return results;
}

Result<void> Transaction::Commit(const Batch& last) {
  CHECK(begun_ && !failed_ && !over_, "a transaction that has begun and not failed is committed once");
  if (IsLost()) return Fail(Code::kUnavailable, "database_unavailable", "the transaction was lost");
  Batch with_commit = last;
  with_commit.Add("COMMIT");
  auto results = connection_.RoundTrip(with_commit.items_, Connection::Ends::kTransaction);
  if (!results) return std::unexpected(std::move(results).error());
  over_ = true;
  return {};
}

}  // namespace boxoffice::sql::pg
