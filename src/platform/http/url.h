// The parts of a URL (RFC 3986): where a request goes, percent encoding and the query.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace boxoffice::http {

// Of a request of ours.
struct Url {
  bool secure = false;  // https
  std::string host;     // of an IPv6 address without brackets
  uint16_t port = 0;
  std::string authority;  // for the Host header
  std::string target;     // from the path on, without the fragment
};
// nullopt: no request can be sent to it. Of "http://host[:port]/path?query", or https; none with a user.
[[nodiscard]] std::optional<Url> ParseUrl(std::string_view text);

inline constexpr size_t kMaxQueryParameters = 32;

// The text behind %XX (and behind '+', in a query). nullopt: a '%' without two hexadecimal digits, or a NUL.
[[nodiscard]] std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);
using boxoffice::PercentEncode;

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// The decoded parameters of `a=1&b=2`, in order. Errors, all kInvalidArgument: query_malformed (bad encoding,
// over kMaxQueryParameters), query_duplicate (a name twice: which one counts must not be a guess).
[[nodiscard]] Result<QueryParameters> ParseQuery(std::string_view query);

}  // namespace boxoffice::http
