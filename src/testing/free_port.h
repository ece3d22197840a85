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

// Takes a port of 127.0.0.1 for this process, until it ends, unless somebody listens there or has taken it:
// false. It is seconds until a server listens where it was told to, so the UDP port of that number is bound
// meanwhile, which servers::FreePort asks for as well.
[[nodiscard]] inline bool TakePort(uint16_t port) {
  const sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const auto bound = [&](int type) {
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    return -1;
  };
  const int taken = bound(SOCK_DGRAM);
  if (taken < 0) return false;
  const int free = bound(SOCK_STREAM);
  close(free < 0 ? taken : free);
  return free >= 0;
}

// Takes one that is below those that the kernel gives to outgoing connections, which would take it in the
// moments until a server listens there, or while it is away. Each process begins elsewhere.
[[nodiscard]] inline uint16_t FreePort() {
  constexpr uint32_t kFirst = 10'100;
  constexpr uint32_t kCount = 20'000;
  constexpr uint32_t kOfAProcess = 100;
  static std::atomic<uint32_t> next = static_cast<uint32_t>(getpid()) * kOfAProcess;
  for (uint32_t attempt = 0; attempt < kCount; ++attempt) {
    const auto port = static_cast<uint16_t>(kFirst + next++ % kCount);
    if (TakePort(port)) return port;
  }
  CHECK(false, "no port is free from {} on", kFirst);
}

}  // namespace boxoffice::testbed
