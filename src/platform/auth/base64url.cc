#include "platform/auth/base64url.h"

#include <array>
#include <cstdint>

namespace boxoffice::auth {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr uint8_t kInvalid = 0xff;

constexpr std::array<uint8_t, 256> MakeValues() {
  std::array<uint8_t, 256> values{};
  values.fill(kInvalid);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  }
  return values;
}
constexpr std::array<uint8_t, 256> kValues = MakeValues();

void Encode(std::string_view bytes, char* next) {
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, in += 3) {
    const uint32_t group = uint32_t{in[0]} << 16 | uint32_t{in[1]} << 8 | in[2];
    *next++ = kAlphabet[group >> 18];
    *next++ = kAlphabet[group >> 12 & 63];
    *next++ = kAlphabet[group >> 6 & 63];
    *next++ = kAlphabet[group & 63];
  }
  if (left == 0) return;
  const uint32_t group = uint32_t{in[0]} << 16 | (left == 2 ? uint32_t{in[1]} << 8 : 0);
  *next++ = kAlphabet[group >> 18];
  *next++ = kAlphabet[group >> 12 & 63];
  if (left == 2) *next = kAlphabet[group >> 6 & 63];
}

// Writes text.size() * 3 / 4 bytes; whether they are what `text` says.
bool Decode(std::string_view text, char* next) {
  uint32_t bits = 0;
  uint32_t seen = 0;  // of all values: kInvalid alone has its highest bits
  size_t i = 0;
  for (; i + 4 <= text.size(); i += 4) {
    const uint32_t a = kValues[static_cast<uint8_t>(text[i])];
    const uint32_t b = kValues[static_cast<uint8_t>(text[i + 1])];
    const uint32_t c = kValues[static_cast<uint8_t>(text[i + 2])];
    const uint32_t d = kValues[static_cast<uint8_t>(text[i + 3])];
    seen |= a | b | c | d;
    bits = a << 18 | b << 12 | c << 6 | d;
    *next++ = static_cast<char>(bits >> 16 & 0xff);
    *next++ = static_cast<char>(bits >> 8 & 0xff);
    *next++ = static_cast<char>(bits & 0xff);
  }
  // Two or three characters more: one byte or two, and bits that must be zero.
  const size_t rest = text.size() - i;
  bits = 0;
  for (; i < text.size(); ++i) {
    const uint8_t value = kValues[static_cast<uint8_t>(text[i])];
    seen |= value;
    bits = bits << 6 | value;
  }
  if (rest == 2) *next++ = static_cast<char>(bits >> 4 & 0xff);
  if (rest == 3) {
    *next++ = static_cast<char>(bits >> 10 & 0xff);
    *next++ = static_cast<char>(bits >> 2 & 0xff);
  }
  const bool spare = (rest == 2 && (bits & 0xf) != 0) || (rest == 3 && (bits & 0x3) != 0);
  return seen <= 0x3f && !spare;
}

}  // namespace

void AppendBase64Url(std::string_view bytes, std::string& out) {
  const size_t start = out.size();
  const size_t end = start + (bytes.size() * 4 + 2) / 3;
  out.resize_and_overwrite(end, [&](char* text, size_t) {
    Encode(bytes, text + start);
    return end;
  });
}

std::string EncodeBase64Url(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  AppendBase64Url(bytes, out);
  return out;
}

std::optional<std::string> DecodeBase64Url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  const size_t size = text.size() * 3 / 4;
  bool right = false;
  out.resize_and_overwrite(size, [&](char* bytes, size_t) {  // may be told of more room than that
    right = Decode(text, bytes);
    return size;
  });
  if (!right) return std::nullopt;
  return out;
}

}  // namespace boxoffice::auth
