#include "platform/auth/shuffle.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>
#include <openssl/sha.h>

#include "base/big_endian.h"
#include "base/check.h"
#include "platform/auth/hmac.h"

namespace boxoffice::auth {

std::string CommitmentTo(std::string_view seed) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const uint8_t*>(seed.data()), seed.size(), digest.data());
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

Shuffle::Shuffle(std::string_view seed, uint64_t first, uint64_t count) : first_(first) {
  CHECK(count < std::numeric_limits<uint32_t>::max(), "{} numbers are too many to shuffle", count);
  const HmacKey key(seed);
  const auto mac_of = [&](uint32_t offset) {
    const fmt::format_int text(first + 1 + offset);
    return key.Sign({text.data(), text.size()});
  };
  // The first eight bytes decide nearly always; where they don't, all do.
  struct Lot {
    uint64_t begin;
    uint32_t offset;
  };
  std::vector<Lot> lots(count);
  for (uint32_t offset = 0; offset < count; ++offset) {
    const HmacKey::Mac mac = mac_of(offset);
    lots[offset] = {ReadBigEndian<uint64_t>({reinterpret_cast<const char*>(mac.data()), mac.size()}), offset};
  }
  std::ranges::sort(lots, [&](const Lot& a, const Lot& b) {
    return a.begin != b.begin ? a.begin < b.begin : mac_of(a.offset) < mac_of(b.offset);
  });
  places_.resize(count);
  numbers_.resize(count);
  for (uint32_t place = 0; place < count; ++place) {
    numbers_[place] = lots[place].offset;
    places_[lots[place].offset] = place;
  }
}

}  // namespace boxoffice::auth
