#include "platform/archive/sqlite_snapshot.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/archive/sqlite_tables.h"

namespace boxoffice::archive {
namespace {

// One connection holds, another one reads: what ends the hold must not end the moment.
class SqliteSnapshot final : public Snapshot {
 public:
  SqliteSnapshot(sql::Database holding, sql::Database reading, std::span<const sql::Migration> migrations)
      : holding_(std::move(holding)), reading_(std::move(reading)), migrations_(migrations) {}

  Result<void> Hold() override {
    BOXOFFICE_ASSIGN(sql::Transaction held, sql::Transaction::Begin(holding_));
    held_.emplace(std::move(held));
    return {};
  }
  Result<void> Take() override { return BeginMoment(reading_, migrations_); }
  Result<void> Release() override {
    held_.reset();
    return {};
  }
  Result<void> Dump(Sink& sink) override {
    BOXOFFICE_ASSIGN(const std::vector<TableForm> form, FormOf(migrations_));
    for (const TableForm& table : form)
      BOXOFFICE_TRY(DumpTable(reading_, Quoted(table.table.name), table.table, sink));
    return {};
  }

 private:
  sql::Database holding_;
  sql::Database reading_;
  const std::span<const sql::Migration> migrations_;
  std::optional<sql::Transaction> held_;
};

}  // namespace

Result<void> BeginMoment(sql::Database& database, std::span<const sql::Migration> migrations) {
  BOXOFFICE_TRY(database.Execute("BEGIN"));
  // A transaction begins to see with its first look.
  sql::Statement look = database.Prepare("SELECT count(*) FROM sqlite_master");
  BOXOFFICE_TRY(look.Run());
  sql::Statement version = database.Prepare("PRAGMA user_version");
  BOXOFFICE_ASSIGN(const bool found, version.Step());
  CHECK(found);
  return CheckVersion(version.Int(0), migrations);
}

Result<std::unique_ptr<Snapshot>> OpenSqliteSnapshot(const std::filesystem::path& file,
                                                     std::span<const sql::Migration> migrations) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error))
    return Fail(Code::kNotFound, "no_store", fmt::format("there is no {}", file.string()));
  BOXOFFICE_ASSIGN(sql::Database holding, sql::Database::Open(file));
  BOXOFFICE_TRY(holding.Execute(fmt::format("PRAGMA busy_timeout={}", kHoldPatience.count())));
  BOXOFFICE_ASSIGN(sql::Database reading, sql::Database::Open(file));
  return std::make_unique<SqliteSnapshot>(std::move(holding), std::move(reading), migrations);
}

Result<std::string> CopyOfDatabase(const std::filesystem::path& file, const std::filesystem::path& scratch) {
  std::error_code ignored;
  std::filesystem::remove(scratch, ignored);
  const auto copied = [&]() -> Result<std::string> {
    BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
    sql::Statement copy = database.Prepare("VACUUM INTO ?1");
    const std::string name = scratch.string();
    copy.Bind(name);
    BOXOFFICE_TRY(copy.Run());
    std::ifstream in(scratch, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    if (!in || bytes.empty())
      return Fail(Code::kPermissionDenied, "archive_unwritable", fmt::format("{} can't be read", name));
    return bytes;
  }();
  std::filesystem::remove(scratch, ignored);
  return copied;
}

}  // namespace boxoffice::archive
