// Signatures that were found good, so that the same token costs its public key only once (the term is Bitcoin
// Core's, as are the salted entries and the fixed size).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/auth/hmac.h"

namespace boxoffice::auth {

// Holds the first 16 bytes of a MAC of the token's whole text under its key's mark (token_key.h): nobody who
// does not know the mark can make a text that is taken for another, and what one key signed is not found
// under another. That a signature is good never changes, so nothing here gets old: expiry is a claim's
// matter. Thread-safe; takes no lock.
class SignatureCache {
 public:
  // For so many tokens, 16 bytes each, rounded up to a power of two; 0: it holds none. Where it is full, one
  // of four neighbours is forgotten.
  explicit SignatureCache(size_t entries);

  [[nodiscard]] bool Contains(const HmacKey::Mac& mac) const;
  // Again: no effect.
  void Add(const HmacKey::Mac& mac);

 private:
  static constexpr size_t kWays = 4;
  // Halves that are written one after the other: who reads in between finds neither the old nor the new.
  struct Entry {
    std::atomic<uint64_t> first{0};
    std::atomic<uint64_t> second{0};
  };
  struct alignas(64) Bucket {
    std::array<Entry, kWays> ways;
  };
  struct Key {
    uint64_t first;
    uint64_t second;
    uint64_t bucket;
  };
  static Key KeyOf(const HmacKey::Mac& mac);
  [[nodiscard]] size_t BucketOf(const Key& key) const { return key.bucket & (buckets_.size() - 1); }

  std::vector<Bucket> buckets_;
};

}  // namespace boxoffice::auth
