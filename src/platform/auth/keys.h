// Secrets for development and tests. Production keys come from the deployment's secrets.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace boxoffice::auth {

// The secret in the file `path`: 64 hexadecimal digits, made from 32 random bytes at the first call. The file
// is readable by its owner only, and appears whole or not at all: of several processes that start together
// one creates it, and all read the same. Missing parent folders are created. Thread-safe. Errors: kInternal
// key_file_unreadable, key_file_unwritable; kPermissionDenied key_file_exposed (others may read it);
// kInvalidArgument key_file_invalid (not 64 digits).
[[nodiscard]] Result<std::string> LoadOrCreateSecret(const std::filesystem::path& path);

// 64 hexadecimal digits, from 32 random bytes. Error: kInternal key_generation.
[[nodiscard]] Result<std::string> NewSecret();

}  // namespace boxoffice::auth
