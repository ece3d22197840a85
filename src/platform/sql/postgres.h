// PostgreSQL behind RAII: connections that come back by themselves, batches of prepared statements that
// travel in one round trip, transactions, migrations. Nothing here knows a table.
//
//   pg::Batch batch;                                              // load: one round trip
//   batch.Add("SELECT w.user_id, w.balance FROM (SELECT unnest($1) AS user_id) i "
//             "JOIN wallet w USING (user_id)", pg::Column(keys, &Key::user_id));
//   BOXOFFICE_ASSIGN(const auto results, connection.Read(batch));
//   for (const pg::Row row : results[0]) rows.push_back({std::string(row.Text(0)), row.Int(1)});
//
//   pg::Transaction transaction(connection);                       // save: two, with a look in between
//   BOXOFFICE_ASSIGN(const auto saved, transaction.Run(updates));  // … AND version = … RETURNING key
//   if (saved[0].size() < expected) return moved;                  // rolls back
//   BOXOFFICE_TRY(transaction.Commit());
//
// or connection.Write(batch), which is a transaction of one round trip, for statements that are right
// whatever they find (dependent rows WHERE … IN (SELECT … FROM saved), ON CONFLICT DO NOTHING).
//
// What to know when writing SQL for it:
// - Parameters and results are binary. A parameter's type comes from its C++ type, so SQL needs no cast:
//     bool → bool; integers and enums → bigint; double → float8; text → text; Bytes → bytea; Uuid and Id →
//     uuid; std::optional → the same, or NULL; Column(range, projection) → an array of the projection's type.
//   So columns are bigint, text, bytea, uuid, boolean, float8. SUM and AVG of bigint are numeric: cast them.
// - Keys are sorted in every statement (`ORDER BY` in a subquery where the order of locking matters): two
//   writers with unsorted keys deadlock, which costs a second.
// - Arrays are unnested in a target list, `FROM (SELECT unnest($1) AS a, unnest($2) AS b) i`, which makes
//   the rows as they are asked for. In FROM, each would be stored in a tuple store of its own first, and read
//   back.
// - An `UPDATE … FROM` such rows applies one per target; changes to one row are merged before.
// - A statement that raises fails its whole batch: write SQL that does not raise, or an Insert.
// - text can't hold the byte 0: such a value is invalid_value (bytea takes it).
// - No SET, no temporary table, no advisory lock, no LISTEN: connections are replaced at any time.
//
// Errors of every call that reaches the server, as code, reason: when.
// - kUnavailable, database_unavailable: not connected, starting up, read-only, disk full, timed out, or lost
//   before a COMMIT was sent. Nothing was done.
//   A server that has become read-only is left: the next call connects anew, to whichever takes writes.
// - kUnavailable, transaction_conflict: deadlock or serialization failure. Nothing was done; run again.
// - kUnknown, commit_unknown: lost, or no answer in time, once the COMMIT had been sent; or the server no
//   longer waited for its synchronous standby. The connection's next call waits, as a commit does, until all
//   that was committed before is on disk and at the standby, and is database_unavailable where that takes too
//   long: so what it finds done can be relied on. The calls after it wait on for the same, by one process of
//   the server, beside that of the COMMIT; unless another server takes the writes by then.
// - kConflict, constraint: a constraint was broken. Nothing was done.
// - kInvalidArgument, invalid_value: a value that the column's type can't hold. Nothing was done.
// - kInternal, sql_error: the SQL is wrong, or a table is missing. Nothing was done.
//
// No call hangs: a round trip, of which a call makes a few, ends within Config::answer_timeout (a frozen
// server, a dead network), and a connection attempt within connect_timeout to look up the hosts of the URL,
// and as much for each of their addresses.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "base/id.h"
#include "base/result.h"
#include "platform/sql/migration.h"

struct pg_conn;
struct pg_result;

namespace boxoffice::dns {
class Lookup;
}

namespace boxoffice::sql::pg {

using std::chrono::milliseconds;

// Milliseconds since 1970 by the database's clock, as a bigint, for use inside SQL: leases are judged by it.
// It is the time of the statement, not of the transaction.
#define BOXOFFICE_PG_NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

struct Config {
  // postgresql://user:password@host:port/database?… or "host=… dbname=…". What it says of timeouts and
  // keepalives goes before what follows. Several hosts: the one that takes writes.
  std::string url;
  std::string application_name = "boxoffice";  // in pg_stat_activity, whatever the URL says; not empty
  std::chrono::seconds connect_timeout{2};
  milliseconds statement_timeout{5'000};  // at the server; 0: none
  milliseconds lock_timeout{3'000};       // at the server; 0: none
  milliseconds answer_timeout{8'000};     // here; longer than statement_timeout
  // In a transaction, between statements, at the server; 0: none. Then the server ends the connection, so
  // that a process that is stopped, or gone with its node, keeps rows from others for less than lock_timeout.
  milliseconds idle_timeout{2'000};
  // The planner guesses from the size of a table, which it knows as of the last ANALYZE: of one that has just
  // been filled it takes a scan of the whole, for each batch. So it may only walk along indexes, and plans
  // each statement once. A statement that no index serves still runs. What it takes for few rows (a state, a
  // target) it may still read whole for each batch, to join them: ask for such a row as a value,
  // (SELECT … LIMIT 1), not by EXISTS. True for connections that read whole tables (sums, backups): it plans
  // as it likes.
  bool whole_tables = false;
  // Of connections whose commits may be lost in a crash of the server, as what they do is done again then:
  // a commit is not waited for until it is on disk (synchronous_commit=off).
  bool lazy_commit = false;
  // After a failed attempt to connect; doubles up to the maximum, with jitter. Until then calls fail at once.
  milliseconds backoff{20};
  milliseconds max_backoff{2'000};
  dns::Lookup* lookup = nullptr;  // outlives the connection; null: that of the process
};

// Text stored as bytea.
struct Bytes {
  std::string_view data;
};

// Types by PostgreSQL's own numbers (pg_type.oid), which never change.
enum class Type : uint32_t { kBool = 16, kBytes = 17, kInt = 20, kText = 25, kDouble = 701, kUuid = 2950 };

namespace internal {

template <typename T>
concept Optional = requires(const T& value) {
  value.has_value();
  *value;
};

template <typename T>
consteval Type TypeOf() {
  if constexpr (Optional<T>) {
    return TypeOf<std::remove_cvref_t<decltype(*std::declval<const T&>())>>();
  } else if constexpr (std::is_same_v<T, bool>) {
    return Type::kBool;
  } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    return Type::kInt;
  } else if constexpr (std::is_floating_point_v<T>) {
    return Type::kDouble;
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return Type::kBytes;
  } else if constexpr (requires(const T& id) { id.bytes(); }) {
    return Type::kUuid;
  } else {
    static_assert(std::is_convertible_v<const T&, std::string_view>, "no PostgreSQL type for this");
    return Type::kText;
  }
}

void AppendInt32(std::string& out, int32_t value);
void AppendInt64(std::string& out, int64_t value);
void AppendDouble(std::string& out, double value);

// Appends the binary form of a value that is not null.
template <typename T>
void AppendValue(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out.push_back(value ? '\1' : '\0');
  } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    AppendInt64(out, static_cast<int64_t>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    AppendDouble(out, value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    out.append(value.data);
  } else if constexpr (requires { value.bytes(); }) {
    out.append(value.bytes());
  } else {
    out.append(std::string_view(value));
  }
}

// Appends an element of an array: its length in bytes, or -1 for null, then the value.
template <typename T>
void AppendElement(std::string& out, const T& value) {
  if constexpr (Optional<T>) {
    if (value.has_value()) {
      AppendElement(out, *value);
    } else {
      AppendInt32(out, -1);
    }
  } else {
    const size_t start = out.size();
    AppendInt32(out, 0);
    AppendValue(out, value);
    std::string length;
    AppendInt32(length, static_cast<int32_t>(out.size() - start - sizeof(int32_t)));
    out.replace(start, length.size(), length);
  }
}

[[nodiscard]] std::string ArrayHead(Type element, size_t count);
[[nodiscard]] uint32_t ArrayOid(Type element);

}  // namespace internal

// A value for $1, $2, … Owns its bytes.
class Parameter {
 public:
  // From any type of the list above.
  template <typename T>
    requires(!std::is_same_v<T, Parameter>)
  Parameter(const T& value)  // NOLINT(google-explicit-constructor): arguments of Add become parameters
      : oid_(static_cast<uint32_t>(internal::TypeOf<std::decay_t<T>>())) {
    if constexpr (internal::Optional<T>) {
      null_ = !value.has_value();
      if (!null_) internal::AppendValue(bytes_, *value);
    } else if constexpr (std::is_array_v<T>) {  // a literal
      internal::AppendValue(bytes_, std::string_view(value));
    } else {
      internal::AppendValue(bytes_, value);
    }
  }
  // From a value in binary form; see Column.
  Parameter(uint32_t oid, std::string bytes) : oid_(oid), bytes_(std::move(bytes)) {}
  [[nodiscard]] uint32_t oid() const { return oid_; }
  [[nodiscard]] bool is_null() const { return null_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  uint32_t oid_;
  bool null_ = false;
  std::string bytes_;
};

// An array for `unnest`, with projection(element) for each element of `range`, in order. A projection that
// returns text returns a string_view into the element, or a string.
template <typename Range, typename Projection = std::identity>
[[nodiscard]] Parameter Column(const Range& range, Projection projection = {}) {
  using Value =
      std::remove_cvref_t<std::invoke_result_t<Projection&, std::ranges::range_reference_t<const Range>>>;
  constexpr Type kType = internal::TypeOf<Value>();
  std::string bytes = internal::ArrayHead(kType, static_cast<size_t>(std::ranges::distance(range)));
  for (auto&& element : range) internal::AppendElement<Value>(bytes, std::invoke(projection, element));
  return {internal::ArrayOid(kType), std::move(bytes)};
}

// One row of a result; valid as long as its Rows. Asking for a column as another type than it has is a bug,
// and so is asking for a value that is NULL, but for Text and Double, Int and Bool, which say "", 0 and
// false.
class Row {
 public:
  Row(const pg_result* result, int index) : result_(result), index_(index) {}
  [[nodiscard]] int64_t Int(int column) const;            // smallint, integer, bigint
  [[nodiscard]] bool Bool(int column) const;              // boolean
  [[nodiscard]] double Double(int column) const;          // float8
  [[nodiscard]] std::string_view Text(int column) const;  // text and bytea
  [[nodiscard]] bool IsNull(int column) const;
  // A uuid as an Id or a Uuid.
  template <typename T>
  [[nodiscard]] T Id(int column) const {
    const auto id = T::FromBytes(UuidBytes(column));
    CHECK(id.has_value(), "column {} is null", column);
    return *id;
  }

 private:
  [[nodiscard]] std::string_view UuidBytes(int column) const;
  [[nodiscard]] std::string_view Raw(int column) const;
  const pg_result* result_;
  int index_;
};

// What one statement returned.
class Rows {
 public:
  explicit Rows(pg_result* result);  // takes it over
  Rows(Rows&&) noexcept = default;
  Rows& operator=(Rows&&) noexcept = default;
  [[nodiscard]] size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] Row operator[](size_t index) const;
  // Rows that an INSERT, UPDATE or DELETE without RETURNING touched.
  [[nodiscard]] int64_t affected() const;

  class Iterator {
   public:
    using difference_type = ptrdiff_t;
    using value_type = Row;
    Iterator(const Rows* rows, size_t index) : rows_(rows), index_(index) {}
    Row operator*() const { return (*rows_)[index_]; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Rows* rows_;
    size_t index_;
  };
  [[nodiscard]] Iterator begin() const { return {this, 0}; }
  [[nodiscard]] Iterator end() const { return {this, size()}; }

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

// An INSERT of rows that are new, but for a race or a repeat. It runs as it stands, which costs the server up
// to two fifths less than with ON CONFLICT. Where a row exists after all, the server rolls back, and the
// batch is run once more, with ON CONFLICT DO NOTHING; so are those of the next ten seconds, as more of the
// kind is likely. It returns the rows that were inserted. Outlives the batches that it is added to.
class Insert {
 public:
  // "INSERT INTO … SELECT unnest($1), …", and the columns to return.
  Insert(std::string_view insert, std::string_view returned)
      : plain_(std::string(insert).append(" RETURNING ").append(returned)),
        tolerant_(std::string(insert).append(" ON CONFLICT DO NOTHING RETURNING ").append(returned)) {}
  [[nodiscard]] std::string_view plain() const { return plain_; }
  [[nodiscard]] std::string_view tolerant() const { return tolerant_; }

 private:
  std::string plain_;
  std::string tolerant_;
};

// Statements that travel together, in order. A value; it can be run again.
class Batch {
 public:
  // Adds one statement and returns its place among the results. `sql` is prepared once per connection, so it
  // is one of few texts, not made from values; it must outlive the batch (a literal does).
  template <typename... T>
  size_t Add(std::string_view sql, T&&... values) {
    Item& item = items_.emplace_back();
    item.sql = sql;
    item.parameters.reserve(sizeof...(values));
    (item.parameters.push_back(Parameter(std::forward<T>(values))), ...);
    return items_.size() - 1;
  }
  template <typename... T>
  size_t Add(const Insert& insert, T&&... values) {
    const size_t place = Add(insert.plain(), std::forward<T>(values)...);
    items_[place].tolerant_sql = insert.tolerant();
    return place;
  }
  // The same, for parameters whose types are known only at run time.
  size_t Add(std::string_view sql, std::vector<Parameter> parameters) {
    items_.push_back({sql, {}, std::move(parameters)});
    return items_.size() - 1;
  }
  [[nodiscard]] bool empty() const { return items_.empty(); }

 private:
  friend class Connection;
  friend class Transaction;
  struct Item {
    std::string_view sql;
    std::string_view tolerant_sql;  // of an Insert
    std::vector<Parameter> parameters;
  };
  std::vector<Item> items_;
};

// Of what a batch wrote, those whose rows were not as they had been loaded, in order: whose keys the results
// at `places` do not have. Each result has a row for each that was written, with its key (`key_at`).
template <typename Written, typename KeyOf, typename KeyAt>
[[nodiscard]] std::vector<const Written*> Missing(const std::vector<Written>& written, KeyOf key_of,
                                                  const std::vector<Rows>& results,
                                                  const std::vector<size_t>& places, KeyAt key_at) {
  std::vector<const Written*> missing;
  size_t count = 0;
  for (const size_t place : places) count += results[place].size();
  if (count == written.size()) return missing;
  std::set<std::invoke_result_t<KeyAt, const Row&>> stored;
  for (const size_t place : places) {
    for (const Row row : results[place]) stored.insert(key_at(row));
  }
  for (const Written& one : written) {
    if (!stored.contains(std::invoke(key_of, one))) missing.push_back(&one);
  }
  return missing;
}

// A connection; a broken one is replaced by the next call, and so is one to a server that refuses a write as
// read-only, or says that it would (PostgreSQL 14 and newer tell of default_transaction_read_only with any
// answer). Belongs to one thread at a time. It runs READ COMMITTED, with synchronous_commit at least on (but
// see Config::lazy_commit).
class Connection {
 public:
  // Connects. Errors: database_unavailable (also: no such database, wrong password).
  [[nodiscard]] static Result<std::unique_ptr<Connection>> Open(Config config);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs statements that change nothing, in one round trip and one transaction (each statement sees what was
  // committed before it began). A connection that turns out to have died meanwhile, or to be to a server that
  // has become read-only, is replaced, once, without an error. Never commit_unknown. Results in the order of
  // the batch.
  [[nodiscard]] Result<std::vector<Rows>> Read(const Batch& batch);
  // Runs statements as one transaction in one round trip: all of them, durably, or none.
  [[nodiscard]] Result<std::vector<Rows>> Write(const Batch& batch);

  // Runs a script: statements without parameters, separated by semicolons, as one transaction. Not prepared.
  // Each statement may take `timeout`, here and at the server, and wait `lock_timeout` for a lock there.
  [[nodiscard]] Result<void> Execute(std::string_view script, milliseconds timeout = std::chrono::minutes(10),
                                     milliseconds lock_timeout = std::chrono::minutes(10));

  // Applies what is missing of `migrations` of `service`, each in a transaction of its own. Several processes
  // may do so at once: they take turns at the row of schema_version. Again: no effect. Services may run
  // meanwhile: one that comes to a table while a migration waits for it waits less than its lock_timeout, and
  // who keeps a table for long (a backup, a report) is waited for, 10 minutes for each migration. A database
  // of a newer version that serves this program, as its migrations say (serves_from), is left as it is.
  // Errors: schema_newer (kConflict: it doesn't), schema_foreign (kConflict: it belongs to another service).
  [[nodiscard]] Result<void> Migrate(std::string_view service, std::span<const Migration> migrations);

  // Grows with each connection that is made; 0: there is none now. What was read holds good as long as it is
  // the same: after a failover, numbers of a sequence may stand for other rows.
  [[nodiscard]] uint64_t session() const;

 private:
  friend class Transaction;
  struct State;
  enum class Ends { kNothing, kTransaction };  // what a round trip ends: kTransaction says that it commits
  // Whether a round trip begins with its transaction, so that it may be run once more with tolerant inserts.
  enum class Begins { kNothing, kTransaction };
  explicit Connection(Config config);
  // Connected, and no commit that ended unknown is to be waited for (commit_unknown, above).
  [[nodiscard]] Result<void> EnsureReady();
  [[nodiscard]] Result<void> Settle();
  [[nodiscard]] bool HasMoved() const;
  [[nodiscard]] Result<void> EnsureConnected();
  [[nodiscard]] Result<void> Connect();
  [[nodiscard]] Result<std::vector<Rows>> RoundTrip(std::span<const Batch::Item> items, Ends ends,
                                                    Begins begins = Begins::kNothing);
  [[nodiscard]] Result<void> Send(std::span<const Batch::Item> items, Ends ends, bool tolerant,
                                  std::vector<std::string_view>& sent);
  [[nodiscard]] Result<std::vector<Rows>> Receive(std::span<const std::string_view> sent, Ends ends,
                                                  bool tolerant);
  // True: it failed because a row exists that an Insert took for new; they are tolerant from now on.
  [[nodiscard]] bool MayBeRunAgain(std::span<const Batch::Item> items,
                                   const Result<std::vector<Rows>>& results);
  [[nodiscard]] Result<void> SendAll(std::span<const Batch::Item> items, bool tolerant,
                                     std::vector<std::string_view>& sent);
  [[nodiscard]] std::unexpected<Error> Lost(bool commit_sent, std::string detail);
  [[nodiscard]] std::unexpected<Error> Unknown(std::string detail);
  [[nodiscard]] Result<void> ApplyMigration(const Migration& migration);
  [[nodiscard]] bool FoundDead();
  std::unique_ptr<State> state_;
};

// BEGIN … COMMIT on a connection; rolls back unless committed. BEGIN travels with the first batch.
class Transaction {
 public:
  // `connection` outlives it; one transaction at a time.
  explicit Transaction(Connection& connection) : connection_(connection) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  // Runs statements in one round trip. After an error the transaction is over, and nothing was done.
  [[nodiscard]] Result<std::vector<Rows>> Run(const Batch& batch);
  // Runs `last`, if any, and commits, in one round trip. After success the work is durable.
  [[nodiscard]] Result<void> Commit(const Batch& last = {});

 private:
  [[nodiscard]] bool IsLost() const;
  Connection& connection_;
  uint64_t generation_ = 0;  // of the connection that has it
  bool begun_ = false;
  bool failed_ = false;
  bool over_ = false;
};

}  // namespace boxoffice::sql::pg
