-- A reservation with its last saga. What is searched or compared has a column; the rest is in `record`
-- (boxoffice.reservation.v1.Record).
CREATE TABLE reservation(
  id BLOB NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL,
  show_id INTEGER NOT NULL,
  state INTEGER NOT NULL,
  saga_status INTEGER NOT NULL,
  version INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  due_at_ms INTEGER,
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- The recovery scan; holds only what somebody has to look at.
CREATE INDEX reservation_due ON reservation(due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX reservation_user ON reservation(user_id, id);
-- Sagas in the operator's list: running (0) or parked (2).
CREATE INDEX reservation_open ON reservation(saga_status, id) WHERE saga_status <> 1;

-- One row per (user, Idempotency-Key); `answer` is the reservation's record as it was answered.
CREATE TABLE request(
  user_id TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash BLOB NOT NULL,
  reservation_id BLOB NOT NULL,
  saga_id BLOB NOT NULL,
  answer BLOB,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY(user_id, idempotency_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, event_id BLOB NOT NULL,
  topic TEXT NOT NULL, key BLOB NOT NULL, type TEXT NOT NULL, traceparent TEXT NOT NULL, body BLOB NOT NULL,
  time_ms INTEGER NOT NULL) STRICT;
