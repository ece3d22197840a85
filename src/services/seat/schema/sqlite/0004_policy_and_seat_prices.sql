-- What a buyer's cancellation costs and how long seats stay held after a refused payment; and whether free seats are for
-- the waitlist alone.
ALTER TABLE show ADD COLUMN cancel_fee_per_seat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN cancel_fee_percent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN grace_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN waitlist_first INTEGER NOT NULL DEFAULT 0;

-- What whoever has the seat pays for it. 0: a replica of the version before, which notes none, has held it, at the price
-- that the show was made with.
ALTER TABLE seat ADD COLUMN price INTEGER NOT NULL DEFAULT 0;
