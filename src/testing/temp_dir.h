// A folder of its own for a test, removed at the end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "testing/wait.h"

namespace boxoffice::testbed {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "boxoffice-test-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr, "{}", name);
    path_ = name;
    // Others may pass through, not look: PostgreSQL runs as another user where this is root's.
    std::filesystem::permissions(path_,
                                 std::filesystem::perms::group_exec | std::filesystem::perms::others_exec,
                                 std::filesystem::perm_options::add);
  }
  ~TempDir() {
    // Servers that were just killed may still be writing here.
    Eventually([this] {
      std::error_code error;
      std::filesystem::remove_all(path_, error);
      return !error;
    });
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace boxoffice::testbed
