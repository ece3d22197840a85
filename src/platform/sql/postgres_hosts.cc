#include "platform/sql/postgres_hosts.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>

#include "base/text.h"
#include "platform/dns/lookup.h"

namespace boxoffice::sql::pg {
namespace {

using SteadyClock = std::chrono::steady_clock;
// Of a host without one, where others have one. Said, as a list of one that is empty would be taken for none.
const std::string kDefaultPort = "5432";
using Said = std::map<std::string, std::string, std::less<>>;
using Options = std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)>;
constexpr std::array<std::string_view, 3> kOfHosts = {"host", "hostaddr", "port"};

// What libpq goes by, under its names: the URL and, of hosts that it leaves open, what PGHOST, PGHOSTADDR,
// PGPORT, or the service of PGSERVICE say. Nothing of a URL that can't be read.
Said ReadUrl(const std::string& url) {
  Said said;
  const Options told(PQconninfoParse(url.c_str(), /*errmsg=*/nullptr), &PQconninfoFree);
  if (told == nullptr) return said;
  for (const PQconninfoOption* option = told.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) said.emplace(option->keyword, option->val);
  }
  // A service that the URL names goes before variables, and libpq tells nobody what it says.
  if (said.contains("service")) return said;
  const Options defaults(PQconndefaults(), &PQconninfoFree);
  for (const PQconninfoOption* option = defaults.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    if (option->val != nullptr && std::ranges::find(kOfHosts, option->keyword) != kOfHosts.end())
      said.emplace(option->keyword, option->val);
  }
  return said;
}

std::string_view ValueOf(const Said& said, std::string_view name) {
  const auto found = said.find(name);
  return found != said.end() ? std::string_view(found->second) : std::string_view();
}

std::vector<std::string> Elements(std::string_view list) {
  std::vector<std::string> elements;
  for (const auto element : std::views::split(list, ','))
    elements.emplace_back(element.begin(), element.end());
  return elements;
}

// By its folder; of an empty one libpq knows the folder.
bool IsSocket(const std::string& host) { return host.empty() || host.front() == '/' || host.front() == '@'; }

}  // namespace

Result<Hosts> LookUpHosts(const std::string& url, std::chrono::seconds connect_timeout, dns::Lookup& lookup) {
  const Said said = ReadUrl(url);
  if (ValueOf(said, "host").empty() || !ValueOf(said, "hostaddr").empty()) return Hosts{};
  const std::vector<std::string> hosts = Elements(ValueOf(said, "host"));
  const std::vector<std::string> ports = Elements(ValueOf(said, "port"));
  if (ports.size() > 1 && ports.size() != hosts.size()) return Hosts{};  // it says what is wrong
  const auto seconds = ParseNumber<int>(ValueOf(said, "connect_timeout"));
  if (seconds && *seconds > 0) connect_timeout = std::chrono::seconds(*seconds);

  std::vector<std::string> names, addresses, ports_of_names;
  const auto add = [&](size_t place, std::string address) {
    names.push_back(hosts[place]);
    addresses.push_back(std::move(address));
    if (ports.size() > 1) ports_of_names.push_back(ports[place].empty() ? kDefaultPort : ports[place]);
  };
  std::vector<std::string> asked;
  std::ranges::remove_copy_if(hosts, std::back_inserter(asked), IsSocket);
  const auto answers = lookup.ResolveAllBy(asked, SteadyClock::now() + connect_timeout);
  auto answer = answers.begin();
  std::optional<Error> not_found;
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (IsSocket(hosts[i])) {
      add(i, "");
      continue;
    }
    const Result<dns::Lookup::Addresses>& found = *answer++;
    if (!found) {
      not_found = Error{Code::kUnavailable, "database_unavailable",
                        fmt::format("{} can't be looked up: {}", hosts[i], found.error().detail)};
      continue;
    }
    for (const auto& address : *found) add(i, address.to_string());
  }
  if (names.empty()) {
    return std::unexpected(not_found.value_or(
        Error{Code::kUnavailable, "database_unavailable", "no host of the URL has an address"}));
  }
  return Hosts{fmt::format("{}", fmt::join(names, ",")), fmt::format("{}", fmt::join(addresses, ",")),
               fmt::format("{}", fmt::join(ports_of_names, ","))};
}

}  // namespace boxoffice::sql::pg
