#include "platform/sql/sqlite.h"

#include <array>
#include <map>

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "testing/temp_dir.h"

namespace boxoffice::sql {
namespace {

constexpr Migration kFirst{1, "0001_first", "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c BLOB) STRICT;"};
constexpr Migration kSecond{2, "0002_second", "ALTER TABLE t ADD COLUMN d INTEGER;"};

class SqliteTest : public testing::Test {
 protected:
  Database Open() { return Database::Open(dir_.path() / "test.db").value(); }
  testbed::TempDir dir_;
};

TEST_F(SqliteTest, RowsGoInAndComeOut) {
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  Statement insert = db.Prepare("INSERT INTO t VALUES(?1, ?2, ?3)");
  insert.Bind(1, std::string_view("one"), std::nullopt).BindBlob(3, std::string_view("\0x", 2));
  ASSERT_TRUE(insert.Run());
  insert.Bind(2, std::optional<std::string>(), std::nullopt);
  ASSERT_TRUE(insert.Run());
  Statement select = db.Prepare("SELECT a, b, c FROM t ORDER BY a");
  ASSERT_TRUE(*select.Step());
  EXPECT_EQ(select.Text(1), "one");
  EXPECT_EQ(select.Text(2), std::string_view("\0x", 2));
  ASSERT_TRUE(*select.Step());
  EXPECT_TRUE(select.IsNull(1));
  EXPECT_FALSE(*select.Step());
}

// The statement runs after the expression that bound them has ended.
TEST_F(SqliteTest, TemporariesAreKept) {
  Database db = Open();
  const std::string text(100, 'x');
  SeededRandom random(1);
  const Uuid id = Uuid::MakeV7(SystemClock().Now(), random);
  Statement select = db.Prepare("SELECT ?1, ?2, ?3");
  select.Bind(std::string(text), Uuid(id), std::optional(std::string(text)));
  const std::array<std::string, 4> others{std::string(100, 'y'), std::string(100, 'y'), std::string(100, 'y'),
                                          std::string(100, 'y')};  // where the temporaries were
  ASSERT_TRUE(*select.Step()) << others[0];
  EXPECT_EQ(select.Text(0), text);
  EXPECT_EQ(select.Text(1), id.bytes());
  EXPECT_EQ(select.Text(2), text);
}

TEST_F(SqliteTest, UncommittedTransactionIsRolledBack) {
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  {
    auto transaction = Transaction::Begin(db);
    ASSERT_TRUE(db.Execute("INSERT INTO t VALUES(1, 'x', NULL)"));
  }
  Statement count = db.Prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(*count.Step());
  EXPECT_EQ(count.Int(0), 0);
}

TEST_F(SqliteTest, CommittedTransactionIsSeenByAnotherConnection) {
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  auto transaction = Transaction::Begin(db);
  ASSERT_TRUE(db.Execute("INSERT INTO t VALUES(1, 'x', NULL)"));
  ASSERT_TRUE(transaction->Commit());
  Database other = Open();
  Statement count = other.Prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(*count.Step());
  EXPECT_EQ(count.Int(0), 1);
}

// SQLite's files, in which one thing fails.
class FailingFiles {
 public:
  enum class Fault { kNone, kSync, kWrite, kIndexGrows };
  FailingFiles() {
    original = sqlite3_vfs_find(nullptr);
    vfs_ = *original;
    vfs_.zName = "failing_files";
    vfs_.xOpen = Open;
    sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
  }
  ~FailingFiles() {
    fault = Fault::kNone;
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(original, /*makeDflt=*/1);
  }
  FailingFiles(const FailingFiles&) = delete;
  FailingFiles& operator=(const FailingFiles&) = delete;

  static inline Fault fault = Fault::kNone;

 private:
  static int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int rc = original->xOpen(original, name, file, flags, out_flags);
    if (rc != SQLITE_OK || file->pMethods == nullptr) return rc;
    // By those that they stand for, which differ by the kind of file; SQLite's all sync and write alike, and
    // one kind has the index of a WAL.
    static std::map<const sqlite3_io_methods*, sqlite3_io_methods> ours;
    const auto [mine, is_new] = ours.try_emplace(file->pMethods, *file->pMethods);
    if (is_new) {
      sync = file->pMethods->xSync;
      mine->second.xSync = [](sqlite3_file* which, int how) {
        return fault == Fault::kSync ? SQLITE_IOERR_FSYNC : sync(which, how);
      };
      write = file->pMethods->xWrite;
      mine->second.xWrite = [](sqlite3_file* which, const void* data, int size, sqlite3_int64 at) {
        return fault == Fault::kWrite ? SQLITE_FULL : write(which, data, size, at);
      };
      if (file->pMethods->xShmMap != nullptr) {
        map_index = file->pMethods->xShmMap;
        mine->second.xShmMap = MapIndex;
      }
    }
    file->pMethods = &mine->second;
    return rc;
  }
  static int MapIndex(sqlite3_file* which, int region, int size, int extend, void volatile** mapped) {
    const bool may_grow = fault != Fault::kIndexGrows;
    const int rc = map_index(which, region, size, may_grow ? extend : 0, mapped);
    const bool is_missing = rc == SQLITE_OK && *mapped == nullptr;
    return is_missing && extend != 0 && !may_grow ? SQLITE_IOERR_SHMSIZE : rc;
  }
  static inline sqlite3_vfs* original = nullptr;
  static inline int (*sync)(sqlite3_file*, int) = nullptr;
  static inline int (*write)(sqlite3_file*, const void*, int, sqlite3_int64) = nullptr;
  static inline int (*map_index)(sqlite3_file*, int, int, int, void volatile**) = nullptr;
  sqlite3_vfs vfs_{};
};

class SqliteCommitTest : public SqliteTest {
 protected:
  // Inserts the row 1, with so many bytes.
  static Result<void> Insert(Database& db, int64_t bytes) {
    BOXOFFICE_ASSIGN(Transaction transaction, Transaction::Begin(db));
    BOXOFFICE_TRY(db.Prepare("INSERT INTO t VALUES(1, 'x', zeroblob(?1))").Bind(bytes).Run());
    return transaction.Commit();
  }
  static Result<void> InsertWith(FailingFiles::Fault fault, Database& db, int64_t bytes) {
    FailingFiles::fault = fault;
    Result<void> done = Insert(db, bytes);
    FailingFiles::fault = FailingFiles::Fault::kNone;
    return done;
  }
  static int64_t Count(const Database& db) {
    Statement count = db.Prepare("SELECT count(*) FROM t");
    EXPECT_TRUE(*count.Step());
    return count.Int(0);
  }
  const FailingFiles files_;
};

TEST_F(SqliteCommitTest, ACommitThatMayHaveReachedTheDiskIsUnknown) {
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  const Result<void> failed = InsertWith(FailingFiles::Fault::kSync, db, 1);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kUnknown);
  EXPECT_EQ(failed.error().reason, "commit_unknown");
  EXPECT_TRUE(Insert(db, 1)) << "and here it was undone, so that it can be done again";
}

TEST_F(SqliteCommitTest, ACommitThatTheIndexOfTheWalHadNoRoomForIsUnknown) {
  constexpr int64_t kBeyondTheFirstRegion = 5'000 * 4'096;  // which is of 4,062 pages
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  const Result<void> failed = InsertWith(FailingFiles::Fault::kIndexGrows, db, kBeyondTheFirstRegion);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kUnknown) << failed.error().detail;
  EXPECT_EQ(failed.error().reason, "commit_unknown");
  EXPECT_EQ(Count(db), 0);
  for (const char* file : {"test.db", "test.db-wal"})
    std::filesystem::copy_file(dir_.path() / file, dir_.path() / (std::string("after_a_crash_") + file));
  EXPECT_EQ(Count(Database::Open(dir_.path() / "after_a_crash_test.db").value()), 1) << "it was written";
  EXPECT_TRUE(Insert(db, kBeyondTheFirstRegion));
  EXPECT_EQ(Count(db), 1);
}

TEST_F(SqliteCommitTest, ACommitThatTheWalHadNoRoomForIsUndone) {
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  const Result<void> failed = InsertWith(FailingFiles::Fault::kWrite, db, 1);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kUnavailable);
  EXPECT_EQ(failed.error().reason, "database_unavailable");
  EXPECT_TRUE(Insert(db, 1));
}

TEST_F(SqliteTest, WhatIsReadInOneGoIsOfOneMoment) {
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  Database other = Open();
  Statement count = db.Prepare("SELECT count(*) FROM t");
  const auto rows = [&] {
    EXPECT_TRUE(*count.Step());
    const int64_t found = count.Int(0);
    count.Reset();
    return found;
  };
  {
    const auto reading = Reading::Begin(db);
    ASSERT_TRUE(reading);
    EXPECT_EQ(rows(), 0);
    ASSERT_TRUE(other.Execute("INSERT INTO t VALUES(1, 'x', NULL)"));
    EXPECT_EQ(rows(), 0);
  }
  EXPECT_EQ(rows(), 1);
  ASSERT_TRUE(Transaction::Begin(db)) << "and it has ended";
}

TEST_F(SqliteTest, AWalThatGrewUnderAReaderShrinksWhenItIsGone) {
  constexpr uintmax_t kLimit = 64 << 20;
  Database db = Database::Open(dir_.path() / "test.db", Durability::kNormal).value();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  const auto wal_size = [this] { return std::filesystem::file_size(dir_.path() / "test.db-wal"); };
  Database other = Open();
  {
    const auto reading = Reading::Begin(other);
    ASSERT_TRUE(reading);
    Statement count = other.Prepare("SELECT count(*) FROM t");
    ASSERT_TRUE(*count.Step());
    count.Reset();
    ASSERT_TRUE(db.Execute("INSERT INTO t(c) VALUES(zeroblob(66 * 1024 * 1024))"));
    EXPECT_GT(wal_size(), kLimit);
  }
  // The first takes all of it into the database, the second begins it anew.
  ASSERT_TRUE(db.Execute("INSERT INTO t(b) VALUES('x')"));
  ASSERT_TRUE(db.Execute("INSERT INTO t(b) VALUES('y')"));
  EXPECT_LE(wal_size(), kLimit);
}

TEST_F(SqliteTest, ABrokenConstraintIsAConflict) {
  Database db = Open();
  ASSERT_TRUE(db.Migrate(std::array{kFirst}));
  ASSERT_TRUE(db.Execute("INSERT INTO t VALUES(1, 'x', NULL)"));
  EXPECT_EQ(db.Execute("INSERT INTO t VALUES(1, 'y', NULL)").error().reason, "constraint");
}

TEST_F(SqliteTest, MigrationsAreAppliedOnceAndInOrder) {
  ASSERT_TRUE(Open().Migrate(std::array{kFirst}));
  ASSERT_TRUE(Open().Migrate(std::array{kFirst, kSecond}));
  ASSERT_TRUE(Open().Migrate(std::array{kFirst, kSecond}));
}

// Starts `count` processes that run `work` at the same moment; how many of them failed.
template <typename Work>
int RunTogether(int count, Work work) {
  std::array<int, 2> gate{};
  EXPECT_EQ(pipe(gate.data()), 0);
  std::vector<pid_t> processes;
  for (int i = 0; i < count; ++i) {
    const pid_t process = fork();
    if (process == 0) {
      close(gate[1]);
      char nothing = 0;
      const ssize_t opened = read(gate[0], &nothing, 1);  // ends when the parent closes its end
      _exit(opened == 0 && work() ? 0 : 1);
    }
    processes.push_back(process);
  }
  close(gate[0]);
  close(gate[1]);
  int failed = 0;
  for (const pid_t process : processes) {
    int status = -1;
    EXPECT_EQ(waitpid(process, &status, 0), process);
    if (status != 0) ++failed;
  }
  return failed;
}

TEST_F(SqliteTest, ProcessesThatCreateAndMigrateOneFileTogetherAllSucceed) {
  for (int round = 0; round < 40; ++round) {
    const auto file = dir_.path() / std::to_string(round);
    const auto open_and_migrate = [&file] {
      auto db = Database::Open(file);
      return db && db->Migrate(std::array{kFirst, kSecond}).has_value();
    };
    ASSERT_EQ(RunTogether(8, open_and_migrate), 0) << "round " << round;
    Database db = Database::Open(file).value();
    EXPECT_TRUE(db.Execute("INSERT INTO t(a, d) VALUES(1, 2)"));
    EXPECT_EQ(db.Migrate(std::array{kFirst}).error().reason, "schema_newer") << "both are applied";
  }
}

TEST_F(SqliteTest, ADatabaseNewerThanTheProgramIsRefused) {
  ASSERT_TRUE(Open().Migrate(std::array{kFirst, kSecond}));
  EXPECT_EQ(Open().Migrate(std::array{kFirst}).error().reason, "schema_newer");
}

TEST_F(SqliteTest, AMissingFolderIsAClearError) {
  const auto opened = Database::Open(dir_.path() / "missing" / "test.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, "database_unavailable");
  EXPECT_THAT(opened.error().detail, testing::HasSubstr("missing"));
}

}  // namespace
}  // namespace boxoffice::sql
