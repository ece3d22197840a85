// Which server owns which slots of a cluster.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/redis/address.h"
#include "platform/redis/reply.h"
#include "platform/redis/slot.h"

namespace boxoffice::redis {

// A value.
struct Topology {
  static constexpr uint16_t kNobody = UINT16_MAX;

  std::vector<Address> servers;  // masters and replicas, sorted
  std::vector<uint16_t> owner;   // of each slot the master's place in `servers`, or kNobody; kSlots, or empty

  [[nodiscard]] const Address* OwnerOf(uint16_t slot) const;
  // The slot has another master, as a MOVED said.
  void Move(uint16_t slot, const Address& to);
  bool operator==(const Topology&) const = default;
};

// From the answer to CLUSTER SLOTS of `asked`, for whose own name a server may leave the place empty.
[[nodiscard]] Topology ReadTopology(Value slots, const Address& asked);

// In which order servers are asked for the map: each of `known` (of the last map) and of `seeds` (of the URL)
// once, beginning at another one each `turn`, and those of which `is_doubtful` says so after all others.
[[nodiscard]] std::vector<Address> AskingOrder(std::span<const Address> known, std::span<const Address> seeds,
                                               size_t turn,
                                               const std::function<bool(const Address&)>& is_doubtful);

// Where an error sends a request: "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381". The host can be
// empty: that of `asked`. Anything else: nullopt.
struct Redirection {
  bool ask = false;  // for this request only; a MOVED is for good
  uint16_t slot = 0;
  Address to;
  bool operator==(const Redirection&) const = default;
};
[[nodiscard]] std::optional<Redirection> ReadRedirection(std::string_view error, const Address& asked);

}  // namespace boxoffice::redis
