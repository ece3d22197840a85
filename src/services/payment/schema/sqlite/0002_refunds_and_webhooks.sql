-- Given back in parts, and asked for but not certain yet: sums over payment_refund, which change with the row's version.
-- Replicas of the version before don't know them, and leave them as they are.
ALTER TABLE payment ADD COLUMN refunded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payment ADD COLUMN refunding INTEGER NOT NULL DEFAULT 0;
-- Money was taken after the payment had ended; what was late was given back.
ALTER TABLE payment ADD COLUMN captured_late INTEGER NOT NULL DEFAULT 0;
-- The other part of what the reconciler goes through: parts of which it is not known whether they were given back.
CREATE INDEX payment_refunding ON payment(reservation_id, attempt) WHERE refunding > 0;

-- A part that a saga gave back. It is written with its payment, whose version closes the race of two replicas that would
-- give back more than was taken. Never deleted.
CREATE TABLE payment_refund(
  reservation_id BLOB NOT NULL,
  attempt INTEGER NOT NULL,
  saga_id BLOB NOT NULL,
  amount INTEGER NOT NULL,
  done INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY(reservation_id, attempt, saga_id),
  CHECK(amount > 0)
) STRICT, WITHOUT ROWID;

-- What a provider has sent by itself, so that it is taken once: of two replicas that get it at once, the second INSERT does
-- nothing, and is decided again. Forgotten after a day; what is older is refused by its timestamp.
CREATE TABLE provider_webhook(
  provider TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  received_at_ms INTEGER NOT NULL,
  PRIMARY KEY(provider, webhook_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_webhook_received ON provider_webhook(received_at_ms);
