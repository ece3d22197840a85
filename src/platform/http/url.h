// The parts of a request target (RFC 3986): percent encoding and the query.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace boxoffice::http {

inline constexpr size_t kMaxQueryParameters = 32;

// The text behind %XX (and behind '+', in a query). nullopt: a '%' without two hexadecimal digits, or a NUL.
[[nodiscard]] std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);
// Everything but the unreserved characters as %XX: fit for a path segment and for a query.
[[nodiscard]] std::string PercentEncode(std::string_view text);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// The decoded parameters of `a=1&b=2`, in order. Errors, all kInvalidArgument: query_malformed (bad encoding,
// over kMaxQueryParameters), query_duplicate (a name twice: which one counts must not be a guess).
[[nodiscard]] Result<QueryParameters> ParseQuery(std::string_view query);

}  // namespace boxoffice::http
