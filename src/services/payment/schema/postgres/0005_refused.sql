-- The same as in ../sqlite, see there for what each is for.
CREATE INDEX payment_refused ON payment(reservation_id, attempt) WHERE state = 4 AND resolution IN (0, 4) AND refusal <> '';
CREATE INDEX payment_refund_refused ON payment_refund(reservation_id, attempt) WHERE done = 0 AND refusal <> '';
