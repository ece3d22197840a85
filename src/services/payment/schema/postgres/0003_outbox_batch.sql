-- The outbox with the events of a transaction packed into as few rows as a page each holds (platform/outbox/packed_row.h).
-- `outbox` has what was written before, and what replicas of the version before write.
CREATE TABLE outbox_batch(
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  events BIGINT NOT NULL,
  oldest_ms BIGINT NOT NULL,
  body BYTEA NOT NULL
) WITH (toast_tuple_target = 8160);
-- Neither compressed nor cut into pieces, unless a single event is larger than a page.
ALTER TABLE outbox_batch ALTER COLUMN body SET STORAGE EXTERNAL;

-- Who publishes it.
CREATE TABLE outbox_lease(
  one BOOLEAN PRIMARY KEY DEFAULT true CHECK(one),
  owner TEXT NOT NULL,
  lease_until_ms BIGINT NOT NULL
);
INSERT INTO outbox_lease(owner, lease_until_ms) VALUES ('', 0);

-- The first publisher of this version empties `outbox_partition` (under a lock of `outbox`, which waits for whoever is
-- writing), so that no publisher of the version before has a partition any more. From then on, what replicas of that version write
-- goes to the packed rows, in its place among them: so all that is left in `outbox` comes before them.
CREATE FUNCTION outbox_to_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM outbox_partition) THEN
    RETURN NEW;
  END IF;
  INSERT INTO outbox_batch(events, oldest_ms, body) VALUES (1, NEW.time_ms,
    '\x01'::bytea || uuid_send(NEW.event_id) || int8send(NEW.time_ms)
      || int4send(octet_length(NEW.topic)) || convert_to(NEW.topic, 'UTF8')
      || int4send(octet_length(NEW.key)) || NEW.key
      || int4send(octet_length(NEW.type)) || convert_to(NEW.type, 'UTF8')
      || int4send(octet_length(NEW.traceparent)) || convert_to(NEW.traceparent, 'UTF8')
      || int4send(octet_length(NEW.body)) || NEW.body);
  RETURN NULL;
END $$;
CREATE TRIGGER outbox_to_batch BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION outbox_to_batch();
