// The development issuer: whom `boxoffice up` believes, and for whom `boxoffice token` makes tokens. Scaled
// deployments verify an identity provider's tokens instead.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "platform/auth/token.h"

namespace boxoffice::auth {

// How development tokens are signed and verified: HS256 with the secret in `data_dir`/keys/jwt.key, which is
// made at the first call. All processes on one data folder get the same. Errors: as LoadOrCreateSecret.
[[nodiscard]] Result<TokenConfig> DevelopmentTokens(const std::filesystem::path& data_dir);

}  // namespace boxoffice::auth
