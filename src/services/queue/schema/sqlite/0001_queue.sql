-- One row per show that anybody ever joined or configured. `version` grows with every save that touches the show:
-- a second process that writes with what it loaded earlier is refused, and loads again.
CREATE TABLE show(
  show_id       INTEGER PRIMARY KEY,
  version       INTEGER NOT NULL,
  state         INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
  rate_per_s    REAL    NOT NULL,
  active_cap    INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  head_sequence INTEGER NOT NULL CHECK (head_sequence <= last_sequence),
  completed     INTEGER NOT NULL CHECK (completed >= 0),
  expired       INTEGER NOT NULL CHECK (expired >= 0)
) STRICT;

-- Sequence order is the order of joining, so joins append and whoever is ACTIVE sits on a few warm pages.
CREATE TABLE session(
  show_id        INTEGER NOT NULL,
  sequence       INTEGER NOT NULL,
  user_id        TEXT    NOT NULL,
  state          INTEGER NOT NULL CHECK (state IN (1, 2, 3, 4)),
  joined_at_ms   INTEGER NOT NULL,
  admitted_at_ms INTEGER NOT NULL,  -- 0: never
  ended_at_ms    INTEGER NOT NULL,  -- 0: not yet
  saga_id        BLOB,              -- NULL: bound to none
  reservation_id BLOB,
  PRIMARY KEY (show_id, sequence)
) STRICT, WITHOUT ROWID;

-- What became of sagas that no session names any longer: 1 undone (the tombstone: a late Bind is ABORTED),
-- 2 moved over to a later saga of the same reservation.
CREATE TABLE saga(
  saga_id        BLOB    PRIMARY KEY,
  ending         INTEGER NOT NULL CHECK (ending IN (1, 2)),
  show_id        INTEGER NOT NULL,
  sequence       INTEGER NOT NULL,  -- 0: it never had a session
  reservation_id BLOB    NOT NULL,
  recorded_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
