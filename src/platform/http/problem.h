// Errors on the public interface: problem details (RFC 9457), from one table.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "platform/http/json_writer.h"
#include "platform/http/message.h"

namespace boxoffice::http {

// The status of an error, by its code; by its reason where that says more:
//   invalid_argument 400, unauthenticated 401, permission_denied 403, not_found 404, conflict 409,
//   resource_exhausted 429 (503 for reason "overloaded": our bound was reached, not the caller's),
//   unavailable and unknown 503, internal 500.
[[nodiscard]] int HttpStatus(const Error& error);

// What an answer says that is none of what was asked for.
struct Problem {
  int status = 0;
  std::string_view code;  // the stable thing that clients switch on
  std::string_view title;
  std::string_view detail = {};  // empty: there is none
};
// Writes further members of a problem. May be empty: there are none.
using ProblemMembers = std::function<void(JsonWriter&)>;

// An application/problem+json answer:
//   {"type":"urn:boxoffice:problem:<code>","title":"…","status":…,"code":"…","detail":"…", …members}
// 401 carries WWW-Authenticate, 429 and 503 carry `Retry-After: 1`.
[[nodiscard]] Response ProblemResponse(const Problem& problem, const ProblemMembers& members = {});

// The same for an error: its reason is the code, and `detail` is left out where the fault is ours (internal,
// unavailable, unknown), as it was written for the log. `status` other than 0 overrides the table's.
[[nodiscard]] Response ProblemResponse(const Error& error, int status = 0,
                                       const ProblemMembers& members = {});

// Adds the member `request_id` to a problem that has none; other answers stay as they are. `id` is of
// Request::request_id.
void AddRequestId(std::string_view id, Response& response);

}  // namespace boxoffice::http
