-- What a target may choose, and what it is signed with. Targets that are there already go on as they were: with all
-- that an event says.
ALTER TABLE target ADD COLUMN show_ids TEXT NOT NULL DEFAULT '';               -- separated by commas; empty: all
ALTER TABLE target ADD COLUMN payload INTEGER NOT NULL DEFAULT 1;              -- 0 thin, 1 full
ALTER TABLE target ADD COLUMN rate_per_s REAL NOT NULL DEFAULT 0;              -- 0: no bound
ALTER TABLE target ADD COLUMN old_secret BLOB NOT NULL DEFAULT x'';            -- raw bytes of the one before; empty: none
ALTER TABLE target ADD COLUMN old_secret_until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE target ADD COLUMN rotation_key TEXT NOT NULL DEFAULT '';           -- a repeated RotateSecret finds its secret
ALTER TABLE target ADD COLUMN version INTEGER NOT NULL DEFAULT 0;              -- a change counts only on top of what it saw
-- With a rate: when the next attempt has its turn (throttle.h), in microseconds since 1970.
ALTER TABLE target ADD COLUMN turn_us INTEGER NOT NULL DEFAULT 0;
