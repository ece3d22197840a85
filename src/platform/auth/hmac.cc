#include "platform/auth/hmac.h"

#include <cstring>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/check.h"

// The plain SHA-256 functions: deprecated in OpenSSL 3 in favour of EVP, but the only ones whose state can be
// copied without an allocation and a look-up.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace boxoffice::auth {
namespace {

constexpr size_t kBlock = SHA256_CBLOCK;

}  // namespace

HmacKey::HmacKey(std::string_view secret) {
  static_assert(sizeof(State) == sizeof(SHA256_CTX) && alignof(State) >= alignof(SHA256_CTX));
  std::array<uint8_t, kBlock> key{};
  if (secret.size() > kBlock) {
    SHA256(reinterpret_cast<const uint8_t*>(secret.data()), secret.size(), key.data());
  } else {
    std::memcpy(key.data(), secret.data(), secret.size());
  }
  const auto start = [&key](uint8_t pad) {
    std::array<uint8_t, kBlock> block;
    for (size_t i = 0; i < kBlock; ++i) block[i] = key[i] ^ pad;
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, block.data(), block.size());
    State state;
    std::memcpy(state.bytes.data(), &context, sizeof(context));
    OPENSSL_cleanse(block.data(), block.size());
    return state;
  };
  inner_ = start(0x36);
  outer_ = start(0x5c);
  OPENSSL_cleanse(key.data(), key.size());
}

HmacKey::Mac HmacKey::Sign(std::string_view text) const {
  Mac mac;
  SHA256_CTX context;
  std::memcpy(&context, inner_.bytes.data(), sizeof(context));
  SHA256_Update(&context, text.data(), text.size());
  SHA256_Final(mac.data(), &context);
  std::memcpy(&context, outer_.bytes.data(), sizeof(context));
  SHA256_Update(&context, mac.data(), mac.size());
  SHA256_Final(mac.data(), &context);
  return mac;
}

bool HmacKey::Verify(std::string_view text, std::string_view mac) const {
  if (mac.size() < 16 || mac.size() > sizeof(Mac)) return false;
  const Mac expected = Sign(text);
  return CRYPTO_memcmp(expected.data(), mac.data(), mac.size()) == 0;
}

}  // namespace boxoffice::auth

#pragma GCC diagnostic pop
