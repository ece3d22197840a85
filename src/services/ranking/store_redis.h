// The ranking's store on Redis, or on a Redis Cluster. It owns, all in one slot:
//
//   {ranking:2}:summary    hash: processed, as_of, stamp, rebuilding (which rebuild has not ended; 0: all
//   have), rebuilt_at {ranking:2}:show       hash: by show, its tally {ranking:2}:hour       hash: by hour
//   and show, bookings, seats and revenue {ranking:2}:hours      sorted set: the fields of {ranking:2}:hour,
//   by hour {ranking:2}:processed  set: the ids of events that were counted, about 60 bytes each. It is kept
//   until a rebuild,
//                          since an old event may come again as long as the bus has it
//
// The 2 is the form's version: {ranking}:…, of version 0.1, knew no revenue. Replicas of both may run side by
// side; when those of before are gone, `boxoffice ranking rebuild` counts what they alone had consumed, and
// their keys can go.
//
// A rebuild makes good what Redis lost; several processes may count one together. A stamp, which each save
// renews, tells a process that another one has saved for the same ranking: the rows that it has loaded are
// out of date then, and it is told so (`moved`) before it writes over what the other one counted. A batch
// loads and saves its own rows alone, so it can be outrun for as long as that takes, and no longer with a
// larger ranking.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "platform/redis/client.h"
#include "services/ranking/store.h"

namespace boxoffice::ranking {

// `url`: see platform/redis/address.h. Does not connect yet. Errors: invalid_redis_url.
[[nodiscard]] Result<std::unique_ptr<Store>> OpenRedisStore(std::string_view url,
                                                            const redis::Options& options = {});

}  // namespace boxoffice::ranking
