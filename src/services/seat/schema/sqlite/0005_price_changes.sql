-- What seats cost now, where that was changed since the show was made (store_layout.h); `body` never changes. Replicas of
-- the version before sell on at the first prices, so prices are changed once all are of this one.
ALTER TABLE layout ADD COLUMN prices BLOB NOT NULL DEFAULT x'';
-- How often they were changed. The condition on it closes the race between two operators, of whom each has read them.
ALTER TABLE show ADD COLUMN layout_version INTEGER NOT NULL DEFAULT 0;

-- What operators changed: a category's price, or that of some seats; written with the prices, and never changed.
CREATE TABLE price_change(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  show_id INTEGER NOT NULL,
  layout_version INTEGER NOT NULL,
  category TEXT NOT NULL,
  seats BLOB NOT NULL,
  price INTEGER NOT NULL,
  reason TEXT NOT NULL,
  operator_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX price_change_show ON price_change(show_id, id);
