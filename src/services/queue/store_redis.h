// The waiting room's store on Redis, or on a Redis Cluster.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/redis/client.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

// `url`: see platform/redis/address.h. Does not connect yet: a server that is down shows in the first call.
// The store, the history and the leadership have a client each. `lease`: how long the lead stays with a
// process that does not renew it. Errors: invalid_redis_url.
//
// What is all or nothing is a show, for a show is one slot of a cluster and its save one script; of several
// shows in one Save some can be saved where others had moved. What a save survives is what Redis does: with
// appendfsync everysec the last second can be lost with the machine, and what Redis holds back while a sync
// takes long (up to two seconds) with its process, too; in a failover what a replica had not received yet.
// The version of a show can go back then, so each save also leaves a stamp, and a writer whose show has
// another stamp is told that it has moved.
inline constexpr milliseconds kLeaderLease{5'000};
[[nodiscard]] Result<Stores> OpenRedis(std::string_view url, const redis::Options& options = {},
                                       milliseconds lease = kLeaderLease);

}  // namespace boxoffice::queue
