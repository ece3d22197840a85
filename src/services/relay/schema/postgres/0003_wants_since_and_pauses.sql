-- The same columns as in ../sqlite, see there. A replica from before this file neither keeps nor minds a pause, and leaves
-- it (24 h at most) where it gives a target another URL, or disables and enables it.
ALTER TABLE target
  ADD COLUMN wants_since_ms BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN past_filters TEXT NOT NULL DEFAULT '',
  ADD COLUMN paused_until_ms BIGINT NOT NULL DEFAULT 0;
