#include "base/id.h"

#include "base/big_endian.h"

namespace boxoffice {
namespace {

constexpr char kHex[] = "0123456789abcdef";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Uuid Uuid::MakeV7(Timestamp now, Random& random) {
  Uuid uuid;
  const auto time_ms = static_cast<uint64_t>(ToUnixMs(now));
  const uint64_t high = (time_ms << 16) | 0x7000 | (random.Next() & 0x0fff);
  const uint64_t low = (random.Next() >> 2) | 0x8000'0000'0000'0000;
  StoreBigEndian(uuid.bytes_.data(), high);
  StoreBigEndian(uuid.bytes_.data() + 8, low);
  return uuid;
}

std::optional<Uuid> Uuid::Parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  size_t byte = 0;
  for (size_t i = 0; i < text.size();) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return std::nullopt;
      continue;
    }
    const int high = HexValue(text[i]);
    const int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes_[byte++] = static_cast<uint8_t>(high << 4 | low);
    i += 2;
  }
  return uuid;
}

std::optional<Uuid> Uuid::FromBytes(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  Uuid uuid;
  for (size_t i = 0; i < 16; ++i) uuid.bytes_[i] = static_cast<uint8_t>(bytes[i]);
  return uuid;
}

std::string Uuid::ToString() const {
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kHex[bytes_[i] >> 4]);
    text.push_back(kHex[bytes_[i] & 15]);
  }
  return text;
}

Timestamp Uuid::Time() const { return FromUnixMs(static_cast<int64_t>(ReadBigEndian<uint64_t, 6>(bytes()))); }

}  // namespace boxoffice
