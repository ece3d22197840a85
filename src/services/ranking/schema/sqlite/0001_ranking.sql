CREATE TABLE show_tally(
  show_id INTEGER PRIMARY KEY,
  confirmed INTEGER NOT NULL,       -- bookings ever
  cancelled INTEGER NOT NULL,
  seats INTEGER NOT NULL,           -- of confirmed less of cancelled bookings
  sold_out_at_ms INTEGER,           -- the first time; NULL: never
  on_sale_at_ms INTEGER
) STRICT;

-- Of the last week: what windows are summed from. Hours of UTC since 1970.
CREATE TABLE hour_tally(
  hour INTEGER NOT NULL,
  show_id INTEGER NOT NULL,
  bookings INTEGER NOT NULL,        -- confirmed less cancelled in this hour; can be negative
  seats INTEGER NOT NULL,
  PRIMARY KEY(hour, show_id)
) STRICT, WITHOUT ROWID;

-- One row. A new database has counted nothing of a log that may be long: it begins with a rebuild.
CREATE TABLE summary(
  id INTEGER PRIMARY KEY CHECK(id = 1),
  processed INTEGER NOT NULL,
  as_of_ms INTEGER NOT NULL,        -- time of the newest event that was counted
  rebuilding INTEGER NOT NULL
) STRICT;
INSERT INTO summary VALUES(1, 0, 0, 1);

-- Written in the transaction of an event's effect, so that it has it once (platform/bus/processed_event.h).
CREATE TABLE processed_event(consumer TEXT NOT NULL, event_id BLOB NOT NULL,
  PRIMARY KEY(consumer, event_id)) STRICT, WITHOUT ROWID;
