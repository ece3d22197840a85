// What several readers of text share. Pure.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace boxoffice {

// `text` without what of `blanks` is at its beginning and its end.
[[nodiscard]] constexpr std::string_view Trim(std::string_view text, std::string_view blanks = " \t") {
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// Without the byte order mark that some editors put before a text.
[[nodiscard]] constexpr std::string_view WithoutByteOrderMark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

// The number that all of `text` is, in decimal, a '-' included where T has one; blanks and a '+' are none of
// it. nullopt also where T can't hold it.
template <typename T>
  requires std::is_arithmetic_v<T>
[[nodiscard]] std::optional<T> ParseNumber(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Whether all of it is visible ASCII: no blank, no control character, nothing beyond '~'.
[[nodiscard]] constexpr bool IsVisible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// Where in UTF-8 the first control character (C0, DEL or C1) at or after `from` begins; npos: there is none.
// What has one is no name: on a terminal or in a file of lines it would do something.
[[nodiscard]] constexpr size_t FindControl(std::string_view text, size_t from = 0) {
  for (size_t i = from; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return i;
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xa0) return i;
  }
  return std::string_view::npos;
}
[[nodiscard]] constexpr bool HasControl(std::string_view text) {
  return FindControl(text) != std::string_view::npos;
}

// FNV-1a of these bytes, after those that are in `hash`: the same in every program, as std::hash need not be.
[[nodiscard]] constexpr uint64_t Fnv1a(std::string_view bytes, uint64_t hash = 0xcbf29ce484222325) {
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

// The bytes behind %XX (RFC 3986), whatever they are; http::PercentDecode takes text only. nullopt: a '%'
// without two hexadecimal digits.
[[nodiscard]] inline std::optional<std::string> PercentDecodeBytes(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    uint8_t byte = 0;
    const char* digits = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2)
      return std::nullopt;
    decoded.push_back(static_cast<char>(byte));
    i += 2;
  }
  return decoded;
}

// Everything but the unreserved characters as %XX (RFC 3986): fit for a path segment and for a query.
[[nodiscard]] inline std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                            c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

}  // namespace boxoffice
