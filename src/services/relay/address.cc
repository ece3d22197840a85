#include "services/relay/address.h"

#include <algorithm>
#include <span>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"

namespace boxoffice::relay {
namespace {

constexpr int kIpv4Prefix = 96;  // bits of ::ffff:0:0/96

Network MakeNetwork(std::string_view address, int prefix) {
  const std::optional<Address> parsed = ParseAddress(address);
  CHECK(parsed.has_value(), "{}", address);
  return {*parsed, address.contains(':') ? prefix : prefix + kIpv4Prefix};
}

bool InAny(std::span<const Network> networks, const Address& address) {
  return std::ranges::any_of(networks, [&](const Network& network) { return network.Holds(address); });
}

bool IsIpv4(const Address& address) {
  static const Network kMapped{FromIpv4({0, 0, 0, 0}), kIpv4Prefix};
  return kMapped.Holds(address);
}

bool IsPublicIpv4(const Address& address) {
  static const std::vector<Network> kSpecial = {
      MakeNetwork("0.0.0.0", 8),         // this network
      MakeNetwork("10.0.0.0", 8),        // private
      MakeNetwork("100.64.0.0", 10),     // behind a carrier's NAT
      MakeNetwork("127.0.0.0", 8),       // this machine
      MakeNetwork("168.63.129.16", 32),  // Azure's host agent, from inside its machines
      MakeNetwork("169.254.0.0", 16),    // link-local; clouds' metadata services
      MakeNetwork("172.16.0.0", 12),     // private
      MakeNetwork("192.0.0.0", 24),      // protocol assignments
      MakeNetwork("192.0.2.0", 24),      // documentation
      MakeNetwork("192.88.99.0", 24),    // 6to4 relays
      MakeNetwork("192.168.0.0", 16),    // private
      MakeNetwork("198.18.0.0", 15),     // benchmarks
      MakeNetwork("198.51.100.0", 24),  MakeNetwork("203.0.113.0", 24),  // documentation
      MakeNetwork("224.0.0.0", 4),                                       // multicast
      MakeNetwork("240.0.0.0", 4),                                       // reserved, broadcast
  };
  return !InAny(kSpecial, address);
}

}  // namespace

bool Network::Holds(const Address& other) const {
  for (int bit = 0; bit < prefix; bit += 8) {
    const auto at = static_cast<size_t>(bit / 8);
    const int bits = std::min(8, prefix - bit);
    const auto mask = static_cast<uint8_t>(0xff << (8 - bits));
    if ((address[at] & mask) != (other[at] & mask)) return false;
  }
  return true;
}

Address FromIpv4(const std::array<uint8_t, 4>& bytes) {
  Address address{};
  address[10] = address[11] = 0xff;
  std::ranges::copy(bytes, address.begin() + 12);
  return address;
}

std::optional<Address> ParseAddress(std::string_view text) {
  const std::string terminated(text);
  Address address{};
  if (inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1) return address;
  std::array<uint8_t, 4> ipv4{};
  if (inet_pton(AF_INET, terminated.c_str(), ipv4.data()) == 1) return FromIpv4(ipv4);
  return std::nullopt;
}

Result<std::vector<Network>> ParseNetworks(std::string_view text) {
  std::vector<Network> networks;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const size_t slash = one.find('/');
    const std::optional<Address> address = ParseAddress(one.substr(0, slash));
    const int most = one.contains(':') ? 128 : 32;
    int prefix = most;
    bool good = address.has_value();
    if (slash != std::string_view::npos) {
      prefix = ParseNumber<int>(one.substr(slash + 1)).value_or(-1);
      good = good && prefix >= 0 && prefix <= most;
    }
    if (!good) {
      return Fail(Code::kInvalidArgument, "config",
                  fmt::format("`{}` is no network: write 10.1.0.0/16, or one address", one));
    }
    networks.push_back({*address, one.contains(':') ? prefix : prefix + kIpv4Prefix});
  }
  return networks;
}

bool IsPublic(const Address& address) {
  static const Network kGlobal = MakeNetwork("2000::", 3);
  static const Network kNat64 = MakeNetwork("64:ff9b::", 96);
  static const std::vector<Network> kSpecial = {
      MakeNetwork("2001::", 23),      // protocol assignments, Teredo among them
      MakeNetwork("2001:db8::", 32),  // documentation
      MakeNetwork("2002::", 16),      // 6to4
      MakeNetwork("3fff::", 20),      // documentation
  };
  if (IsIpv4(address)) return IsPublicIpv4(address);
  if (kNat64.Holds(address)) {
    return IsPublicIpv4(FromIpv4({address[12], address[13], address[14], address[15]}));
  }
  return kGlobal.Holds(address) && !InAny(kSpecial, address);
}

bool AddressPolicy::Allows(const Address& address) const {
  return IsPublic(address) || InAny(allowed_, address);
}

}  // namespace boxoffice::relay
