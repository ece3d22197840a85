-- The same tables as in ../sqlite, see there for what each is for; and `change`.
CREATE TABLE concert(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  title TEXT NOT NULL,
  artist TEXT NOT NULL,
  venue TEXT NOT NULL
);

-- Times are Unix milliseconds; 0 where there is none.
CREATE TABLE show(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  concert_id BIGINT NOT NULL REFERENCES concert(id),
  starts_at_ms BIGINT NOT NULL,
  currency TEXT NOT NULL,
  on_sale_at_ms BIGINT NOT NULL,
  sale_ends_at_ms BIGINT NOT NULL,
  seat_limit BIGINT NOT NULL,
  hold_ttl_ms BIGINT NOT NULL,
  cancel_deadline_ms BIGINT NOT NULL,
  capacity BIGINT NOT NULL,
  first_sold_at_ms BIGINT NOT NULL DEFAULT 0,
  sold_out_at_ms BIGINT NOT NULL DEFAULT 0,
  highest_seat_limit BIGINT NOT NULL
);

-- The seats as they stand in the hall (store_layout.h). Apart from show, whose row is written while it is sold.
CREATE TABLE layout(
  show_id BIGINT PRIMARY KEY REFERENCES show(id),
  body BYTEA NOT NULL
);

-- Who has a seat. A seat without a row is free and was never held. state: 0 free, 1 held, 2 sold.
-- The condition on version closes the race between two replicas that decide on the same seat. Room in each page lets a
-- seat's next versions stay beside it, without a new entry in the index.
CREATE TABLE seat(
  show_id BIGINT NOT NULL,
  seat_no BIGINT NOT NULL,
  state BIGINT NOT NULL,
  reservation_id UUID,
  user_id TEXT,
  hold_expires_at_ms BIGINT NOT NULL,
  held_since_ms BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY(show_id, seat_no)
) WITH (fillfactor = 70);

-- What a saga has held, and whether it was undone (the tombstone). Kept for good: an undone saga's late command must
-- never be done. The key closes the race between a saga's action and its undo: both write this row.
CREATE TABLE saga(
  saga_id UUID PRIMARY KEY,
  undone BOOLEAN NOT NULL,
  reservation_id UUID NOT NULL,
  show_id BIGINT NOT NULL,
  choice TEXT NOT NULL,
  seats BIGINT[] NOT NULL,
  version BIGINT NOT NULL
);

-- Seats that may be a buyer's. Its version closes the race between two holds of one buyer, which would each pass the
-- limit.
CREATE TABLE buyer(
  show_id BIGINT NOT NULL,
  user_id TEXT NOT NULL,
  seats BIGINT[] NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY(show_id, user_id)
);

-- Operators' requests, to answer a repeat. The key closes the race between two of the same.
CREATE TABLE operation(
  operation_key TEXT PRIMARY KEY,
  fingerprint BYTEA NOT NULL,
  result_id BIGINT NOT NULL
);

-- What was changed lately, by which replica (`source`), for the others to read anew: a concert, a show (no seats), or
-- seats of a show. A reader goes on from the oldest transaction that had not ended when it last read, so it misses none
-- that commits late. Rows go after some minutes.
CREATE TABLE change(
  xid BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
  source UUID NOT NULL,
  concert_id BIGINT NOT NULL DEFAULT 0,
  show_id BIGINT NOT NULL DEFAULT 0,
  seats BIGINT[] NOT NULL DEFAULT '{}'
);
CREATE INDEX change_xid ON change(xid);

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
