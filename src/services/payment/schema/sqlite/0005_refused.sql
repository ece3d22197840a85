-- What a provider refuses to give back, and nobody has settled otherwise, so that operators find it among all payments ever made:
-- payments whose cancellation it refuses, and parts.
CREATE INDEX payment_refused ON payment(reservation_id, attempt) WHERE state = 4 AND resolution IN (0, 4) AND refusal <> '';
CREATE INDEX payment_refund_refused ON payment_refund(reservation_id, attempt) WHERE done = 0 AND refusal <> '';
