-- What a target wanted when something happened, so that what comes again is not sent to who was not to have it then.
-- A program from before this file says nothing of it as it changes a target: until the next change by one of this file,
-- its filter counts for what happened before as well.
ALTER TABLE target ADD COLUMN wants_since_ms INTEGER NOT NULL DEFAULT 0;  -- what happened before is not sent; 0: see created_at_ms
ALTER TABLE target ADD COLUMN past_filters TEXT NOT NULL DEFAULT '';      -- UNTIL_MS|event_types|show_ids;… the oldest first
-- Its URL asked to be left alone until then; 0: it didn't.
ALTER TABLE target ADD COLUMN paused_until_ms INTEGER NOT NULL DEFAULT 0;
