-- The same columns as in ../sqlite, see there.
ALTER TABLE target
  ADD COLUMN creation_content TEXT NOT NULL DEFAULT '',
  ADD COLUMN rotation_content TEXT NOT NULL DEFAULT '';
