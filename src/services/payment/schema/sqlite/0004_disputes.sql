-- What a provider refuses to give back: its code, and the operator who has said that it is settled outside of it, and why. Of
-- a cancelled payment, and of a part. Replicas of the version before leave them as they are.
ALTER TABLE payment ADD COLUMN refusal TEXT NOT NULL DEFAULT '';
ALTER TABLE payment ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE payment ADD COLUMN settled_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE payment_refund ADD COLUMN refusal TEXT NOT NULL DEFAULT '';
ALTER TABLE payment_refund ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE payment_refund ADD COLUMN settled_reason TEXT NOT NULL DEFAULT '';
