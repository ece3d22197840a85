#include "platform/archive/archive.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/sql/sqlite.h"
#include "testing/temp_dir.h"

namespace boxoffice::archive {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Table kNote{"note", {"id", "text", "bytes", "ratio"}};

Dump Notes(int count) {
  return [count](Sink& sink) -> Result<void> {
    BOXOFFICE_TRY(sink.Begin(kNote));
    for (int64_t i = 0; i < count; ++i) {
      const std::vector<Row> rows{
          {i, std::string(100, 'x'), std::string("\0\1", 2), i % 2 == 0 ? Value() : Value(0.5)}};
      BOXOFFICE_TRY(sink.Add(rows));
    }
    return sink.Begin({"empty", {"only"}});
  };
}

// Keeps what comes.
class Kept final : public Sink {
 public:
  Result<void> Begin(const Table& table) override {
    tables.push_back(table);
    return {};
  }
  Result<void> Add(std::span<const Row> added) override {
    rows.insert(rows.end(), added.begin(), added.end());
    return {};
  }
  std::vector<Table> tables;
  std::vector<Row> rows;
};

class ArchiveTest : public ::testing::Test {
 protected:
  std::filesystem::path Write(int count) {
    const auto writer = Writer::Create(file_).value();
    EXPECT_TRUE(writer->Write("notes", 3, Notes(count)));
    EXPECT_TRUE(writer->Write("more", 1, Notes(1)));
    EXPECT_TRUE(writer->Finish());
    return file_;
  }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path()))
      names.push_back(entry.path().filename());
    return names;
  }
  // Opens and verifies.
  Result<void> Check() {
    BOXOFFICE_ASSIGN(const auto reader, Reader::Open(file_));
    return reader->Verify();
  }
  void Change(const std::string& statement) {
    auto database = sql::Database::Open(file_).value();
    const auto changed = database.Execute(statement);
    ASSERT_TRUE(changed.has_value()) << changed.error().detail;
  }

  testbed::TempDir dir_;
  std::filesystem::path file_ = dir_.path() / "system.boxoffice";
};

TEST_F(ArchiveTest, GivesBackWhatWasWritten) {
  Write(3);
  const auto reader = Reader::Open(file_).value();
  ASSERT_TRUE(reader->Verify());
  const Section* section = reader->Find("notes");
  ASSERT_NE(section, nullptr);
  EXPECT_EQ(section->version, 3);
  EXPECT_EQ(section->rows, 3);
  Kept kept;
  ASSERT_TRUE(reader->Read(*section, kept));
  EXPECT_THAT(kept.tables, ElementsAre(kNote, Table{"empty", {"only"}}));
  EXPECT_THAT(kept.rows,
              ElementsAre(Row{int64_t{0}, std::string(100, 'x'), std::string("\0\1", 2), Value()},
                          Row{int64_t{1}, std::string(100, 'x'), std::string("\0\1", 2), 0.5},
                          Row{int64_t{2}, std::string(100, 'x'), std::string("\0\1", 2), Value()}));
  EXPECT_EQ(reader->Find("notes2"), nullptr);
}

TEST_F(ArchiveTest, IsOneFileThatOnlyItsOwnerMayReadAndReadingLeavesItAlone) {
  Write(3);
  EXPECT_THAT(Files(), ElementsAre("system.boxoffice"));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(file_).permissions() & perms::mask,
            perms::owner_read | perms::owner_write);
  EXPECT_TRUE(Check());
  EXPECT_THAT(Files(), ElementsAre("system.boxoffice"));
}

TEST_F(ArchiveTest, IsNotThereUntilItIsWhole) {
  {
    const auto writer = Writer::Create(file_).value();
    ASSERT_TRUE(writer->Write("notes", 3, Notes(3)));
    EXPECT_FALSE(std::filesystem::exists(file_));
  }
  EXPECT_THAT(Files(), IsEmpty());
  std::ofstream(file_.string() + ".new") << "left by one that was killed";
  Write(2);
  EXPECT_TRUE(Check());
}

// A section that is larger than what SQLite keeps in memory of it.
TEST_F(ArchiveTest, WhatIsWrittenStandsThereOnce) {
  constexpr uintmax_t kMega = 1 << 20;
  constexpr int64_t kRows = 100;
  uintmax_t beside = 0;
  const auto look = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      if (entry.path() != UnfinishedOf(file_).front()) beside = std::max(beside, entry.file_size());
    }
  };
  const auto writer = Writer::Create(file_).value();
  ASSERT_TRUE(writer->Write("large", 1, [&](Sink& sink) -> Result<void> {
    BOXOFFICE_TRY(sink.Begin({"text", {"id", "text"}}));
    for (int64_t i = 0; i < kRows; ++i) {
      const Row row{i, std::string(kMega, 'x')};
      BOXOFFICE_TRY(sink.Add({&row, 1}));
    }
    look();
    return {};
  }));
  look();
  EXPECT_LT(beside, 4 * kMega);
  ASSERT_TRUE(writer->Write("notes", 3, Notes(1)));
  ASSERT_TRUE(writer->Finish());
  EXPECT_GT(std::filesystem::file_size(file_), kRows * kMega);
  EXPECT_TRUE(Check());
}

TEST_F(ArchiveTest, NeverReplacesAFile) {
  Write(1);
  EXPECT_EQ(Writer::Create(file_).error().reason, "archive_exists");
  std::filesystem::remove(file_);
  const auto writer = Writer::Create(file_).value();
  std::ofstream(file_) << "came meanwhile";
  EXPECT_EQ(writer->Finish().error().reason, "archive_exists");
}

TEST_F(ArchiveTest, WhereItCantBeWrittenIsSaid) {
  const auto writer = Writer::Create(dir_.path() / "missing" / "file");
  ASSERT_FALSE(writer.has_value());
  EXPECT_EQ(writer.error().reason, "archive_unwritable");
}

// As on a disk that is full: the file can be made, and SQLite can't write to it.
TEST_F(ArchiveTest, OneThatCantBeOpenedLeavesNothing) {
  const std::string unfinished = file_.string() + ".new";
  std::filesystem::create_directories(unfinished + "-wal/in the way");
  const auto writer = Writer::Create(file_);
  ASSERT_FALSE(writer.has_value());
  EXPECT_EQ(writer.error().reason, "archive_unwritable");
  const std::string& detail = writer.error().detail;
  EXPECT_TRUE(detail.starts_with(unfinished + ": ")) << detail;
  EXPECT_EQ(detail.find(unfinished), detail.rfind(unfinished)) << detail;
  EXPECT_FALSE(std::filesystem::exists(unfinished));
}

TEST_F(ArchiveTest, AMissingTruncatedOrForeignFileIsRefused) {
  EXPECT_EQ(Check().error().reason, "archive_missing");
  Write(2'000);
  const auto size = std::filesystem::file_size(file_);
  for (const auto left : {size - 4096, size / 2, size - 1, decltype(size){5000}, decltype(size){10}}) {
    std::filesystem::resize_file(file_, left);
    EXPECT_FALSE(Check().has_value()) << left;
    EXPECT_EQ(Check().error().reason, "archive_damaged") << left;
  }
  std::filesystem::resize_file(file_, 0);
  EXPECT_EQ(Check().error().reason, "not_an_archive") << "an empty file is an empty database";
  std::ofstream(file_) << "Dear Mina, this is a letter, and no database at all.";
  EXPECT_EQ(Check().error().reason, "not_an_archive");
  std::filesystem::remove(file_);
  Change("CREATE TABLE section(name)");
  EXPECT_EQ(Check().error().reason, "not_an_archive");
}

TEST_F(ArchiveTest, AChangedByteARowTooFewAndARowTooManyAreFound) {
  Write(2'000);
  const std::filesystem::path good = dir_.path() / "good";
  std::filesystem::copy_file(file_, good);
  for (const char* change :
       {R"(UPDATE "notes.note" SET text = 'y' WHERE id = 7)", R"(DELETE FROM "notes.note" WHERE id = 7)",
        R"(INSERT INTO "notes.note" SELECT * FROM "notes.note" WHERE id = 7)", R"(DROP TABLE "more.note")"}) {
    std::filesystem::copy_file(good, file_, std::filesystem::copy_options::overwrite_existing);
    ASSERT_TRUE(Check());
    Change(change);
    EXPECT_FALSE(Check().has_value()) << change;
  }
  std::filesystem::copy_file(good, file_, std::filesystem::copy_options::overwrite_existing);
  std::ifstream in(file_, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  bytes[bytes.rfind("xxxxxx")] = 'z';
  std::ofstream(file_, std::ios::binary) << bytes;
  const auto damaged = Check();
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().reason, "archive_damaged");
  EXPECT_THAT(damaged.error().detail, HasSubstr("are not those that were written"));
}

// As by a bit that fell over in the page that says what the tables are.
TEST_F(ArchiveTest, AListOfSectionsThatHasOtherColumnsIsDamageAndEndsNoProgram) {
  Write(1);
  Change("ALTER TABLE section RENAME COLUMN digest TO digess");
  EXPECT_EQ(Check().error().reason, "archive_damaged");
  EXPECT_THAT(Check().error().detail, HasSubstr("digest"));
}

TEST_F(ArchiveTest, AnotherVersionOfTheFileIsRefused) {
  Write(1);
  Change("PRAGMA user_version = 2");
  EXPECT_EQ(Check().error().reason, "archive_version");
}

}  // namespace
}  // namespace boxoffice::archive
