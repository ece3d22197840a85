-- The same as in ../sqlite, see there for what each is for.
ALTER TABLE wallet ADD COLUMN day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wallet ADD COLUMN topped_up BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger ADD COLUMN operator_id TEXT NOT NULL DEFAULT '';
-- Two replicas that give back a part of one debit at once meet here: the second UPDATE finds another sum.
ALTER TABLE saga_debit ADD COLUMN refunded BIGINT NOT NULL DEFAULT 0;

-- A change of it also moves the version of the user's wallets, so that what another replica has decided on the state before
-- is decided again.
CREATE TABLE account(
  user_id TEXT PRIMARY KEY,
  state BIGINT NOT NULL,        -- 1 active, 2 frozen, 3 closed
  reason TEXT NOT NULL,
  operator_id TEXT NOT NULL,
  changed_at_ms BIGINT NOT NULL,
  version BIGINT NOT NULL
);
