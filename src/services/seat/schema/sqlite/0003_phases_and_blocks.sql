-- phase: 0 published, 1 draft, 2 cancelled. Where ranks_by_stage is 1, the best seats are those nearest to the stage,
-- which is given in thousandths of the plan's unit. A replica of the version before takes a show for published.
ALTER TABLE show ADD COLUMN phase INTEGER NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN orphan_rule INTEGER NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN ranks_by_stage INTEGER NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN stage_x_milli INTEGER NOT NULL DEFAULT 0;
ALTER TABLE show ADD COLUMN stage_y_milli INTEGER NOT NULL DEFAULT 0;

-- What operators blocked (gives_back 0) and gave back (1), with the reason; written with the seats' rows, whose state is
-- 3 while they are blocked, and never changed.
CREATE TABLE block(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  show_id INTEGER NOT NULL,
  seats BLOB NOT NULL,
  gives_back INTEGER NOT NULL,
  reason TEXT NOT NULL,
  operator_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX block_show ON block(show_id, id);
