-- See ../sqlite/0009_cancelled_drafts.sql.
ALTER TABLE show ADD COLUMN never_published BIGINT NOT NULL DEFAULT 0;
