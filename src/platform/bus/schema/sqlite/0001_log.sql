-- The log of all topics. One append-only tree: offsets are taken inside the write transaction, of which SQLite
-- has one at a time, so they appear in their order and a reader that saw offset n has missed none below it.
CREATE TABLE log(
  offset INTEGER PRIMARY KEY,
  topic INTEGER NOT NULL,           -- topic.id
  event_id BLOB NOT NULL,
  key BLOB NOT NULL,
  type TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  body BLOB NOT NULL,
  time_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE topic(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  appended INTEGER NOT NULL         -- records ever appended: lag without counting rows
) STRICT;

-- How far a group has got in a topic: all records up to `offset` have had their effect or are parked.
CREATE TABLE place(
  consumer_group TEXT NOT NULL,
  topic INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  consumed INTEGER NOT NULL,        -- records up to `offset`
  PRIMARY KEY(consumer_group, topic)
) STRICT, WITHOUT ROWID;

-- A key whose next event failed. It is written together with the place that moves past that event.
CREATE TABLE parked_key(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  consumer_group TEXT NOT NULL,
  topic INTEGER NOT NULL,
  key BLOB NOT NULL,
  attempts INTEGER NOT NULL,        -- at the first of its events
  retry_at_ms INTEGER,              -- NULL: a dead letter, which waits for a person
  error_code INTEGER NOT NULL,
  error_reason TEXT NOT NULL,
  error_detail TEXT NOT NULL,
  parked_at_ms INTEGER NOT NULL,
  UNIQUE(consumer_group, topic, key)
) STRICT;

-- The events of a parked key, in order: the one that failed, and those that came behind it.
CREATE TABLE parked_event(
  parked_key INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  PRIMARY KEY(parked_key, offset)
) STRICT, WITHOUT ROWID;
