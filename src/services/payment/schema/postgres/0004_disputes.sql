-- The same as in ../sqlite, see there for what each is for.
ALTER TABLE payment ADD COLUMN refusal TEXT NOT NULL DEFAULT '';
ALTER TABLE payment ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE payment ADD COLUMN settled_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE payment_refund ADD COLUMN refusal TEXT NOT NULL DEFAULT '';
ALTER TABLE payment_refund ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE payment_refund ADD COLUMN settled_reason TEXT NOT NULL DEFAULT '';
