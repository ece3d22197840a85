#include "platform/sql/file_lock.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "platform/sql/folder_owner.h"

namespace boxoffice::sql {
namespace {

// A lock that a command of root's has made keeps no service out that runs as another user. -1: see errno.
int OpenOrMake(const std::filesystem::path& file) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC;
  const int made = ::open(file.c_str(), kFlags | O_EXCL, 0600);
  if (made < 0 && errno == EEXIST) return ::open(file.c_str(), kFlags, 0600);
  if (made >= 0) GiveToOwnerOf(file.parent_path(), made);
  return made;
}

}  // namespace

Result<std::optional<FileLock>> FileLock::Try(const std::filesystem::path& file, Kind kind) {
  FileLock lock(OpenOrMake(file));
  if (lock.file_ < 0) {
    return Fail(Code::kPermissionDenied, "file_unwritable",
                fmt::format("{}: {}", file.string(), std::strerror(errno)));
  }
  while (::flock(lock.file_, (kind == Kind::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    if (errno != EINTR) return std::nullopt;
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace boxoffice::sql
