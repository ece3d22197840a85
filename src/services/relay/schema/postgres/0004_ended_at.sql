-- The same as in ../sqlite, see there. What a replica from before this file ends counts from its making, or, where it is not
-- the first time, perhaps from the end before: so a replay leaves that where it is.
ALTER TABLE delivery ADD COLUMN ended_at_ms BIGINT;
CREATE INDEX delivery_ended ON delivery((coalesce(ended_at_ms, created_at_ms))) WHERE state <> 0;
