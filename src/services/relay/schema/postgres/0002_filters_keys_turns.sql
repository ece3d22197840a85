-- The same columns as in ../sqlite, see there. The version closes this race: two replicas change one target, each on
-- top of what it saw before the other. Replicas from before this file only ever disable and delete.
ALTER TABLE target
  ADD COLUMN show_ids TEXT NOT NULL DEFAULT '',
  ADD COLUMN payload BIGINT NOT NULL DEFAULT 1,
  ADD COLUMN rate_per_s DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN old_secret BYTEA NOT NULL DEFAULT '',
  ADD COLUMN old_secret_until_ms BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN rotation_key TEXT NOT NULL DEFAULT '',
  ADD COLUMN version BIGINT NOT NULL DEFAULT 0,
  -- Under the row's lock, so that replicas share the turns.
  ADD COLUMN turn_us BIGINT NOT NULL DEFAULT 0;
