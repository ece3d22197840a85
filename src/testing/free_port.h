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
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const bool free = bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(listener);
    if (free) return port;
  }
  CHECK(false, "no port is free from {} on", kFirst);
}

}  // namespace boxoffice::testbed
