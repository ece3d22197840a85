#pragma once

#include <filesystem>

namespace boxoffice {

// Waits until the names in this folder are on the disk: a file that was made, renamed or linked there is
// there after a crash, too. False: see errno.
[[nodiscard]] bool SyncFolder(const std::filesystem::path& folder);

}  // namespace boxoffice
