#include "services/wallet/store_postgres.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <utility>

#include "base/check.h"
#include "platform/outbox/postgres.h"
#include "services/wallet/store_events.h"

namespace boxoffice::sql {
std::span<const Migration> wallet_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::wallet {
namespace {

using sql::pg::Batch;
using sql::pg::Column;
using sql::pg::Row;

// Of ComputeTotals, which walks over the whole ledger.
constexpr std::chrono::minutes kLongRead{10};

Currency CurrencyAt(const Row& row, int column) {
  const auto currency = Currency::Parse(row.Text(column));
  CHECK(currency.has_value(), "a stored currency has three letters");
  return *currency;
}

constexpr auto kUserOf = [](const auto& row) { return std::string_view(row.key.user_id); };
constexpr auto kCurrencyOf = [](const auto& row) { return std::string(row.key.currency.code()); };

// The wallets that are named, and those that the debits named took from.
constexpr std::string_view kSelectWallets =
    "SELECT w.user_id, w.currency, w.balance, w.version FROM (SELECT i.user_id, i.currency FROM unnest($1, "
    "$2) "
    "i(user_id, currency) UNION SELECT d.user_id, d.currency FROM unnest($3) i(saga_id) JOIN saga_debit d "
    "USING "
    "(saga_id) WHERE d.state = 1) k JOIN wallet w USING (user_id, currency)";
constexpr std::string_view kSelectDebits =
    "SELECT saga_id, reservation_id, user_id, currency, amount, state, debit_entry_id, balance_after_debit, "
    "refund_entry_id, balance_after_refund FROM unnest($1) i(saga_id) JOIN saga_debit USING (saga_id)";
constexpr std::string_view kSelectTopUps =
    "SELECT user_id, client_key, id, currency, amount, balance_after FROM unnest($1, $2) i(user_id, "
    "client_key) "
    "JOIN ledger USING (user_id, client_key) WHERE client_key IS NOT NULL";
constexpr std::string_view kInsertWallets =
    "INSERT INTO wallet SELECT user_id, currency, balance, 1 FROM unnest($1, $2, $3) "
    "i(user_id, currency, balance) ON CONFLICT DO NOTHING RETURNING user_id, currency";
// Locks in the order of keys before it changes anything.
constexpr std::string_view kUpdateWallets =
    "UPDATE wallet w SET balance = i.balance, version = i.version + 1 FROM (SELECT n.* FROM unnest($1, $2, "
    "$3, $4) n(user_id, currency, balance, version) JOIN wallet q USING (user_id, currency) ORDER BY "
    "user_id, "
    "currency FOR UPDATE OF q) i WHERE w.user_id = i.user_id AND w.currency = i.currency "
    "AND w.version = i.version RETURNING w.user_id, w.currency";
constexpr std::string_view kInsertDebits =
    "INSERT INTO saga_debit(saga_id, reservation_id, user_id, currency, amount, state, debit_entry_id, "
    "balance_after_debit, refund_entry_id, balance_after_refund) "
    "SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING saga_id";
constexpr std::string_view kUpdateDebits =
    "UPDATE saga_debit d SET state = i.state, refund_entry_id = i.entry, balance_after_refund = i.balance "
    "FROM unnest($1, $2, $3, $4) i(saga_id, state, entry, balance) WHERE d.saga_id = i.saga_id AND d.state = "
    "1 "
    "RETURNING d.saga_id";
constexpr std::string_view kInsertEntries =
    "INSERT INTO ledger(user_id, id, kind, currency, amount, contra, contra_amount, balance_after, saga_id, "
    "reservation_id, client_key, created_at_ms) SELECT user_id, id, kind, currency, amount, contra, -amount, "
    "balance_after, saga_id, reservation_id, client_key, created_at_ms FROM unnest($1, $2, $3, $4, $5, $6, "
    "$7, $8, "
    "$9, $10, $11) i(user_id, id, kind, currency, amount, contra, balance_after, saga_id, reservation_id, "
    "client_key, created_at_ms) ON CONFLICT DO NOTHING RETURNING id";

class PostgresStore final : public Store {
 public:
  explicit PostgresStore(std::unique_ptr<sql::pg::Connection> connection)
      : connection_(std::move(connection)) {}

  // A saga's debit may be stored between the statements: then its wallet is of before or after, and Save
  // finds the version, or the state, moved.
  Result<Rows> Load(const Keys& keys) override {
    Batch batch;
    batch.Add(kSelectWallets, Column(keys.wallets, &WalletKey::user_id),
              Column(keys.wallets, [](const WalletKey& key) { return std::string(key.currency.code()); }),
              Column(keys.sagas));
    batch.Add(kSelectDebits, Column(keys.sagas));
    batch.Add(kSelectTopUps, Column(keys.top_ups, &TopUpKey::user_id),
              Column(keys.top_ups, &TopUpKey::client_key));
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    Rows rows;
    for (const Row row : results[0]) {
      rows.wallets.push_back({{std::string(row.Text(0)), CurrencyAt(row, 1)}, row.Int(2), row.Int(3)});
    }
    for (const Row row : results[1]) {
      rows.debits.push_back({.saga = row.Id<SagaId>(0),
                             .reservation = row.Id<ReservationId>(1),
                             .user_id = std::string(row.Text(2)),
                             .money = {row.Int(4), CurrencyAt(row, 3)},
                             .state = static_cast<DebitState>(row.Int(5)),
                             .debit_entry = row.Id<EntryId>(6),
                             .balance_after_debit = row.Int(7),
                             .refund_entry = row.Id<EntryId>(8),
                             .balance_after_refund = row.Int(9)});
    }
    for (const Row row : results[2]) {
      rows.top_ups.push_back({{std::string(row.Text(0)), std::string(row.Text(1))},
                              {row.Int(4), CurrencyAt(row, 3)},
                              row.Id<EntryId>(2),
                              row.Int(5)});
    }
    std::ranges::sort(rows.wallets, {}, &WalletRow::key);
    return rows;
  }

  Result<Keys> Save(const Changes& changes) override {
    Batch batch;
    AddWallets(changes, batch);
    AddDebits(changes, batch);
    AddEntries(changes, batch);
    std::vector<bus::Event> events;
    events.reserve(changes.entries.size());
    for (const Entry& entry : changes.entries) events.push_back(ToEvent(entry));
    BOXOFFICE_TRY(outbox::AddTo(batch, events));
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));
    Keys moved = Moved(changes, results);
    if (moved.empty()) BOXOFFICE_TRY(transaction.Commit());
    return moved;
  }

 private:
  static void AddWallets(const Changes& changes, Batch& batch) {
    std::vector<WalletRow> opened, known;
    for (const WalletRow& wallet : changes.wallets) (wallet.version == 0 ? opened : known).push_back(wallet);
    batch.Add(kInsertWallets, Column(opened, kUserOf), Column(opened, kCurrencyOf),
              Column(opened, &WalletRow::balance));
    batch.Add(kUpdateWallets, Column(known, kUserOf), Column(known, kCurrencyOf),
              Column(known, &WalletRow::balance), Column(known, &WalletRow::version));
  }

  static void AddDebits(const Changes& changes, Batch& batch) {
    std::vector<DebitRow> created, refunded;
    for (const DebitChange& change : changes.debits)
      (change.created ? created : refunded).push_back(change.row);
    batch.Add(kInsertDebits, Column(created, &DebitRow::saga), Column(created, &DebitRow::reservation),
              Column(created, &DebitRow::user_id),
              Column(created, [](const DebitRow& row) { return std::string(row.money.currency.code()); }),
              Column(created, [](const DebitRow& row) { return row.money.amount; }),
              Column(created, &DebitRow::state), Column(created, &DebitRow::debit_entry),
              Column(created, &DebitRow::balance_after_debit), Column(created, &DebitRow::refund_entry),
              Column(created, &DebitRow::balance_after_refund));
    batch.Add(kUpdateDebits, Column(refunded, &DebitRow::saga), Column(refunded, &DebitRow::state),
              Column(refunded, &DebitRow::refund_entry), Column(refunded, &DebitRow::balance_after_refund));
  }

  static void AddEntries(const Changes& changes, Batch& batch) {
    const std::vector<Entry>& entries = changes.entries;
    const auto of_saga = [](const Entry& entry) { return entry.kind != EntryKind::kTopUp; };
    batch.Add(
        kInsertEntries, Column(entries, &Entry::user_id), Column(entries, &Entry::id),
        Column(entries, &Entry::kind),
        Column(entries, [](const Entry& entry) { return std::string(entry.money.currency.code()); }),
        Column(entries, [](const Entry& entry) { return entry.money.amount; }),
        Column(entries, [](const Entry& entry) { return entry.contra(); }),
        Column(entries, &Entry::balance_after),
        Column(entries,
               [&](const Entry& entry) { return of_saga(entry) ? std::optional(entry.saga) : std::nullopt; }),
        Column(entries,
               [&](const Entry& entry) {
                 return of_saga(entry) ? std::optional(entry.reservation) : std::nullopt;
               }),
        Column(entries,
               [&](const Entry& entry) {
                 return of_saga(entry) ? std::nullopt : std::optional(entry.client_key);
               }),
        Column(entries, [](const Entry& entry) { return ToUnixMs(entry.created_at); }));
  }

  // The keys of the changes that found their rows otherwise than they were loaded.
  static Keys Moved(const Changes& changes, std::span<const sql::pg::Rows> results) {
    std::set<WalletKey> wallets;
    for (const size_t place : {0, 1}) {
      for (const Row row : results[place]) wallets.insert({std::string(row.Text(0)), CurrencyAt(row, 1)});
    }
    std::set<SagaId> sagas;
    for (const size_t place : {2, 3}) {
      for (const Row row : results[place]) sagas.insert(row.Id<SagaId>(0));
    }
    std::set<EntryId> entries;
    for (const Row row : results[4]) entries.insert(row.Id<EntryId>(0));

    Keys moved;
    for (const WalletRow& wallet : changes.wallets) {
      if (!wallets.contains(wallet.key)) moved.wallets.push_back(wallet.key);
    }
    for (const DebitChange& change : changes.debits) {
      if (!sagas.contains(change.row.saga)) moved.sagas.push_back(change.row.saga);
    }
    for (const Entry& entry : changes.entries) {
      if (entries.contains(entry.id)) continue;
      if (entry.kind == EntryKind::kTopUp) {
        moved.top_ups.push_back({entry.user_id, entry.client_key});
      } else {
        CHECK(!moved.sagas.empty(), "the ledger holds an entry that its saga's row does not know");
      }
    }
    std::ranges::sort(moved.top_ups);
    return moved;
  }

  std::unique_ptr<sql::pg::Connection> connection_;
};

#define BOXOFFICE_RESERVATION_COLUMNS                                                                   \
  "SELECT reservation_id, MIN(user_id), MIN(currency), COALESCE(SUM(-amount) FILTER (WHERE kind = 2), " \
  "0)::bigint, "                                                                                        \
  "COALESCE(SUM(amount) FILTER (WHERE kind = 3), 0)::bigint, "                                          \
  "GREATEST(COUNT(*) FILTER (WHERE kind = 2) - COUNT(*) FILTER (WHERE kind = 3), 0) FROM ledger "

constexpr std::string_view kSelectPage = BOXOFFICE_RESERVATION_COLUMNS
    "WHERE reservation_id > $1 GROUP BY reservation_id ORDER BY reservation_id LIMIT $2";
constexpr std::string_view kSelectOne =
    BOXOFFICE_RESERVATION_COLUMNS "WHERE reservation_id = $1 GROUP BY reservation_id";
#undef BOXOFFICE_RESERVATION_COLUMNS

class PostgresReader final : public Reader {
 public:
  PostgresReader(std::unique_ptr<sql::pg::Connection> connection, sql::pg::Config config)
      : connection_(std::move(connection)), config_(std::move(config)) {}

  Result<std::vector<Money>> Balances(const std::string& user_id) override {
    BOXOFFICE_ASSIGN(
        const sql::pg::Rows rows,
        Read("SELECT currency, balance FROM wallet WHERE user_id = $1 ORDER BY currency", user_id));
    std::vector<Money> balances;
    for (const Row row : rows) balances.push_back({row.Int(1), CurrencyAt(row, 0)});
    return balances;
  }

  Result<EntryPage> Entries(const std::string& user_id, std::optional<Currency> currency,
                            std::optional<EntryId> before, uint32_t limit) override {
    const auto code = currency ? std::optional(std::string(currency->code())) : std::nullopt;
    BOXOFFICE_ASSIGN(
        const sql::pg::Rows rows,
        Read("SELECT id, kind, currency, amount, balance_after, saga_id, reservation_id, client_key, "
             "created_at_ms FROM ledger WHERE user_id = $1 AND ($2 IS NULL OR id < $2) "
             "AND ($3 IS NULL OR currency = $3) ORDER BY id DESC LIMIT $4",
             user_id, before, code, int64_t{limit} + 1));
    EntryPage page;
    for (const Row row : rows) page.entries.push_back(EntryAt(row, user_id));
    page.more = page.entries.size() > limit;
    if (page.more) page.entries.pop_back();
    return page;
  }

  Result<ReservationPage> Reservations(ReservationId after, uint32_t limit) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, Read(kSelectPage, after, int64_t{limit} + 1));
    ReservationPage page;
    for (const Row row : rows) page.rows.push_back(ReservationAt(row));
    page.more = page.rows.size() > limit;
    if (page.more) page.rows.pop_back();
    return page;
  }

  Result<std::optional<ReservationTotals>> Reservation(ReservationId reservation) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, Read(kSelectOne, reservation));
    if (rows.empty()) return std::nullopt;
    return ReservationAt(rows[0]);
  }

  // On a connection of its own, so that other reads don't wait for it.
  Result<Totals> ComputeTotals() override {
    sql::pg::Config config = config_;
    config.statement_timeout = kLongRead;
    config.answer_timeout = 2 * kLongRead;
    BOXOFFICE_ASSIGN(const auto connection, sql::pg::Connection::Open(config));
    sql::pg::Transaction snapshot(*connection);
    Batch batch;
    batch.Add("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    batch.Add("SELECT currency, SUM(amount + contra_amount)::bigint FROM ledger GROUP BY currency");
    batch.Add(
        "SELECT COALESCE(w.user_id, l.user_id), COALESCE(w.currency, l.currency), w.balance, "
        "COALESCE(l.sum, 0)::bigint FROM wallet w FULL JOIN (SELECT user_id, currency, SUM(amount) AS sum "
        "FROM ledger "
        "GROUP BY user_id, currency) l ON l.user_id = w.user_id AND l.currency = w.currency "
        "WHERE w.balance IS NULL OR w.balance < 0 OR w.balance <> COALESCE(l.sum, 0)");
    batch.Add("SELECT currency, COUNT(*), SUM(balance)::bigint FROM wallet GROUP BY currency");
    BOXOFFICE_ASSIGN(const auto results, snapshot.Run(batch));
    std::map<Currency, CurrencyTotals> currencies;
    for (const Row row : results[1]) currencies[CurrencyAt(row, 0)].sum_of_all_accounts = row.Int(1);
    std::set<std::string> bad_users;
    for (const Row row : results[2]) {
      CurrencyTotals& totals = currencies[CurrencyAt(row, 1)];
      const bool orphan = row.IsNull(2);
      totals.wallets_unequal_entries += orphan || row.Int(2) != row.Int(3) ? 1 : 0;
      totals.wallets_negative += !orphan && row.Int(2) < 0 ? 1 : 0;
      bad_users.emplace(row.Text(0));
    }
    for (const Row row : results[3]) {
      CurrencyTotals& totals = currencies[CurrencyAt(row, 0)];
      totals.wallets = row.Int(1);
      totals.sum_of_wallets = row.Int(2);
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
  template <typename... T>
  Result<sql::pg::Rows> Read(std::string_view sql, const T&... values) {
    Batch batch;
    batch.Add(sql, values...);
    const std::scoped_lock lock(mutex_);
    BOXOFFICE_ASSIGN(auto results, connection_->Read(batch));
    return std::move(results[0]);
  }

  static Entry EntryAt(const Row& row, const std::string& user_id) {
    Entry entry{.id = row.Id<EntryId>(0),
                .user_id = user_id,
                .kind = static_cast<EntryKind>(row.Int(1)),
                .money = {row.Int(3), CurrencyAt(row, 2)},
                .balance_after = row.Int(4),
                .client_key = std::string(row.Text(7)),
                .created_at = FromUnixMs(row.Int(8))};
    if (!row.IsNull(5)) entry.saga = row.Id<SagaId>(5);
    if (!row.IsNull(6)) entry.reservation = row.Id<ReservationId>(6);
    return entry;
  }

  static ReservationTotals ReservationAt(const Row& row) {
    return {.reservation = row.Id<ReservationId>(0),
            .user_id = std::string(row.Text(1)),
            .currency = CurrencyAt(row, 2),
            .debited = row.Int(3),
            .refunded = row.Int(4),
            .effective_debits = static_cast<uint32_t>(row.Int(5))};
  }

  std::mutex mutex_;  // guards the connection
  std::unique_ptr<sql::pg::Connection> connection_;
  const sql::pg::Config config_;
};

}  // namespace

Result<Stores> OpenPostgres(const sql::pg::Config& config) {
  BOXOFFICE_ASSIGN(auto writer, sql::pg::Connection::Open(config));
  BOXOFFICE_TRY(writer->Migrate("wallet", sql::wallet_postgres_schema()));
  BOXOFFICE_ASSIGN(auto reader, sql::pg::Connection::Open(config));
  return Stores{std::make_unique<PostgresStore>(std::move(writer)),
                std::make_unique<PostgresReader>(std::move(reader), config)};
}

}  // namespace boxoffice::wallet
