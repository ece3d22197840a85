// The relay's store in one SQLite file.
#pragma once

#include <filesystem>
#include <memory>

#include "services/relay/store.h"

namespace boxoffice::relay {

// Opens or creates the file, and brings it to the newest schema. Errors: database_unavailable, schema_newer.
[[nodiscard]] Result<std::unique_ptr<Store>> OpenSqliteStore(const std::filesystem::path& file);

}  // namespace boxoffice::relay
