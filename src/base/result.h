// Errors that an operation can meet, as values. See ARCHITECTURE.md, "Errors".
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace boxoffice {

// What kind of operating failure it is; one table (platform/rpc/status.h) maps it to gRPC, another
// (platform/http/problem.h) to HTTP.
enum class Code {
  kInvalidArgument,    // the caller must change the request
  kUnauthenticated,    // who is calling is not known
  kPermissionDenied,   // known, but may not
  kNotFound,           // no such thing, or none that the caller may see
  kConflict,           // the state does not allow it now
  kResourceExhausted,  // a bound was reached; try again later
  kUnavailable,        // not done: the request was refused before it had any effect
  kUnknown,            // a time-out or a lost reply: it may or may not have been done
  kInternal,           // a fault of ours
};

// An operating failure. `reason` is stable, snake_case and goes over the wire; `detail` is for people.
struct Error {
  Code code = Code::kInternal;
  std::string reason;
  std::string detail;

  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = std::expected<T, Error>;

// Builds the error side of any Result<T>.
[[nodiscard]] inline std::unexpected<Error> Fail(Code code, std::string_view reason,
                                                 std::string detail = {}) {
  return std::unexpected(Error{code, std::string(reason), std::move(detail)});
}

[[nodiscard]] constexpr std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kUnauthenticated:
      return "unauthenticated";
    case Code::kPermissionDenied:
      return "permission_denied";
    case Code::kNotFound:
      return "not_found";
    case Code::kConflict:
      return "conflict";
    case Code::kResourceExhausted:
      return "resource_exhausted";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kUnknown:
      return "unknown";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace boxoffice

// Returns the error of `expression` (a Result) from the enclosing function, or goes on.
#define BOXOFFICE_TRY(expression)                                  \
  do {                                                             \
    if (auto try_result = (expression); !try_result.has_value()) { \
      return std::unexpected(std::move(try_result).error());       \
    }                                                              \
  } while (false)

#define BOXOFFICE_CONCAT_INNER(a, b) a##b
#define BOXOFFICE_CONCAT(a, b) BOXOFFICE_CONCAT_INNER(a, b)

// Declares `target` from the value of `expression` (a Result), or returns its error.
#define BOXOFFICE_ASSIGN(target, expression)                                        \
  auto BOXOFFICE_CONCAT(assign_, __LINE__) = (expression);                          \
  if (!BOXOFFICE_CONCAT(assign_, __LINE__).has_value()) {                           \
    return std::unexpected(std::move(BOXOFFICE_CONCAT(assign_, __LINE__)).error()); \
  }                                                                                 \
  target = *std::move(BOXOFFICE_CONCAT(assign_, __LINE__))
