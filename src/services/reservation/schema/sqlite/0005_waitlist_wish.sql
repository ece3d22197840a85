-- What a place is found by, so that a look sees the first who wish for what is free, however many wait before them for
-- something else. `state` is 2 (has an offer) also while seats are being sought for whoever waits. These are of the row's version
-- `indexed_version`: a replica of the version before leaves them as they are, and whoever looks next writes that row again.
ALTER TABLE waitlist ADD COLUMN seats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE waitlist ADD COLUMN section TEXT NOT NULL DEFAULT '';      -- '': any
ALTER TABLE waitlist ADD COLUMN category TEXT NOT NULL DEFAULT '';     -- '': any
ALTER TABLE waitlist ADD COLUMN max_price INTEGER NOT NULL DEFAULT 0;  -- of each seat; the highest number: any
ALTER TABLE waitlist ADD COLUMN indexed_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX waitlist_wish ON waitlist(show_id, seats, section, category, max_price DESC, place)
  WHERE state = 1 AND indexed_version = version;
CREATE INDEX waitlist_offered ON waitlist(show_id, place) WHERE state = 2;
CREATE INDEX waitlist_unindexed ON waitlist(show_id, place) WHERE state < 3 AND indexed_version <> version;
