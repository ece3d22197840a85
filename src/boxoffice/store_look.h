// A look at a store from outside: whether it answers, and what time it has there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice {

struct StoreLook {
  std::string software;           // "PostgreSQL 15.8", "Redis 7.0.15" ("Redis": it does not tell), "SQLite"
  std::optional<Timestamp> time;  // by the store's own clock, halfway through the look; nullopt: it has none
  // How it is set to lose what it has acknowledged, where it tells: "fsync is off: …".
  std::vector<std::string> risks = {};
};

// Connects, asks, and leaves; changes nothing. Errors: store_url, no_store (kNotFound: the service has no
// embedded store there yet), database_unavailable.
[[nodiscard]] Result<StoreLook> LookAtStore(std::string_view url, std::string_view service);

}  // namespace boxoffice
