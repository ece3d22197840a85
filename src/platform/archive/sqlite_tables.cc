#include "platform/archive/sqlite_tables.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace boxoffice::archive {
namespace {

ColumnType TypeNamed(std::string_view declared) {
  if (declared == "INTEGER") return ColumnType::kInt;
  if (declared == "REAL") return ColumnType::kDouble;
  return declared == "TEXT" ? ColumnType::kText : ColumnType::kBytes;
}

bool Holds(ColumnType type, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return true;
  if (type == ColumnType::kInt) return std::holds_alternative<int64_t>(value);
  if (type == ColumnType::kDouble) return std::holds_alternative<double>(value);
  return std::holds_alternative<std::string>(value);
}

std::unexpected<Error> WrongForm(std::string detail) {
  return Fail(Code::kInvalidArgument, "archive_schema", std::move(detail));
}

std::string ColumnList(const Table& table) {
  std::vector<std::string> quoted;
  for (const std::string& column : table.columns) quoted.push_back(Quoted(column));
  return fmt::format("{}", fmt::join(quoted, ", "));
}

std::string InsertText(std::string_view quoted, const Table& table) {
  std::string marks;
  for (size_t i = 1; i <= table.columns.size(); ++i) marks += fmt::format("{}?{}", i > 1 ? ", " : "", i);
  return fmt::format("INSERT INTO {} ({}) VALUES ({})", quoted, ColumnList(table), marks);
}

// Where a database is loaded.
class LoadingSink final : public Sink {
 public:
  LoadingSink(const sql::Database& database, std::vector<TableForm> form)
      : database_(database), check_(std::move(form)) {}

  Result<void> Begin(const Table& table) override {
    BOXOFFICE_ASSIGN(form_, check_.Find(table));
    writer_.emplace(database_, Quoted(table.name), table, form_->types);
    return {};
  }
  Result<void> Add(std::span<const Row> rows) override {
    BOXOFFICE_TRY(FormCheck::Check(*form_, rows));
    return writer_->Add(rows);
  }

 private:
  const sql::Database& database_;
  const FormCheck check_;
  const TableForm* form_ = nullptr;
  std::optional<TableWriter> writer_;
};

Result<std::vector<TableForm>> ReadForm(const sql::Database& database) {
  std::vector<TableForm> form;
  sql::Statement tables = database.Prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' "
      "ORDER BY rowid");
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, tables.Step());
    if (!more) break;
    form.emplace_back().table.name = tables.Text(0);
  }
  sql::Statement columns = database.Prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid");
  for (TableForm& table : form) {
    columns.Bind(table.table.name);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, columns.Step());
      if (!more) break;
      table.table.columns.emplace_back(columns.Text(0));
      table.types.push_back(TypeNamed(columns.Text(1)));
    }
  }
  return form;
}

}  // namespace

std::string Quoted(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

Result<std::vector<TableForm>> FormOf(std::span<const sql::Migration> sqlite_migrations) {
  BOXOFFICE_ASSIGN(sql::Database scratch, sql::Database::Open(":memory:"));
  BOXOFFICE_TRY(scratch.Migrate(sqlite_migrations));
  return ReadForm(scratch);
}

Result<void> CheckVersion(int64_t version, std::span<const sql::Migration> migrations) {
  const int64_t known = migrations.empty() ? 0 : migrations.back().version;
  if (version == known) return {};
  return Fail(Code::kConflict, version > known ? "schema_newer" : "schema_older",
              fmt::format("the store has schema version {}, this program has {}: use the program that serves "
                          "it, or bring the store up to date with `boxoffice migrate`",
                          version, known));
}

Result<const TableForm*> FormCheck::Find(const Table& table) const {
  const auto found =
      std::ranges::find(form_, table.name, [](const TableForm& form) { return form.table.name; });
  if (found == form_.end()) return WrongForm(fmt::format("there is no table {} here", table.name));
  if (found->table != table) {
    return WrongForm(fmt::format("the table {} has the columns {} here, not {}", table.name,
                                 fmt::join(found->table.columns, ", "), fmt::join(table.columns, ", ")));
  }
  return &*found;
}

Result<void> FormCheck::Check(const TableForm& form, std::span<const Row> rows) {
  for (const Row& row : rows) {
    if (row.size() != form.types.size())
      return WrongForm(fmt::format("a row of {} has {} values", form.table.name, row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      if (!Holds(form.types[i], row[i]))
        return WrongForm(
            fmt::format("{}.{} can't hold such a value", form.table.name, form.table.columns[i]));
    }
  }
  return {};
}

Result<void> DumpTable(const sql::Database& database, std::string_view quoted, const Table& as, Sink& sink) {
  using Kind = sql::Statement::Kind;
  BOXOFFICE_TRY(sink.Begin(as));
  Portions portions(sink);
  BOXOFFICE_ASSIGN(sql::Statement select,
                   database.TryPrepare(fmt::format("SELECT {} FROM {}", ColumnList(as), quoted)));
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, select.Step());
    if (!more) return portions.Flush();
    Row row(as.columns.size());
    for (size_t i = 0; i < row.size(); ++i) {
      const int column = static_cast<int>(i);
      const Kind kind = select.KindOf(column);
      if (kind == Kind::kInt) row[i] = select.Int(column);
      if (kind == Kind::kDouble) row[i] = select.Double(column);
      if (kind == Kind::kText) row[i] = std::string(select.Text(column));
    }
    BOXOFFICE_TRY(portions.Add(std::move(row)));
  }
}

TableWriter::TableWriter(const sql::Database& database, std::string_view quoted, const Table& table,
                         std::vector<ColumnType> types)
    : insert_(database.Prepare(InsertText(quoted, table))), types_(std::move(types)) {}

Result<void> TableWriter::Add(std::span<const Row> rows) {
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const int index = static_cast<int>(i) + 1;
      if (const auto* number = std::get_if<int64_t>(&row[i])) {
        insert_.BindAt(index, *number);
      } else if (const auto* real = std::get_if<double>(&row[i])) {
        insert_.BindAt(index, *real);
      } else if (const auto* text = std::get_if<std::string>(&row[i])) {
        if (types_[i] == ColumnType::kText) {
          insert_.BindAt(index, *text);
        } else {
          insert_.BindBlob(index, *text);
        }
      } else {
        insert_.BindAt(index, std::nullopt);
      }
    }
    BOXOFFICE_TRY(insert_.Run());
  }
  return {};
}

Result<void> DumpSqlite(const std::filesystem::path& file, std::span<const sql::Migration> migrations,
                        Sink& sink) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  BOXOFFICE_TRY(database.Migrate(migrations));
  BOXOFFICE_ASSIGN(const std::vector<TableForm> form, ReadForm(database));
  BOXOFFICE_ASSIGN(const sql::Transaction reading, sql::Transaction::Begin(database));
  for (const TableForm& table : form)
    BOXOFFICE_TRY(DumpTable(database, Quoted(table.table.name), table.table, sink));
  return {};
}

Result<void> LoadSqlite(const std::filesystem::path& file, std::span<const sql::Migration> migrations,
                        const Dump& from) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  BOXOFFICE_TRY(database.Migrate(migrations));
  BOXOFFICE_ASSIGN(std::vector<TableForm> form, ReadForm(database));
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(database));
  LoadingSink sink(database, std::move(form));
  BOXOFFICE_TRY(from(sink));
  return transaction.Commit();
}

}  // namespace boxoffice::archive
