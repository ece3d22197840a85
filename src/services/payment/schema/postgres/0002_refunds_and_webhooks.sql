-- The same as in ../sqlite, see there for what each is for.
ALTER TABLE payment ADD COLUMN refunded BIGINT NOT NULL DEFAULT 0;
ALTER TABLE payment ADD COLUMN refunding BIGINT NOT NULL DEFAULT 0;
ALTER TABLE payment ADD COLUMN captured_late BIGINT NOT NULL DEFAULT 0;
CREATE INDEX payment_refunding ON payment(reservation_id, attempt) WHERE refunding > 0;

-- Written with its payment, whose version closes the race of two replicas that would give back more than was taken.
CREATE TABLE payment_refund(
  reservation_id UUID NOT NULL,
  attempt BIGINT NOT NULL,
  saga_id UUID NOT NULL,
  amount BIGINT NOT NULL,
  done BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  PRIMARY KEY(reservation_id, attempt, saga_id),
  CHECK(amount > 0)
);

-- Of two replicas that get one webhook at once, the second INSERT waits for the first to commit, does nothing, and is
-- decided again.
CREATE TABLE provider_webhook(
  provider TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  received_at_ms BIGINT NOT NULL,
  PRIMARY KEY(provider, webhook_id)
);
CREATE INDEX provider_webhook_received ON provider_webhook(received_at_ms);
