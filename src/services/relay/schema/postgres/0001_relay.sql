-- The same tables as in ../sqlite, see there for what each column is for. What others wrote (keys, bodies, error texts)
-- is BYTEA, which takes any bytes.
CREATE TABLE target(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operation_key TEXT NOT NULL UNIQUE,
  url TEXT NOT NULL,
  event_types TEXT NOT NULL,          -- separated by commas; empty: all
  secret BYTEA NOT NULL,
  enabled BOOLEAN NOT NULL,
  disabled_reason TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  deleted BOOLEAN NOT NULL
);

-- The inbox: events that some target gets, as they are sent.
CREATE TABLE event(
  id UUID PRIMARY KEY,
  topic TEXT NOT NULL,
  key BYTEA NOT NULL,
  type TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  time_ms BIGINT NOT NULL,
  body BYTEA NOT NULL                 -- JSON
);

-- Whoever adds or ends deliveries of a target holds the target's row: so a delivery that waits behind another is never
-- overlooked by who ends that one.
CREATE TABLE delivery(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  target_id BIGINT NOT NULL,
  event_id UUID NOT NULL,
  key BYTEA NOT NULL,                 -- the event's
  state BIGINT NOT NULL,              -- 0 pending, 1 delivered, 2 dead
  attempts BIGINT NOT NULL,
  next_attempt_at_ms BIGINT,          -- pending: NULL waits behind an earlier delivery of its key
  last_status BIGINT NOT NULL,
  last_error BYTEA NOT NULL,
  created_at_ms BIGINT NOT NULL,
  delivered_at_ms BIGINT,
  -- The replica that is sending it, until when by the database's clock; '', 0: none. Not indexed, so that claiming a row
  -- touches no index.
  owner TEXT NOT NULL DEFAULT '',
  lease_until_ms BIGINT NOT NULL DEFAULT 0
);
-- What is due for a target; those that wait behind another are not walked over.
CREATE INDEX delivery_due ON delivery(target_id, next_attempt_at_ms, id) WHERE state = 0 AND next_attempt_at_ms IS NOT NULL;
-- What waits behind what.
CREATE INDEX delivery_waiting ON delivery(target_id, key, id) WHERE state = 0;
CREATE INDEX delivery_log ON delivery(target_id, id);
CREATE INDEX delivery_of_event ON delivery(event_id);
CREATE INDEX delivery_age ON delivery(created_at_ms) WHERE state <> 0;

-- Written with the deliveries of an event, so that it gets them once (platform/bus/processed_event_postgres.h).
CREATE TABLE processed_event(
  consumer TEXT NOT NULL,
  event_id UUID NOT NULL,
  PRIMARY KEY(consumer, event_id)
);
