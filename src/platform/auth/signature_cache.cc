#include "platform/auth/signature_cache.h"

#include <bit>
#include <cstring>

namespace boxoffice::auth {

SignatureCache::SignatureCache(size_t entries)
    : buckets_(entries == 0 ? 0 : std::bit_ceil((entries + kWays - 1) / kWays)) {}

// Where it stands comes of other bytes than those that are compared.
SignatureCache::Key SignatureCache::KeyOf(const HmacKey::Mac& mac) {
  Key key{};
  static_assert(sizeof(Key) <= sizeof(HmacKey::Mac));
  std::memcpy(&key, mac.data(), sizeof(key));
  return key;
}

bool SignatureCache::Contains(const HmacKey::Mac& mac) const {
  if (buckets_.empty()) return false;
  const Key key = KeyOf(mac);
  for (const Entry& entry : buckets_[BucketOf(key)].ways) {
    if (entry.first.load(std::memory_order_relaxed) == key.first &&
        entry.second.load(std::memory_order_relaxed) == key.second)
      return true;
  }
  return false;
}

void SignatureCache::Add(const HmacKey::Mac& mac) {
  if (buckets_.empty() || Contains(mac)) return;
  const Key key = KeyOf(mac);
  Bucket& bucket = buckets_[BucketOf(key)];
  Entry* entry = &bucket.ways[key.bucket >> 62];  // as good as any
  for (Entry& way : bucket.ways) {
    if (way.first.load(std::memory_order_relaxed) == 0 && way.second.load(std::memory_order_relaxed) == 0) {
      entry = &way;
      break;
    }
  }
  entry->first.store(key.first, std::memory_order_relaxed);
  entry->second.store(key.second, std::memory_order_relaxed);
}

}  // namespace boxoffice::auth
