// Thin RAII over SQLite: connections, prepared statements, transactions, migrations. Nothing here knows a
// table.
//
// A Database and its Statements belong to one thread at a time. Writers of one file, in one process, take
// turns by FileLock, so that SQLITE_BUSY (which would poll and sleep) is met only against other processes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/result.h"
#include "platform/sql/migration.h"

struct sqlite3;
struct sqlite3_stmt;

namespace boxoffice::sql {

// What a commit survives. kFull: a loss of power. kNormal: a crash of the process; for marks that may be
// lost.
enum class Durability { kFull, kNormal };

class Statement;

// A connection to one SQLite file in WAL mode. Not thread-safe.
class Database {
 public:
  // Opens or creates `file`, whose folder must exist; several processes may do so at once. Errors:
  // database_unavailable (not writable, no folder, corrupt).
  [[nodiscard]] static Result<Database> Open(const std::filesystem::path& file,
                                             Durability durability = Durability::kFull);

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  // Opens a file that is there, to read it: nothing is written, and no file appears beside it. For files that
  // nobody writes meanwhile. Errors: database_unavailable (not readable, no database, shorter than it says).
  [[nodiscard]] static Result<Database> OpenReadOnly(const std::filesystem::path& file);

  // Prepares one statement; it lives at most as long as the database. A bug in the SQL aborts the program.
  [[nodiscard]] Statement Prepare(std::string_view sql) const;
  // The same for a file that may have other tables than it should, as one that is damaged. Errors:
  // database_unavailable.
  [[nodiscard]] Result<Statement> TryPrepare(std::string_view sql) const;
  // Runs statements without results, separated by semicolons.
  [[nodiscard]] Result<void> Execute(std::string_view sql);
  // Applies what is missing of `migrations`, each in a transaction of its own; of several processes that do
  // so at once, one applies each. Again: no effect. Errors: schema_newer (the file was written by a newer
  // program), database_unavailable.
  [[nodiscard]] Result<void> Migrate(std::span<const Migration> migrations);
  // Rows changed by the last INSERT, UPDATE or DELETE.
  [[nodiscard]] int64_t changes() const;
  [[nodiscard]] int64_t last_insert_rowid() const;

 private:
  friend class Transaction;
  struct Handle;
  [[nodiscard]] Result<int64_t> SchemaVersion() const;
  explicit Database(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

// A prepared statement. Bind all, then Step until it says false (or Run), then it is ready to be bound anew.
class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  // Binds parameters ?1, ?2, … from integers, doubles, text, ids, std::nullopt and optionals of these. Text
  // and ids are not copied, unless they are temporaries: they must live until the statement is reset.
  template <typename... T>
  Statement& Bind(T&&... values) {
    int index = 0;
    (BindOne(++index, std::forward<T>(values)), ...);
    return *this;
  }
  // Like Bind, for one parameter.
  template <typename T>
  Statement& BindAt(int index, T&& value) {
    BindOne(index, std::forward<T>(value));
    return *this;
  }
  // Like Bind, for one BLOB parameter; never copied.
  Statement& BindBlob(int index, std::string_view bytes) {
    BindBytes(index, bytes, Owner::kCaller);
    return *this;
  }

  // The next row: true; no more: false, and the statement is reset. Errors: database_unavailable, constraint.
  [[nodiscard]] Result<bool> Step();
  // Runs to the end, ignoring rows.
  [[nodiscard]] Result<void> Run();
  // Ends a walk over rows before its end.
  void Reset();

  // Columns of the row, from 0. Text and blobs are valid until the next Step or Reset.
  [[nodiscard]] bool Bool(int column) const { return Int(column) != 0; }
  [[nodiscard]] int64_t Int(int column) const;
  [[nodiscard]] double Double(int column) const;
  [[nodiscard]] std::string_view Text(int column) const;  // also blobs
  [[nodiscard]] bool IsNull(int column) const;
  // An Id or a Uuid as it was bound; anything else is a corrupt file.
  template <typename T>
  [[nodiscard]] T Id(int column) const {
    const auto id = T::FromBytes(Text(column));
    CHECK(id.has_value(), "column {} is no id of 16 bytes", column);
    return *id;
  }
  // What the row holds in that column, whatever the column was declared as.
  enum class Kind { kNull, kInt, kDouble, kText };  // kText: also blobs
  [[nodiscard]] Kind KindOf(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* stmt) : stmt_(stmt) {}
  enum class Owner { kCaller, kStatement };  // of the bytes of a parameter; the statement has a copy
  template <typename T>
  void BindOne(int index, T&& value) {
    using Value = std::remove_cvref_t<T>;
    // A view is of something else, which outlives it.
    constexpr bool kKept = std::is_lvalue_reference_v<T> || std::is_same_v<Value, std::string_view>;
    constexpr Owner kOwner = kKept ? Owner::kCaller : Owner::kStatement;
    if constexpr (std::is_same_v<Value, std::nullopt_t>) {
      BindNull(index);
    } else if constexpr (requires { value.has_value(); }) {
      if (value.has_value()) {
        BindOne(index, *std::forward<T>(value));
      } else {
        BindNull(index);
      }
    } else if constexpr (std::is_floating_point_v<Value>) {
      BindDouble(index, value);
    } else if constexpr (std::is_integral_v<Value> || std::is_enum_v<Value>) {
      BindInt(index, static_cast<int64_t>(value));
    } else if constexpr (requires { value.bytes(); }) {
      BindBytes(index, value.bytes(), kOwner);
    } else {
      BindText(index, value, kOwner);
    }
  }
  void BindNull(int index);
  void BindInt(int index, int64_t value);
  void BindDouble(int index, double value);
  void BindText(int index, std::string_view value, Owner owner);
  void BindBytes(int index, std::string_view bytes, Owner owner);
  sqlite3_stmt* stmt_ = nullptr;
};

// BEGIN IMMEDIATE … COMMIT, holding the file's lock; rolls back unless committed.
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction> Begin(Database& database);
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  // After success the work is durable (as the connection's Durability says). Errors: database_unavailable:
  // the work is undone; commit_unknown (kUnknown): it was written, but the fsync failed, or there was no room
  // for the index of the WAL. Nobody sees it then, but who opens the file anew, after a crash or not, may.
  [[nodiscard]] Result<void> Commit();

 private:
  Transaction(Database& database, std::unique_lock<std::mutex> lock);
  Database* database_;
  std::unique_lock<std::mutex> lock_;
};

// BEGIN … ROLLBACK around reads: they see the file as of one moment, and lock it once rather than each by
// itself.
class Reading {
 public:
  [[nodiscard]] static Result<Reading> Begin(Database& database);
  Reading(Reading&&) noexcept;
  Reading& operator=(Reading&&) = delete;
  ~Reading();

 private:
  explicit Reading(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace boxoffice::sql
