// For tests against a real Redis.
#pragma once

#include <chrono>

#include "platform/redis/client.h"

namespace boxoffice::redis {

// To a server that is well: none of its bounds is met because the machine is busy.
inline constexpr Options kPatient{.connect_timeout = std::chrono::seconds(10),
                                  .command_timeout = std::chrono::seconds(20)};

}  // namespace boxoffice::redis
