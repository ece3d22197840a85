CREATE TABLE target(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  operation_key TEXT NOT NULL UNIQUE, -- a repeated CreateTarget finds its target, also a deleted one
  url TEXT NOT NULL,
  event_types TEXT NOT NULL,          -- separated by commas; empty: all
  secret BLOB NOT NULL,               -- raw bytes: every delivery is signed with it
  enabled INTEGER NOT NULL,
  disabled_reason TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  deleted INTEGER NOT NULL
) STRICT;

-- The inbox: events that some target gets, as they are sent.
CREATE TABLE event(
  id BLOB PRIMARY KEY,
  topic TEXT NOT NULL,
  key BLOB NOT NULL,
  type TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  body TEXT NOT NULL                  -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target_id INTEGER NOT NULL,
  event_id BLOB NOT NULL,
  key BLOB NOT NULL,                  -- the event's
  state INTEGER NOT NULL,             -- 0 pending, 1 delivered, 2 dead
  attempts INTEGER NOT NULL,
  next_attempt_at_ms INTEGER,         -- pending: NULL waits behind an earlier delivery of its key
  last_status INTEGER NOT NULL,
  last_error TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  delivered_at_ms INTEGER
) STRICT;
-- What is due for a target; those that wait behind another are not walked over.
CREATE INDEX delivery_due ON delivery(target_id, next_attempt_at_ms) WHERE state = 0;
-- What waits behind what.
CREATE INDEX delivery_waiting ON delivery(target_id, key, id) WHERE state = 0;
CREATE INDEX delivery_log ON delivery(target_id, id);
CREATE INDEX delivery_of_event ON delivery(event_id);
CREATE INDEX delivery_age ON delivery(created_at_ms) WHERE state <> 0;

-- Written with the deliveries of an event, so that it gets them once (platform/bus/processed_event.h).
CREATE TABLE processed_event(consumer TEXT NOT NULL, event_id BLOB NOT NULL,
  PRIMARY KEY(consumer, event_id)) STRICT, WITHOUT ROWID;
