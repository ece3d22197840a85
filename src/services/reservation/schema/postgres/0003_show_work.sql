-- The same tables as in ../sqlite, see there for what each is for.
CREATE TABLE show_work(
  show_id BIGINT NOT NULL,
  kind BIGINT NOT NULL,
  version BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  due_at_ms BIGINT,
  record BYTEA NOT NULL,
  PRIMARY KEY(show_id, kind)
);
CREATE INDEX show_work_due ON show_work(due_at_ms) WHERE due_at_ms IS NOT NULL;

-- Whoever joins moves the version of the show's row in show_work, so two replicas never give the same place, nor two places to
-- one user.
CREATE TABLE waitlist(
  show_id BIGINT NOT NULL,
  place BIGINT NOT NULL,
  user_id TEXT NOT NULL,
  state BIGINT NOT NULL,
  version BIGINT NOT NULL,
  record BYTEA NOT NULL,
  PRIMARY KEY(show_id, place)
);
CREATE INDEX waitlist_user ON waitlist(user_id, show_id, place);
CREATE INDEX waitlist_open ON waitlist(show_id, place) WHERE state < 3;
