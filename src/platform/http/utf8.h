// Text is UTF-8 everywhere behind the edge: in JSON, in the contracts' strings (which refuse to be read
// otherwise, and take the stream of commands with them), in log lines.
#pragma once

#include <string_view>

namespace boxoffice::http {

// Whether `text` is well-formed UTF-8 (RFC 3629). Pure.
[[nodiscard]] bool IsUtf8(std::string_view text);

}  // namespace boxoffice::http
