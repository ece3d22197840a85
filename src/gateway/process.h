// The gateway as a process of its own, with the auditor beside it.
#pragma once

#include "platform/module/program.h"

namespace boxoffice::gateway {

// The gateway as a program. It listens at the first address of `listen`, which is IP:PORT; its /readyz is the
// process'. The auditor runs every audit.interval_ms and on demand.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::gateway
