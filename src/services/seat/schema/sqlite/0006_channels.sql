-- Whose buyers alone may take the seat ('': everybody), also when it has come free again, and when that ends by itself (0:
-- never). Replicas of the version before sell such seats to everybody, so they are assigned once all are of this one.
ALTER TABLE seat ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE seat ADD COLUMN channel_until_ms INTEGER NOT NULL DEFAULT 0;
-- Whether a note is about a channel rather than a block, and which.
ALTER TABLE block ADD COLUMN about_channel INTEGER NOT NULL DEFAULT 0;
ALTER TABLE block ADD COLUMN channel TEXT NOT NULL DEFAULT '';
