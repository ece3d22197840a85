// What makes a consumer's effect happen once: the ids of the events that it has had, in its own database,
// written in the transaction of the effect.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/id.h"
#include "base/result.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::bus {

// The table, for the consumer's own migration. Ids are never purged: an event can come back as long as the
// log is kept.
inline constexpr std::string_view kProcessedEventSchema =
    "CREATE TABLE processed_event(consumer TEXT NOT NULL, event_id BLOB NOT NULL, "
    "PRIMARY KEY(consumer, event_id)) STRICT, WITHOUT ROWID;";

// Belongs to the caller's connection and thread, and works inside the caller's transaction.
class ProcessedEvents {
 public:
  ProcessedEvents(sql::Database& database, std::string consumer)
      : database_(database),
        consumer_(std::move(consumer)),
        insert_(database.Prepare("INSERT INTO processed_event VALUES(?1, ?2) ON CONFLICT DO NOTHING")) {}

  // Records the event. True: it is new, so its effect belongs into this transaction. False: it has had its
  // effect. Errors: database_unavailable.
  [[nodiscard]] Result<bool> MarkNew(const EventId& event) {
    insert_.Bind(consumer_, event);
    BOXOFFICE_TRY(insert_.Run());
    return database_.changes() == 1;
  }

 private:
  sql::Database& database_;
  const std::string consumer_;
  sql::Statement insert_;
};

}  // namespace boxoffice::bus
