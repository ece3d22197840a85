#include "platform/sql/sqlite.h"

#include <map>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/check.h"

namespace boxoffice::sql {
namespace {

// Checkpointing random pages is SQLite's limiter on spread data; a longer WAL amortises it (measured: +40 %).
constexpr int kWalAutocheckpointPages = 10'000;
// To which the file of a WAL that grew beyond it, as a reader held its checkpoints back, is cut when it
// begins anew. More than those pages take, at 4 KiB each: or it would be cut each time.
constexpr int64_t kWalSizeLimit = 64 << 20;
constexpr int kBusyTimeoutMs = 5'000;
constexpr int kBusyPollMs = 10;

std::unexpected<Error> DatabaseError(sqlite3* db, int code) {
  const char* message = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  if ((code & 0xff) == SQLITE_CONSTRAINT) return Fail(Code::kConflict, "constraint", message);
  return Fail(Code::kUnavailable, "database_unavailable", message);
}

// Whether a COMMIT that failed so may be whole in the WAL, and is found there by who opens the file after a
// crash or a clean stop: it was written, but the fsync failed, or the WAL's index could not grow to take it
// in. So it is for all but what comes before its last frame is written.
bool MayBeInTheWal(int code) {
  const int kind = code & 0xff;
  return kind != SQLITE_FULL && kind != SQLITE_BUSY && kind != SQLITE_CONSTRAINT && kind != SQLITE_ERROR &&
         code != SQLITE_IOERR_WRITE;
}

// Several processes may create one file together. The switch takes the whole file for a moment, and SQLite
// does not wait for that by itself: two that read and both want to write would wait for each other.
Result<void> SwitchToWal(Database& database, sqlite3* db) {
  for (int waited_ms = 0;; waited_ms += kBusyPollMs) {
    auto switched = database.Execute("PRAGMA journal_mode=WAL");
    const bool busy = (sqlite3_errcode(db) & 0xff) == SQLITE_BUSY;
    if (switched || !busy || waited_ms >= kBusyTimeoutMs) return switched;
    sqlite3_sleep(kBusyPollMs);
  }
}

// One mutex per file for all connections of this process.
std::shared_ptr<std::mutex> FileLock(const std::filesystem::path& file) {
  static std::mutex guard;
  static std::map<std::filesystem::path, std::weak_ptr<std::mutex>> locks;
  const std::scoped_lock lock(guard);
  auto& entry = locks[std::filesystem::absolute(file)];
  auto mutex = entry.lock();
  if (!mutex) {
    mutex = std::make_shared<std::mutex>();
    entry = mutex;
  }
  return mutex;
}

}  // namespace

struct Database::Handle {
  sqlite3* db = nullptr;
  std::shared_ptr<std::mutex> file_lock;
  ~Handle() { sqlite3_close_v2(db); }
};

Database::Database(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::Open(const std::filesystem::path& file, Durability durability) {
  // Its memory statistics take a global lock at each allocation, and nobody reads them.
  [[maybe_unused]] static const int memory_statistics_off = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  auto handle = std::make_unique<Handle>();
  handle->file_lock = FileLock(file);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (const int rc = sqlite3_open_v2(file.c_str(), &handle->db, flags, nullptr); rc != SQLITE_OK) {
    return Fail(Code::kUnavailable, "database_unavailable",
                fmt::format("{}: {}", file.string(), sqlite3_errmsg(handle->db)));
  }
  sqlite3_extended_result_codes(handle->db, 1);
  sqlite3_busy_timeout(handle->db, kBusyTimeoutMs);
  sqlite3* const db = handle->db;
  Database database(std::move(handle));
  auto configured = SwitchToWal(database, db);
  if (configured) {
    configured = database.Execute(fmt::format(
        "PRAGMA synchronous={}; PRAGMA wal_autocheckpoint={}; PRAGMA journal_size_limit={}; "
        "PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;",
        durability == Durability::kFull ? "FULL" : "NORMAL", kWalAutocheckpointPages, kWalSizeLimit));
  }
  if (!configured) {
    return Fail(Code::kUnavailable, "database_unavailable",
                fmt::format("{}: {}", file.string(), configured.error().detail));
  }
  return database;
}

Result<Database> Database::OpenReadOnly(const std::filesystem::path& file) {
  auto handle = std::make_unique<Handle>();
  handle->file_lock = FileLock(file);
  const auto fail = [&] {
    return Fail(Code::kUnavailable, "database_unavailable",
                fmt::format("{}: {}", file.string(), sqlite3_errmsg(handle->db)));
  };
  const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file.c_str(), &handle->db, flags, nullptr) != SQLITE_OK) return fail();
  sqlite3_extended_result_codes(handle->db, 1);
  // It opens anything; that it is no database shows at the first look.
  if (sqlite3_exec(handle->db, "SELECT count(*) FROM sqlite_master", nullptr, nullptr, nullptr) != SQLITE_OK)
    return fail();
  return Database(std::move(handle));
}

Statement Database::Prepare(std::string_view sql) const {
  Result<Statement> prepared = TryPrepare(sql);
  CHECK(prepared.has_value(), "{} in: {}", prepared.error().detail, sql);
  return *std::move(prepared);
}

Result<Statement> Database::TryPrepare(std::string_view sql) const {
  sqlite3_stmt* stmt = nullptr;
  const int rc = sqlite3_prepare_v3(handle_->db, sql.data(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &stmt, nullptr);
  if (rc != SQLITE_OK) return DatabaseError(handle_->db, rc);
  return Statement(stmt);
}

Result<void> Database::Execute(std::string_view sql) {
  const int rc = sqlite3_exec(handle_->db, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return DatabaseError(handle_->db, rc);
  return {};
}

Result<int64_t> Database::SchemaVersion() const {
  Statement read = Prepare("PRAGMA user_version");
  BOXOFFICE_ASSIGN(const bool found, read.Step());
  CHECK(found);
  return read.Int(0);
}

Result<void> Database::Migrate(std::span<const Migration> migrations) {
  const int64_t newest = migrations.empty() ? 0 : migrations.back().version;
  BOXOFFICE_ASSIGN(int64_t version, SchemaVersion());
  if (version > newest) {
    return Fail(
        Code::kConflict, "schema_newer",
        fmt::format("the database has schema version {}, this program knows up to {}; run a newer program",
                    version, newest));
  }
  for (const Migration& migration : migrations) {
    if (migration.version <= version) continue;
    BOXOFFICE_ASSIGN(Transaction transaction, Transaction::Begin(*this));
    // Read again under the lock: another process may have migrated meanwhile.
    BOXOFFICE_ASSIGN(version, SchemaVersion());
    if (migration.version <= version) continue;
    CHECK(migration.version == version + 1, "a gap before migration {}", migration.name);
    BOXOFFICE_TRY(Execute(migration.sql));
    BOXOFFICE_TRY(Execute(fmt::format("PRAGMA user_version={}", migration.version)));
    BOXOFFICE_TRY(transaction.Commit());
    version = migration.version;
  }
  return {};
}

int64_t Database::changes() const { return sqlite3_changes64(handle_->db); }
int64_t Database::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_->db); }

Statement::Statement(Statement&& other) noexcept : stmt_(std::exchange(other.stmt_, nullptr)) {}
Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(stmt_, other.stmt_);
  return *this;
}
Statement::~Statement() { sqlite3_finalize(stmt_); }

void Statement::BindNull(int index) { CHECK(sqlite3_bind_null(stmt_, index) == SQLITE_OK); }
void Statement::BindInt(int index, int64_t value) {
  CHECK(sqlite3_bind_int64(stmt_, index, value) == SQLITE_OK);
}
void Statement::BindDouble(int index, double value) {
  CHECK(sqlite3_bind_double(stmt_, index, value) == SQLITE_OK);
}
void Statement::BindText(int index, std::string_view value, Owner owner) {
  // A null pointer would bind NULL, not the empty text.
  const char* data = value.data() != nullptr ? value.data() : "";
  const auto release = owner == Owner::kStatement ? SQLITE_TRANSIENT : SQLITE_STATIC;
  CHECK(sqlite3_bind_text(stmt_, index, data, static_cast<int>(value.size()), release) == SQLITE_OK);
}
void Statement::BindBytes(int index, std::string_view bytes, Owner owner) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  const auto release = owner == Owner::kStatement ? SQLITE_TRANSIENT : SQLITE_STATIC;
  CHECK(sqlite3_bind_blob(stmt_, index, data, static_cast<int>(bytes.size()), release) == SQLITE_OK);
}

Result<bool> Statement::Step() {
  const int rc = sqlite3_step(stmt_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) {
    sqlite3_reset(stmt_);
    return false;
  }
  auto error = DatabaseError(sqlite3_db_handle(stmt_), rc);
  sqlite3_reset(stmt_);
  return error;
}

Result<void> Statement::Run() {
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, Step());
    if (!more) return {};
  }
}

void Statement::Reset() { sqlite3_reset(stmt_); }
int64_t Statement::Int(int column) const { return sqlite3_column_int64(stmt_, column); }
double Statement::Double(int column) const { return sqlite3_column_double(stmt_, column); }
std::string_view Statement::Text(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(stmt_, column));
  return {data != nullptr ? data : "", static_cast<size_t>(sqlite3_column_bytes(stmt_, column))};
}
bool Statement::IsNull(int column) const { return sqlite3_column_type(stmt_, column) == SQLITE_NULL; }
Statement::Kind Statement::KindOf(int column) const {
  switch (sqlite3_column_type(stmt_, column)) {
    case SQLITE_NULL:
      return Kind::kNull;
    case SQLITE_INTEGER:
      return Kind::kInt;
    case SQLITE_FLOAT:
      return Kind::kDouble;
    default:
      return Kind::kText;
  }
}

Transaction::Transaction(Database& database, std::unique_lock<std::mutex> lock)
    : database_(&database), lock_(std::move(lock)) {}
Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), lock_(std::move(other.lock_)) {}

Result<Transaction> Transaction::Begin(Database& database) {
  std::unique_lock lock(*database.handle_->file_lock);
  BOXOFFICE_TRY(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(database, std::move(lock));
}

Result<void> Transaction::Commit() {
  CHECK(database_ != nullptr, "a transaction is committed once");
  if (auto committed = database_->Execute("COMMIT"); !committed) {
    if (!MayBeInTheWal(sqlite3_extended_errcode(database_->handle_->db))) return committed;
    return Fail(Code::kUnknown, "commit_unknown", std::move(committed.error().detail));
  }
  database_ = nullptr;
  lock_.unlock();
  return {};
}

Transaction::~Transaction() {
  // A failed COMMIT may have rolled back already; then this second ROLLBACK is refused, and that is fine.
  if (database_ != nullptr) (void)database_->Execute("ROLLBACK");
}

Result<Reading> Reading::Begin(Database& database) {
  BOXOFFICE_TRY(database.Execute("BEGIN"));
  return Reading(database);
}

Reading::Reading(Reading&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Reading::~Reading() {
  // Nothing was written; where it fails, the next BEGIN says so.
  if (database_ != nullptr) (void)database_->Execute("ROLLBACK");
}

}  // namespace boxoffice::sql
