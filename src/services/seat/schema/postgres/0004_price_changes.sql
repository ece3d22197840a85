-- See ../sqlite/0005_price_changes.sql for what each is for.
ALTER TABLE layout ADD COLUMN prices BYTEA NOT NULL DEFAULT '';
ALTER TABLE show ADD COLUMN layout_version BIGINT NOT NULL DEFAULT 0;

CREATE TABLE price_change(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  show_id BIGINT NOT NULL,
  layout_version BIGINT NOT NULL,
  category TEXT NOT NULL,
  seats BIGINT[] NOT NULL,
  price BIGINT NOT NULL,
  reason TEXT NOT NULL,
  operator_id TEXT NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE INDEX price_change_show ON price_change(show_id, id);
