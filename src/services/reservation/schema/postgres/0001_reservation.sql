-- The same tables as in ../sqlite, see there for what each is for.
CREATE TABLE reservation(
  id UUID PRIMARY KEY,
  user_id TEXT NOT NULL,
  show_id BIGINT NOT NULL,
  state BIGINT NOT NULL,
  saga_status BIGINT NOT NULL,
  version BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  due_at_ms BIGINT,
  record BYTEA NOT NULL
);
-- The recovery scan; holds only what somebody has to look at.
CREATE INDEX reservation_due ON reservation(due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX reservation_user ON reservation(user_id, id);
CREATE INDEX reservation_show ON reservation(show_id, id);
-- Sagas in the operator's list: running (0) or parked (2).
CREATE INDEX reservation_open ON reservation(saga_status, id) WHERE saga_status <> 1;

-- The key, and the saga that a later request replaces, close the race between two replicas that get one request each.
CREATE TABLE request(
  user_id TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash BYTEA NOT NULL,
  reservation_id UUID NOT NULL,
  saga_id UUID NOT NULL,
  answer BYTEA,
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY(user_id, idempotency_key)
);
CREATE INDEX request_age ON request(created_at_ms);

CREATE TABLE outbox(
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partition BIGINT NOT NULL,
  event_id UUID NOT NULL,
  topic TEXT NOT NULL,
  key BYTEA NOT NULL,
  type TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  body BYTEA NOT NULL,
  time_ms BIGINT NOT NULL
);
-- Who publishes which part of the outbox: a publisher that is gone is followed by another when its lease ends.
CREATE TABLE outbox_partition(
  partition BIGINT PRIMARY KEY,
  owner TEXT NOT NULL,
  lease_until_ms BIGINT NOT NULL
);
INSERT INTO outbox_partition SELECT n, '', 0 FROM generate_series(0, 63) n;
