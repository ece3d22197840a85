// The lead of the waiting room on Redis: a key that names the process which has it, and expires by Redis's
// clock where that process does not renew it.
//
// What a failover of Redis loses can be this key: then two processes may lead, until the first one renews and
// finds another name, a second later. What they save is protected by the versions of shows all the same.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "platform/redis/client.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

inline constexpr std::string_view kLeaderKey = "queue:leader";

class RedisLeadership final : public Leadership {
 public:
  RedisLeadership(std::unique_ptr<redis::Client> client, milliseconds lease);

  Result<std::optional<Moment>> Take() override;
  Result<std::optional<Moment>> Renew() override;
  Result<void> Release() override;

 private:
  [[nodiscard]] Result<std::optional<Moment>> Claim(const redis::Script& script);

  const std::unique_ptr<redis::Client> client_;
  const milliseconds lease_;
  const std::string owner_;  // HOST/PID/RANDOM: for people who look, and never the same twice
};

}  // namespace boxoffice::queue
