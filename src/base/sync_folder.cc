#include "base/sync_folder.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace boxoffice {

bool SyncFolder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  const int why = errno;
  ::close(fd);
  errno = why;
  return synced;
}

}  // namespace boxoffice
