#include "platform/sql/file_lock.h"

#include <filesystem>
#include <utility>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

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

// A service that runs as another user is to have it afterwards.
TEST(FileLockTest, AFileThatRootMakesIsItsFoldersOwners) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make files for others";
  constexpr uid_t kUser = 4711;
  constexpr gid_t kGroup = 4712;
  const testbed::TempDir dir;
  const auto owner = [](const std::filesystem::path& file) {
    struct stat info{};
    EXPECT_EQ(stat(file.c_str(), &info), 0);
    return std::pair(info.st_uid, info.st_gid);
  };
  ASSERT_TRUE(FileLock::Try(dir.path() / "there", Kind::kExclusive).value().has_value());
  ASSERT_EQ(chown(dir.path().c_str(), kUser, kGroup), 0);
  ASSERT_TRUE(FileLock::Try(dir.path() / "made", Kind::kExclusive).value().has_value());
  EXPECT_EQ(owner(dir.path() / "made"), std::pair(kUser, kGroup));
  ASSERT_TRUE(FileLock::Try(dir.path() / "there", Kind::kExclusive).value().has_value());
  EXPECT_EQ(owner(dir.path() / "there"), std::pair(geteuid(), getegid())) << "it was there before";
}

}  // namespace
}  // namespace boxoffice::sql
