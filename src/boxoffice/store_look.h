// A look at a store from outside: whether it answers, and what time it has there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice {

struct StoreLook {
  std::string software;           // "PostgreSQL 15.8", "Redis 7.0.15" ("Redis": it does not tell), "SQLite"
  std::optional<Timestamp> time;  // by the store's own clock, halfway through the look; nullopt: it has none
};

// Connects, asks, and leaves; changes nothing. Errors: store_url, no_store (kNotFound: an embedded store
// whose folder is missing), database_unavailable.
[[nodiscard]] Result<StoreLook> LookAtStore(std::string_view url);

}  // namespace boxoffice
