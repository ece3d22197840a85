#include "platform/sql/file_lock.h"

#include <gtest/gtest.h>

#include "testing/temp_dir.h"

namespace boxoffice::sql {
namespace {

using Kind = FileLock::Kind;

TEST(FileLockTest, OneHasItUntilItGoes) {
  const testbed::TempDir dir;
  const auto file = dir.path() / "lock";
  {
    const auto first = FileLock::Try(file, Kind::kExclusive).value();
    ASSERT_TRUE(first.has_value());
    EXPECT_FALSE(FileLock::Try(file, Kind::kExclusive).value().has_value());
    EXPECT_FALSE(FileLock::Try(file, Kind::kShared).value().has_value());
  }
  EXPECT_TRUE(FileLock::Try(file, Kind::kExclusive).value().has_value());
}

TEST(FileLockTest, SharedOnesDoNotKeepEachOtherOut) {
  const testbed::TempDir dir;
  const auto first = FileLock::Try(dir.path() / "lock", Kind::kShared).value();
  const auto second = FileLock::Try(dir.path() / "lock", Kind::kShared).value();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(FileLock::Try(dir.path() / "lock", Kind::kExclusive).value().has_value());
}

TEST(FileLockTest, AFileThatCantBeMadeIsAnError) {
  const testbed::TempDir dir;
  EXPECT_EQ(FileLock::Try(dir.path() / "none" / "lock", Kind::kShared).error().reason, "file_unwritable");
}

}  // namespace
}  // namespace boxoffice::sql
