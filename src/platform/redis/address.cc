#include "platform/redis/address.h"

#include <utility>

#include <fmt/format.h>

#include "base/host_port.h"
#include "base/text.h"

namespace boxoffice::redis {
namespace {

constexpr uint16_t kDefaultPort = 6379;

std::unexpected<Error> Invalid(std::string detail) {
  return Fail(Code::kInvalidArgument, "invalid_redis_url", std::move(detail));
}

Result<void> ReadCredentials(std::string_view text, Target& target) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return Invalid("before the @: [user]:password is expected");
  auto user = PercentDecodeBytes(text.substr(0, colon));
  auto password = PercentDecodeBytes(text.substr(colon + 1));
  if (!user || !password) return Invalid("before the @: a % is not followed by two hexadecimal digits");
  if (password->empty()) return Invalid("before the @: the password is empty");
  target.user = *std::move(user);
  target.password = *std::move(password);
  return {};
}

// Errors name its place and not its text, which could be a password that somebody forgot the @ after.
Result<Address> ReadAddress(std::string_view text, size_t number) {
  Address address{.port = kDefaultPort};
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Invalid(fmt::format("server {}: ] is missing", number));
    address.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const size_t end = std::min(text.find(':'), text.size());
    address.host = text.substr(0, end);
    rest = text.substr(end);
  }
  if (address.host.empty() || address.host.find_first_of("/?#@ ") != std::string::npos) {
    return Invalid(fmt::format("server {}: host or host:port is expected", number));
  }
  if (rest.empty()) return address;
  address.port = ParseNumber<uint16_t>(rest.substr(1)).value_or(0);
  if (rest[0] != ':' || address.port == 0) {
    return Invalid(fmt::format("server {}: after the host, a port of 1 to 65535 is expected", number));
  }
  return address;
}

}  // namespace

std::string Address::ToString() const { return port == 0 ? host : HostPort{host, port}.ToString(); }

Result<Target> ParseUrl(std::string_view url) {
  Target target;
  const size_t separator = url.find("://");
  const std::string_view scheme = url.substr(0, separator == std::string_view::npos ? 0 : separator);
  target.cluster = scheme == "redis+cluster";
  const bool unix_socket = scheme == "redis+unix";
  if (!target.cluster && !unix_socket && scheme != "redis") {
    return Invalid("redis://host:port, redis+cluster://host:port,… or redis+unix:///path is expected");
  }
  std::string_view rest = url.substr(separator + 3);
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    BOXOFFICE_TRY(ReadCredentials(rest.substr(0, at), target));
    rest.remove_prefix(at + 1);
  }
  if (unix_socket) {
    if (!rest.starts_with('/')) return Invalid("redis+unix: the absolute path of a socket is expected");
    target.servers.push_back({std::string(rest), 0});
    return target;
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  while (true) {
    const size_t comma = rest.find(',');
    BOXOFFICE_ASSIGN(Address address, ReadAddress(rest.substr(0, comma), target.servers.size() + 1));
    target.servers.push_back(std::move(address));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (!target.cluster && target.servers.size() > 1) {
    return Invalid("several servers are redis+cluster://; redis:// is one");
  }
  return target;
}

}  // namespace boxoffice::redis
