-- When it was delivered or given up, the last time: it is kept from then on, as it may have waited for long behind its key,
-- or been replayed when it was old. NULL: never, or a program from before this file has ended it: that counts from its making.
ALTER TABLE delivery ADD COLUMN ended_at_ms INTEGER;
-- What goes out of the log, the oldest end first.
CREATE INDEX delivery_ended ON delivery(coalesce(ended_at_ms, created_at_ms)) WHERE state <> 0;
