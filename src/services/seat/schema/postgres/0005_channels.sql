-- See ../sqlite/0006_channels.sql for what each is for.
ALTER TABLE seat ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE seat ADD COLUMN channel_until_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE block ADD COLUMN about_channel BIGINT NOT NULL DEFAULT 0;
ALTER TABLE block ADD COLUMN channel TEXT NOT NULL DEFAULT '';
