#include "services/wallet/store_sqlite.h"

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <utility>

#include "base/check.h"
#include "platform/outbox/outbox.h"
#include "platform/sql/sqlite.h"
#include "services/wallet/store_events.h"
#include "services/wallet/store_row.h"
#include "services/wallet/store_totals.h"

namespace boxoffice::sql {
std::span<const Migration> wallet_sqlite_schema();
}  // namespace boxoffice::sql

namespace boxoffice::wallet {
namespace {

constexpr std::string_view kEntryColumns =
    "SELECT user_id, id, kind, currency, amount, balance_after, saga_id, reservation_id, client_key, "
    "created_at_ms, "
    "reason, operator_id FROM ledger ";
constexpr std::string_view kSelectAccount =
    "SELECT user_id, state, reason, operator_id, changed_at_ms, version FROM account WHERE user_id = ?1";

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        outbox_(*database_),
        select_wallet_(database_->Prepare(
            "SELECT currency, balance, version, day, topped_up FROM wallet WHERE user_id = ?1 "
            "AND (?2 IS NULL OR currency = ?2)")),
        select_debit_(database_->Prepare(
            "SELECT reservation_id, user_id, currency, amount, state, debit_entry_id, balance_after_debit, "
            "refund_entry_id, balance_after_refund, refunded FROM saga_debit WHERE saga_id = ?1")),
        select_top_up_(database_->Prepare("SELECT id, currency, amount, balance_after, reason FROM ledger "
                                          "WHERE user_id = ?1 AND client_key = ?2")),
        select_account_(database_->Prepare(kSelectAccount)),
        select_part_(database_->Prepare("SELECT user_id, currency, amount, id, balance_after FROM ledger "
                                        "WHERE reservation_id = ?1 AND saga_id = ?2 AND kind = 4")),
        select_entry_(database_->Prepare(std::string(kEntryColumns) + "WHERE user_id = ?1 AND id = ?2")),
        insert_wallet_(
            database_->Prepare("INSERT INTO wallet(user_id, currency, balance, version, day, topped_up) "
                               "VALUES (?1, ?2, ?3, 1, ?4, ?5) ON CONFLICT DO NOTHING")),
        update_wallet_(database_->Prepare(
            "UPDATE wallet SET balance = ?3, day = ?5, topped_up = ?6, version = version + 1 "
            "WHERE user_id = ?1 AND currency = ?2 AND version = ?4")),
        insert_account_(database_->Prepare(
            "INSERT INTO account(user_id, state, reason, operator_id, changed_at_ms, version) "
            "VALUES (?1, ?2, ?3, ?4, ?5, 1) ON CONFLICT DO NOTHING")),
        update_account_(database_->Prepare("UPDATE account SET state = ?2, reason = ?3, operator_id = ?4, "
                                           "changed_at_ms = ?5, version = version + 1 "
                                           "WHERE user_id = ?1 AND version = ?6")),
        insert_debit_(
            database_->Prepare("INSERT INTO saga_debit(saga_id, reservation_id, user_id, currency, amount, "
                               "state, debit_entry_id, balance_after_debit, refund_entry_id, "
                               "balance_after_refund, refunded) "
                               "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
                               "ON CONFLICT DO NOTHING")),
        update_debit_(database_->Prepare("UPDATE saga_debit SET state = ?2, refund_entry_id = ?3, "
                                         "balance_after_refund = ?4, refunded = ?5 "
                                         "WHERE saga_id = ?1 AND state = 1 AND refunded = ?6")),
        insert_entry_(database_->Prepare(
            "INSERT INTO ledger(user_id, id, kind, currency, amount, contra, contra_amount, balance_after, "
            "saga_id, "
            "reservation_id, client_key, created_at_ms, reason, operator_id) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO NOTHING")) {}

  Result<Rows> Load(const Keys& keys) override {
    BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(*database_));
    Rows rows;
    for (const SagaId& saga : keys.sagas) BOXOFFICE_TRY(LoadDebit(saga, rows));
    for (const EntryKey& key : keys.entries) {
      BOXOFFICE_ASSIGN(const bool found, select_entry_.Bind(key.user_id, key.entry).Step());
      if (!found) continue;
      rows.entries.push_back(EntryAt(select_entry_));
      select_entry_.Reset();
    }
    BOXOFFICE_TRY(LoadWallets(keys, rows));
    for (const TopUpKey& key : keys.top_ups) {
      BOXOFFICE_ASSIGN(const bool found, select_top_up_.Bind(key.user_id, key.client_key).Step());
      if (!found) continue;
      rows.top_ups.push_back({key,
                              {select_top_up_.Int(2), CurrencyAt(select_top_up_, 1)},
                              select_top_up_.Id<EntryId>(0),
                              select_top_up_.Int(3),
                              std::string(select_top_up_.Text(4))});
      select_top_up_.Reset();
    }
    for (const std::string& user : keys.accounts) {
      BOXOFFICE_ASSIGN(const bool found, select_account_.Bind(user).Step());
      if (!found) continue;
      rows.accounts.push_back(AccountAt(select_account_));
      select_account_.Reset();
    }
    for (const PartKey& key : keys.parts) BOXOFFICE_TRY(LoadPart(key, rows));
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
    for (const AccountRow& account : changes.accounts) {
      BOXOFFICE_TRY(SaveAccount(account));
      if (database_->changes() == 0) moved.accounts.push_back(account.user_id);
    }
    if (!moved.empty()) return moved;
    std::vector<bus::Event> events;
    events.reserve(changes.entries.size());
    for (const Entry& entry : changes.entries) {
      BOXOFFICE_TRY(InsertEntry(entry));
      if (database_->changes() == 0) {
        NoteTaken(entry, moved);
        continue;
      }
      events.push_back(ToEvent(entry));
    }
    if (!moved.empty()) {
      std::sort(moved.top_ups.begin(), moved.top_ups.end());
      std::sort(moved.parts.begin(), moved.parts.end());
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
                           .reservation = select_debit_.Id<ReservationId>(0),
                           .user_id = std::string(select_debit_.Text(1)),
                           .money = {select_debit_.Int(3), CurrencyAt(select_debit_, 2)},
                           .state = static_cast<DebitState>(select_debit_.Int(4)),
                           .debit_entry = select_debit_.Id<EntryId>(5),
                           .balance_after_debit = select_debit_.Int(6),
                           .refund_entry = select_debit_.Id<EntryId>(7),
                           .balance_after_refund = select_debit_.Int(8),
                           .refunded = select_debit_.Int(9)});
    select_debit_.Reset();
    return {};
  }

  // Those named, those that the debits found took from and the entries found are of, and all of the users.
  Result<void> LoadWallets(const Keys& keys, Rows& rows) {
    std::set<WalletKey> wallets(keys.wallets.begin(), keys.wallets.end());
    for (const DebitRow& debit : rows.debits) {
      if (debit.state == DebitState::kDebited) wallets.insert({debit.user_id, debit.money.currency});
    }
    for (const Entry& entry : rows.entries) wallets.insert({entry.user_id, entry.money.currency});
    const auto read = [&](const std::string& user_id) -> Result<void> {
      while (true) {
        BOXOFFICE_ASSIGN(const bool found, select_wallet_.Step());
        if (!found) return {};
        rows.wallets.push_back({.key = {user_id, CurrencyAt(select_wallet_, 0)},
                                .balance = select_wallet_.Int(1),
                                .version = select_wallet_.Int(2),
                                .day = select_wallet_.Int(3),
                                .topped_up = select_wallet_.Int(4)});
      }
    };
    for (const WalletKey& key : wallets) {
      if (std::binary_search(keys.users.begin(), keys.users.end(), key.user_id)) continue;
      select_wallet_.Bind(key.user_id, key.currency.code());
      BOXOFFICE_TRY(read(key.user_id));
    }
    for (const std::string& user : keys.users) {
      select_wallet_.Bind(user, std::nullopt);
      BOXOFFICE_TRY(read(user));
    }
    return {};
  }

  Result<void> LoadPart(const PartKey& key, Rows& rows) {
    BOXOFFICE_ASSIGN(const bool found, select_part_.Bind(key.reservation, key.saga).Step());
    if (!found) return {};
    rows.parts.push_back({.key = key,
                          .user_id = std::string(select_part_.Text(0)),
                          .money = {select_part_.Int(2), CurrencyAt(select_part_, 1)},
                          .entry = select_part_.Id<EntryId>(3),
                          .balance_after = select_part_.Int(4)});
    select_part_.Reset();
    return {};
  }

  // An entry whose key is taken. A debit and its refund meet in their saga's row, above.
  static void NoteTaken(const Entry& entry, Keys& moved) {
    if (!entry.of_saga()) {
      moved.top_ups.push_back({entry.user_id, entry.client_key});
      return;
    }
    CHECK(entry.kind == EntryKind::kPartialRefund,
          "the ledger holds an entry that its saga's row does not know");
    moved.parts.push_back({entry.reservation, entry.saga});
  }

  Result<void> SaveWallet(const WalletRow& wallet) {
    const WalletKey& key = wallet.key;
    if (wallet.version == 0) {
      return insert_wallet_
          .Bind(key.user_id, key.currency.code(), wallet.balance, wallet.day, wallet.topped_up)
          .Run();
    }
    return update_wallet_
        .Bind(key.user_id, key.currency.code(), wallet.balance, wallet.version, wallet.day, wallet.topped_up)
        .Run();
  }

  Result<void> SaveAccount(const AccountRow& row) {
    if (row.version == 0) {
      return insert_account_
          .Bind(row.user_id, row.state, row.reason, row.operator_id, ToUnixMs(row.changed_at))
          .Run();
    }
    return update_account_
        .Bind(row.user_id, row.state, row.reason, row.operator_id, ToUnixMs(row.changed_at), row.version)
        .Run();
  }

  Result<void> SaveDebit(const DebitChange& change) {
    const DebitRow& row = change.row;
    if (change.created) {
      return insert_debit_
          .Bind(row.saga, row.reservation, row.user_id, row.money.currency.code(), row.money.amount,
                row.state, row.debit_entry, row.balance_after_debit, row.refund_entry,
                row.balance_after_refund, row.refunded)
          .Run();
    }
    return update_debit_
        .Bind(row.saga, row.state, row.refund_entry, row.balance_after_refund, row.refunded,
              change.refunded_before)
        .Run();
  }

  Result<void> InsertEntry(const Entry& entry) {
    const bool of_saga = entry.of_saga();
    return insert_entry_
        .Bind(entry.user_id, entry.id, entry.kind, entry.money.currency.code(), entry.money.amount,
              entry.contra(), -entry.money.amount, entry.balance_after,
              of_saga ? std::optional(entry.saga) : std::nullopt,
              of_saga ? std::optional(entry.reservation) : std::nullopt,
              of_saga ? std::nullopt : std::optional(std::string_view(entry.client_key)),
              ToUnixMs(entry.created_at), entry.reason, entry.operator_id)
        .Run();
  }

  std::unique_ptr<sql::Database> database_;  // first: statements end before it
  outbox::Writer outbox_;
  sql::Statement select_wallet_;
  sql::Statement select_debit_;
  sql::Statement select_top_up_;
  sql::Statement select_account_;
  sql::Statement select_part_;
  sql::Statement select_entry_;
  sql::Statement insert_wallet_;
  sql::Statement update_wallet_;
  sql::Statement insert_account_;
  sql::Statement update_account_;
  sql::Statement insert_debit_;
  sql::Statement update_debit_;
  sql::Statement insert_entry_;
};

constexpr std::string_view kReservationColumns =
    "SELECT reservation_id, MIN(user_id), MIN(currency), SUM(iif(kind = 2, -amount, 0)), "
    "SUM(iif(kind IN (3, 4), amount, 0)), MAX(SUM(kind = 2) - SUM(kind = 3), 0) FROM ledger ";

// The sums over the whole ledger, on a connection of their own: whoever looks at a balance meanwhile does not
// wait for them.
class SqliteTotals {
 public:
  explicit SqliteTotals(std::unique_ptr<sql::Database> database)
      : database_(std::move(database)),
        select_legs_(
            database_->Prepare("SELECT currency, SUM(amount + contra_amount) FROM ledger GROUP BY currency")),
        select_wallets_(
            database_->Prepare("SELECT user_id, currency, balance FROM wallet ORDER BY user_id, currency")),
        // Along the primary key; of one user at a time they are sorted.
        select_amounts_(
            database_->Prepare("SELECT user_id, currency, amount FROM ledger ORDER BY user_id, currency")) {}

  Result<Totals> Compute() {
    const std::scoped_lock lock(mutex_);
    BOXOFFICE_ASSIGN(const sql::Reading reading, sql::Reading::Begin(*database_));
    std::map<Currency, CurrencyTotals> currencies;
    std::set<std::string> bad_users;
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_legs_.Step());
      if (!more) break;
      currencies[CurrencyAt(select_legs_, 0)].sum_of_all_accounts = select_legs_.Int(1);
    }
    BOXOFFICE_TRY(CompareWallets(currencies, bad_users));
    return MakeTotals(currencies, bad_users);
  }

 private:
  // Each wallet with the sum of its entries: both come in one order, so each row is looked at once.
  Result<void> CompareWallets(std::map<Currency, CurrencyTotals>& currencies,
                              std::set<std::string>& bad_users) {
    select_wallets_.Reset();  // where the walk over the other failed, this one was left in the middle
    select_amounts_.Reset();
    BOXOFFICE_ASSIGN(bool has_wallet, select_wallets_.Step());
    BOXOFFICE_ASSIGN(bool has_amount, select_amounts_.Step());
    while (has_wallet || has_amount) {
      const bool is_wallet = has_wallet && (!has_amount || KeyAt(select_wallets_) <= KeyAt(select_amounts_));
      const sql::Statement& first = is_wallet ? select_wallets_ : select_amounts_;
      const std::string user(first.Text(0));
      const std::string currency(first.Text(1));
      const int64_t balance = is_wallet ? select_wallets_.Int(2) : 0;
      CurrencyTotals& totals = currencies[CurrencyAt(first, 1)];
      if (is_wallet) {
        BOXOFFICE_ASSIGN(has_wallet, select_wallets_.Step());
      }
      uint64_t sum = 0;  // wraps: it is a balance in the end, however far it went in between
      while (has_amount && KeyAt(select_amounts_) == Key(user, currency)) {
        sum += static_cast<uint64_t>(select_amounts_.Int(2));
        BOXOFFICE_ASSIGN(has_amount, select_amounts_.Step());
      }
      const bool unequal = !is_wallet || balance != static_cast<int64_t>(sum);
      totals.wallets += is_wallet ? 1 : 0;
      totals.wallets_unequal_entries += unequal ? 1 : 0;
      totals.wallets_negative += balance < 0 ? 1 : 0;
      AddTo(totals.sum_of_wallets, balance);
      if (unequal || balance < 0) bad_users.insert(user);
    }
    return {};
  }

  using Key = std::pair<std::string_view, std::string_view>;  // user and currency
  static Key KeyAt(const sql::Statement& row) { return {row.Text(0), row.Text(1)}; }
  // Of any number of the largest wallets: a sum stops at what it can hold.
  static void AddTo(int64_t& sum, int64_t amount) {
    if (__builtin_add_overflow(sum, amount, &sum)) sum = std::numeric_limits<int64_t>::max();
  }

  std::mutex mutex_;                         // guards the connection
  std::unique_ptr<sql::Database> database_;  // before the statements: they end first
  sql::Statement select_legs_;
  sql::Statement select_wallets_;
  sql::Statement select_amounts_;
};

class SqliteReader final : public Reader {
 public:
  SqliteReader(std::unique_ptr<sql::Database> database, std::unique_ptr<sql::Database> for_totals)
      : totals_(std::move(for_totals)),
        database_(std::move(database)),
        select_balances_(
            database_->Prepare("SELECT currency, balance FROM wallet WHERE user_id = ?1 ORDER BY currency")),
        select_entries_(
            database_->Prepare(std::string(kEntryColumns) +
                               "WHERE user_id = ?1 AND id < ?2 AND (?3 IS NULL OR currency = ?3) "
                               "AND created_at_ms >= ?5 AND created_at_ms < ?6 ORDER BY id DESC LIMIT ?4")),
        select_account_(database_->Prepare(kSelectAccount)),
        select_sums_(database_->Prepare(
            "SELECT created_at_ms < ?3, kind, SUM(amount >> 32), SUM(amount & 4294967295), COUNT(*) "
            "FROM ledger WHERE user_id = ?1 AND currency = ?2 "
            "AND created_at_ms < ?4 GROUP BY 1, 2 ORDER BY 1, 2")),
        select_ledger_(database_->Prepare(std::string(kEntryColumns) +
                                          "WHERE (user_id, id) > (?1, ?2) ORDER BY user_id, id LIMIT ?3")),
        select_page_(database_->Prepare(std::string(kReservationColumns) +
                                        "WHERE reservation_id > ?1 GROUP BY reservation_id "
                                        "ORDER BY reservation_id LIMIT ?2")),
        select_one_(database_->Prepare(std::string(kReservationColumns) +
                                       "WHERE reservation_id = ?1 GROUP BY reservation_id")) {}

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
                            std::optional<EntryId> before, uint32_t limit, const Period& period) override {
    const std::scoped_lock lock(mutex_);
    const auto code = currency ? std::optional(std::string(currency->code())) : std::nullopt;
    EntryPage page;
    const std::string after_all(16, '\xff');
    select_entries_.Bind(user_id, std::nullopt, code, int64_t{limit} + 1, From(period), Until(period))
        .BindBlob(2, before ? before->bytes() : std::string_view(after_all));
    return ReadPage(select_entries_, limit);
  }

  Result<std::optional<AccountRow>> Account(const std::string& user_id) override {
    const std::scoped_lock lock(mutex_);
    BOXOFFICE_ASSIGN(const bool found, select_account_.Bind(user_id).Step());
    if (!found) return std::nullopt;
    auto account = AccountAt(select_account_);
    select_account_.Reset();
    return account;
  }

  Result<StatementSums> Statement(const std::string& user_id, Currency currency,
                                  const Period& period) override {
    const std::scoped_lock lock(mutex_);
    StatementReading reading;
    select_sums_.Bind(user_id, currency.code(), From(period), Until(period));
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, select_sums_.Step());
      if (!more) return std::move(reading).statement();
      reading.Add(select_sums_);
    }
  }

  Result<EntryPage> Ledger(const std::optional<EntryKey>& after, uint32_t limit) override {
    const std::scoped_lock lock(mutex_);
    const EntryKey start = after.value_or(EntryKey());  // before every user
    select_ledger_.Bind(start.user_id, start.entry, int64_t{limit} + 1);
    return ReadPage(select_ledger_, limit);
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

  Result<Totals> ComputeTotals() override { return totals_.Compute(); }

 private:
  static int64_t From(const Period& period) { return period.from ? ToUnixMs(*period.from) : 0; }
  static int64_t Until(const Period& period) {
    return period.until ? ToUnixMs(*period.until) : std::numeric_limits<int64_t>::max();
  }
  // Of a bound statement that selects entries, one more than `limit`.
  static Result<EntryPage> ReadPage(sql::Statement& statement, uint32_t limit) {
    EntryPage page;
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, statement.Step());
      if (!more) break;
      page.entries.push_back(EntryAt(statement));
    }
    page.more = page.entries.size() > limit;
    if (page.more) page.entries.pop_back();
    return page;
  }

  SqliteTotals totals_;
  std::mutex mutex_;                         // guards the connection
  std::unique_ptr<sql::Database> database_;  // before the statements: they end first
  sql::Statement select_balances_;
  sql::Statement select_entries_;
  sql::Statement select_account_;
  sql::Statement select_sums_;
  sql::Statement select_ledger_;
  sql::Statement select_page_;
  sql::Statement select_one_;
};

}  // namespace

Result<Stores> OpenSqlite(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(sql::Database writer, sql::Database::Open(file));
  BOXOFFICE_TRY(writer.Migrate(sql::wallet_sqlite_schema()));
  BOXOFFICE_ASSIGN(sql::Database reader, sql::Database::Open(file));
  BOXOFFICE_ASSIGN(sql::Database totals, sql::Database::Open(file));
  return Stores{std::make_unique<SqliteStore>(std::make_unique<sql::Database>(std::move(writer))),
                std::make_unique<SqliteReader>(std::make_unique<sql::Database>(std::move(reader)),
                                               std::make_unique<sql::Database>(std::move(totals)))};
}

}  // namespace boxoffice::wallet
