-- One row per (reservation, attempt): an approval that was asked for, or the tombstone of one that was cancelled first.
-- `version` closes the race between two replicas that decided on the same row. Never deleted.
CREATE TABLE payment(
  reservation_id BLOB NOT NULL,
  attempt INTEGER NOT NULL,
  id BLOB NOT NULL,                   -- UUIDv7
  saga_id BLOB NOT NULL,              -- that asked first
  user_id TEXT NOT NULL,              -- empty, with amount 0 and currency XXX, in a tombstone that came first
  amount INTEGER NOT NULL,
  currency TEXT NOT NULL,
  method TEXT NOT NULL,
  state INTEGER NOT NULL,             -- 1 pending, 2 approved, 3 declined, 4 cancelled
  resolution INTEGER NOT NULL,        -- of cancelled: 0 not certain yet, 1 never_sent, 2 voided, 3 refunded, 4 reopened
  provider_code TEXT NOT NULL,
  provider_reference TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY(reservation_id, attempt)
) STRICT, WITHOUT ROWID;

-- At most one APPROVED payment per reservation; PENDING counts, because it may turn out to be approved. Closes the race of
-- two replicas that insert two attempts at once: the second INSERT does nothing, and is decided again.
CREATE UNIQUE INDEX payment_live ON payment(reservation_id) WHERE state IN (1, 2);
-- What the reconciler goes through: payments of which it is not known what the provider did.
CREATE INDEX payment_unsettled ON payment(reservation_id, attempt) WHERE state = 1 OR (state = 4 AND resolution IN (0, 4));

CREATE TABLE outbox(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  partition INTEGER NOT NULL,
  event_id BLOB NOT NULL,
  topic TEXT NOT NULL,
  key BLOB NOT NULL,
  type TEXT NOT NULL,
  traceparent TEXT NOT NULL,
  body BLOB NOT NULL,
  time_ms INTEGER NOT NULL
) STRICT;
