// Looks at text eight bytes at a time, as far as nearly all of it goes: whether any byte is of a kind that
// needs a closer look. By Bit Twiddling Hacks ("determine if a word has a byte less than n"); pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace boxoffice {

inline constexpr uint64_t kHighBits = 0x8080808080808080;

[[nodiscard]] constexpr uint64_t EachByte(uint8_t byte) { return 0x0101010101010101 * uint64_t{byte}; }
// Not 0 if a byte of `word` is below `limit` (at most 128).
[[nodiscard]] constexpr uint64_t AnyBelow(uint64_t word, uint8_t limit) {
  return (word - EachByte(limit)) & ~word & kHighBits;
}
// Not 0 if a byte of `word` is `byte`.
[[nodiscard]] constexpr uint64_t AnyEqual(uint64_t word, uint8_t byte) {
  return AnyBelow(word ^ EachByte(byte), 1);
}

// Whether `kind` is not 0 for any eight bytes of `text`. The last ones are looked at with `filler` behind
// them, which is not of the kind.
template <typename Kind>
[[nodiscard]] bool AnyByte(std::string_view text, char filler, Kind kind) {
  uint64_t found = 0;
  uint64_t word = 0;
  const char* next = text.data();
  size_t left = text.size();
  for (; left >= sizeof(word); left -= sizeof(word), next += sizeof(word)) {
    std::memcpy(&word, next, sizeof(word));
    found |= kind(word);
  }
  if (left > 0) {
    word = EachByte(static_cast<uint8_t>(filler));
    std::memcpy(&word, next, left);
    found |= kind(word);
  }
  return found != 0;
}

}  // namespace boxoffice
