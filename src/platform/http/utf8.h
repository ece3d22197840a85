// Text is UTF-8 everywhere behind the edge: in JSON, in the contracts' strings (which refuse to be read
// otherwise, and take the stream of commands with them), in log lines.
#pragma once

#include <string>
#include <string_view>

namespace boxoffice::http {

// Whether `text` is well-formed UTF-8 (RFC 3629). Pure.
[[nodiscard]] bool IsUtf8(std::string_view text);

// `text`, with U+FFFD in the place of each byte that belongs to no character: for what others wrote, where it
// is shown. Pure.
[[nodiscard]] std::string ToUtf8(std::string_view text);

}  // namespace boxoffice::http
