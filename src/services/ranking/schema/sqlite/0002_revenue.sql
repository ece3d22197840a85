-- What was counted before knows no amounts: it is forgotten, and the log is counted anew at the next start.
DELETE FROM show_tally;
DELETE FROM hour_tally;
DELETE FROM processed_event;
ALTER TABLE show_tally ADD COLUMN revenue INTEGER NOT NULL DEFAULT 0;     -- of confirmed less of cancelled bookings
ALTER TABLE show_tally ADD COLUMN currency TEXT NOT NULL DEFAULT '';      -- of the first booking; empty: none yet
ALTER TABLE hour_tally ADD COLUMN revenue INTEGER NOT NULL DEFAULT 0;
ALTER TABLE summary ADD COLUMN rebuilt_at_ms INTEGER NOT NULL DEFAULT 0;  -- when the last rebuild ended
UPDATE summary SET processed = 0, as_of_ms = 0, rebuilding = 1;
