-- Searches by operators, newest first; see ../sqlite.
CREATE INDEX reservation_ended ON reservation(state, id) WHERE state > 2;
