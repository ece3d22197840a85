-- The highest limit that a show ever had: what the auditor holds its buyers to, since lowering the limit takes nobody's
-- seats. A replica of the version before raises seat_limit alone, so readers take the higher of the two.
ALTER TABLE show ADD COLUMN highest_seat_limit INTEGER NOT NULL DEFAULT 0;
UPDATE show SET highest_seat_limit = seat_limit;
