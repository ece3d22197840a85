// What a data folder holds besides stores and the bus, as rows: the keys of a system on one machine, the
// record of the demo, and the provider that the sandbox plays.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "platform/archive/rows.h"

namespace boxoffice {

inline constexpr int kFolderFilesVersion = 1;

// Writes a file of the folder, over the one that is there: afterwards it is whole and on the disk, and until
// then that one is. Its folder is made where it is missing. Only its owner may read it: keys are secret.
// Error: data_folder_unwritable (kPermissionDenied).
[[nodiscard]] Result<void> WriteFile(const std::filesystem::path& file, std::string_view bytes);

// Gives them to `sink`. `scratch` is a file that is made and removed. Errors: archive_unwritable,
// folder_unreadable (kPermissionDenied), and those of the sink.
[[nodiscard]] Result<void> DumpFolder(const std::filesystem::path& folder,
                                      const std::filesystem::path& scratch, archive::Sink& sink);

// Writes them, once none of them is there with another content. Errors: target_not_empty (kConflict),
// archive_schema (kInvalidArgument: no such file is ever written), data_folder_unwritable, and those of
// `from`.
[[nodiscard]] Result<void> LoadFolder(const std::filesystem::path& folder, const archive::Dump& from);

}  // namespace boxoffice
