// The body of a new show: small fields, and a seating plan of many megabytes that the gateway passes on
// unread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace boxoffice::gateway {

struct ShowBody {
  std::string fields;  // the body without its seating plan, unless that is a string
  std::string plan;    // the plan's text as it was sent; empty if it was sent as a string, or not at all
};

// Takes the member "seating_plan" out of a JSON object, unread but for where it ends: what is wrong inside is
// the seat service's to say, with its line. The rest is not judged either. Errors: kInvalidArgument
// body_not_json (no object around it), seating_plan_invalid (the plan does not end; the detail tells its line
// in the plan).
[[nodiscard]] Result<ShowBody> SplitShowBody(std::string_view body);

}  // namespace boxoffice::gateway
