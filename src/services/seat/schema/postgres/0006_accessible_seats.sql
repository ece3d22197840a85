-- See ../sqlite/0007_accessible_seats.sql.
ALTER TABLE layout ADD COLUMN access BYTEA NOT NULL DEFAULT '';
