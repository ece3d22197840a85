#include "services/wallet/store_sqlite.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <utility>

#include "base/check.h"
#include "platform/outbox/outbox.h"
#include "platform/sql/sqlite.h"
#include "services/wallet/store_events.h"

namespace boxoffice::sql {
std::span<const Migration> wallet_sqlite_schema();
}  // namespace boxoffice::sql

namespace boxoffice::wallet {
namespace {

// Columns as this program wrote them; anything else is a corrupt file.
template <typename T>
T IdAt(const sql::Statement& row, int column) {
  const auto id = T::FromBytes(row.Text(column));
  CHECK(id.has_value(), "a stored id has 16 bytes");
  return *id;
}
Currency CurrencyAt(const sql::Statement& row, int column) {
  const auto currency = Currency::Parse(row.Text(column));
  CHECK(currency.has_value(), "a stored currency has three letters");
  return *currency;
}

// Several reads as of one moment, and one round of file locks for all of them. Ends with this object.
class Snapshot {
 public:
  static Result<Snapshot> Begin(sql::Database& database) {
    BOXOFFICE_TRY(database.Execute("BEGIN"));
    return Snapshot(&database);
  }
  Snapshot(Snapshot&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot() {
    if (database_ != nullptr) (void)database_->Execute("ROLLBACK");  // nothing was written
  }

 private:
  explicit Snapshot(sql::Database* database) : database_(database) {}
  sql::Database* database_;
};

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        outbox_(*database_),
        select_wallet_(
            database_->Prepare("SELECT balance, version FROM wallet WHERE user_id = ?1 AND currency = ?2")),
        select_debit_(database_->Prepare(
            "SELECT reservation_id, user_id, currency, amount, state, debit_entry_id, balance_after_debit, "
            "refund_entry_id, balance_after_refund FROM saga_debit WHERE saga_id = ?1")),
        select_top_up_(database_->Prepare("SELECT id, currency, amount, balance_after FROM ledger "
                                          "WHERE user_id = ?1 AND client_key = ?2")),
        insert_wallet_(database_->Prepare("INSERT INTO wallet(user_id, currency, balance, version) "
                                          "VALUES (?1, ?2, ?3, 1) ON CONFLICT DO NOTHING")),
        update_wallet_(database_->Prepare("UPDATE wallet SET balance = ?3, version = version + 1 "
                                          "WHERE user_id = ?1 AND currency = ?2 AND version = ?4")),
        insert_debit_(
            database_->Prepare("INSERT INTO saga_debit(saga_id, reservation_id, user_id, currency, amount, "
                               "state, debit_entry_id, "
                               "balance_after_debit, refund_entry_id, balance_after_refund) "
                               "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING")),
        update_debit_(database_->Prepare("UPDATE saga_debit SET state = ?2, refund_entry_id = ?3, "
                                         "balance_after_refund = ?4 WHERE saga_id = ?1 AND state = 1")),
        insert_entry_(database_->Prepare(
            "INSERT INTO ledger(user_id, id, kind, currency, amount, contra, contra_amount, balance_after, "
            "saga_id, "
            "reservation_id, client_key, created_at_ms) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING")) {}

  Result<Rows> Load(const Keys& keys) override {
    BOXOFFICE_ASSIGN(const Snapshot snapshot, Snapshot::Begin(*database_));
    Rows rows;
    std::vector<WalletKey> wallets = keys.wallets;
    for (const SagaId& saga : keys.sagas) {
      BOXOFFICE_TRY(LoadDebit(saga, rows));
    }
    for (const DebitRow& debit : rows.debits) {
      if (debit.state == DebitState::kDebited) wallets.push_back({debit.user_id, debit.money.currency});
    }
    std::sort(wallets.begin(), wallets.end());
    wallets.erase(std::unique(wallets.begin(), wallets.end()), wallets.end());
    for (const WalletKey& key : wallets) {
      BOXOFFICE_ASSIGN(const bool found, select_wallet_.Bind(key.user_id, key.currency.code()).Step());
      if (!found) continue;
      rows.wallets.push_back({key, select_wallet_.Int(0), select_wallet_.Int(1)});
      select_wallet_.Reset();
    }
    for (const TopUpKey& key : keys.top_ups) {
      BOXOFFICE_ASSIGN(const bool found, select_top_up_.Bind(key.user_id, key.client_key).Step());
      if (!found) continue;
      rows.top_ups.push_back({key,
                              {select_top_up_.Int(2), CurrencyAt(select_top_up_, 1)},
                              IdAt<EntryId>(select_top_up_, 0),
                              select_top_up_.Int(3)});
      select_top_up_.Reset();
    }
    return rows;
  }

  Result<Keys> Save(const Changes& changes) override {
    BOXOFFICE_ASSIGN(sql::Transaction transaction, sql::Transaction::Begin(*database_));
    Keys moved;
    for (const WalletRow& wallet : changes.wallets) {
      BOXOFFICE_TRY(SaveWallet(wallet));
      if (database_->changes() == 0) moved.wallets.push_back(wallet.key);
    }
    for (const DebitChange& change : changes.debits) {
      BOXOFFICE_TRY(SaveDebit(change));
      if (database_->changes() == 0) moved.sagas.push_back(change.row.saga);
    }
    if (!moved.empty()) return moved;
    std::vector<bus::Event> events;
    events.reserve(changes.entries.size());
    for (const Entry& entry : changes.entries) {
      BOXOFFICE_TRY(InsertEntry(entry));
      if (database_->changes() == 0) {
        // Only a top-up can meet its key here: another debit of the saga has met its row above.
        CHECK(entry.kind == EntryKind::kTopUp, "the ledger holds an entry that its saga's row does not know");
        moved.top_ups.push_back({entry.user_id, entry.client_key});
        continue;
      }
      events.push_back(ToEvent(entry));
    }
    if (!moved.empty()) {
      std::sort(moved.top_ups.begin(), moved.top_ups.end());
      return moved;
    }
    BOXOFFICE_TRY(outbox_.Append(events));
    BOXOFFICE_TRY(transaction.Commit());
    return moved;
  }

 private:
  Result<void> LoadDebit(const SagaId& saga, Rows& rows) {
    BOXOFFICE_ASSIGN(const bool found, select_debit_.Bind(saga).Step());
    if (!found) return {};
    rows.debits.push_back({.saga = saga,
                           .reservation = IdAt<ReservationId>(select_debit_, 0),
                           .user_id = std::string(select_debit_.Text(1)),
                           .money = {select_debit_.Int(3), CurrencyAt(select_debit_, 2)},
                           .state = static_cast<DebitState>(select_debit_.Int(4)),
                           .debit_entry = IdAt<EntryId>(select_debit_, 5),
                           .balance_after_debit = select_debit_.Int(6),
                           .refund_entry = IdAt<EntryId>(select_debit_, 7),
                           .balance_after_refund = select_debit_.Int(8)});
    select_debit_.Reset();
    return {};
  }

  Result<void> SaveWallet(const WalletRow& wallet) {
    const WalletKey& key = wallet.key;
    if (wallet.version == 0) {
      return insert_wallet_.Bind(key.user_id, key.currency.code(), wallet.balance).Run();
    }
    return update_wallet_.Bind(key.user_id, key.currency.code(), wallet.balance, wallet.version).Run();
  }

  Result<void> SaveDebit(const DebitChange& change) {
    const DebitRow& row = change.row;
    if (change.created) {
      return insert_debit_
          .Bind(row.saga, row.reservation, row.user_id, row.money.currency.code(), row.money.amount,
                row.state, row.debit_entry, row.balance_after_debit, row.refund_entry,
                row.balance_after_refund)
          .Run();
    }
    return update_debit_.Bind(row.saga, row.state, row.refund_entry, row.balance_after_refund).Run();
  }

  Result<void> InsertEntry(const Entry& entry) {
    const bool of_saga = entry.kind != EntryKind::kTopUp;
    return insert_entry_
        .Bind(entry.user_id, entry.id, entry.kind, entry.money.currency.code(), entry.money.amount,
              entry.contra(), -entry.money.amount, entry.balance_after,
              of_saga ? std::optional(entry.saga) : std::nullopt,
              of_saga ? std::optional(entry.reservation) : std::nullopt,
              of_saga ? std::nullopt : std::optional(std::string_view(entry.client_key)),
              ToUnixMs(entry.created_at))
        .Run();
  }

  std::unique_ptr<sql::Database> database_;  // first: statements end before it
  outbox::Writer outbox_;
  sql::Statement select_wallet_;
  sql::Statement select_debit_;
  sql::Statement select_top_up_;
  sql::Statement insert_wallet_;
  sql::Statement update_wallet_;
  sql::Statement insert_debit_;
  sql::Statement update_debit_;
  sql::Statement insert_entry_;
};

constexpr std::string_view kReservationColumns =
    "SELECT reservation_id, MIN(user_id), MIN(currency), SUM(iif(kind = 2, -amount, 0)), "
    "SUM(iif(kind = 3, amount, 0)), MAX(SUM(kind = 2) - SUM(kind = 3), 0) FROM ledger ";

// Each wallet with the sum of its entries, in one walk over the ledger's primary key.
constexpr std::string_view kWalletsAndSums =
    "SELECT w.user_id, w.currency, w.balance, (SELECT COALESCE(SUM(l.amount), 0) FROM ledger l "
    "WHERE l.user_id = w.user_id AND l.currency = w.currency) FROM wallet w";

class SqliteReader final : public Reader {
 public:
  explicit SqliteReader(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        select_balances_(
            database_->Prepare("SELECT currency, balance FROM wallet WHERE user_id = ?1 ORDER BY currency")),
        select_entries_(
            database_->Prepare("SELECT id, kind, currency, amount, balance_after, saga_id, reservation_id, "
                               "client_key, created_at_ms "
                               "FROM ledger WHERE user_id = ?1 AND id < ?2 AND (?3 IS NULL OR currency = ?3) "
                               "ORDER BY id DESC LIMIT ?4")),
        select_page_(database_->Prepare(std::string(kReservationColumns) +
                                        "WHERE reservation_id > ?1 GROUP BY reservation_id "
                                        "ORDER BY reservation_id LIMIT ?2")),
        select_one_(database_->Prepare(std::string(kReservationColumns) +
                                       "WHERE reservation_id = ?1 GROUP BY reservation_id")),
        select_legs_(
            database_->Prepare("SELECT currency, SUM(amount + contra_amount) FROM ledger GROUP BY currency")),
        select_wallets_(database_->Prepare(kWalletsAndSums)),
        select_orphans_(database_->Prepare(
            "SELECT DISTINCT l.user_id, l.currency FROM ledger l WHERE NOT EXISTS "
            "(SELECT 1 FROM wallet w WHERE w.user_id = l.user_id AND w.currency = l.currency)")) {}

  Result<std::vector<Money>> Balances(const std::string& user_id) override {
    const std::scoped_lock lock(mutex_);
    std::vector<Money> balances;
    select_balances_.Bind(user_id);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_balances_.Step());
      if (!more) return balances;
      balances.push_back({select_balances_.Int(1), CurrencyAt(select_balances_, 0)});
    }
  }

  Result<EntryPage> Entries(const std::string& user_id, std::optional<Currency> currency,
                            std::optional<EntryId> before, uint32_t limit) override {
    const std::scoped_lock lock(mutex_);
    const auto code = currency ? std::optional(std::string(currency->code())) : std::nullopt;
    EntryPage page;
    const std::string after_all(16, '\xff');
    select_entries_.Bind(user_id, std::nullopt, code, int64_t{limit} + 1)
        .BindBlob(2, before ? before->bytes() : std::string_view(after_all));
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_entries_.Step());
      if (!more) break;
      page.entries.push_back(EntryAt(user_id));
    }
    page.more = page.entries.size() > limit;
    if (page.more) page.entries.pop_back();
    return page;
  }

  Result<ReservationPage> Reservations(ReservationId after, uint32_t limit) override {
    const std::scoped_lock lock(mutex_);
    ReservationPage page;
    select_page_.Bind(after, int64_t{limit} + 1);
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_page_.Step());
      if (!more) break;
      page.rows.push_back(ReservationAt(select_page_));
    }
    page.more = page.rows.size() > limit;
    if (page.more) page.rows.pop_back();
    return page;
  }

  Result<std::optional<ReservationTotals>> Reservation(ReservationId reservation) override {
    const std::scoped_lock lock(mutex_);
    BOXOFFICE_ASSIGN(const bool found, select_one_.Bind(reservation).Step());
    if (!found) return std::nullopt;
    auto totals = ReservationAt(select_one_);
    select_one_.Reset();
    return totals;
  }

  Result<Totals> ComputeTotals() override {
    const std::scoped_lock lock(mutex_);
    BOXOFFICE_ASSIGN(const Snapshot snapshot, Snapshot::Begin(*database_));
    std::map<Currency, CurrencyTotals> currencies;
    std::set<std::string> bad_users;
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_legs_.Step());
      if (!more) break;
      currencies[CurrencyAt(select_legs_, 0)].sum_of_all_accounts = select_legs_.Int(1);
    }
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_wallets_.Step());
      if (!more) break;
      const int64_t balance = select_wallets_.Int(2);
      const bool unequal = balance != select_wallets_.Int(3);
      const bool negative = balance < 0;
      CurrencyTotals& totals = currencies[CurrencyAt(select_wallets_, 1)];
      ++totals.wallets;
      totals.wallets_unequal_entries += unequal ? 1 : 0;
      totals.wallets_negative += negative ? 1 : 0;
      totals.sum_of_wallets += balance;
      if (unequal || negative) bad_users.emplace(select_wallets_.Text(0));
    }
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_orphans_.Step());
      if (!more) break;
      ++currencies[CurrencyAt(select_orphans_, 1)].wallets_unequal_entries;
      bad_users.emplace(select_orphans_.Text(0));
    }
    Totals totals;
    for (auto& [currency, of_currency] : currencies) {
      of_currency.currency = currency;
      totals.currencies.push_back(of_currency);
    }
    for (const std::string& user : bad_users) {
      if (totals.bad_users.size() == kMaxBadUsers) break;
      totals.bad_users.push_back(user);
    }
    return totals;
  }

 private:
  Entry EntryAt(const std::string& user_id) const {
    const sql::Statement& row = select_entries_;
    Entry entry{.id = IdAt<EntryId>(row, 0),
                .user_id = user_id,
                .kind = static_cast<EntryKind>(row.Int(1)),
                .money = {row.Int(3), CurrencyAt(row, 2)},
                .balance_after = row.Int(4),
                .client_key = std::string(row.Text(7)),
                .created_at = FromUnixMs(row.Int(8))};
    if (!row.IsNull(5)) entry.saga = IdAt<SagaId>(row, 5);
    if (!row.IsNull(6)) entry.reservation = IdAt<ReservationId>(row, 6);
    return entry;
  }

  static ReservationTotals ReservationAt(const sql::Statement& row) {
    return {.reservation = IdAt<ReservationId>(row, 0),
            .user_id = std::string(row.Text(1)),
            .currency = CurrencyAt(row, 2),
            .debited = row.Int(3),
            .refunded = row.Int(4),
            .effective_debits = static_cast<uint32_t>(row.Int(5))};
  }

  std::mutex mutex_;                         // guards the connection
  std::unique_ptr<sql::Database> database_;  // before the statements: they end first
  sql::Statement select_balances_;
  sql::Statement select_entries_;
  sql::Statement select_page_;
  sql::Statement select_one_;
  sql::Statement select_legs_;
  sql::Statement select_wallets_;
  sql::Statement select_orphans_;
};

}  // namespace

Result<Stores> OpenSqlite(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database writer, sql::Database::Open(file));
  BOXOFFICE_TRY(writer.Migrate(sql::wallet_sqlite_schema()));
  BOXOFFICE_ASSIGN(sql::Database reader, sql::Database::Open(file));
  return Stores{std::make_unique<SqliteStore>(std::make_unique<sql::Database>(std::move(writer))),
                std::make_unique<SqliteReader>(std::make_unique<sql::Database>(std::move(reader)))};
}

}  // namespace boxoffice::wallet
