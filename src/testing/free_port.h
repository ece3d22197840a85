// A port for a server that a test starts.
#pragma once

#include <cstdint>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace boxoffice::testbed {

// One of 127.0.0.1 that nobody has now. Among those that the kernel gives to outgoing connections: a server
// that comes back later may find it taken.
[[nodiscard]] inline uint16_t FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  CHECK(listener >= 0 && bind(listener, any, size) == 0 && getsockname(listener, any, &size) == 0);
  close(listener);
  return ntohs(address.sin_port);
}

}  // namespace boxoffice::testbed
