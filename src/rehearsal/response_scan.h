// The little of HTTP/1.1 that a load generator has to understand of an answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace boxoffice::rehearsal {

struct ScannedResponse {
  int status = 0;
  std::string_view body;  // into the bytes that were given
  size_t size = 0;        // of the whole response
  bool close = false;     // the server ends the connection after it
  int retry_after_s = 0;  // of Retry-After in seconds; 0: none (a date counts as none)
  std::string_view etag;
};

enum class Scan { kMore, kDone, kMalformed };

// Reads the first response in `bytes`, whose body must have a Content-Length (or none, as with 204 and 304).
// kMore: it is not all there yet; kMalformed: it never will be.
[[nodiscard]] Scan ScanResponse(std::string_view bytes, ScannedResponse& response);

// The number that the first member `name` of a JSON text has, in the same way; `otherwise` if there is none.
[[nodiscard]] int64_t FindJsonInteger(std::string_view json, std::string_view name, int64_t otherwise);
[[nodiscard]] double FindJsonNumber(std::string_view json, std::string_view name, double otherwise);
// The text value of the first member `name` in a JSON text: a quick look where the answer is known to have it
// once and without escapes, as ids, states and tokens are. Empty if there is none.
[[nodiscard]] std::string_view FindJsonText(std::string_view json, std::string_view name);
// The code with which a reservation was refused, as it says itself in `failure`; empty: it was not.
[[nodiscard]] std::string_view FindFailureCode(std::string_view reservation);
// The token to show from now on, of a place in a queue as it was told: whoever is in shows the word that says
// so, as the web app does.
[[nodiscard]] std::string_view FindQueueToken(std::string_view place);

}  // namespace boxoffice::rehearsal
