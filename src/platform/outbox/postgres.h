// The outbox in a service's PostgreSQL database.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/outbox/outbox.h"
#include "platform/sql/postgres.h"

namespace boxoffice::outbox {

// The tables, for a service's first migration; 64 is kPartitions.
inline constexpr std::string_view kOutboxPostgresSchema =
    "CREATE TABLE outbox(seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, partition BIGINT NOT NULL, "
    "event_id UUID NOT NULL, topic TEXT NOT NULL, key BYTEA NOT NULL, type TEXT NOT NULL, traceparent TEXT "
    "NOT "
    "NULL, body BYTEA NOT NULL, time_ms BIGINT NOT NULL); "
    "CREATE TABLE outbox_partition(partition BIGINT PRIMARY KEY, owner TEXT NOT NULL, lease_until_ms BIGINT "
    "NOT "
    "NULL); INSERT INTO outbox_partition SELECT n, '', 0 FROM generate_series(0, 63) n;";

// Adds to `batch` the statement that writes `events`, in order; it returns no rows. It comes after the
// statements that change the events' aggregates: whoever holds an aggregate's row writes its next event. No
// events: adds nothing. Errors: event_too_large (kInvalidArgument; the transaction must not commit).
[[nodiscard]] Result<void> AddTo(sql::pg::Batch& batch, std::span<const bus::Event> events);

struct LeaseConfig {
  // By the database's clock.
  milliseconds lease{15'000};
  milliseconds renew{5'000};
};

// A publisher's view of the outbox: what stands in the partitions that it has leased. It claims every
// partition that nobody holds, so of several publishers the first works, and another follows within `lease`
// when it is gone, or at once when it closes. Two never publish a partition at the same time, unless one
// sleeps through the end of its lease: then events go out twice, in order, with the same ids. Errors:
// database_unavailable, outbox_schema (kInternal: a table or a column lacks).
[[nodiscard]] Result<std::unique_ptr<Table>> OpenPostgresTable(const sql::pg::Config& config,
                                                               LeaseConfig lease = {});

}  // namespace boxoffice::outbox
