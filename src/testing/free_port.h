// A port for a server that a test starts.
#pragma once

#include <atomic>
#include <cstdint>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace boxoffice::testbed {

// Whether nobody listens at this port of 127.0.0.1 now.
[[nodiscard]] inline bool IsFreePort(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0);
  const sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const bool free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return free;
}

// One of 127.0.0.1 that nobody has now, below those that the kernel gives to outgoing connections, which
// would take it in the moments until a server listens there, or while it is away. Each process begins
// elsewhere.
[[nodiscard]] inline uint16_t FreePort() {
  constexpr uint32_t kFirst = 10'100;
  constexpr uint32_t kCount = 20'000;
  constexpr uint32_t kOfAProcess = 100;
  static std::atomic<uint32_t> next = static_cast<uint32_t>(getpid()) * kOfAProcess;
  for (uint32_t attempt = 0; attempt < kCount; ++attempt) {
    const auto port = static_cast<uint16_t>(kFirst + next++ % kCount);
    if (IsFreePort(port)) return port;
  }
  CHECK(false, "no port is free from {} on", kFirst);
}

}  // namespace boxoffice::testbed
