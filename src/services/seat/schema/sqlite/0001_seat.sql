CREATE TABLE concert(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  title TEXT NOT NULL,
  artist TEXT NOT NULL,
  venue TEXT NOT NULL
) STRICT;

-- Times are Unix milliseconds; 0 where there is none.
CREATE TABLE show(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  concert_id INTEGER NOT NULL REFERENCES concert(id),
  starts_at_ms INTEGER NOT NULL,
  currency TEXT NOT NULL,
  on_sale_at_ms INTEGER NOT NULL,
  sale_ends_at_ms INTEGER NOT NULL,
  seat_limit INTEGER NOT NULL,
  hold_ttl_ms INTEGER NOT NULL,
  cancel_deadline_ms INTEGER NOT NULL,
  capacity INTEGER NOT NULL,
  first_sold_at_ms INTEGER NOT NULL DEFAULT 0,
  sold_out_at_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The seats as they stand in the hall (store_layout.h). Apart from show, whose row is written while it is sold.
CREATE TABLE layout(
  show_id INTEGER PRIMARY KEY REFERENCES show(id),
  body BLOB NOT NULL
) STRICT;

-- Who has a seat. A seat without a row is free and was never held. state: 0 free, 1 held, 2 sold.
-- The condition on version closes the race between two replicas that decide on the same seat.
CREATE TABLE seat(
  show_id INTEGER NOT NULL,
  seat_no INTEGER NOT NULL,
  state INTEGER NOT NULL,
  reservation_id BLOB,
  user_id TEXT,
  hold_expires_at_ms INTEGER NOT NULL,
  held_since_ms INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY(show_id, seat_no)
) STRICT, WITHOUT ROWID;

-- What a saga has held, and whether it was undone (the tombstone). Kept for good: an undone saga's late command must
-- never be done. The key closes the race between a saga's action and its undo: both write this row.
CREATE TABLE saga(
  saga_id BLOB PRIMARY KEY,
  undone INTEGER NOT NULL,
  reservation_id BLOB NOT NULL,
  show_id INTEGER NOT NULL,
  choice TEXT NOT NULL,
  seats BLOB NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Seats that may be a buyer's. Its version closes the race between two holds of one buyer, which would each pass the
-- limit.
CREATE TABLE buyer(
  show_id INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  seats BLOB NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY(show_id, user_id)
) STRICT, WITHOUT ROWID;

-- Operators' requests, to answer a repeat. The key closes the race between two of the same.
CREATE TABLE operation(
  operation_key TEXT PRIMARY KEY,
  fingerprint BLOB NOT NULL,
  result_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  partition INTEGER NOT NULL,
  event_id BLOB NOT NULL,
  topic TEXT NOT NULL,
  key BLOB NOT NULL,
  type TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  body BLOB NOT NULL,
  time_ms INTEGER NOT NULL
) STRICT;
