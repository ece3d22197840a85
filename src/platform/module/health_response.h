// What /healthz and /readyz answer, on every address that has them.
#pragma once

#include <vector>

#include "platform/http/message.h"
#include "platform/module/module.h"

namespace boxoffice::module {

// 200 {"status":"ok","version":"0.1.0","modules":[{"name":"seat","problem":null}]}, and "role":"standby"
// where a module has one; with `judge`, and a module that has a problem, 503 and "unavailable".
[[nodiscard]] http::Response HealthResponse(const std::vector<Health>& modules, bool judge);

}  // namespace boxoffice::module
