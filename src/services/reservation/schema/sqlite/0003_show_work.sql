-- What is done for a whole show in the background (kind 1: its cancellation, 2: its waitlist), by one replica at a time: whoever
-- has claimed it, until due_at_ms. The rest is in `record` (boxoffice.reservation.v1.ShowWorkRecord).
CREATE TABLE show_work(
  show_id INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  version INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  due_at_ms INTEGER,
  record BLOB NOT NULL,
  PRIMARY KEY(show_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX show_work_due ON show_work(due_at_ms) WHERE due_at_ms IS NOT NULL;

-- Everybody who was ever on a show's waitlist, in the order of joining.
CREATE TABLE waitlist(
  show_id INTEGER NOT NULL,
  place INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  state INTEGER NOT NULL,
  version INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY(show_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX waitlist_user ON waitlist(user_id, show_id, place);
-- Who waits (1) or has an offer (2).
CREATE INDEX waitlist_open ON waitlist(show_id, place) WHERE state < 3;
