-- What is listed by its state: where few are pending or dead, the list walks over those and not over the whole log.
CREATE INDEX delivery_pending ON delivery(id) WHERE state = 0;
CREATE INDEX delivery_dead ON delivery(id) WHERE state = 2;
CREATE INDEX delivery_dead_of_target ON delivery(target_id, id) WHERE state = 2;
