-- The outbox with the events of a transaction packed into as few rows as a page of PostgreSQL each holds
-- (platform/outbox/packed_row.h). `outbox` has what was written before: it is published first.
CREATE TABLE outbox_batch(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  events INTEGER NOT NULL,
  oldest_ms INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
