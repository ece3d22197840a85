-- The same as in ../sqlite, see there for what each is for.
ALTER TABLE waitlist ADD COLUMN seats BIGINT NOT NULL DEFAULT 0;
ALTER TABLE waitlist ADD COLUMN section TEXT NOT NULL DEFAULT '';
ALTER TABLE waitlist ADD COLUMN category TEXT NOT NULL DEFAULT '';
ALTER TABLE waitlist ADD COLUMN max_price BIGINT NOT NULL DEFAULT 0;
ALTER TABLE waitlist ADD COLUMN indexed_version BIGINT NOT NULL DEFAULT 0;
CREATE INDEX waitlist_wish ON waitlist(show_id, seats, section, category, max_price DESC, place)
  WHERE state = 1 AND indexed_version = version;
CREATE INDEX waitlist_offered ON waitlist(show_id, place) WHERE state = 2;
CREATE INDEX waitlist_unindexed ON waitlist(show_id, place) WHERE state < 3 AND indexed_version <> version;
