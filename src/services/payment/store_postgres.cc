#include "services/payment/store_postgres.h"

#include <array>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "base/sort_unique.h"
#include "platform/outbox/postgres.h"
#include "platform/sql/postgres_read.h"
#include "services/payment/store_events.h"
#include "services/payment/store_row.h"

namespace boxoffice::sql {
std::span<const Migration> payment_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::payment {
namespace {

using sql::pg::Batch;
using sql::pg::Column;
using sql::pg::Row;

#define BOXOFFICE_PAYMENT_COLUMNS                                                                   \
  "reservation_id, attempt, id, saga_id, user_id, amount, currency, method, state, resolution, "    \
  "provider_code, provider_reference, version, created_at_ms, updated_at_ms, refunded, refunding, " \
  "captured_late, refusal, settled_by, settled_reason "
#define BOXOFFICE_REFUND_COLUMNS                                                            \
  "reservation_id, attempt, saga_id, amount, done, created_at_ms, updated_at_ms, refusal, " \
  "settled_by, settled_reason "

constexpr std::string_view kSelect =
    "SELECT " BOXOFFICE_PAYMENT_COLUMNS
    "FROM (SELECT unnest($1) AS reservation_id) i JOIN payment USING (reservation_id) "
    "ORDER BY reservation_id, attempt";
// Locks in the order of keys before it changes anything. What was asked for does not change any more; only
// what came of it.
constexpr std::string_view kUpdate =
    "UPDATE payment p SET state = i.state, resolution = i.resolution, provider_code = i.provider_code, "
    "provider_reference = i.provider_reference, updated_at_ms = i.updated_at_ms, "
    "refunded = i.refunded, refunding = i.refunding, captured_late = i.captured_late, "
    "refusal = i.refusal, settled_by = i.settled_by, settled_reason = i.settled_reason, "
    "version = i.version + 1 FROM (SELECT n.* FROM (SELECT unnest($1) AS reservation_id, "
    "unnest($2) AS attempt, unnest($3) AS version, unnest($4) AS state, unnest($5) AS resolution, "
    "unnest($6) AS provider_code, unnest($7) AS provider_reference, unnest($8) AS updated_at_ms, "
    "unnest($9) AS refunded, unnest($10) AS refunding, unnest($11) AS captured_late, "
    "unnest($12) AS refusal, unnest($13) AS settled_by, unnest($14) AS settled_reason) n "
    "JOIN payment q USING (reservation_id, attempt) ORDER BY reservation_id, attempt FOR "
    "UPDATE OF q) i WHERE p.reservation_id = i.reservation_id AND p.attempt = i.attempt "
    "AND p.version = i.version RETURNING p.reservation_id, p.attempt";
// Does nothing where the key is taken, or where the reservation has another live payment (payment_live).
const sql::pg::Insert kInsert(
    "INSERT INTO payment(" BOXOFFICE_PAYMENT_COLUMNS
    ") SELECT reservation_id, attempt, id, saga_id, user_id, amount, currency, method, state, "
    "resolution, provider_code, provider_reference, 1, created_at_ms, updated_at_ms, refunded, "
    "refunding, captured_late, refusal, settled_by, settled_reason "
    "FROM (SELECT unnest($1) AS reservation_id, unnest($2) AS attempt, unnest($3) AS id, "
    "unnest($4) AS saga_id, unnest($5) AS user_id, unnest($6) AS amount, unnest($7) AS currency, "
    "unnest($8) AS method, unnest($9) AS state, unnest($10) AS resolution, "
    "unnest($11) AS provider_code, unnest($12) AS provider_reference, unnest($13) AS created_at_ms, "
    "unnest($14) AS updated_at_ms, unnest($15) AS refunded, unnest($16) AS refunding, "
    "unnest($17) AS captured_late, unnest($18) AS refusal, unnest($19) AS settled_by, "
    "unnest($20) AS settled_reason) i ORDER BY reservation_id, attempt",
    "reservation_id, attempt");
constexpr std::string_view kSelectOne =
    "SELECT " BOXOFFICE_PAYMENT_COLUMNS "FROM payment WHERE reservation_id = $1 ORDER BY attempt";
// With ties: all attempts of the last reservation.
constexpr std::string_view kSelectPage =
    "WITH page AS (SELECT * FROM payment WHERE reservation_id > $1 ORDER BY reservation_id "
    "FETCH FIRST ($2) ROWS WITH TIES) SELECT " BOXOFFICE_PAYMENT_COLUMNS
    ", EXISTS (SELECT 1 FROM payment WHERE reservation_id > (SELECT reservation_id FROM page ORDER BY "
    "reservation_id DESC LIMIT 1)) FROM page ORDER BY reservation_id, attempt";
constexpr std::string_view kSelectUnsettled =
    "SELECT reservation_id, attempt FROM payment WHERE (state = 1 OR (state = 4 AND resolution IN (0, 4))) "
    "AND (reservation_id, attempt) > ($1, $2) ORDER BY reservation_id, attempt LIMIT $3";
constexpr std::string_view kSelectRefunding =
    "SELECT reservation_id, attempt FROM payment WHERE refunding > 0 "
    "AND (reservation_id, attempt) > ($1, $2) ORDER BY reservation_id, attempt LIMIT $3";
// The conditions are those of payment_refused and payment_refund_refused.
constexpr std::string_view kSelectRefused =
    "SELECT reservation_id, attempt FROM payment WHERE state = 4 AND resolution IN (0, 4) AND refusal <> '' "
    "AND (reservation_id, attempt) > ($1, $2) ORDER BY reservation_id, attempt LIMIT $3";
constexpr std::string_view kSelectRefusedParts =
    "SELECT DISTINCT reservation_id, attempt FROM payment_refund WHERE done = 0 AND refusal <> '' "
    "AND (reservation_id, attempt) > ($1, $2) ORDER BY reservation_id, attempt LIMIT $3";
constexpr std::string_view kSelectSome =
    "SELECT " BOXOFFICE_PAYMENT_COLUMNS
    "FROM (SELECT unnest($1) AS reservation_id, unnest($2) AS attempt) i "
    "JOIN payment USING (reservation_id, attempt) ORDER BY reservation_id, attempt";
constexpr std::string_view kSelectRefundsOfSome =
    "SELECT " BOXOFFICE_REFUND_COLUMNS
    "FROM (SELECT unnest($1) AS reservation_id, unnest($2) AS attempt) i "
    "JOIN payment_refund USING (reservation_id, attempt) ORDER BY reservation_id, attempt, saga_id";
constexpr int kMoreColumn = 21;  // of kSelectPage
constexpr std::string_view kSelectRefunds =
    "SELECT " BOXOFFICE_REFUND_COLUMNS
    "FROM (SELECT unnest($1) AS reservation_id) i JOIN payment_refund USING (reservation_id) "
    "ORDER BY reservation_id, attempt, saga_id";
constexpr std::string_view kSelectRefundsOfOne =
    "SELECT " BOXOFFICE_REFUND_COLUMNS
    "FROM payment_refund WHERE reservation_id = $1 ORDER BY attempt, saga_id";
// Its payment's version, in the same transaction, guards it.
constexpr std::string_view kSaveRefunds =
    "INSERT INTO payment_refund(" BOXOFFICE_REFUND_COLUMNS
    ") SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), "
    "unnest($8), unnest($9), unnest($10) ON CONFLICT (reservation_id, attempt, saga_id) DO UPDATE "
    "SET done = excluded.done, updated_at_ms = excluded.updated_at_ms, refusal = excluded.refusal, "
    "settled_by = excluded.settled_by, settled_reason = excluded.settled_reason";
constexpr std::string_view kSelectWebhooks =
    "SELECT provider, webhook_id FROM (SELECT unnest($1) AS provider, unnest($2) AS webhook_id) i "
    "JOIN provider_webhook USING (provider, webhook_id)";
constexpr std::string_view kInsertWebhooks =
    "INSERT INTO provider_webhook(provider, webhook_id, received_at_ms) SELECT * "
    "FROM (SELECT unnest($1) AS provider, unnest($2) AS webhook_id, unnest($3) AS received_at_ms) i "
    "ORDER BY provider, webhook_id ON CONFLICT DO NOTHING RETURNING provider, webhook_id";
// SKIP LOCKED: another replica forgets as well.
constexpr std::string_view kForgetWebhooks =
    "DELETE FROM provider_webhook w USING (SELECT provider, webhook_id FROM provider_webhook "
    "WHERE received_at_ms < $1 ORDER BY received_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED) old "
    "WHERE w.provider = old.provider AND w.webhook_id = old.webhook_id";
#undef BOXOFFICE_REFUND_COLUMNS
#undef BOXOFFICE_PAYMENT_COLUMNS

constexpr auto kReservationOf = [](const Payment& payment) { return payment.key.reservation; };
constexpr auto kAttemptOf = [](const Payment& payment) { return payment.key.attempt; };
constexpr auto kUpdatedOf = [](const Payment& payment) { return ToUnixMs(payment.updated_at); };
constexpr auto kRefusalOf = [](const auto& row) { return std::string_view(row.dispute.refusal); };
constexpr auto kSettledByOf = [](const auto& row) { return std::string_view(row.dispute.settled_by); };
constexpr auto kSettledReasonOf = [](const auto& row) {
  return std::string_view(row.dispute.settled_reason);
};
constexpr auto kLateOf = [](const Payment& payment) { return CapturedColumn(payment); };

class PostgresStore final : public Store {
 public:
  explicit PostgresStore(std::unique_ptr<sql::pg::Connection> connection)
      : connection_(std::move(connection)) {}

  // A refund may be stored between the statements: then its payment's version has moved, which Save finds;
  // what is asked of a provider without one is decided so that it is right all the same (Batch::Find).
  Result<Rows> Load(const Keys& keys) override {
    Batch batch;
    batch.Add(kSelect, Column(keys.reservations));
    if (!keys.webhooks.empty()) {
      batch.Add(kSelectWebhooks, Column(keys.webhooks, &WebhookKey::provider),
                Column(keys.webhooks, &WebhookKey::id));
    }
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    Rows rows;
    rows.payments.reserve(results[0].size());
    for (const Row row : results[0]) rows.payments.push_back(PaymentAt(row));
    if (!rows.payments.empty()) BOXOFFICE_TRY(LoadRefunds(keys, rows));
    if (!keys.webhooks.empty()) {
      for (const Row row : results[1]) {
        rows.webhooks.push_back({std::string(row.Text(0)), std::string(row.Text(1))});
      }
    }
    return rows;
  }

  // Updates come first: an attempt that is cancelled makes room for the next.
  Result<std::vector<ReservationId>> Save(const Changes& changes) override {
    std::vector<Payment> created, known;
    for (const Payment& payment : changes.payments) {
      (payment.version == 0 ? created : known).push_back(payment);
    }
    Batch batch;
    std::vector<size_t> payments, webhooks;  // the places of their results
    if (!known.empty()) payments.push_back(AddUpdate(known, batch));
    if (!created.empty()) payments.push_back(AddInsert(created, batch));
    if (!changes.webhooks.empty()) webhooks.push_back(AddWebhooks(changes.webhooks, batch));
    AddRefunds(changes.refunds, batch);
    std::vector<bus::Event> events;
    events.reserve(changes.events.size());
    for (const PaymentEvent& event : changes.events) events.push_back(ToEvent(event));
    BOXOFFICE_TRY(outbox::AddTo(batch, events));
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));

    const auto webhook_at = [](const Row& row) {
      return WebhookKey{std::string(row.Text(0)), std::string(row.Text(1))};
    };
    std::set<ReservationId> moved;
    for (const Payment* payment :
         sql::pg::Missing(changes.payments, &Payment::key, results, payments, KeyAt<Row>)) {
      moved.insert(payment->key.reservation);
    }
    for (const TakenWebhook* webhook :
         sql::pg::Missing(changes.webhooks, &TakenWebhook::key, results, webhooks, webhook_at)) {
      moved.insert(webhook->reservation);
    }
    if (moved.empty()) BOXOFFICE_TRY(transaction.Commit());
    return std::vector(moved.begin(), moved.end());
  }

 private:
  // Of payments that were found: most are new.
  Result<void> LoadRefunds(const Keys& keys, Rows& rows) {
    Batch batch;
    batch.Add(kSelectRefunds, Column(keys.reservations));
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    for (const Row row : results[0]) rows.refunds.push_back(RefundAt(row));
    return {};
  }

  // The place of its result, here and below.
  static size_t AddUpdate(const std::vector<Payment>& rows, Batch& batch) {
    return batch.Add(kUpdate, Column(rows, kReservationOf), Column(rows, kAttemptOf),
                     Column(rows, &Payment::version), Column(rows, &Payment::state),
                     Column(rows, &Payment::resolution), Column(rows, &Payment::provider_code),
                     Column(rows, &Payment::provider_reference), Column(rows, kUpdatedOf),
                     Column(rows, &Payment::refunded), Column(rows, &Payment::refunding),
                     Column(rows, kLateOf), Column(rows, kRefusalOf), Column(rows, kSettledByOf),
                     Column(rows, kSettledReasonOf));
  }

  static void AddRefunds(const std::vector<Refund>& refunds, Batch& batch) {
    if (refunds.empty()) return;
    batch.Add(kSaveRefunds, Column(refunds, [](const Refund& refund) { return refund.payment.reservation; }),
              Column(refunds, [](const Refund& refund) { return refund.payment.attempt; }),
              Column(refunds, &Refund::saga), Column(refunds, &Refund::amount),
              Column(refunds, [](const Refund& refund) { return refund.done ? 1 : 0; }),
              Column(refunds, [](const Refund& refund) { return ToUnixMs(refund.created_at); }),
              Column(refunds, [](const Refund& refund) { return ToUnixMs(refund.updated_at); }),
              Column(refunds, kRefusalOf), Column(refunds, kSettledByOf), Column(refunds, kSettledReasonOf));
  }

  static size_t AddWebhooks(const std::vector<TakenWebhook>& webhooks, Batch& batch) {
    const size_t place = batch.Add(
        kInsertWebhooks,
        Column(webhooks, [](const TakenWebhook& taken) { return std::string_view(taken.key.provider); }),
        Column(webhooks, [](const TakenWebhook& taken) { return std::string_view(taken.key.id); }),
        Column(webhooks, [](const TakenWebhook& taken) { return ToUnixMs(taken.at); }));
    batch.Add(kForgetWebhooks, ToUnixMs(webhooks.front().at - kWebhookMemory), kForgetAtOnce);
    return place;
  }

  static size_t AddInsert(const std::vector<Payment>& rows, Batch& batch) {
    return batch.Add(
        kInsert, Column(rows, kReservationOf), Column(rows, kAttemptOf), Column(rows, &Payment::id),
        Column(rows, &Payment::saga), Column(rows, &Payment::user_id),
        Column(rows, [](const Payment& payment) { return payment.money.amount; }),
        Column(rows, [](const Payment& payment) { return std::string(payment.money.currency.code()); }),
        Column(rows, &Payment::method), Column(rows, &Payment::state), Column(rows, &Payment::resolution),
        Column(rows, &Payment::provider_code), Column(rows, &Payment::provider_reference),
        Column(rows, [](const Payment& payment) { return ToUnixMs(payment.created_at); }),
        Column(rows, kUpdatedOf), Column(rows, &Payment::refunded), Column(rows, &Payment::refunding),
        Column(rows, kLateOf), Column(rows, kRefusalOf), Column(rows, kSettledByOf),
        Column(rows, kSettledReasonOf));
  }

  std::unique_ptr<sql::pg::Connection> connection_;
};

class PostgresReader final : public Reader {
 public:
  explicit PostgresReader(std::unique_ptr<sql::pg::Connection> connection) : reader_(std::move(connection)) {}

  Result<std::vector<Payment>> Payments(ReservationId reservation) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, reader_.ReadOne(kSelectOne, reservation));
    std::vector<Payment> payments;
    for (const Row row : rows) payments.push_back(PaymentAt(row));
    return payments;
  }

  Result<PaymentPage> Page(ReservationId after, uint32_t limit) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, reader_.ReadOne(kSelectPage, after, limit));
    PaymentPage page;
    for (const Row row : rows) page.payments.push_back(PaymentAt(row));
    page.more = !rows.empty() && rows[0].Bool(kMoreColumn);
    return page;
  }

  Result<std::vector<Refund>> Refunds(ReservationId reservation) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, reader_.ReadOne(kSelectRefundsOfOne, reservation));
    std::vector<Refund> refunds;
    for (const Row row : rows) refunds.push_back(RefundAt(row));
    return refunds;
  }

  Result<std::vector<PaymentKey>> Unsettled(const PaymentKey& after, uint32_t limit) override {
    return ReadKeys({kSelectUnsettled, kSelectRefunding}, after, limit);
  }
  Result<std::vector<PaymentKey>> Refused(const PaymentKey& after, uint32_t limit) override {
    return ReadKeys({kSelectRefused, kSelectRefusedParts}, after, limit);
  }

  Result<Rows> Find(std::span<const PaymentKey> keys) override {
    Batch batch;
    for (const std::string_view select : {kSelectSome, kSelectRefundsOfSome}) {
      batch.Add(select, Column(keys, &PaymentKey::reservation), Column(keys, &PaymentKey::attempt));
    }
    BOXOFFICE_ASSIGN(const auto results, reader_.Read(batch));
    Rows rows;
    for (const Row row : results[0]) rows.payments.push_back(PaymentAt(row));
    for (const Row row : results[1]) rows.refunds.push_back(RefundAt(row));
    return rows;
  }

 private:
  // Of payments, and of those of parts: at most `limit` of both together.
  Result<std::vector<PaymentKey>> ReadKeys(std::array<std::string_view, 2> selects, const PaymentKey& after,
                                           uint32_t limit) {
    std::vector<PaymentKey> keys;
    for (const std::string_view select : selects) {
      BOXOFFICE_ASSIGN(const sql::pg::Rows rows,
                       reader_.ReadOne(select, after.reservation, after.attempt, limit));
      for (const Row row : rows) keys.push_back(KeyAt(row));
    }
    SortUnique(keys);
    if (keys.size() > limit) keys.resize(limit);
    return keys;
  }

  sql::pg::SharedReader reader_;
};

}  // namespace

Result<Stores> OpenPostgres(const sql::pg::Config& config) {
  BOXOFFICE_ASSIGN(auto writer, sql::pg::Connection::Open(config));
  BOXOFFICE_TRY(writer->Migrate("payment", sql::payment_postgres_schema()));
  BOXOFFICE_ASSIGN(auto reader, sql::pg::Connection::Open(config));
  return Stores{std::make_unique<PostgresStore>(std::move(writer)),
                std::make_unique<PostgresReader>(std::move(reader))};
}

}  // namespace boxoffice::payment
