// Why a request was refused, as the public interface says it: one table from the services' words to a status,
// a stable code and a title.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "platform/http/problem.h"

namespace boxoffice::gateway {

struct RefusalRow {
  std::string_view reason;  // a service's refusal, or the reason of an Error
  int status;
  std::string_view
      code;  // of the problem; where it differs from the reason, that one is taken (a JWT expires too)
  std::string_view title;
};

// All rows, in the order of their reasons.
[[nodiscard]] std::span<const RefusalRow> RefusalTable();
// nullptr: no row.
[[nodiscard]] const RefusalRow* FindRefusal(std::string_view reason);

// The code that the problem of a refusal has; of one without a row, the reason itself, which outlives the
// answer then.
[[nodiscard]] std::string_view StableCode(std::string_view reason);

// The answer to an expected refusal, with further members. A reason without a row is a conflict: 409.
[[nodiscard]] http::Response RefusalResponse(std::string_view reason, std::string_view detail = {},
                                             const http::ProblemMembers& members = {});

// The answer to a failure. By its reason, where that has a row; otherwise by its code as
// platform/http/problem.h has it, but that a bound that was reached is 503, because it is ours and not the
// buyer's, and what gRPC says for itself (rpc_failed) is 503 too. What a database says of a value is not
// shown, but logged. A detail that begins with a field ("field
// `x` …", "x: …") gives the member `field`.
[[nodiscard]] http::Response FailureResponse(const Error& error);

// The same for what a service answered: what it finds invalid is 422, because the gateway has judged the
// syntax.
[[nodiscard]] http::Response ServiceFailure(const Error& error);

}  // namespace boxoffice::gateway
