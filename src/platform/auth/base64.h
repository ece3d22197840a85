// Base64 with padding (RFC 4648, section 4), as Standard Webhooks and HTTP's Basic scheme use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace boxoffice::auth {

[[nodiscard]] std::string EncodeBase64(std::string_view bytes);

// The bytes, or nullopt: it is empty, or not what EncodeBase64 makes of them.
[[nodiscard]] std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace boxoffice::auth
