#include "platform/archive/postgres_tables.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "platform/archive/sqlite_tables.h"
#include "platform/sql/postgres.h"

namespace boxoffice::archive {
namespace {

namespace pg = sql::pg;

constexpr int kFetchRows = 200;  // seat maps have a megabyte each
constexpr int kUsedLooks = 50;   // 0.1 s apart
// Of the one that holds: the server ends a hold that lasts longer, where the backup is stopped, or waits for
// another server that is frozen. With kHoldPatience, in which a service may have waited already, it is less
// than a service waits for a lock (pg::Config::lock_timeout).
constexpr std::chrono::milliseconds kHoldIdle{1'500};

// How a column's values are stored there.
enum class Stored { kBool, kInt, kDouble, kText, kBytes, kUuid, kInts };

struct Column {
  Stored stored = Stored::kText;
  bool numbered = false;  // the database numbers its rows
};

struct StoredTable {
  TableForm form;
  std::vector<Column> columns;  // as the form's
};

std::optional<Stored> StoredAs(std::string_view type) {
  if (type == "boolean") return Stored::kBool;
  if (type == "bigint") return Stored::kInt;
  if (type == "double precision") return Stored::kDouble;
  if (type == "text") return Stored::kText;
  if (type == "bytea") return Stored::kBytes;
  if (type == "uuid") return Stored::kUuid;
  if (type == "bigint[]") return Stored::kInts;
  return std::nullopt;
}

std::unexpected<Error> WrongForm(std::string detail) {
  return Fail(Code::kInvalidArgument, "archive_schema", std::move(detail));
}

// A server that a service has just left takes a moment to notice.
Result<void> CheckUnused(pg::Connection& connection) {
  pg::Batch look;
  look.Add(
      "SELECT min(application_name), count(*) FROM pg_stat_activity WHERE datname = current_database() "
      "AND pid <> pg_backend_pid() AND application_name LIKE 'boxoffice-%'");
  pg::Batch wait;
  wait.Add("SELECT 1::bigint FROM pg_sleep(0.1)");
  for (int i = 0;; ++i) {
    BOXOFFICE_ASSIGN(const std::vector<pg::Rows> found, connection.Read(look));
    const pg::Row row = found[0][0];
    if (row.Int(1) == 0) return {};
    if (i == kUsedLooks) {
      return Fail(Code::kConflict, "store_in_use",
                  fmt::format("{} is running: stop every service first", row.Text(0)));
    }
    BOXOFFICE_TRY(connection.Read(wait));
  }
}

// Of connections that are in no service's way: they only read, or the services are stopped. Between two
// statements of a transaction they wait for a disk, or for other stores, however long that takes. `name` is
// not one that a service has.
pg::Config PatientConfig(const PostgresSource& source, std::string name) {
  return {.url = source.url,
          .application_name = std::move(name),
          .statement_timeout = source.statement_timeout,
          .answer_timeout = source.statement_timeout + std::chrono::minutes(1),
          .idle_timeout = std::chrono::milliseconds(0),
          .whole_tables = true};
}

Result<std::unique_ptr<pg::Connection>> Open(const PostgresSource& source) {
  BOXOFFICE_ASSIGN(std::unique_ptr<pg::Connection> connection,
                   pg::Connection::Open(PatientConfig(source, "boxoffice export|import")));
  BOXOFFICE_TRY(CheckUnused(*connection));
  BOXOFFICE_TRY(connection->Migrate(source.service, source.migrations));
  // One that serves this program, too, may be newer, and have columns that would stay behind.
  pg::Batch look;
  look.Add("SELECT version FROM schema_version");
  BOXOFFICE_ASSIGN(const std::vector<pg::Rows> found, connection->Read(look));
  BOXOFFICE_TRY(CheckVersion(found[0][0].Int(0), source.migrations));
  return connection;
}

Result<StoredTable> Describe(pg::Connection& connection, const TableForm& form) {
  pg::Batch batch;
  batch.Add(
      "SELECT attname::text, format_type(atttypid, NULL), attidentity <> '' FROM pg_attribute "
      "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
      form.table.name);
  BOXOFFICE_ASSIGN(const std::vector<pg::Rows> results, connection.Read(batch));
  std::map<std::string, Column, std::less<>> found;
  for (const pg::Row row : results[0]) {
    const std::optional<Stored> stored = StoredAs(row.Text(1));
    if (stored) found[std::string(row.Text(0))] = {*stored, row.Bool(2)};
  }
  StoredTable table{form, {}};
  for (const std::string& column : form.table.columns) {
    const auto at = found.find(column);
    if (at == found.end())
      return WrongForm(
          fmt::format("{}.{} is not in the database, or of another type", form.table.name, column));
    table.columns.push_back(at->second);
  }
  return table;
}

Result<std::vector<StoredTable>> DescribeAll(pg::Connection& connection, const PostgresSource& source) {
  BOXOFFICE_ASSIGN(const std::vector<TableForm> form, FormOf(source.form));
  std::vector<StoredTable> tables;
  for (const TableForm& table : form) {
    BOXOFFICE_ASSIGN(StoredTable described, Describe(connection, table));
    tables.push_back(std::move(described));
  }
  return tables;
}

// "1,2" as 4 bytes each, and back as "{1,2}".
static_assert(std::endian::native == std::endian::little);
Result<std::string> PackInts(std::string_view text) {
  std::string bytes;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    uint32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return WrongForm(fmt::format("a list of numbers: {}", text));
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
    at = next + 1;
  }
  return bytes;
}
std::string UnpackInts(std::string_view bytes) {
  std::vector<uint32_t> numbers(bytes.size() / sizeof(uint32_t));
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(uint32_t));
  return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

Result<Value> Read(const pg::Row& row, int column, Stored stored) {
  if (row.IsNull(column)) return Value();
  switch (stored) {
    case Stored::kBool:
      return Value(int64_t{row.Bool(column)});
    case Stored::kInt:
      return Value(row.Int(column));
    case Stored::kDouble:
      return Value(row.Double(column));
    case Stored::kUuid:
      return Value(std::string(row.Id<Uuid>(column).bytes()));
    case Stored::kInts: {
      BOXOFFICE_ASSIGN(std::string packed, PackInts(row.Text(column)));
      return Value(std::move(packed));
    }
    case Stored::kText:
    case Stored::kBytes:
      break;
  }
  return Value(std::string(row.Text(column)));
}

Result<void> DumpTable(pg::Transaction& reading, const StoredTable& table, Sink& sink) {
  const Table& as = table.form.table;
  std::vector<std::string> columns;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const std::string column = Quoted(as.columns[i]);
    columns.push_back(
        table.columns[i].stored == Stored::kInts ? fmt::format("array_to_string({}, ',')", column) : column);
  }
  const std::string cursor = Quoted("rows of " + as.name);
  const std::string declare = fmt::format("DECLARE {} NO SCROLL CURSOR FOR SELECT {} FROM {}", cursor,
                                          fmt::join(columns, ", "), Quoted(as.name));
  const std::string fetch = fmt::format("FETCH {} FROM {}", kFetchRows, cursor);
  const std::string close = fmt::format("CLOSE {}", cursor);
  BOXOFFICE_TRY(sink.Begin(as));
  Portions portions(sink);
  pg::Batch first;
  first.Add(declare);
  BOXOFFICE_TRY(reading.Run(first));
  pg::Batch next;
  next.Add(fetch);
  while (true) {
    BOXOFFICE_ASSIGN(const std::vector<pg::Rows> results, reading.Run(next));
    if (results[0].empty()) {
      // So that a second dump of the same moment can declare it again.
      pg::Batch end;
      end.Add(close);
      BOXOFFICE_TRY(reading.Run(end));
      return portions.Flush();
    }
    for (const pg::Row found : results[0]) {
      Row row;
      for (size_t i = 0; i < table.columns.size(); ++i) {
        BOXOFFICE_ASSIGN(Value value, Read(found, static_cast<int>(i), table.columns[i].stored));
        row.push_back(std::move(value));
      }
      BOXOFFICE_TRY(portions.Add(std::move(row)));
    }
  }
}

const std::string* Text(const Value& value) { return std::get_if<std::string>(&value); }

// One column of some rows, for unnest.
pg::Parameter ColumnOf(std::span<const Row> rows, size_t i, Stored stored) {
  using std::optional;
  const auto number = [i](const Row& row) {
    const auto* value = std::get_if<int64_t>(&row[i]);
    return value != nullptr ? optional(*value) : std::nullopt;
  };
  switch (stored) {
    case Stored::kBool:
      return pg::Column(rows, [&](const Row& row) -> optional<bool> {
        const optional<int64_t> value = number(row);
        return value ? optional(*value != 0) : std::nullopt;
      });
    case Stored::kInt:
      return pg::Column(rows, number);
    case Stored::kDouble:
      return pg::Column(rows, [i](const Row& row) -> optional<double> {
        const auto* value = std::get_if<double>(&row[i]);
        return value != nullptr ? optional(*value) : std::nullopt;
      });
    case Stored::kUuid:
      return pg::Column(rows, [i](const Row& row) -> optional<Uuid> {
        const std::string* value = Text(row[i]);
        return value != nullptr ? Uuid::FromBytes(*value) : std::nullopt;
      });
    case Stored::kInts:
      return pg::Column(rows, [i](const Row& row) -> optional<std::string> {
        const std::string* value = Text(row[i]);
        return value != nullptr ? optional(UnpackInts(*value)) : std::nullopt;
      });
    case Stored::kBytes:
      return pg::Column(rows, [i](const Row& row) -> optional<pg::Bytes> {
        const std::string* value = Text(row[i]);
        return value != nullptr ? optional(pg::Bytes{*value}) : std::nullopt;
      });
    case Stored::kText:
      break;
  }
  return pg::Column(rows, [i](const Row& row) -> optional<std::string_view> {
    const std::string* value = Text(row[i]);
    return value != nullptr ? optional<std::string_view>(*value) : std::nullopt;
  });
}

class LoadingSink final : public Sink {
 public:
  LoadingSink(pg::Transaction& transaction, std::vector<StoredTable> tables, std::vector<TableForm> form)
      : transaction_(transaction), tables_(std::move(tables)), check_(std::move(form)) {}

  Result<void> Begin(const Table& table) override {
    BOXOFFICE_TRY(check_.Find(table));
    for (const StoredTable& stored : tables_) {
      if (stored.form.table.name == table.name) now_ = &stored;
    }
    std::vector<std::string> names;
    std::vector<std::string> values;
    std::vector<std::string> marks;
    std::vector<std::string> aliases;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      aliases.push_back(fmt::format("c{}", i));
      names.push_back(Quoted(table.columns[i]));
      values.push_back(fmt::format("c{}{}", i, now_->columns[i].stored == Stored::kInts ? "::bigint[]" : ""));
      marks.push_back(fmt::format("${}", i + 1));
    }
    insert_ = fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest({}) i({})",
                          Quoted(table.name), fmt::join(names, ", "), fmt::join(values, ", "),
                          fmt::join(marks, ", "), fmt::join(aliases, ", "));
    return {};
  }

  Result<void> Add(std::span<const Row> rows) override {
    BOXOFFICE_TRY(FormCheck::Check(now_->form, rows));
    BOXOFFICE_TRY(CheckIds(rows));
    BOXOFFICE_TRY(CheckTexts(rows));
    std::vector<pg::Parameter> parameters;
    for (size_t i = 0; i < now_->columns.size(); ++i)
      parameters.push_back(ColumnOf(rows, i, now_->columns[i].stored));
    pg::Batch batch;
    batch.Add(insert_, std::move(parameters));
    BOXOFFICE_TRY(transaction_.Run(batch));
    return {};
  }

 private:
  // What is no UUID would be stored as NULL.
  Result<void> CheckIds(std::span<const Row> rows) const {
    for (size_t i = 0; i < now_->columns.size(); ++i) {
      if (now_->columns[i].stored != Stored::kUuid) continue;
      for (const Row& row : rows) {
        const std::string* value = Text(row[i]);
        if (value != nullptr && !Uuid::FromBytes(*value)) {
          return WrongForm(
              fmt::format("{}.{} is no UUID", now_->form.table.name, now_->form.table.columns[i]));
        }
      }
    }
    return {};
  }

  // What the server would say of one, it says of all rows together.
  Result<void> CheckTexts(std::span<const Row> rows) const {
    for (size_t i = 0; i < now_->columns.size(); ++i) {
      if (now_->columns[i].stored != Stored::kText) continue;
      for (const Row& row : rows) {
        const std::string* value = Text(row[i]);
        if (value != nullptr && value->contains('\0')) {
          return WrongForm(
              fmt::format("{}.{} of the row with {} has a NUL byte, which PostgreSQL can't store",
                          now_->form.table.name, now_->form.table.columns[i], NameOf(row)));
        }
      }
    }
    return {};
  }

  // "id 7": by the first column, which is the key or begins it.
  [[nodiscard]] std::string NameOf(const Row& row) const {
    const std::string& column = now_->form.table.columns[0];
    if (const auto* number = std::get_if<int64_t>(&row[0])) return fmt::format("{} {}", column, *number);
    const std::string* text = Text(row[0]);
    const std::optional<Uuid> id =
        text != nullptr && now_->columns[0].stored == Stored::kUuid ? Uuid::FromBytes(*text) : std::nullopt;
    if (id) return fmt::format("{} {}", column, id->ToString());
    return fmt::format("{} {}", column, text != nullptr ? text->substr(0, text->find('\0')) : "");
  }

  pg::Transaction& transaction_;
  const std::vector<StoredTable> tables_;
  const FormCheck check_;
  const StoredTable* now_ = nullptr;
  std::string insert_;
};

// Rows that the database numbers go on after the highest number that was loaded.
Result<void> GoOnNumbering(pg::Transaction& transaction, const std::vector<StoredTable>& tables) {
  std::list<std::string> texts;
  pg::Batch batch;
  for (const StoredTable& table : tables) {
    const Table& as = table.form.table;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (!table.columns[i].numbered) continue;
      texts.push_back(
          fmt::format("SELECT setval(pg_get_serial_sequence($1, $2)::regclass, max({0})) FROM {1} HAVING "
                      "max({0}) IS NOT NULL",
                      Quoted(as.columns[i]), Quoted(as.name)));
      batch.Add(texts.back(), Quoted(as.name), as.columns[i]);
    }
  }
  if (batch.empty()) return {};
  BOXOFFICE_TRY(transaction.Run(batch));
  return {};
}

// What is loaded is stored as it is, whatever the tables' triggers make of what a service writes.
Result<void> SetTriggers(pg::Transaction& transaction, const std::vector<StoredTable>& tables,
                         std::string_view how) {
  std::list<std::string> texts;
  pg::Batch batch;
  for (const StoredTable& table : tables) {
    texts.push_back(fmt::format("ALTER TABLE {} {} TRIGGER USER", Quoted(table.form.table.name), how));
    batch.Add(texts.back());
  }
  BOXOFFICE_TRY(transaction.Run(batch));
  return {};
}

}  // namespace

Result<void> DumpPostgres(const PostgresSource& source, Sink& sink) {
  BOXOFFICE_ASSIGN(const std::unique_ptr<pg::Connection> connection, Open(source));
  BOXOFFICE_ASSIGN(const std::vector<StoredTable> tables, DescribeAll(*connection, source));
  pg::Transaction reading(*connection);
  pg::Batch one_moment;
  one_moment.Add("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
  BOXOFFICE_TRY(reading.Run(one_moment));
  for (const StoredTable& table : tables) BOXOFFICE_TRY(DumpTable(reading, table, sink));
  return {};
}

Result<void> LoadPostgres(const PostgresSource& source, const Dump& from) {
  BOXOFFICE_ASSIGN(const std::unique_ptr<pg::Connection> connection, Open(source));
  BOXOFFICE_ASSIGN(const std::vector<StoredTable> tables, DescribeAll(*connection, source));
  BOXOFFICE_ASSIGN(std::vector<TableForm> form, FormOf(source.form));
  pg::Transaction transaction(*connection);
  LoadingSink sink(transaction, tables, std::move(form));
  BOXOFFICE_TRY(SetTriggers(transaction, tables, "DISABLE"));
  BOXOFFICE_TRY(from(sink));
  BOXOFFICE_TRY(GoOnNumbering(transaction, tables));
  BOXOFFICE_TRY(SetTriggers(transaction, tables, "ENABLE"));
  return transaction.Commit();
}

namespace {

class PostgresSnapshot final : public Snapshot {
 public:
  PostgresSnapshot(const PostgresSource& source, std::unique_ptr<pg::Connection> holding,
                   std::unique_ptr<pg::Connection> reading, const std::vector<std::string>& held)
      : source_(source), holding_(std::move(holding)), reading_(std::move(reading)) {
    if (held.empty()) return;
    std::vector<std::string> tables;
    for (const std::string& table : held) tables.push_back(Quoted(table));
    // SHARE lets everybody read, and waits for whoever writes. One statement, in this order, so that one
    // time-out is for all tables together.
    lock_ = fmt::format("LOCK TABLE {} IN SHARE MODE", fmt::join(tables, ", "));
  }

  Result<void> Hold() override {
    if (lock_.empty()) return {};
    pg::Batch batch;
    batch.Add(lock_);
    hold_.emplace(*holding_);
    Result<std::vector<pg::Rows>> held = hold_->Run(batch);
    if (held) return {};
    hold_.reset();
    return std::unexpected(std::move(held).error());
  }

  Result<void> Take() override {
    BOXOFFICE_ASSIGN(tables_, DescribeAll(*reading_, source_));
    moment_.emplace(*reading_);
    pg::Batch begin;
    begin.Add("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
    begin.Add("SELECT service, version FROM schema_version");  // it sees as of its first look
    BOXOFFICE_ASSIGN(const std::vector<pg::Rows> results, moment_->Run(begin));
    if (results[1].empty() || results[1][0].Text(0) != source_.service) {
      return Fail(Code::kConflict, "schema_foreign",
                  fmt::format("the database does not belong to {}", source_.service));
    }
    return CheckVersion(results[1][0].Int(1), source_.migrations);
  }

  Result<void> Release() override {
    if (!hold_) return {};
    pg::Batch still;
    still.Add("SELECT 1::bigint");
    const Result<std::vector<pg::Rows>> held = hold_->Run(still);
    hold_.reset();
    if (held) return {};
    return Fail(Code::kUnavailable, "hold_lost", held.error().detail);
  }

  Result<void> Dump(Sink& sink) override {
    for (const StoredTable& table : tables_) BOXOFFICE_TRY(DumpTable(*moment_, table, sink));
    return {};
  }

 private:
  const PostgresSource source_;
  const std::unique_ptr<pg::Connection> holding_;
  const std::unique_ptr<pg::Connection> reading_;
  std::string lock_;
  std::vector<StoredTable> tables_;
  std::optional<pg::Transaction> hold_;
  std::optional<pg::Transaction> moment_;
};

}  // namespace

Result<std::unique_ptr<Snapshot>> OpenPostgresSnapshot(const PostgresSource& source,
                                                       std::vector<std::string> held) {
  constexpr const char* kName = "boxoffice backup";
  BOXOFFICE_ASSIGN(auto reading, pg::Connection::Open(PatientConfig(source, kName)));
  BOXOFFICE_ASSIGN(auto holding, pg::Connection::Open({.url = source.url,
                                                       .application_name = kName,
                                                       .statement_timeout = kHoldPatience,
                                                       .idle_timeout = kHoldIdle,
                                                       .whole_tables = true}));
  pg::Batch look;
  look.Add("SELECT to_regclass('schema_version') IS NOT NULL");
  BOXOFFICE_ASSIGN(const std::vector<pg::Rows> found, holding->Read(look));
  if (!found[0][0].Bool(0)) {
    return Fail(Code::kNotFound, "no_store",
                fmt::format("{} has no tables: nothing was ever kept there", source.service));
  }
  return std::make_unique<PostgresSnapshot>(source, std::move(holding), std::move(reading), held);
}

}  // namespace boxoffice::archive
