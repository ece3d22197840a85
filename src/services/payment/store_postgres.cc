#include "services/payment/store_postgres.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "base/check.h"
#include "platform/outbox/postgres.h"
#include "services/payment/store_events.h"

namespace boxoffice::sql {
std::span<const Migration> payment_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::payment {
namespace {

using sql::pg::Batch;
using sql::pg::Column;
using sql::pg::Row;

#define BOXOFFICE_PAYMENT_COLUMNS                                                                \
  "reservation_id, attempt, id, saga_id, user_id, amount, currency, method, state, resolution, " \
  "provider_code, provider_reference, version, created_at_ms, updated_at_ms "

constexpr std::string_view kSelect =
    "SELECT " BOXOFFICE_PAYMENT_COLUMNS
    "FROM unnest($1) i(reservation_id) JOIN payment USING (reservation_id) ORDER BY reservation_id, attempt";
// Locks in the order of keys before it changes anything. What was asked for does not change any more; only
// what came of it.
constexpr std::string_view kUpdate =
    "UPDATE payment p SET state = i.state, resolution = i.resolution, provider_code = i.provider_code, "
    "provider_reference = i.provider_reference, updated_at_ms = i.updated_at_ms, version = i.version + 1 "
    "FROM (SELECT n.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) n(reservation_id, attempt, version, state, "
    "resolution, provider_code, provider_reference, updated_at_ms) JOIN payment q USING (reservation_id, "
    "attempt) ORDER BY reservation_id, attempt FOR UPDATE OF q) i WHERE p.reservation_id = i.reservation_id "
    "AND p.attempt = i.attempt AND p.version = i.version RETURNING p.reservation_id, p.attempt";
// Does nothing where the key is taken, or where the reservation has another live payment (payment_live).
constexpr std::string_view kInsert =
    "INSERT INTO payment(" BOXOFFICE_PAYMENT_COLUMNS
    ") SELECT reservation_id, attempt, id, saga_id, user_id, amount, currency, method, state, resolution, "
    "provider_code, provider_reference, 1, created_at_ms, updated_at_ms FROM unnest($1, $2, $3, $4, $5, $6, "
    "$7, $8, $9, $10, $11, $12, $13, $14) i(reservation_id, attempt, id, saga_id, user_id, amount, currency, "
    "method, state, resolution, provider_code, provider_reference, created_at_ms, updated_at_ms) "
    "ORDER BY reservation_id, attempt ON CONFLICT DO NOTHING RETURNING reservation_id, attempt";
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
constexpr int kMoreColumn = 15;  // of kSelectPage
#undef BOXOFFICE_PAYMENT_COLUMNS

// The row of a statement that begins with the columns.
Payment PaymentAt(const Row& row) {
  const auto currency = Currency::Parse(row.Text(6));
  CHECK(currency.has_value(), "a stored currency has three letters");
  return {.key = {row.Id<ReservationId>(0), static_cast<uint32_t>(row.Int(1))},
          .id = row.Id<PaymentId>(2),
          .saga = row.Id<SagaId>(3),
          .user_id = std::string(row.Text(4)),
          .money = {row.Int(5), *currency},
          .method = std::string(row.Text(7)),
          .state = static_cast<State>(row.Int(8)),
          .resolution = static_cast<Resolution>(row.Int(9)),
          .provider_code = std::string(row.Text(10)),
          .provider_reference = std::string(row.Text(11)),
          .version = row.Int(12),
          .created_at = FromUnixMs(row.Int(13)),
          .updated_at = FromUnixMs(row.Int(14))};
}

PaymentKey KeyAt(const Row& row) { return {row.Id<ReservationId>(0), static_cast<uint32_t>(row.Int(1))}; }

constexpr auto kReservationOf = [](const Payment& payment) { return payment.key.reservation; };
constexpr auto kAttemptOf = [](const Payment& payment) { return payment.key.attempt; };
constexpr auto kUpdatedOf = [](const Payment& payment) { return ToUnixMs(payment.updated_at); };

class PostgresStore final : public Store {
 public:
  explicit PostgresStore(std::unique_ptr<sql::pg::Connection> connection)
      : connection_(std::move(connection)) {}

  Result<std::vector<Payment>> Load(const std::vector<ReservationId>& reservations) override {
    Batch batch;
    batch.Add(kSelect, Column(reservations));
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    std::vector<Payment> payments;
    payments.reserve(results[0].size());
    for (const Row row : results[0]) payments.push_back(PaymentAt(row));
    return payments;
  }

  // Updates come first: an attempt that is cancelled makes room for the next.
  Result<std::vector<ReservationId>> Save(const Changes& changes) override {
    std::vector<Payment> created, known;
    for (const Payment& payment : changes.payments) {
      (payment.version == 0 ? created : known).push_back(payment);
    }
    Batch batch;
    AddUpdate(known, batch);
    AddInsert(created, batch);
    std::vector<bus::Event> events;
    events.reserve(changes.events.size());
    for (const PaymentEvent& event : changes.events) events.push_back(ToEvent(event));
    BOXOFFICE_TRY(outbox::AddTo(batch, events));
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));

    std::set<PaymentKey> saved;
    for (const size_t place : {0, 1}) {
      for (const Row row : results[place]) saved.insert(KeyAt(row));
    }
    std::set<ReservationId> moved;
    for (const Payment& payment : changes.payments) {
      if (!saved.contains(payment.key)) moved.insert(payment.key.reservation);
    }
    if (moved.empty()) BOXOFFICE_TRY(transaction.Commit());
    return std::vector(moved.begin(), moved.end());
  }

 private:
  static void AddUpdate(const std::vector<Payment>& rows, Batch& batch) {
    batch.Add(kUpdate, Column(rows, kReservationOf), Column(rows, kAttemptOf),
              Column(rows, &Payment::version), Column(rows, &Payment::state),
              Column(rows, &Payment::resolution), Column(rows, &Payment::provider_code),
              Column(rows, &Payment::provider_reference), Column(rows, kUpdatedOf));
  }

  static void AddInsert(const std::vector<Payment>& rows, Batch& batch) {
    batch.Add(kInsert, Column(rows, kReservationOf), Column(rows, kAttemptOf), Column(rows, &Payment::id),
              Column(rows, &Payment::saga), Column(rows, &Payment::user_id),
              Column(rows, [](const Payment& payment) { return payment.money.amount; }),
              Column(rows, [](const Payment& payment) { return std::string(payment.money.currency.code()); }),
              Column(rows, &Payment::method), Column(rows, &Payment::state),
              Column(rows, &Payment::resolution), Column(rows, &Payment::provider_code),
              Column(rows, &Payment::provider_reference),
              Column(rows, [](const Payment& payment) { return ToUnixMs(payment.created_at); }),
              Column(rows, kUpdatedOf));
  }

  std::unique_ptr<sql::pg::Connection> connection_;
};

class PostgresReader final : public Reader {
 public:
  explicit PostgresReader(std::unique_ptr<sql::pg::Connection> connection)
      : connection_(std::move(connection)) {}

  Result<std::vector<Payment>> Payments(ReservationId reservation) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, Read(kSelectOne, reservation));
    std::vector<Payment> payments;
    for (const Row row : rows) payments.push_back(PaymentAt(row));
    return payments;
  }

  Result<PaymentPage> Page(ReservationId after, uint32_t limit) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, Read(kSelectPage, after, limit));
    PaymentPage page;
    for (const Row row : rows) page.payments.push_back(PaymentAt(row));
    page.more = !rows.empty() && rows[0].Bool(kMoreColumn);
    return page;
  }

  Result<std::vector<PaymentKey>> Unsettled(const PaymentKey& after, uint32_t limit) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows,
                     Read(kSelectUnsettled, after.reservation, after.attempt, limit));
    std::vector<PaymentKey> keys;
    for (const Row row : rows) keys.push_back(KeyAt(row));
    return keys;
  }

 private:
  template <typename... T>
  Result<sql::pg::Rows> Read(std::string_view sql, const T&... values) {
    Batch batch;
    batch.Add(sql, values...);
    const std::scoped_lock lock(mutex_);
    BOXOFFICE_ASSIGN(auto results, connection_->Read(batch));
    return std::move(results[0]);
  }

  std::mutex mutex_;  // guards the connection
  std::unique_ptr<sql::pg::Connection> connection_;
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
