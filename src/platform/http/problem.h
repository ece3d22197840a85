// Errors on the public interface: problem details (RFC 9457), from one table.
#pragma once

#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "platform/http/message.h"

namespace boxoffice::http {

// The status of an error, by its code; by its reason where that says more:
//   invalid_argument 400, unauthenticated 401, permission_denied 403, not_found 404, conflict 409,
//   resource_exhausted 429 (503 for reason "overloaded": our bound was reached, not the caller's),
//   unavailable and unknown 503, internal 500.
[[nodiscard]] int HttpStatus(const Error& error);

// An application/problem+json answer:
//   {"type":"urn:boxoffice:problem:<code>","title":"…","status":…,"code":"<reason>","detail":"…", …extra}
// `code` is the stable thing that clients switch on. `detail` is left out where the fault is ours (internal,
// unavailable, unknown), as it was written for the log. `status` other than 0 overrides the table's. 401
// carries WWW-Authenticate, 429 and 503 carry `Retry-After: 1`.
[[nodiscard]] Response ProblemResponse(const Error& error, boost::json::object extra = {}, int status = 0);

// Adds the member `request_id` to a problem that has none; other answers stay as they are. `id` is of
// Request::request_id.
void AddRequestId(std::string_view id, Response& response);

}  // namespace boxoffice::http
