-- Searches by operators, newest first. A reservation's show never changes, and few are anything but HELD (0), CONFIRMING (1)
-- or CONFIRMED (2) while they are bought, so that a purchase pays for neither but once.
CREATE INDEX reservation_show ON reservation(show_id, id);
CREATE INDEX reservation_ended ON reservation(state, id) WHERE state > 2;
