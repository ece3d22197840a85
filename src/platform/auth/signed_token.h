// Compact signed tickets: bytes that we hand to a client and must recognise when they come back. Not
// encrypted.
//
//   v1.<key id>.<base64url payload>.<base64url of the first 16 bytes of HMAC-SHA256 over all that precedes>
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/auth/hmac.h"

namespace boxoffice::auth {

inline constexpr size_t kMaxSignedTokenText = 512;     // characters
inline constexpr size_t kMaxSignedTokenPayload = 340;  // bytes
inline constexpr size_t kMaxKeyId = 16;                // characters
inline constexpr size_t kMaxRingKeys = 8;
inline constexpr size_t kMinSecret = 16;  // bytes

struct SigningKey {
  std::string id;      // 1..kMaxKeyId of [A-Za-z0-9_-]; public
  std::string secret;  // at least kMinSecret bytes
};

// The keys in use: the first one signs, each verifies, so that keys rotate without refusing tickets that are
// out. Immutable, hence thread-safe and lock-free; share it by shared_ptr<const KeyRing> to exchange it as a
// whole.
class KeyRing {
 public:
  // kInvalidArgument key_ring_invalid: no key, over kMaxRingKeys, an id twice or malformed, a secret too
  // short.
  [[nodiscard]] static Result<KeyRing> Make(const std::vector<SigningKey>& keys);

  // The ticket of `payload` (at most kMaxSignedTokenPayload bytes, which is CHECKed). The same payload gives
  // the same text as long as the current key is the same. About 2 µs.
  [[nodiscard]] std::string Sign(std::string_view payload) const;

  // The payload of a ticket that one of these keys signed. About 2 µs. All errors are kUnauthenticated:
  // signed_token_malformed (not of this form, or over kMaxSignedTokenText), signed_token_key (the key is not
  // or no longer known), signed_token_signature (changed, or signed by someone else).
  [[nodiscard]] Result<std::string> Verify(std::string_view text) const;

  // Whether the key that signs is the one that a ticket of this form names: one of another key is better
  // exchanged for a new one of the same payload, before that key goes. Verifies nothing.
  [[nodiscard]] bool IsCurrent(std::string_view text) const;

 private:
  struct Key {
    std::string id;
    HmacKey hmac;
  };
  explicit KeyRing(std::vector<Key> keys) : keys_(std::move(keys)) {}
  std::vector<Key> keys_;
};

}  // namespace boxoffice::auth
