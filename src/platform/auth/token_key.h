// A parsed key of tokens, for the files of this room: a secret or one half of a key pair.
#pragma once

#include <memory>
#include <optional>

#include <openssl/evp.h>

#include "platform/auth/hmac.h"
#include "platform/auth/token.h"

namespace boxoffice::auth {

using PkeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// One of the two is set.
struct TokenKey {
  std::optional<HmacKey> secret;
  PkeyPtr pkey{nullptr, &EVP_PKEY_free};
};

// Whether this algorithm may use it: P-256 for ES256, RSA of 2048 bits or more for RS256 (RFC 7518, sections
// 3.3 and 3.4).
[[nodiscard]] bool Fits(const EVP_PKEY* key, Algorithm algorithm);

}  // namespace boxoffice::auth
