// One moment of a store while its service runs, for a backup.
//
// Stores of several services are of one moment together if all of them are held at once, and each is taken
// before any is released: see docs/adr/0011.
#pragma once

#include <chrono>

#include "base/result.h"
#include "platform/archive/rows.h"

namespace boxoffice::archive {

// How long a store that somebody writes to is waited for, by Hold. Longer than PostgreSQL's deadlock_timeout
// (1 s by default): only then does the server make an autovacuum of a table give way to who waits for it.
inline constexpr std::chrono::milliseconds kHoldPatience{1'300};

// Used in this order: Hold, Take, Release, Dump. Its destruction ends all. Belongs to one thread at a time.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  // Waits until nobody is writing, and keeps everybody from committing what others may see: a service that
  // tries waits meanwhile, and fails if it takes seconds. A store that owns neither seats nor money may
  // choose its moment here already, and keep nobody: KeepsNobody. Errors: those of the store;
  // database_unavailable also where it took longer than kHoldPatience: then nothing is held.
  [[nodiscard]] virtual Result<void> Hold() = 0;
  [[nodiscard]] virtual bool KeepsNobody() const { return false; }
  // Chooses the moment: what is committed by now. Errors: those of the store, schema_newer, schema_older.
  [[nodiscard]] virtual Result<void> Take() = 0;
  // Lets the services go on, and tells whether nobody could write until now. Not held: no effect. Error:
  // hold_lost (kUnavailable: of PostgreSQL also where it was held for longer than a service waits).
  [[nodiscard]] virtual Result<void> Release() = 0;
  // Gives all rows of the moment to `sink`; again: the same. Errors: those of the store, and of the sink.
  [[nodiscard]] virtual Result<void> Dump(Sink& sink) = 0;
};

}  // namespace boxoffice::archive
