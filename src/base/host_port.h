// Where a program listens, or is reached: a machine, by its address or its name, and a port.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boxoffice {

struct HostPort {
  std::string host;  // of an IPv6 address without its brackets
  uint16_t port = 0;

  [[nodiscard]] std::string ToString() const;  // of an IPv6 address with its brackets
};

// Reads "127.0.0.1:9001", "[::1]:9001" or "seat.internal:9001"; what the host is, is not looked at. Error:
// address_invalid (kInvalidArgument; detail: for people).
[[nodiscard]] Result<HostPort> ParseHostPort(std::string_view text);

}  // namespace boxoffice
