// A parsed key of tokens, for the files of this room: a secret or one half of a key pair.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <openssl/evp.h>

#include "platform/auth/hmac.h"
#include "platform/auth/token.h"

namespace boxoffice::auth {

using PkeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// What tokens of a public key are known by in a SignatureCache: of the key itself and of a number that this
// process drew, so the same wherever the key is read again, and nobody else's guess.
[[nodiscard]] HmacKey MarkOf(const EVP_PKEY* key);

struct TokenKey {
  explicit TokenKey(std::string_view hs256_secret) : secret(hs256_secret) {}
  explicit TokenKey(PkeyPtr half) : pkey(std::move(half)), mark(MarkOf(pkey.get())) {}

  // Either this
  std::optional<HmacKey> secret;
  // or these two.
  PkeyPtr pkey{nullptr, &EVP_PKEY_free};
  std::optional<HmacKey> mark;
};

// Whether this algorithm may use it: P-256 for ES256, RSA of 2048 bits or more for RS256 (RFC 7518, sections
// 3.3 and 3.4).
[[nodiscard]] bool Fits(const EVP_PKEY* key, Algorithm algorithm);

}  // namespace boxoffice::auth
