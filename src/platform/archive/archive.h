// The file in which a system's data travels: sections, each with the rows of some tables. See README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/archive/rows.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::archive {

struct Section {
  std::string name;
  int64_t version = 0;  // of the form of its rows
  int64_t rows = 0;
  std::string digest;  // Digest::ToHex
};

// What a Writer has beside `file` until it has finished.
[[nodiscard]] std::vector<std::filesystem::path> UnfinishedOf(const std::filesystem::path& file);

// Makes an archive. Not thread-safe.
class Writer {
 public:
  // Begins `file`.new, which only its owner may read; what an earlier attempt left of it is dropped. Errors:
  // archive_exists (kConflict: `file` is there), archive_unwritable.
  [[nodiscard]] static Result<std::unique_ptr<Writer>> Create(const std::filesystem::path& file);
  // Removes what is unfinished.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Writes all rows of `from`, and makes them durable. Each section comes once. Errors: archive_unwritable,
  // and those of `from`.
  [[nodiscard]] Result<Section> Write(std::string_view name, int64_t version, const Dump& from);
  // Gives it its name, durably. After that nothing can be written. Errors: archive_unwritable,
  // archive_exists.
  [[nodiscard]] Result<void> Finish();

 private:
  explicit Writer(std::filesystem::path file);
  std::filesystem::path file_;
  std::filesystem::path unfinished_;  // the first of UnfinishedOf
  std::unique_ptr<sql::Database> database_;
};

// Reads one. Not thread-safe.
class Reader {
 public:
  // Errors: archive_missing (kNotFound), not_an_archive (kInvalidArgument), archive_damaged, archive_version
  // (kConflict: of another version of Boxoffice).
  [[nodiscard]] static Result<std::unique_ptr<Reader>> Open(const std::filesystem::path& file);

  [[nodiscard]] const std::vector<Section>& sections() const { return sections_; }
  // nullptr: there is none of that name.
  [[nodiscard]] const Section* Find(std::string_view name) const;
  // Gives the section's rows to the sink. Errors: archive_damaged, and those of the sink.
  [[nodiscard]] Result<void> Read(const Section& section, Sink& sink) const;
  // Reads everything and compares it with what the sections say of themselves. Error: archive_damaged.
  [[nodiscard]] Result<void> Verify() const;

 private:
  Reader(std::filesystem::path file, sql::Database database)
      : file_(std::move(file)), database_(std::move(database)) {}
  [[nodiscard]] Result<void> ReadSections();
  [[nodiscard]] Result<std::vector<Table>> TablesOf(const Section& section) const;
  [[nodiscard]] std::unexpected<Error> Damaged(std::string_view what) const;

  const std::filesystem::path file_;
  sql::Database database_;
  std::vector<Section> sections_;
};

}  // namespace boxoffice::archive
