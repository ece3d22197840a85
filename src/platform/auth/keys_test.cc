#include "platform/auth/keys.h"

#include <fstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

namespace boxoffice::auth {
namespace {

namespace fs = std::filesystem;

class KeysTest : public testing::Test {
 protected:
  KeysTest() { fs::create_directories(folder_); }
  ~KeysTest() override { fs::remove_all(folder_); }
  const fs::path folder_ = fs::temp_directory_path() / ("boxoffice-keys-" + std::to_string(::getpid()));
};

TEST_F(KeysTest, SecretIsMadeOnceAndKept) {
  const fs::path path = folder_ / "new" / "secret";
  const Result<std::string> first = LoadOrCreateSecret(path);
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_EQ(first->size(), 64U);
  EXPECT_EQ(LoadOrCreateSecret(path), *first);
  EXPECT_NE(LoadOrCreateSecret(folder_ / "other"), *first);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(KeysTest, RacingCreatorsGetTheSameSecret) {
  std::vector<std::string> secrets(8);
  std::vector<std::jthread> threads;
  for (std::string& secret : secrets)
    threads.emplace_back([&] { secret = *LoadOrCreateSecret(folder_ / "raced"); });
  threads.clear();
  for (const std::string& secret : secrets) EXPECT_EQ(secret, secrets[0]);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);  // no temporary file is left
}

TEST_F(KeysTest, ExposedAndInvalidFilesAreRefused) {
  const fs::path path = folder_ / "secret";
  std::ofstream(path) << std::string(64, 'a');
  fs::permissions(path, fs::perms::owner_read | fs::perms::others_read);
  EXPECT_EQ(LoadOrCreateSecret(path).error().reason, "key_file_exposed");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(LoadOrCreateSecret(path));
  std::ofstream(path) << "short";
  EXPECT_EQ(LoadOrCreateSecret(path).error().reason, "key_file_invalid");
}

TEST_F(KeysTest, UnwritableFolderIsAnError) {
  EXPECT_EQ(LoadOrCreateSecret("/proc/none/secret").error().reason, "key_file_unwritable");
}

}  // namespace
}  // namespace boxoffice::auth
