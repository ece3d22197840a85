#include "platform/redis/topology.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"

namespace boxoffice::redis {
namespace {

Address ReadServer(Value server, const Address& asked) {
  std::string host(server[0].Text());
  if (host.empty() || host == "?") host = asked.host;
  return {std::move(host), static_cast<uint16_t>(server[1].Int())};
}

}  // namespace

const Address* Topology::OwnerOf(uint16_t slot) const {
  if (owner.empty() || owner[slot] == kNobody) return nullptr;
  return &servers[owner[slot]];
}

void Topology::Move(uint16_t slot, const Address& to) {
  if (owner.empty()) owner.assign(kSlots, kNobody);
  auto place = std::ranges::find(servers, to);
  if (place == servers.end()) place = servers.insert(servers.end(), to);
  owner[slot] = static_cast<uint16_t>(place - servers.begin());
}

// An array per range: its first slot, its last, the master, the replicas; a server is its host, its port, ….
Topology ReadTopology(Value slots, const Address& asked) {
  Topology topology;
  for (size_t i = 0; i < slots.size(); ++i) {
    for (size_t j = 2; j < slots[i].size(); ++j) {
      topology.servers.push_back(ReadServer(slots[i][j], asked));
    }
  }
  std::ranges::sort(topology.servers);
  const auto doubles = std::ranges::unique(topology.servers);
  topology.servers.erase(doubles.begin(), doubles.end());
  topology.owner.assign(kSlots, Topology::kNobody);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].size() < 3) continue;
    const auto master = std::ranges::lower_bound(topology.servers, ReadServer(slots[i][2], asked));
    const auto place = static_cast<uint16_t>(master - topology.servers.begin());
    const int64_t last = std::min<int64_t>(slots[i][1].Int(), kSlots - 1);
    for (int64_t slot = std::max<int64_t>(slots[i][0].Int(), 0); slot <= last; ++slot) {
      topology.owner[static_cast<size_t>(slot)] = place;
    }
  }
  return topology;
}

std::vector<Address> AskingOrder(std::span<const Address> known, std::span<const Address> seeds, size_t turn,
                                 const std::function<bool(const Address&)>& is_doubtful) {
  std::vector<Address> order;
  for (const std::span<const Address> servers : {known, seeds}) {
    for (const Address& server : servers) {
      if (std::ranges::find(order, server) == order.end()) order.push_back(server);
    }
  }
  const auto doubtful = std::ranges::stable_partition(order, std::not_fn(is_doubtful)).begin();
  // Each part by itself: with one for both, whoever follows a doubtful one would be first twice as often.
  const auto begin_at_turn = [turn](auto begin, auto end) {
    if (begin != end) std::rotate(begin, begin + static_cast<ptrdiff_t>(turn) % (end - begin), end);
  };
  begin_at_turn(order.begin(), doubtful);
  begin_at_turn(doubtful, order.end());
  return order;
}

std::optional<Redirection> ReadRedirection(std::string_view error, const Address& asked) {
  Redirection redirection;
  const size_t first = error.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  redirection.ask = error.substr(0, first) == "ASK";
  if (!redirection.ask && error.substr(0, first) != "MOVED") return std::nullopt;
  const size_t second = error.find(' ', first + 1);
  const size_t colon = error.rfind(':');
  if (second == std::string_view::npos || colon == std::string_view::npos || colon < second) {
    return std::nullopt;
  }
  redirection.to.host = error.substr(second + 1, colon - second - 1);
  if (redirection.to.host.empty()) redirection.to.host = asked.host;
  const auto slot = ParseNumber<uint16_t>(error.substr(first + 1, second - first - 1));
  const auto port = ParseNumber<uint16_t>(error.substr(colon + 1));
  if (!slot || !port || *slot >= kSlots) return std::nullopt;
  redirection.slot = *slot;
  redirection.to.port = *port;
  return redirection;
}

}  // namespace boxoffice::redis
