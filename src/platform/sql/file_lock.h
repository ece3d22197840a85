// A lock of a file, by which processes on one machine keep out of each other's way.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"

namespace boxoffice::sql {

// Held (flock) until the object goes, or the process ends, however it ends. Move-only.
class FileLock {
 public:
  enum class Kind { kShared, kExclusive };

  // Makes the file if it is missing, for the owner of its folder, and does not wait. nullopt: somebody has
  // it, in this process or another. Error: file_unwritable (kPermissionDenied; detail: which, and why).
  [[nodiscard]] static Result<std::optional<FileLock>> Try(const std::filesystem::path& file, Kind kind);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int file) : file_(file) {}
  int file_ = -1;
};

}  // namespace boxoffice::sql
