// Whose what root makes is.
#pragma once

#include <filesystem>

namespace boxoffice::sql {

// What root makes in somebody's folder is theirs: `made`, a file or folder that is open, gets the owner and
// group of `folder`. No effect where this process is not root's, or may not do that.
void GiveToOwnerOf(const std::filesystem::path& folder, int made);

}  // namespace boxoffice::sql
