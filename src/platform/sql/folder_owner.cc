#include "platform/sql/folder_owner.h"

#include <sys/stat.h>
#include <unistd.h>

namespace boxoffice::sql {

void GiveToOwnerOf(const std::filesystem::path& folder, int made) {
  struct stat info{};
  if (::geteuid() != 0 || ::stat(folder.c_str(), &info) != 0) return;
  (void)!::fchown(made, info.st_uid, info.st_gid);
}

}  // namespace boxoffice::sql
