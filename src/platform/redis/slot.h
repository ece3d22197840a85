// Which of a cluster's 16384 slots a key is in.
#pragma once

#include <cstdint>
#include <string_view>

namespace boxoffice::redis {

inline constexpr uint16_t kSlots = 16384;

// CRC16 of the key modulo kSlots, or of what stands between its first { and the next }, if that is not empty:
// the "hash tag", by which keys share a slot. As the Redis Cluster specification says ("Key distribution
// model", "Hash tags").
[[nodiscard]] uint16_t SlotOf(std::string_view key);

}  // namespace boxoffice::redis
