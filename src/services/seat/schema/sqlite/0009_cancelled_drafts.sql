-- 1: the show was a draft until it was cancelled, and buyers are not told of it. A replica of the version before tells them,
-- and does not note it of those that it cancels, so drafts are cancelled once all are of this one.
ALTER TABLE show ADD COLUMN never_published INTEGER NOT NULL DEFAULT 0;
