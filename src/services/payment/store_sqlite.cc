#include "services/payment/store_sqlite.h"

#include <algorithm>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "base/sort_unique.h"
#include "platform/outbox/outbox.h"
#include "platform/sql/sqlite.h"
#include "services/payment/store_events.h"
#include "services/payment/store_row.h"

namespace boxoffice::sql {
std::span<const Migration> payment_sqlite_schema();
}  // namespace boxoffice::sql

namespace boxoffice::payment {
namespace {

constexpr std::string_view kSelect =
    "SELECT reservation_id, attempt, id, saga_id, user_id, amount, currency, method, state, resolution, "
    "provider_code, provider_reference, version, created_at_ms, updated_at_ms, refunded, refunding, "
    "captured_late, refusal, settled_by, settled_reason "
    "FROM payment ";
constexpr std::string_view kSelectRefunds =
    "SELECT reservation_id, attempt, saga_id, amount, done, created_at_ms, updated_at_ms, refusal, "
    "settled_by, settled_reason FROM payment_refund WHERE reservation_id = ?1 ";

// Appends all rows of a bound statement that begins with kSelectRefunds.
Result<void> ReadRefunds(sql::Statement& statement, std::vector<Refund>& refunds) {
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, statement.Step());
    if (!more) return {};
    refunds.push_back(RefundAt(statement));
  }
}

// Appends all rows of a bound statement that begins with kSelect.
Result<void> ReadAll(sql::Statement& statement, std::vector<Payment>& payments) {
  while (true) {
    BOXOFFICE_ASSIGN(const bool more, statement.Step());
    if (!more) return {};
    payments.push_back(PaymentAt(statement));
  }
}

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        outbox_(*database_),
        select_(database_->Prepare(std::string(kSelect) + "WHERE reservation_id = ?1 ORDER BY attempt")),
        insert_(database_->Prepare(
            "INSERT INTO payment(reservation_id, attempt, id, saga_id, user_id, amount, currency, method, "
            "state, resolution, provider_code, provider_reference, version, created_at_ms, updated_at_ms, "
            "refunded, refunding, captured_late, refusal, settled_by, settled_reason) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, ?14, ?15, ?16, ?17, ?18, "
            "?19, ?20) "
            "ON CONFLICT DO NOTHING")),
        // What was asked for does not change any more; only what came of it.
        update_(database_->Prepare(
            "UPDATE payment SET state = ?4, resolution = ?5, provider_code = ?6, provider_reference = ?7, "
            "updated_at_ms = ?8, refunded = ?9, refunding = ?10, captured_late = ?11, refusal = ?12, "
            "settled_by = ?13, settled_reason = ?14, version = version + 1 "
            "WHERE reservation_id = ?1 AND attempt = ?2 AND version = ?3")),
        select_refunds_(database_->Prepare(std::string(kSelectRefunds) + "ORDER BY attempt, saga_id")),
        // Its payment's version, in the same transaction, guards it.
        save_refund_(database_->Prepare(
            "INSERT INTO payment_refund(reservation_id, attempt, saga_id, amount, done, created_at_ms, "
            "updated_at_ms, refusal, settled_by, settled_reason) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
            "ON CONFLICT(reservation_id, attempt, saga_id) DO UPDATE SET "
            "done = excluded.done, updated_at_ms = excluded.updated_at_ms, refusal = excluded.refusal, "
            "settled_by = excluded.settled_by, settled_reason = excluded.settled_reason")),
        select_webhook_(
            database_->Prepare("SELECT 1 FROM provider_webhook WHERE provider = ?1 AND webhook_id = ?2")),
        insert_webhook_(
            database_->Prepare("INSERT INTO provider_webhook(provider, webhook_id, received_at_ms) "
                               "VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")),
        forget_webhooks_(database_->Prepare(
            "DELETE FROM provider_webhook WHERE (provider, webhook_id) IN (SELECT provider, webhook_id "
            "FROM provider_webhook WHERE received_at_ms < ?1 ORDER BY received_at_ms LIMIT ?2)")) {}

  Result<Rows> Load(const Keys& keys) override {
    BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(*database_));
    Rows rows;
    for (const ReservationId& reservation : keys.reservations) {
      const size_t first = rows.payments.size();
      BOXOFFICE_TRY(ReadAll(select_.Bind(reservation), rows.payments));
      const bool refunds =
          std::any_of(rows.payments.begin() + static_cast<ptrdiff_t>(first), rows.payments.end(),
                      [](const Payment& row) { return row.refunded + row.refunding > 0; });
      if (refunds) BOXOFFICE_TRY(ReadRefunds(select_refunds_.Bind(reservation), rows.refunds));
    }
    for (const WebhookKey& key : keys.webhooks) {
      BOXOFFICE_ASSIGN(const bool found, select_webhook_.Bind(key.provider, key.id).Step());
      if (!found) continue;
      rows.webhooks.push_back(key);
      select_webhook_.Reset();
    }
    return rows;
  }

  Result<std::vector<ReservationId>> Save(const Changes& changes) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    std::vector<ReservationId> moved;
    for (const Payment& payment : changes.payments) {
      BOXOFFICE_TRY(payment.version == 0 ? Insert(payment) : Update(payment));
      if (database_->changes() == 0) moved.push_back(payment.key.reservation);
    }
    BOXOFFICE_TRY(SaveWebhooks(changes.webhooks, moved));
    if (!moved.empty()) {
      SortUnique(moved);
      return moved;
    }
    for (const Refund& refund : changes.refunds) BOXOFFICE_TRY(SaveRefund(refund));
    std::vector<bus::Event> events;
    events.reserve(changes.events.size());
    for (const PaymentEvent& event : changes.events) events.push_back(ToEvent(event));
    if (!events.empty()) BOXOFFICE_TRY(outbox_.Append(events));
    BOXOFFICE_TRY(transaction.Commit());
    return moved;
  }

 private:
  Result<void> Insert(const Payment& row) {
    return insert_
        .Bind(row.key.reservation, row.key.attempt, row.id, row.saga, row.user_id, row.money.amount,
              row.money.currency.code(), row.method, row.state, row.resolution, row.provider_code,
              row.provider_reference, ToUnixMs(row.created_at), ToUnixMs(row.updated_at), row.refunded,
              row.refunding, CapturedColumn(row), row.dispute.refusal, row.dispute.settled_by,
              row.dispute.settled_reason)
        .Run();
  }
  Result<void> Update(const Payment& row) {
    return update_
        .Bind(row.key.reservation, row.key.attempt, row.version, row.state, row.resolution, row.provider_code,
              row.provider_reference, ToUnixMs(row.updated_at), row.refunded, row.refunding,
              CapturedColumn(row), row.dispute.refusal, row.dispute.settled_by, row.dispute.settled_reason)
        .Run();
  }
  Result<void> SaveRefund(const Refund& refund) {
    return save_refund_
        .Bind(refund.payment.reservation, refund.payment.attempt, refund.saga, refund.amount,
              refund.done ? 1 : 0, ToUnixMs(refund.created_at), ToUnixMs(refund.updated_at),
              refund.dispute.refusal, refund.dispute.settled_by, refund.dispute.settled_reason)
        .Run();
  }
  Result<void> SaveWebhooks(const std::vector<TakenWebhook>& webhooks, std::vector<ReservationId>& moved) {
    for (const TakenWebhook& taken : webhooks) {
      BOXOFFICE_TRY(insert_webhook_.Bind(taken.key.provider, taken.key.id, ToUnixMs(taken.at)).Run());
      if (database_->changes() == 0) moved.push_back(taken.reservation);
    }
    if (webhooks.empty()) return {};
    return forget_webhooks_.Bind(ToUnixMs(webhooks.front().at - kWebhookMemory), kForgetAtOnce).Run();
  }
  std::unique_ptr<sql::Database> database_;  // first: statements end before it
  outbox::Writer outbox_;
  sql::Statement select_;
  sql::Statement insert_;
  sql::Statement update_;
  sql::Statement select_refunds_;
  sql::Statement save_refund_;
  sql::Statement select_webhook_;
  sql::Statement insert_webhook_;
  sql::Statement forget_webhooks_;
};

class SqliteReader final : public Reader {
 public:
  explicit SqliteReader(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        select_(database_->Prepare(std::string(kSelect) + "WHERE reservation_id = ?1 ORDER BY attempt")),
        select_page_(database_->Prepare(std::string(kSelect) +
                                        "WHERE reservation_id > ?1 ORDER BY reservation_id, attempt")),
        select_unsettled_(database_->Prepare("SELECT reservation_id, attempt FROM payment "
                                             "WHERE (state = 1 OR (state = 4 AND resolution IN (0, 4))) AND "
                                             "(reservation_id, attempt) > (?1, ?2) "
                                             "ORDER BY reservation_id, attempt LIMIT ?3")),
        select_refunding_(
            database_->Prepare("SELECT reservation_id, attempt FROM payment WHERE refunding > 0 AND "
                               "(reservation_id, attempt) > (?1, ?2) "
                               "ORDER BY reservation_id, attempt LIMIT ?3")),
        // The conditions are those of payment_refused and payment_refund_refused.
        select_refused_(database_->Prepare("SELECT reservation_id, attempt FROM payment "
                                           "WHERE state = 4 AND resolution IN (0, 4) AND refusal <> '' AND "
                                           "(reservation_id, attempt) > (?1, ?2) "
                                           "ORDER BY reservation_id, attempt LIMIT ?3")),
        select_refused_parts_(
            database_->Prepare("SELECT DISTINCT reservation_id, attempt FROM payment_refund "
                               "WHERE done = 0 AND refusal <> '' AND (reservation_id, attempt) > (?1, ?2) "
                               "ORDER BY reservation_id, attempt LIMIT ?3")),
        select_one_(database_->Prepare(std::string(kSelect) + "WHERE reservation_id = ?1 AND attempt = ?2")),
        select_refunds_(database_->Prepare(std::string(kSelectRefunds) + "ORDER BY attempt, saga_id")),
        select_refunds_of_one_(
            database_->Prepare(std::string(kSelectRefunds) + "AND attempt = ?2 ORDER BY saga_id")) {}

  Result<std::vector<Refund>> Refunds(ReservationId reservation) override {
    const std::scoped_lock lock(mutex_);
    std::vector<Refund> refunds;
    BOXOFFICE_TRY(ReadRefunds(select_refunds_.Bind(reservation), refunds));
    return refunds;
  }

  Result<std::vector<Payment>> Payments(ReservationId reservation) override {
    const std::scoped_lock lock(mutex_);
    std::vector<Payment> payments;
    BOXOFFICE_TRY(ReadAll(select_.Bind(reservation), payments));
    return payments;
  }

  Result<PaymentPage> Page(ReservationId after, uint32_t limit) override {
    const std::scoped_lock lock(mutex_);
    PaymentPage page;
    select_page_.Bind(after);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_page_.Step());
      if (!more) return page;
      Payment payment = PaymentAt(select_page_);
      if (page.payments.size() >= limit && payment.key.reservation != page.payments.back().key.reservation) {
        page.more = true;
        select_page_.Reset();
        return page;
      }
      page.payments.push_back(std::move(payment));
    }
  }

  Result<std::vector<PaymentKey>> Unsettled(const PaymentKey& after, uint32_t limit) override {
    return ReadBoth(select_unsettled_, select_refunding_, after, limit);
  }
  Result<std::vector<PaymentKey>> Refused(const PaymentKey& after, uint32_t limit) override {
    return ReadBoth(select_refused_, select_refused_parts_, after, limit);
  }

  Result<Rows> Find(std::span<const PaymentKey> keys) override {
    const std::scoped_lock lock(mutex_);
    BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(*database_));
    Rows rows;
    for (const PaymentKey& key : keys) {
      BOXOFFICE_TRY(ReadAll(select_one_.Bind(key.reservation, key.attempt), rows.payments));
      BOXOFFICE_TRY(ReadRefunds(select_refunds_of_one_.Bind(key.reservation, key.attempt), rows.refunds));
    }
    return rows;
  }

 private:
  // Of payments, and of those of parts: at most `limit` of both together.
  Result<std::vector<PaymentKey>> ReadBoth(sql::Statement& wholes, sql::Statement& parts,
                                           const PaymentKey& after, uint32_t limit) {
    const std::scoped_lock lock(mutex_);
    std::vector<PaymentKey> keys;
    BOXOFFICE_TRY(ReadKeys(wholes.Bind(after.reservation, after.attempt, limit), keys));
    BOXOFFICE_TRY(ReadKeys(parts.Bind(after.reservation, after.attempt, limit), keys));
    SortUnique(keys);
    if (keys.size() > limit) keys.resize(limit);
    return keys;
  }
  static Result<void> ReadKeys(sql::Statement& statement, std::vector<PaymentKey>& keys) {
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, statement.Step());
      if (!more) return {};
      keys.push_back(KeyAt(statement));
    }
  }

  std::mutex mutex_;                         // guards the connection
  std::unique_ptr<sql::Database> database_;  // before the statements: they end first
  sql::Statement select_;
  sql::Statement select_page_;
  sql::Statement select_unsettled_;
  sql::Statement select_refunding_;
  sql::Statement select_refused_;
  sql::Statement select_refused_parts_;
  sql::Statement select_one_;
  sql::Statement select_refunds_;
  sql::Statement select_refunds_of_one_;
};

}  // namespace

Result<Stores> OpenSqlite(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database writer, sql::Database::Open(file));
  BOXOFFICE_TRY(writer.Migrate(sql::payment_sqlite_schema()));
  BOXOFFICE_ASSIGN(sql::Database reader, sql::Database::Open(file));
  return Stores{std::make_unique<SqliteStore>(std::make_unique<sql::Database>(std::move(writer))),
                std::make_unique<SqliteReader>(std::make_unique<sql::Database>(std::move(reader)))};
}

}  // namespace boxoffice::payment
