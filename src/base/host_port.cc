#include "base/host_port.h"

#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace boxoffice {

std::string HostPort::ToString() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  const bool has_both = colon != std::string_view::npos && colon > 0;
  const auto port = has_both ? ParseNumber<uint16_t>(text.substr(colon + 1)) : std::nullopt;
  if (!port)
    return Fail(Code::kInvalidArgument, "address_invalid",
                fmt::format("an address is IP:PORT, not \"{}\"", text));
  HostPort parsed{.host = std::string(text.substr(0, colon)), .port = *port};
  if (parsed.host.starts_with('[') && parsed.host.ends_with(']'))  // IPv6
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  return parsed;
}

}  // namespace boxoffice
