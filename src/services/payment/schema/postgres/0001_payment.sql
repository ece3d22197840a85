-- The same tables as in ../sqlite, see there for what each column is for.
-- One row per (reservation, attempt): an approval that was asked for, or the tombstone of one that was cancelled first.
-- `version` closes the race between two replicas that decided on the same row. Never deleted.
CREATE TABLE payment(
  reservation_id UUID NOT NULL,
  attempt BIGINT NOT NULL,
  id UUID NOT NULL,
  saga_id UUID NOT NULL,
  user_id TEXT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  method TEXT NOT NULL,
  state BIGINT NOT NULL,              -- 1 pending, 2 approved, 3 declined, 4 cancelled
  resolution BIGINT NOT NULL,         -- of cancelled: 0 not certain yet, 1 never_sent, 2 voided, 3 refunded, 4 reopened
  provider_code TEXT NOT NULL,
  provider_reference TEXT NOT NULL,
  version BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  PRIMARY KEY(reservation_id, attempt)
);

-- At most one APPROVED payment per reservation; PENDING counts, because it may turn out to be approved. Closes the race of
-- two replicas that insert two attempts at once: the second INSERT waits for the first to commit, does nothing, and is
-- decided again.
CREATE UNIQUE INDEX payment_live ON payment(reservation_id) WHERE state IN (1, 2);
-- What the reconciler goes through: payments of which it is not known what the provider did.
CREATE INDEX payment_unsettled ON payment(reservation_id, attempt) WHERE state = 1 OR (state = 4 AND resolution IN (0, 4));

CREATE TABLE outbox(
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partition BIGINT NOT NULL,
  event_id UUID NOT NULL,
  topic TEXT NOT NULL,
  key BYTEA NOT NULL,
  type TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  body BYTEA NOT NULL,
  time_ms BIGINT NOT NULL
);
-- Who publishes which part of the outbox: a publisher that is gone is followed by another when its lease ends.
CREATE TABLE outbox_partition(
  partition BIGINT PRIMARY KEY,
  owner TEXT NOT NULL,
  lease_until_ms BIGINT NOT NULL
);
INSERT INTO outbox_partition SELECT n, '', 0 FROM generate_series(0, 63) n;
