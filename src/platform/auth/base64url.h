// Base64 in the URL alphabet without padding (RFC 4648, section 5), as JWTs and tickets use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace boxoffice::auth {

// Appends the encoding of `bytes` to `out`.
void AppendBase64Url(std::string_view bytes, std::string& out);
[[nodiscard]] std::string EncodeBase64Url(std::string_view bytes);

// The bytes, or nullopt. Strict: a character outside the alphabet, padding, an impossible length or set bits
// after the last byte are refused, so that no two texts decode to the same bytes (a ticket has one spelling).
[[nodiscard]] std::optional<std::string> DecodeBase64Url(std::string_view text);

}  // namespace boxoffice::auth
