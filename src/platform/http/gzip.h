// Answers compressed, for those who take it (RFC 9110, section 12.5.3).
#pragma once

#include <string>
#include <string_view>

namespace boxoffice::http {

// Whether a header Accept-Encoding takes `coding` ("br", "gzip"): by name or by *, with a weight above 0.
[[nodiscard]] bool AcceptsCoding(std::string_view accept_encoding, std::string_view coding);

// `text` as a gzip file (RFC 1952). Fast rather than small: about 10 ms for each MiB.
[[nodiscard]] std::string Gzip(std::string_view text);
// The text in one; "" if it is none, or over `max` bytes. For tests and clients.
[[nodiscard]] std::string Gunzip(std::string_view bytes, size_t max);

}  // namespace boxoffice::http
