-- A user's balance in one currency: the sum of the user's ledger entries in it. `version` closes the race between two
-- replicas that decided on the same balance: the second UPDATE finds another version and decides again.
-- No CHECK(balance >= 0): the rule is in wallet.cc, and the auditor looks for what slipped through.
CREATE TABLE wallet(
  user_id TEXT NOT NULL,
  currency TEXT NOT NULL,
  balance INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY(user_id, currency)
) STRICT, WITHOUT ROWID;

-- The ledger. One row is one movement with both of its legs: `amount` on the user's account and `contra_amount` on a
-- account of the system (1 external, 2 sales), which sum to zero. Clustered by user and time, as it is read. Never deleted.
CREATE TABLE ledger(
  user_id TEXT NOT NULL,
  id BLOB NOT NULL,             -- UUIDv7
  kind INTEGER NOT NULL,        -- 1 top_up, 2 debit, 3 refund
  currency TEXT NOT NULL,
  amount INTEGER NOT NULL,
  contra INTEGER NOT NULL,
  contra_amount INTEGER NOT NULL,
  balance_after INTEGER NOT NULL,
  saga_id BLOB,                 -- of the debit; also with its refund
  reservation_id BLOB,
  client_key TEXT,              -- of a top-up
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY(user_id, id),
  CHECK(amount <> 0 AND amount + contra_amount = 0)
) STRICT, WITHOUT ROWID;

-- A top-up happens once per key of its client.
CREATE UNIQUE INDEX ledger_client_key ON ledger(user_id, client_key) WHERE client_key IS NOT NULL;
-- A saga debits once and is refunded once (its reservation is fixed by its row in saga_debit); and what the auditor reads.
CREATE UNIQUE INDEX ledger_reservation ON ledger(reservation_id, saga_id, kind) WHERE reservation_id IS NOT NULL;

-- What a saga's debit came to. Debit and Refund meet in this row, so either order, and both at once, end neutral: the
-- second INSERT finds the key taken, the second UPDATE finds the state changed.
CREATE TABLE saga_debit(
  saga_id BLOB PRIMARY KEY,
  reservation_id BLOB NOT NULL,
  user_id TEXT NOT NULL,
  currency TEXT NOT NULL,       -- XXX with never_came
  amount INTEGER NOT NULL,
  state INTEGER NOT NULL,       -- 1 debited, 2 refunded, 3 never_came; 2 and 3 are tombstones
  debit_entry_id BLOB NOT NULL,
  balance_after_debit INTEGER NOT NULL,
  refund_entry_id BLOB NOT NULL,
  balance_after_refund INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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
