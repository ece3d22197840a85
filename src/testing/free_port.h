// A port for a server that a test starts.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "platform/servers/child.h"

namespace boxoffice::testbed {

// servers::FreePort, where there always is one.
[[nodiscard]] inline uint16_t FreePort() {
  const Result<uint16_t> port = servers::FreePort();
  CHECK(port.has_value(), "{}", port.error().detail);
  return *port;
}

}  // namespace boxoffice::testbed
