// The statements of the PostgreSQL store.
#pragma once

#include <string_view>

#include "platform/sql/postgres.h"

namespace boxoffice::seat {

#define BOXOFFICE_SEAT_COLUMNS                                                                            \
  "show_id, seat_no, state, reservation_id, user_id, hold_expires_at_ms, held_since_ms, version, price, " \
  "channel, "                                                                                             \
  "channel_until_ms"

// The same, from an array for each.
#define BOXOFFICE_SEAT_ARRAYS                                                                         \
  "unnest($1) AS show_id, unnest($2) AS seat_no, unnest($3) AS state, unnest($4) AS reservation_id, " \
  "unnest($5) AS user_id, unnest($6) AS hold_expires_at_ms, unnest($7) AS held_since_ms, "            \
  "unnest($8) AS version, unnest($9) AS price, unnest($10) AS channel, unnest($11) AS channel_until_ms"

constexpr std::string_view kLoadSagas =
    "SELECT saga_id, undone, reservation_id, show_id, choice, array_to_string(seats, ','), version "
    "FROM (SELECT unnest($1) AS saga_id) i JOIN saga USING (saga_id)";
constexpr std::string_view kLoadBuyers =
    "SELECT show_id, user_id, array_to_string(seats, ','), version FROM (SELECT unnest($1) AS show_id, "
    "unnest($2) AS user_id) i JOIN buyer USING (show_id, user_id)";
constexpr std::string_view kLoadSeats =
    "SELECT " BOXOFFICE_SEAT_COLUMNS
    " FROM (SELECT unnest($1) AS show_id, unnest($2) AS seat_no) i JOIN seat USING (show_id, seat_no)";

constexpr std::string_view kLoadShowRows =
    "SELECT id, phase, first_sold_at_ms, sold_out_at_ms "
    "FROM (SELECT unnest($1) AS id) i JOIN show USING (id) ORDER BY id";

// Rows of version 0 are inserted, others updated if they still have the version that was loaded. Rows are
// taken, and so locked, in the order of the arrays, which are sorted.
inline const sql::pg::Insert kInsertSagas(
    "INSERT INTO saga(saga_id, undone, reservation_id, show_id, choice, seats, version) "
    "SELECT saga_id, undone, reservation_id, show_id, choice, seats::bigint[], version + 1 "
    "FROM (SELECT unnest($1) AS saga_id, unnest($2) AS undone, unnest($3) AS reservation_id, "
    "unnest($4) AS show_id, unnest($5) AS choice, unnest($6) AS seats, unnest($7) AS version) i",
    "saga_id");
constexpr std::string_view kUpdateSagas =
    "UPDATE saga s SET undone = i.undone, reservation_id = i.reservation_id, show_id = i.show_id, "
    "choice = i.choice, seats = i.seats::bigint[], version = i.version + 1 "
    "FROM (SELECT unnest($1) AS saga_id, unnest($2) AS undone, unnest($3) AS reservation_id, "
    "unnest($4) AS show_id, unnest($5) AS choice, unnest($6) AS seats, unnest($7) AS version) i "
    "WHERE s.saga_id = i.saga_id AND s.version = i.version RETURNING s.saga_id";
inline const sql::pg::Insert kInsertBuyers(
    "INSERT INTO buyer(show_id, user_id, seats, version) SELECT show_id, user_id, seats::bigint[], "
    "version + 1 FROM (SELECT unnest($1) AS show_id, unnest($2) AS user_id, unnest($3) AS seats, "
    "unnest($4) AS version) i",
    "show_id, user_id");
constexpr std::string_view kUpdateBuyers =
    "UPDATE buyer b SET seats = i.seats::bigint[], version = i.version + 1 "
    "FROM (SELECT unnest($1) AS show_id, unnest($2) AS user_id, unnest($3) AS seats, "
    "unnest($4) AS version) i WHERE b.show_id = i.show_id AND b.user_id = i.user_id "
    "AND b.version = i.version RETURNING b.show_id, b.user_id";
inline const sql::pg::Insert kInsertSeats(
    "INSERT INTO seat(" BOXOFFICE_SEAT_COLUMNS
    ") SELECT show_id, seat_no, state, reservation_id, user_id, hold_expires_at_ms, held_since_ms, "
    "version + 1, price, channel, channel_until_ms FROM (SELECT " BOXOFFICE_SEAT_ARRAYS ") i",
    "show_id, seat_no");
constexpr std::string_view kUpdateSeats =
    "UPDATE seat s SET state = i.state, reservation_id = i.reservation_id, user_id = i.user_id, "
    "hold_expires_at_ms = i.hold_expires_at_ms, held_since_ms = i.held_since_ms, "
    "version = i.version + 1, price = i.price, channel = i.channel, "
    "channel_until_ms = i.channel_until_ms FROM (SELECT " BOXOFFICE_SEAT_ARRAYS
    ") i WHERE s.show_id = i.show_id AND s.seat_no = i.seat_no AND s.version = i.version "
    "RETURNING s.show_id, s.seat_no";
// The marks that were seen close the race between two replicas that each sell a first or a last seat. The
// rows are counted once a sell-out: a replica that has not heard of a release may take a show for sold out.
constexpr std::string_view kSaveMarks =
    "UPDATE show SET first_sold_at_ms = i.first_sold, sold_out_at_ms = i.sold_out "
    "FROM (SELECT unnest($1) AS show_id, unnest($2) AS first_sold, unnest($3) AS sold_out, "
    "unnest($4) AS first_sold_before, unnest($5) AS sold_out_before) i WHERE show.id = i.show_id "
    "AND show.first_sold_at_ms = i.first_sold_before AND show.sold_out_at_ms = i.sold_out_before "
    "AND (i.sold_out = i.sold_out_before OR show.capacity = (SELECT count(*) FROM seat "
    "WHERE seat.show_id = i.show_id AND (state IN (2, 3) OR (channel <> '' "
    "AND (channel_until_ms = 0 OR channel_until_ms > i.sold_out) "
    "AND (state = 0 OR (state = 1 AND hold_expires_at_ms <= i.sold_out)))))) RETURNING show.id";
constexpr std::string_view kTell =
    "INSERT INTO change(source, show_id, seats) SELECT $1, show_id, seats::bigint[] "
    "FROM (SELECT unnest($2) AS show_id, unnest($3) AS seats) i";

constexpr std::string_view kLoadConcerts = "SELECT id, title, artist, venue FROM concert ORDER BY id";
#define BOXOFFICE_SHOW_COLUMNS                                                                          \
  "s.id, s.concert_id, s.starts_at_ms, s.currency, s.on_sale_at_ms, s.sale_ends_at_ms, s.seat_limit, "  \
  "s.hold_ttl_ms, s.cancel_deadline_ms, s.first_sold_at_ms, s.sold_out_at_ms, s.highest_seat_limit, "   \
  "s.phase, s.orphan_rule, s.ranks_by_stage, s.stage_x_milli, s.stage_y_milli, s.cancel_fee_per_seat, " \
  "s.cancel_fee_percent, s.grace_ms, s.waitlist_first, s.layout_version, s.never_published"
constexpr std::string_view kLoadShowAfter =
    "SELECT " BOXOFFICE_SHOW_COLUMNS
    ", l.body, l.prices, l.access FROM show s LEFT JOIN layout l ON l.show_id = "
    "s.id WHERE s.id > $1 ORDER BY s.id LIMIT 1";
constexpr std::string_view kOwnedSeats =
    "SELECT " BOXOFFICE_SEAT_COLUMNS
    " FROM seat WHERE show_id = $1 AND seat_no > $2 AND state IN (1, 2) ORDER BY seat_no LIMIT $3";
// Nearly all of a show that was sold are alike, and a start reads every seat that ever was: a row for each
// would cost it twice as much.
constexpr std::string_view kStoredSeats =
    "SELECT state, version, CASE WHEN state = 1 THEN hold_expires_at_ms ELSE 0 END, channel, "
    "channel_until_ms, array_to_string(array_agg(seat_no), ',') FROM seat WHERE show_id = $1 "
    "AND seat_no > $2 AND seat_no <= $3 GROUP BY 1, 2, 3, 4, 5";
constexpr std::string_view kCountSeats =
    "SELECT s.id, s.capacity, count(*) FILTER (WHERE seat.state = 1 AND seat.hold_expires_at_ms > $2), "
    "count(*) FILTER (WHERE seat.state = 2), count(*) FILTER (WHERE seat.state = 3), "
    "count(*) FILTER (WHERE seat.channel <> '' AND (seat.channel_until_ms = 0 OR seat.channel_until_ms > $2) "
    "AND "
    "(seat.state = 0 OR (seat.state = 1 AND seat.hold_expires_at_ms <= $2))) FROM show s LEFT JOIN "
    "seat ON seat.show_id = s.id "
    "WHERE $1 = 0 OR s.id = $1 GROUP BY s.id, s.capacity ORDER BY s.id";

// Taken before what follows it is read, so that what is not seen yet is read the next time. The horizon is
// the snapshot's end, not its beginning: a crash may lose numbers that it has passed, which others get then.
constexpr std::string_view kHorizon =
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, " BOXOFFICE_PG_NOW_MS
    ", pg_current_snapshot()::text";
// Another text where a standby was promoted or a backup restored, as the name of the log's segment begins
// with another number, and after a crash, as a server begins its statistics anew then (and goes on with them
// after an orderly stop). With synchronous_commit = on nobody sees a commit before it is on disk, so a crash
// loses none that was told. But it may lose the numbers of transactions that were rolled back, or committed
// lazily: the next ones get these, and whoever looked in between is beyond them.
constexpr std::string_view kHistory =
    "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) || ' ' || extract(epoch FROM stats_reset) "
    "FROM pg_stat_bgwriter";
// What was not visible in the snapshot $1: what has begun since, and what had not ended then. Not all from
// the oldest on that had not: a transaction that lasts, in whichever database of the server, would have it
// read again with every look.
#define BOXOFFICE_SEAT_IS_NEWS                                  \
  "(xid >= pg_snapshot_xmax($1::pg_snapshot)::text::bigint OR " \
  "xid = ANY(ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)::text::bigint)))"
// Of concerts and shows, what this replica itself has changed is news, too: it may not have heard that its
// commit was done. Seats it reads with every command.
constexpr std::string_view kNewConcerts =
    "SELECT id, title, artist, venue FROM concert WHERE id IN "
    "(SELECT concert_id FROM change WHERE " BOXOFFICE_SEAT_IS_NEWS ") ORDER BY id";
constexpr std::string_view kNewShows =
    "SELECT " BOXOFFICE_SHOW_COLUMNS
    ", CASE WHEN EXISTS (SELECT FROM (SELECT unnest($2) AS id, unnest($3) AS version) k "
    "WHERE k.id = s.id AND k.version = s.layout_version) THEN NULL ELSE l.body END, l.prices, l.access "
    "FROM show s LEFT JOIN layout l ON l.show_id = s.id WHERE s.id IN (SELECT show_id FROM change "
    "WHERE " BOXOFFICE_SEAT_IS_NEWS " AND cardinality(seats) = 0) ORDER BY s.id";
constexpr std::string_view kNewSeats =
    "SELECT " BOXOFFICE_SEAT_COLUMNS
    " FROM (SELECT DISTINCT c.show_id, n.seat_no FROM change c CROSS JOIN LATERAL unnest(c.seats) n(seat_no) "
    "WHERE " BOXOFFICE_SEAT_IS_NEWS " AND c.source <> $2) k JOIN seat USING (show_id, seat_no)";
// SKIP LOCKED: another replica forgets as well.
constexpr std::string_view kForgetTombstones =
    "WITH looked AS MATERIALIZED (SELECT saga_id, undone AND choice NOT LIKE 'move/%' AS tombstone FROM saga "
    "WHERE saga_id > $1 AND saga_id < $2 ORDER BY saga_id LIMIT $3), "
    "gone AS (DELETE FROM saga WHERE saga_id = ANY(ARRAY(SELECT s.saga_id FROM saga s JOIN looked l USING "
    "(saga_id) WHERE l.tombstone ORDER BY s.saga_id FOR UPDATE OF s SKIP LOCKED)) RETURNING 1) "
    "SELECT (SELECT count(*) FROM looked), (SELECT count(*) FROM gone), "
    "(SELECT saga_id FROM looked ORDER BY saga_id DESC LIMIT 1)";
// What was visible in the snapshot $1.
constexpr std::string_view kForgetNews =
    "DELETE FROM change WHERE ctid = ANY(ARRAY(SELECT ctid FROM change "
    "WHERE NOT " BOXOFFICE_SEAT_IS_NEWS " ORDER BY xid LIMIT $2 FOR UPDATE SKIP LOCKED))";

constexpr std::string_view kSaveBlocks =
    "INSERT INTO block(show_id, seats, gives_back, reason, operator_id, at_ms, about_channel, channel) "
    "SELECT show_id, seats::bigint[], gives_back, reason, operator_id, at_ms, about_channel, channel "
    "FROM (SELECT unnest($1) AS show_id, unnest($2) AS seats, unnest($3) AS gives_back, "
    "unnest($4) AS reason, unnest($5) AS operator_id, unnest($6) AS at_ms, "
    "unnest($7) AS about_channel, unnest($8) AS channel) i";
constexpr std::string_view kLoadBlocks =
    "SELECT id, array_to_string(seats, ','), gives_back, reason, operator_id, at_ms, about_channel, channel "
    "FROM block "
    "WHERE show_id = $1 AND ($2 = 0 OR id < $2) ORDER BY id DESC LIMIT $3";

// The version that was seen closes the race between two replicas that each change the prices.
constexpr std::string_view kSavePrices =
    "WITH changed AS (UPDATE show SET layout_version = $2 WHERE id = $1 AND layout_version = $2 - 1 "
    "RETURNING "
    "id), placed AS (UPDATE layout SET prices = $3 WHERE show_id IN (SELECT id FROM changed)), "
    "told AS (INSERT INTO change(source, show_id) SELECT $4, id FROM changed), "
    "noted AS (INSERT INTO price_change(show_id, layout_version, category, seats, price, reason, "
    "operator_id, "
    "at_ms) SELECT c.id, $2, i.category, i.seats::bigint[], i.price, i.reason, i.operator_id, i.at_ms FROM "
    "changed c, unnest($5, $6, $7, $8, $9, $10) i(category, seats, price, reason, operator_id, at_ms)) "
    "SELECT id FROM changed";
constexpr std::string_view kLoadPriceNotes =
    "SELECT id, layout_version, category, array_to_string(seats, ','), price, reason, operator_id, at_ms "
    "FROM price_change WHERE show_id = $1 AND ($2 = 0 OR id < $2) ORDER BY id DESC LIMIT $3";

constexpr std::string_view kCreateConcert =
    "WITH made AS (INSERT INTO concert(title, artist, venue) VALUES ($1, $2, $3) RETURNING id), "
    "recorded AS (INSERT INTO operation(operation_key, fingerprint, result_id) SELECT $4, $5, id FROM made), "
    "told AS (INSERT INTO change(source, concert_id) SELECT $6, id FROM made) SELECT id FROM made";
// As kUpdateTerms.
constexpr std::string_view kUpdateConcert =
    "WITH changed AS (UPDATE concert SET title = $2, artist = $3, venue = $4 WHERE id = $1 AND title = $6 "
    "AND artist = $7 AND venue = $8 RETURNING id), "
    "told AS (INSERT INTO change(source, concert_id) SELECT $5, id FROM changed) SELECT id FROM changed";
constexpr std::string_view kCreateShow =
    "WITH made AS (INSERT INTO show(concert_id, starts_at_ms, currency, on_sale_at_ms, sale_ends_at_ms, "
    "seat_limit, hold_ttl_ms, cancel_deadline_ms, capacity, highest_seat_limit, phase, orphan_rule, "
    "ranks_by_stage, stage_x_milli, stage_y_milli, cancel_fee_per_seat, cancel_fee_percent, grace_ms, "
    "waitlist_first) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) "
    "RETURNING id), placed AS (INSERT INTO layout(show_id, body, access) SELECT id, $10, $24 FROM made), "
    "recorded AS (INSERT INTO operation(operation_key, fingerprint, result_id) SELECT $11, $12, id FROM "
    "made), "
    "told AS (INSERT INTO change(source, show_id) SELECT $13, id FROM made) SELECT id FROM made";
// The terms that were seen close the race between two replicas that each change some: one that has not heard
// of the other's would save the old ones back, of a show that was cancelled its phase, too.
constexpr std::string_view kUpdateTerms =
    "WITH changed AS (UPDATE show SET on_sale_at_ms = $2, sale_ends_at_ms = $3, seat_limit = $4, "
    "hold_ttl_ms = $5, cancel_deadline_ms = $6, highest_seat_limit = greatest(highest_seat_limit, $8), "
    "phase = $9, orphan_rule = $10, cancel_fee_per_seat = $11, cancel_fee_percent = $12, grace_ms = $13, "
    "waitlist_first = $14, never_published = $26 "
    "WHERE id = $1 AND on_sale_at_ms = $15 AND sale_ends_at_ms = $16 AND "
    "seat_limit = $17 AND hold_ttl_ms = $18 AND cancel_deadline_ms = $19 AND phase = $20 AND "
    "orphan_rule = $21 AND cancel_fee_per_seat = $22 AND cancel_fee_percent = $23 AND grace_ms = $24 AND "
    "waitlist_first = $25 "
    "RETURNING id), told AS (INSERT INTO change(source, show_id) SELECT $7, id FROM changed) "
    "SELECT id FROM changed";

}  // namespace boxoffice::seat
