// What is stored of the waiting room in Redis, for the auditor, for moving it and for backups.
#pragma once

#include <memory>

#include "platform/redis/client.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

// Freeze copies all of a show on the server, in one script, so that it is of one moment. Meanwhile Redis does
// nothing else, and the copy takes as much memory again until the end of the history. What a process that
// died has left goes after an hour.
[[nodiscard]] std::unique_ptr<History> MakeRedisHistory(std::unique_ptr<redis::Client> client);

}  // namespace boxoffice::queue
