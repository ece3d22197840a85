// The monolith's tables and its purchase, as SQL and as scripts of pgbench.
#pragma once

#include <string_view>

namespace boxoffice::bench {

// $PURCHASES buyers with enough money, and as many seats, 50,000 to a show.
inline constexpr std::string_view kMonolithSchema = R"sql(
CREATE TABLE seat(show_id int, seat_no int, price bigint NOT NULL, state smallint NOT NULL DEFAULT 0,
  user_id bigint, hold_expires_at timestamptz, PRIMARY KEY(show_id, seat_no));
CREATE TABLE wallet(user_id bigint PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE ledger(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL, reservation_id uuid NOT NULL,
  wallet bigint NOT NULL, sales bigint NOT NULL, balance_after bigint NOT NULL, at timestamptz NOT NULL,
  UNIQUE(reservation_id));
CREATE INDEX ledger_user ON ledger(user_id, id);
CREATE TABLE payment(reservation_id uuid PRIMARY KEY, user_id bigint NOT NULL, amount bigint NOT NULL, state text NOT NULL,
  at timestamptz NOT NULL);
CREATE TABLE reservation(id uuid PRIMARY KEY, user_id bigint NOT NULL, show_id int NOT NULL, seat_no int NOT NULL,
  amount bigint NOT NULL, state text NOT NULL, idempotency_key text NOT NULL, at timestamptz NOT NULL,
  UNIQUE(user_id, idempotency_key));
CREATE INDEX reservation_show ON reservation(show_id, id);
CREATE TABLE outbox(seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, key uuid NOT NULL,
  type text NOT NULL, body jsonb NOT NULL, at timestamptz NOT NULL);
INSERT INTO seat(show_id, seat_no, price) SELECT n / 50000 + 1, n % 50000 + 1, 100000 FROM generate_series(0, $PURCHASES - 1) n;
INSERT INTO wallet SELECT n, 1000000 FROM generate_series(0, $PURCHASES - 1) n;
CREATE FUNCTION purchase(buyer bigint, show int, seat int) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  cost bigint;
  left_over bigint;
  reservation uuid := gen_random_uuid();
BEGIN
  UPDATE seat s SET state = 1, user_id = buyer, hold_expires_at = now() + interval '5 minutes'
    WHERE s.show_id = show AND s.seat_no = seat AND (s.state = 0 OR s.state = 1 AND s.hold_expires_at < now())
    RETURNING price INTO cost;
  IF cost IS NULL THEN RETURN false; END IF;
  UPDATE wallet w SET balance = balance - cost WHERE w.user_id = buyer AND w.balance >= cost RETURNING balance INTO left_over;
  IF left_over IS NULL THEN
    UPDATE seat s SET state = 0, user_id = NULL, hold_expires_at = NULL WHERE s.show_id = show AND s.seat_no = seat;
    RETURN false;
  END IF;
  INSERT INTO ledger(user_id, reservation_id, wallet, sales, balance_after, at)
    VALUES (buyer, reservation, -cost, cost, left_over, now());
  INSERT INTO payment VALUES (reservation, buyer, cost, 'APPROVED', now());
  UPDATE seat s SET state = 2, hold_expires_at = NULL WHERE s.show_id = show AND s.seat_no = seat AND s.user_id = buyer;
  INSERT INTO reservation VALUES (reservation, buyer, show, seat, cost, 'CONFIRMED', 'purchase', now());
  INSERT INTO outbox(topic, key, type, body, at) VALUES ('reservation', reservation, 'reservation.confirmed',
    jsonb_build_object('reservation_id', reservation, 'user_id', buyer, 'show_id', show, 'seat_no', seat, 'amount', cost), now());
  RETURN true;
END $$;
VACUUM ANALYZE;
CHECKPOINT;
)sql";

// Each client takes every :clients-th purchase from :first; neighbours in time are no neighbours on disk, as
// in our own sale.
inline constexpr std::string_view kMonolithChoice = R"sql(
\set n :first + :client_id + :clients * :i
\set i :i + 1
\set show 1 + :n / 50000
\set seat 1 + (:n % 50000) * 7919 % 50000
)sql";

inline constexpr std::string_view kMonolithStatements = R"sql(
BEGIN;
WITH held AS (UPDATE seat SET state = 1, user_id = :n, hold_expires_at = now() + interval '5 minutes'
  WHERE show_id = :show AND seat_no = :seat AND (state = 0 OR state = 1 AND hold_expires_at < now()) RETURNING price)
  SELECT count(*) = 1 AS held, coalesce(sum(price), 0)::bigint AS price, gen_random_uuid() AS id FROM held \gset
\if :held
WITH paid AS (UPDATE wallet SET balance = balance - :price WHERE user_id = :n AND balance >= :price RETURNING balance)
  SELECT count(*) = 1 AS paid, coalesce(sum(balance), 0)::bigint AS balance FROM paid \gset
\if :paid
INSERT INTO ledger(user_id, reservation_id, wallet, sales, balance_after, at)
  VALUES (:n, :id, -(:price::bigint), :price, :balance, now());
INSERT INTO payment VALUES (:id, :n, :price, 'APPROVED', now());
UPDATE seat SET state = 2, hold_expires_at = NULL WHERE show_id = :show AND seat_no = :seat AND user_id = :n;
INSERT INTO reservation VALUES (:id, :n, :show, :seat, :price, 'CONFIRMED', 'purchase', now());
INSERT INTO outbox(topic, key, type, body, at) VALUES ('reservation', :id, 'reservation.confirmed',
  jsonb_build_object('reservation_id', :id::uuid, 'user_id', :n::bigint, 'show_id', :show::int, 'seat_no', :seat::int,
    'amount', :price::bigint), now());
COMMIT;
\else
ROLLBACK;
\endif
\else
ROLLBACK;
\endif
)sql";

inline constexpr std::string_view kMonolithCall = R"sql(
SELECT purchase(:n, :show, :seat);
)sql";

inline constexpr std::string_view kMonolithAudit = R"sql(
SELECT coalesce(string_agg(what, '; '), '') FROM (
  SELECT 'the ledger does not sum to zero' AS what WHERE (SELECT coalesce(sum(wallet + sales), 0) FROM ledger) <> 0
  UNION ALL SELECT 'a balance is negative' WHERE EXISTS (SELECT FROM wallet WHERE balance < 0)
  UNION ALL SELECT 'wallets and ledger differ'
    WHERE (SELECT sum(1000000 - balance) FROM wallet) <> (SELECT coalesce(sum(sales), 0) FROM ledger)
  UNION ALL SELECT 'sold, reserved, paid and told differ' WHERE (SELECT count(*) FROM seat WHERE state = 2) NOT IN
    (SELECT count(*) FROM reservation WHERE (SELECT count(*) FROM reservation) = (SELECT count(*) FROM payment)
      AND (SELECT count(*) FROM payment) = (SELECT count(*) FROM outbox))
  UNION ALL SELECT 'a seat is held for ever' WHERE EXISTS (SELECT FROM seat WHERE state = 1)) wrong;
)sql";

}  // namespace boxoffice::bench
