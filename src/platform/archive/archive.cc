#include "platform/archive/archive.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/check.h"
#include "base/sync_folder.h"
#include "platform/archive/sqlite_tables.h"

namespace boxoffice::archive {
namespace {

constexpr int64_t kApplicationId = 0x42784f66;  // "BxOf": what `file` and SQLite tell a database by
constexpr int64_t kFileVersion = 1;

std::string PhysicalName(std::string_view section, std::string_view table) {
  return fmt::format("{}.{}", section, table);
}

std::unexpected<Error> Unwritable(const std::filesystem::path& file, std::string_view why) {
  return Fail(Code::kPermissionDenied, "archive_unwritable", fmt::format("{}: {}", file.string(), why));
}

// Whatever SQLite says of a file that we write is of that file.
Result<void> Written(Result<void> done, const std::filesystem::path& file) {
  if (!done) return Unwritable(file, done.error().detail);
  return {};
}

// Makes a table for each table that comes, and counts.
class SectionSink final : public Sink {
 public:
  SectionSink(sql::Database& database, std::string section, const std::filesystem::path& file)
      : database_(database), section_(std::move(section)), file_(file) {}

  Result<void> Begin(const Table& table) override {
    const std::string name = Quoted(PhysicalName(section_, table.name));
    std::string columns;
    for (const std::string& column : table.columns) columns += (columns.empty() ? "" : ", ") + Quoted(column);
    BOXOFFICE_TRY(Written(database_.Execute(fmt::format("CREATE TABLE {} ({})", name, columns)), file_));
    writer_.emplace(database_, name, table, std::vector(table.columns.size(), ColumnType::kBytes));
    return digest_.Begin(table);
  }
  Result<void> Add(std::span<const Row> rows) override {
    BOXOFFICE_TRY(Written(writer_->Add(rows), file_));
    return digest_.Add(rows);
  }
  [[nodiscard]] const Digest& digest() const { return digest_; }

 private:
  sql::Database& database_;
  const std::string section_;
  const std::filesystem::path& file_;
  std::optional<TableWriter> writer_;
  Digest digest_;
};

Result<int64_t> ReadPragma(const sql::Database& database, std::string_view name) {
  sql::Statement read = database.Prepare(fmt::format("PRAGMA {}", name));
  BOXOFFICE_ASSIGN(const bool found, read.Step());
  CHECK(found);
  return read.Int(0);
}

// By what every SQLite file begins with, as far as there is any of this one: an empty file is an empty
// database.
bool BeginsAsDatabase(const std::filesystem::path& file) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  std::string begin(kMagic.size(), '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  begin.resize(static_cast<size_t>(in.gcount()));
  return kMagic.starts_with(begin);
}

void RemoveUnfinished(const std::filesystem::path& file) {
  std::error_code ignored;
  for (const std::filesystem::path& unfinished : UnfinishedOf(file))
    std::filesystem::remove(unfinished, ignored);
}

}  // namespace

std::vector<std::filesystem::path> UnfinishedOf(const std::filesystem::path& file) {
  std::vector<std::filesystem::path> files;
  for (const char* suffix : {".new", ".new-wal", ".new-shm", ".new-journal"})
    files.emplace_back(file.string() + suffix);
  return files;
}

Writer::Writer(std::filesystem::path file)
    : file_(std::move(file)), unfinished_(UnfinishedOf(file_).front()) {}

Writer::~Writer() {
  if (!database_) return;
  database_.reset();
  RemoveUnfinished(file_);
}

Result<std::unique_ptr<Writer>> Writer::Create(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::exists(file, error))
    return Fail(Code::kConflict, "archive_exists", fmt::format("{} is there already", file.string()));
  auto writer = std::unique_ptr<Writer>(new Writer(file));
  RemoveUnfinished(file);
  const int fd = ::open(writer->unfinished_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return Unwritable(writer->unfinished_, std::strerror(errno));
  ::close(fd);
  auto database = sql::Database::Open(writer->unfinished_);
  if (!database) {
    RemoveUnfinished(file);
    return Fail(Code::kPermissionDenied, "archive_unwritable", database.error().detail);  // it names the file
  }
  writer->database_ = std::make_unique<sql::Database>(*std::move(database));
  // In a WAL each section would stand a second time until it is whole. A rollback journal holds what was
  // there before, which is next to nothing. It also leaves no file beside this one, and none is needed to
  // read it.
  BOXOFFICE_TRY(Written(writer->database_->Execute(fmt::format(
                            "PRAGMA journal_mode=DELETE; PRAGMA application_id={}; PRAGMA user_version={}; "
                            "CREATE TABLE section(name TEXT PRIMARY KEY, version INTEGER NOT NULL, "
                            "rows INTEGER NOT NULL, digest TEXT NOT NULL) STRICT, WITHOUT ROWID",
                            kApplicationId, kFileVersion)),
                        writer->unfinished_));
  return writer;
}

Result<Section> Writer::Write(std::string_view name, int64_t version, const Dump& from) {
  CHECK(database_ != nullptr, "an archive is finished once");
  BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
  SectionSink sink(*database_, std::string(name), unfinished_);
  BOXOFFICE_TRY(from(sink));
  Section section{std::string(name), version, sink.digest().rows(), sink.digest().ToHex()};
  sql::Statement insert = database_->Prepare("INSERT INTO section VALUES(?1, ?2, ?3, ?4)");
  insert.Bind(section.name, section.version, section.rows, section.digest);
  BOXOFFICE_TRY(Written(insert.Run(), unfinished_));
  BOXOFFICE_TRY(Written(transaction.Commit(), unfinished_));
  return section;
}

Result<void> Writer::Finish() {
  CHECK(database_ != nullptr, "an archive is finished once");
  // A link instead of a rename: whatever has come under that name meanwhile stays.
  if (::link(unfinished_.c_str(), file_.c_str()) != 0) {
    if (errno == EEXIST)
      return Fail(Code::kConflict, "archive_exists", fmt::format("{} is there already", file_.string()));
    return Unwritable(file_, std::strerror(errno));
  }
  database_.reset();
  RemoveUnfinished(file_);
  const std::filesystem::path folder = file_.has_parent_path() ? file_.parent_path() : ".";
  if (!SyncFolder(folder)) return Unwritable(folder, std::strerror(errno));
  return {};
}

Result<std::unique_ptr<Reader>> Reader::Open(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error))
    return Fail(Code::kNotFound, "archive_missing", fmt::format("there is no file {}", file.string()));
  const auto foreign = [&file] {
    return Fail(Code::kInvalidArgument, "not_an_archive",
                fmt::format("{} was not written by `boxoffice export` or `backup`", file.string()));
  };
  if (!BeginsAsDatabase(file)) return foreign();
  auto database = sql::Database::OpenReadOnly(file);
  if (!database) {
    return Fail(Code::kInvalidArgument, "archive_damaged",
                fmt::format("a part of it is missing: {}", database.error().detail));
  }
  BOXOFFICE_ASSIGN(const int64_t application, ReadPragma(*database, "application_id"));
  if (application != kApplicationId) return foreign();
  BOXOFFICE_ASSIGN(const int64_t version, ReadPragma(*database, "user_version"));
  if (version != kFileVersion) {
    return Fail(Code::kConflict, "archive_version",
                fmt::format("{} has the form {} of another version of Boxoffice, this one reads {}",
                            file.string(), version, kFileVersion));
  }
  auto reader = std::unique_ptr<Reader>(new Reader(file, *std::move(database)));
  BOXOFFICE_TRY(reader->ReadSections());
  return reader;
}

std::unexpected<Error> Reader::Damaged(std::string_view what) const {
  return Fail(Code::kInvalidArgument, "archive_damaged",
              fmt::format("{} is damaged: {}", file_.string(), what));
}

Result<void> Reader::ReadSections() {
  sql::Statement tables =
      database_.Prepare("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'section'");
  const auto there = tables.Step();
  if (!there || tables.Int(0) != 1) return Damaged("its list of sections is missing");
  tables.Reset();
  auto read = database_.TryPrepare("SELECT name, version, rows, digest FROM section ORDER BY name");
  if (!read) return Damaged(read.error().detail);
  while (true) {
    const Result<bool> more = read->Step();
    if (!more) return Damaged(more.error().detail);
    if (!*more) return {};
    sections_.push_back({std::string(read->Text(0)), read->Int(1), read->Int(2), std::string(read->Text(3))});
  }
}

const Section* Reader::Find(std::string_view name) const {
  const auto found = std::ranges::find(sections_, name, &Section::name);
  return found != sections_.end() ? &*found : nullptr;
}

Result<std::vector<Table>> Reader::TablesOf(const Section& section) const {
  std::vector<Table> tables;
  const std::string prefix = section.name + ".";
  sql::Statement names = database_.Prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, length(?1)) = ?1 ORDER BY "
      "rowid");
  names.Bind(prefix);
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, names.Step());
    if (!more) break;
    tables.emplace_back().name = names.Text(0).substr(prefix.size());
  }
  sql::Statement columns = database_.Prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid");
  for (Table& table : tables) {
    const std::string name = PhysicalName(section.name, table.name);
    columns.Bind(name);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, columns.Step());
      if (!more) break;
      table.columns.emplace_back(columns.Text(0));
    }
  }
  return tables;
}

Result<void> Reader::Read(const Section& section, Sink& sink) const {
  const auto tables = TablesOf(section);
  if (!tables) return Damaged(tables.error().detail);
  for (const Table& table : *tables) {
    const auto read = DumpTable(database_, Quoted(PhysicalName(section.name, table.name)), table, sink);
    if (read) continue;
    // Verify comes first, so an error here is the sink's.
    return read;
  }
  return {};
}

Result<void> Reader::Verify() const {
  for (const Section& section : sections_) {
    const auto digest = DigestOf([&](Sink& sink) { return Read(section, sink); });
    if (!digest) return Damaged(digest.error().detail);
    if (digest->ToHex() != section.digest) {
      return Damaged(fmt::format("the rows of {} are not those that were written ({} rows of {})",
                                 section.name, digest->rows(), section.rows));
    }
  }
  return {};
}

}  // namespace boxoffice::archive
