// Where deliveries may go: to addresses of the public internet, and to networks that the deployment has
// named. What operators type must not make this process speak to databases, metadata services or anything
// else behind it (SSRF).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace boxoffice::relay {

// Of IPv6; one of IPv4 as ::ffff:a.b.c.d.
using Address = std::array<uint8_t, 16>;

struct Network {
  Address address{};
  int prefix = 128;  // bits, of all 128
  [[nodiscard]] bool Holds(const Address& other) const;
};

[[nodiscard]] Address FromIpv4(const std::array<uint8_t, 4>& bytes);
// "192.0.2.1" or "2001:db8::1", without brackets; anything else, names too: nullopt.
[[nodiscard]] std::optional<Address> ParseAddress(std::string_view text);
// "10.1.0.0/16,::1": networks, or single addresses, with commas in between; empty: none. Error: config
// (kInvalidArgument), naming the one that can't be read.
[[nodiscard]] Result<std::vector<Network>> ParseNetworks(std::string_view text);

// Whether whoever is there is on the public internet: global unicast, by the IANA special-purpose registries
// (RFC 6890 and successors). Addresses that embed one of IPv4 (mapped, NAT64) are as public as that one;
// tunnels (6to4, Teredo) are not.
[[nodiscard]] bool IsPublic(const Address& address);

// A value.
class AddressPolicy {
 public:
  AddressPolicy() = default;
  explicit AddressPolicy(std::vector<Network> allowed) : allowed_(std::move(allowed)) {}
  // Public, or in a network that was named.
  [[nodiscard]] bool Allows(const Address& address) const;

 private:
  std::vector<Network> allowed_;
};

}  // namespace boxoffice::relay
