-- What was topped up on `day` (days since 1970 in UTC): for the limit per day.
ALTER TABLE wallet ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wallet ADD COLUMN topped_up INTEGER NOT NULL DEFAULT 0;

-- Why, and by whom, of what an operator did. Kinds are now also 4 partial_refund, 5 adjustment, 6 top_up_reversal, and
-- contra 3 is adjustments. The client_key of what operators do begins with a blank, which that of a client can't.
ALTER TABLE ledger ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger ADD COLUMN operator_id TEXT NOT NULL DEFAULT '';

-- Given back in parts. Two replicas that give back a part of one debit at once meet here: the second UPDATE finds another
-- sum. Only replicas of this version are asked for parts; one of the version before would give the whole back after them.
ALTER TABLE saga_debit ADD COLUMN refunded INTEGER NOT NULL DEFAULT 0;

-- Users whose state was ever changed; all others are active. A change of it also moves the version of the user's wallets,
-- so that what another replica has decided on the state before is decided again.
CREATE TABLE account(
  user_id TEXT PRIMARY KEY,
  state INTEGER NOT NULL,       -- 1 active, 2 frozen, 3 closed
  reason TEXT NOT NULL,
  operator_id TEXT NOT NULL,
  changed_at_ms INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
