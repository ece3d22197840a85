-- The same tables as in ../sqlite, see there for what each is for.
-- A balance per user and currency. `version` closes the race between two replicas that decided on the same balance: the
-- second UPDATE finds another version and decides again.
CREATE TABLE wallet(
  user_id TEXT NOT NULL,
  currency TEXT NOT NULL,
  balance BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY(user_id, currency)
);

-- The ledger: a row is a movement with both of its legs. Never deleted.
CREATE TABLE ledger(
  user_id TEXT NOT NULL,
  id UUID NOT NULL,
  kind BIGINT NOT NULL,         -- 1 top_up, 2 debit, 3 refund
  currency TEXT NOT NULL,
  amount BIGINT NOT NULL,
  contra BIGINT NOT NULL,       -- 1 external, 2 sales
  contra_amount BIGINT NOT NULL,
  balance_after BIGINT NOT NULL,
  saga_id UUID,                 -- of the debit; also with its refund
  reservation_id UUID,
  client_key TEXT,              -- of a top-up
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY(user_id, id),
  CHECK(amount <> 0 AND amount + contra_amount = 0)
);

-- A top-up happens once per key of its client.
CREATE UNIQUE INDEX ledger_client_key ON ledger(user_id, client_key) WHERE client_key IS NOT NULL;
-- A saga debits once and is refunded once; and what the auditor reads.
CREATE UNIQUE INDEX ledger_reservation ON ledger(reservation_id, saga_id, kind) WHERE reservation_id IS NOT NULL;

-- Debit and Refund meet in this row, so either order, and both at once, end neutral: the second INSERT finds the key
-- taken, the second UPDATE finds the state changed.
CREATE TABLE saga_debit(
  saga_id UUID PRIMARY KEY,
  reservation_id UUID NOT NULL,
  user_id TEXT NOT NULL,
  currency TEXT NOT NULL,       -- XXX with never_came
  amount BIGINT NOT NULL,
  state BIGINT NOT NULL,        -- 1 debited, 2 refunded, 3 never_came; 2 and 3 are tombstones
  debit_entry_id UUID NOT NULL,
  balance_after_debit BIGINT NOT NULL,
  refund_entry_id UUID NOT NULL,
  balance_after_refund BIGINT NOT NULL
);

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
