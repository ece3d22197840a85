-- Of `IN` with more than two values SQLite builds a table for each row that it checks; of BETWEEN it does not. It changes no
-- CHECK of a table that is there, so the table of those who wait is made anew.
CREATE TABLE new_session(
  show_id        INTEGER NOT NULL,
  sequence       INTEGER NOT NULL,
  user_id        TEXT    NOT NULL,
  state          INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
  joined_at_ms   INTEGER NOT NULL,
  admitted_at_ms INTEGER NOT NULL,  -- 0: never
  ended_at_ms    INTEGER NOT NULL,  -- 0: not yet
  saga_id        BLOB,              -- NULL: bound to none
  reservation_id BLOB,
  PRIMARY KEY (show_id, sequence)
) STRICT, WITHOUT ROWID;
INSERT INTO new_session SELECT show_id, sequence, user_id, state, joined_at_ms, admitted_at_ms, ended_at_ms, saga_id,
  reservation_id FROM session;
DROP TABLE session;
ALTER TABLE new_session RENAME TO session;
