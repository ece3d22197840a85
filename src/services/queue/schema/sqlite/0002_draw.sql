-- The draw of a PREQUEUE, an opening at a time, and who was admitted or left. SQLite changes no CHECK of a table that is
-- there, so both tables whose words have grown are made anew.
CREATE TABLE new_show(
  show_id       INTEGER PRIMARY KEY,
  version       INTEGER NOT NULL,
  state         INTEGER NOT NULL CHECK (state IN (1, 2, 3, 4, 5)),
  rate_per_s    REAL    NOT NULL,
  active_cap    INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  head_sequence INTEGER NOT NULL CHECK (head_sequence <= last_sequence),
  completed     INTEGER NOT NULL CHECK (completed >= 0),
  expired       INTEGER NOT NULL CHECK (expired >= 0),
  left_count    INTEGER NOT NULL CHECK (left_count >= 0),
  admitted      INTEGER NOT NULL CHECK (admitted >= 0),
  opens_at_ms   INTEGER NOT NULL,  -- 0: never by itself
  draw_seed     TEXT    NOT NULL,  -- '': no draw; secret until drawn_at_ms is set
  draw_first    INTEGER NOT NULL,
  draw_entrants INTEGER NOT NULL,
  drawn_at_ms   INTEGER NOT NULL   -- 0: not yet
) STRICT;
INSERT INTO new_show SELECT show_id, version, state, rate_per_s, active_cap, last_sequence, head_sequence, completed,
  expired, 0, 0, 0, '', 0, 0, 0 FROM show;
DROP TABLE show;
ALTER TABLE new_show RENAME TO show;

-- 3: let in without a session, because the show had no queue.
CREATE TABLE new_saga(
  saga_id        BLOB    PRIMARY KEY,
  ending         INTEGER NOT NULL CHECK (ending IN (1, 2, 3)),
  show_id        INTEGER NOT NULL,
  sequence       INTEGER NOT NULL,  -- 0: it never had a session
  reservation_id BLOB    NOT NULL,
  recorded_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_saga SELECT * FROM saga;
DROP TABLE saga;
ALTER TABLE new_saga RENAME TO saga;
