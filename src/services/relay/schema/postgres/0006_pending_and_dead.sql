-- The same as in ../sqlite, see there. In words of their own: to who looks for a key's first, an index of all that are
-- pending looks as good as delivery_waiting, as long as the server takes them for few, and it would walk over them all.
CREATE INDEX delivery_pending ON delivery(id) WHERE state + 0 = 0;
CREATE INDEX delivery_dead ON delivery(id) WHERE state + 0 = 2;
CREATE INDEX delivery_dead_of_target ON delivery(target_id, id) WHERE state + 0 = 2;
