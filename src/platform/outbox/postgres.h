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

// The tables, for a service's migrations. `outbox` and `outbox_partition` are those of the version before
// packed rows, whose replicas may run beside this one: the first publisher of this version takes their
// partitions away for good, after which a trigger packs what they write, a row for each event, and nothing is
// added to `outbox`.
inline constexpr std::string_view kOutboxPostgresSchema =
    "CREATE TABLE outbox(seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, partition BIGINT NOT NULL, "
    "event_id UUID NOT NULL, topic TEXT NOT NULL, key BYTEA NOT NULL, type TEXT NOT NULL, traceparent TEXT "
    "NOT "
    "NULL, body BYTEA NOT NULL, time_ms BIGINT NOT NULL); "
    "CREATE TABLE outbox_partition(partition BIGINT PRIMARY KEY, owner TEXT NOT NULL, lease_until_ms BIGINT "
    "NOT "
    "NULL); INSERT INTO outbox_partition SELECT n, '', 0 FROM generate_series(0, 63) n;\n"
    "CREATE TABLE outbox_batch(\n"
    "  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
    "  events BIGINT NOT NULL,\n"
    "  oldest_ms BIGINT NOT NULL,\n"
    "  body BYTEA NOT NULL\n"
    ") WITH (toast_tuple_target = 8160);\n"
    "ALTER TABLE outbox_batch ALTER COLUMN body SET STORAGE EXTERNAL;\n"
    "CREATE TABLE outbox_lease(\n"
    "  one BOOLEAN PRIMARY KEY DEFAULT true CHECK(one),\n"
    "  owner TEXT NOT NULL,\n"
    "  lease_until_ms BIGINT NOT NULL\n"
    ");\n"
    "INSERT INTO outbox_lease(owner, lease_until_ms) VALUES ('', 0);\n"
    "CREATE FUNCTION outbox_to_batch() RETURNS trigger LANGUAGE plpgsql AS $$\n"
    "BEGIN\n"
    "  IF EXISTS (SELECT FROM outbox_partition) THEN\n"
    "    RETURN NEW;\n"
    "  END IF;\n"
    "  INSERT INTO outbox_batch(events, oldest_ms, body) VALUES (1, NEW.time_ms,\n"
    "    '\\x01'::bytea || uuid_send(NEW.event_id) || int8send(NEW.time_ms)\n"
    "      || int4send(octet_length(NEW.topic)) || convert_to(NEW.topic, 'UTF8')\n"
    "      || int4send(octet_length(NEW.key)) || NEW.key\n"
    "      || int4send(octet_length(NEW.type)) || convert_to(NEW.type, 'UTF8')\n"
    "      || int4send(octet_length(NEW.traceparent)) || convert_to(NEW.traceparent, 'UTF8')\n"
    "      || int4send(octet_length(NEW.body)) || NEW.body);\n"
    "  RETURN NULL;\n"
    "END $$;\n"
    "CREATE TRIGGER outbox_to_batch BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION "
    "outbox_to_batch();\n";

// Adds to `batch` the statement that writes `events`, in order, as few rows; it returns none. It comes after
// the statements that change the events' aggregates: whoever holds an aggregate's row writes its next event.
// No events: adds nothing. Errors: event_too_large (kInvalidArgument; the transaction must not commit).
[[nodiscard]] Result<void> AddTo(sql::pg::Batch& batch, std::span<const bus::Event> events);

struct LeaseConfig {
  // By the database's clock. What is published last before a renewal that is due ends within it: `renew`, the
  // bus's publish_timeout and a second are less.
  milliseconds lease{15'000};
  milliseconds renew{3'000};
};

// A publisher's view of the outbox, of which it sees nothing while another has the lease: of several
// publishers the first works, and another follows within `lease` when it is gone, or at once when it closes.
// Two never publish at the same time, unless one sleeps through the end of its lease, or is of the version
// before packed rows and just loses its partitions to this one: then events go out twice, with the same ids,
// and the first of each in order, since both begin with what is not deleted. Errors: database_unavailable,
// outbox_schema (kInternal: a table or a column lacks).
[[nodiscard]] Result<std::unique_ptr<Table>> OpenPostgresTable(const sql::pg::Config& config,
                                                               LeaseConfig lease = {});

}  // namespace boxoffice::outbox
