// Numbers as bytes, the most significant first: network order, in which bytes sort as the numbers do.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"

namespace boxoffice {
namespace internal {

// Either way.
[[nodiscard]] constexpr uint64_t SwapUnlessBig(uint64_t number) {
  return std::endian::native == std::endian::big ? number : std::byteswap(number);
}

}  // namespace internal

// Writes the lowest `kBytes` bytes of `number`.
template <std::integral T, size_t kBytes = sizeof(T)>
void StoreBigEndian(void* bytes, T number) {
  static_assert(kBytes <= sizeof(uint64_t));
  const uint64_t all = internal::SwapUnlessBig(static_cast<uint64_t>(number) << (64 - 8 * kBytes));
  std::memcpy(bytes, &all, kBytes);
}
template <std::integral T, size_t kBytes = sizeof(T)>
void AppendBigEndian(std::string& out, T number) {
  char bytes[kBytes];
  StoreBigEndian<T, kBytes>(bytes, number);
  out.append(bytes, kBytes);
}

// The number in the first `kBytes` bytes, which must be there.
template <std::integral T, size_t kBytes = sizeof(T)>
[[nodiscard]] T ReadBigEndian(std::string_view bytes) {
  static_assert(kBytes <= sizeof(uint64_t));
  CHECK(bytes.size() >= kBytes);
  uint64_t all = 0;
  std::memcpy(&all, bytes.data(), kBytes);
  return static_cast<T>(internal::SwapUnlessBig(all) >> (64 - 8 * kBytes));
}

}  // namespace boxoffice
