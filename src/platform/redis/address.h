// Where Redis is: what a URL says.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace boxoffice::redis {

// A server's address: TCP, or a unix socket, whose path is then in `host` and whose port is 0.
struct Address {
  std::string host;
  uint16_t port = 0;
  auto operator<=>(const Address&) const = default;
  [[nodiscard]] std::string ToString() const;  // host:port, [v6]:port or the path
};

struct Target {
  bool cluster = false;
  std::vector<Address> servers;  // one; of a cluster: some of its nodes, which name the others
  std::string user;              // empty: the default user
  std::string password;          // empty: none is sent
};

// redis://[[user]:password@]host[:6379]
// redis+cluster://[[user]:password@]host[:6379],host[:6379],…
// redis+unix://[[user]:password@]/path/to/socket
// User and password are percent-encoded; an IPv6 address stands in brackets. Errors: kInvalidArgument
// invalid_redis_url; the detail does not repeat the password.
[[nodiscard]] Result<Target> ParseUrl(std::string_view url);

}  // namespace boxoffice::redis
