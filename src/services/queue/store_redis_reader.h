// Reads rows of the waiting room from Redis; for its store and its history (store_redis_row.h says how they
// lie there).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "platform/redis/client.h"
#include "services/queue/session.h"
#include "services/queue/show_queue.h"

namespace boxoffice::queue {

inline constexpr size_t kBucketsInOneGo = 64;  // half a megabyte of people

// Belongs to one thread at a time, as its client does.
class RedisReader {
 public:
  explicit RedisReader(redis::Client& client) : client_(client) {}

  // The replies to all, or the first error. A read that got no answer did nothing, so it is never kUnknown.
  [[nodiscard]] Result<std::vector<redis::Reply>> Read(const std::vector<redis::Request>& requests);
  // Of all shows, sorted.
  [[nodiscard]] Result<std::vector<int64_t>> ShowIds();
  // The sessions that are stored in buckets `first` to `last` (at most kBucketsInOneGo of them), by sequence;
  // with their bindings, if those are asked for.
  [[nodiscard]] Result<std::vector<Session>> Sessions(int64_t show_id, uint64_t first, uint64_t last,
                                                      bool bindings);
  // Those of `keys` that are stored, in their order, with their bindings.
  [[nodiscard]] Result<std::vector<Session>> Sessions(std::span<const SessionKey> keys);

  // From now on it reads copies: `prefix` stands before the names of the parts of a show ("session", …).
  void ReadCopies(std::string prefix) { prefix_ = std::move(prefix); }
  // The name of a part as it is read.
  [[nodiscard]] std::string Part(std::string_view part) const;

 private:
  redis::Client& client_;
  std::string prefix_;
};

// The row of a show, and its stamp.
struct StoredShow {
  Show show;
  std::string stamp;
};
// From the reply to HGETALL; nullopt: there is no such show.
[[nodiscard]] std::optional<StoredShow> ReadShow(int64_t show_id, redis::Value row);

}  // namespace boxoffice::queue
