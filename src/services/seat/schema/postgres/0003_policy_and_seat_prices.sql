-- See ../sqlite/0004_policy_and_seat_prices.sql for what each is for.
ALTER TABLE show ADD COLUMN cancel_fee_per_seat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN cancel_fee_percent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN grace_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN waitlist_first BIGINT NOT NULL DEFAULT 0;
ALTER TABLE seat ADD COLUMN price BIGINT NOT NULL DEFAULT 0;
