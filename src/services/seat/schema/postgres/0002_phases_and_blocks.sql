-- See ../sqlite/0003_phases_and_blocks.sql for what each is for.
ALTER TABLE show ADD COLUMN phase BIGINT NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN orphan_rule BIGINT NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN ranks_by_stage BIGINT NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN stage_x_milli BIGINT NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN stage_y_milli BIGINT NOT NULL DEFAULT 0;

CREATE TABLE block(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  show_id BIGINT NOT NULL,
  seats BIGINT[] NOT NULL,
  gives_back BIGINT NOT NULL,
  reason TEXT NOT NULL,
  operator_id TEXT NOT NULL,
  at_ms BIGINT NOT NULL
);
CREATE INDEX block_show ON block(show_id, id);
