#include "services/wallet/store_postgres.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/check.h"
#include "platform/outbox/postgres.h"
#include "platform/sql/postgres_read.h"
#include "services/wallet/store_events.h"
#include "services/wallet/store_row.h"
#include "services/wallet/store_totals.h"

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

constexpr auto kUserOf = [](const auto& row) { return std::string_view(row.key.user_id); };
constexpr auto kCurrencyOf = [](const auto& row) { return std::string(row.key.currency.code()); };

constexpr std::string_view kSelectWallets =
    "SELECT user_id, currency, balance, version, day, topped_up FROM (SELECT unnest($1) AS user_id, "
    "unnest($2) AS currency) i JOIN wallet USING (user_id, currency)";
// What only operators' commands name: all wallets of users, and those that the entries named are of. Each by
// its key: with OR it would read the whole table, for which every other command would wait.
constexpr std::string_view kSelectMoreWallets =
    "SELECT w.user_id, w.currency, w.balance, w.version, w.day, w.topped_up "
    "FROM (SELECT unnest($1) AS user_id) i JOIN wallet w USING (user_id) UNION ALL "
    "SELECT w.user_id, w.currency, w.balance, w.version, w.day, w.topped_up "
    "FROM (SELECT unnest($2) AS user_id, unnest($3) AS id) i JOIN ledger l USING (user_id, id) "
    "JOIN wallet w USING (user_id, currency)";
#define BOXOFFICE_ENTRY_COLUMNS                                                                              \
  "user_id, id, kind, currency, amount, balance_after, saga_id, reservation_id, client_key, created_at_ms, " \
  "reason, "                                                                                                 \
  "operator_id "
constexpr std::string_view kSelectEntries =
    "SELECT " BOXOFFICE_ENTRY_COLUMNS
    "FROM (SELECT unnest($1) AS user_id, unnest($2) AS id) i JOIN ledger USING (user_id, id)";
constexpr std::string_view kSelectAccounts =
    "SELECT user_id, state, reason, operator_id, changed_at_ms, version "
    "FROM (SELECT unnest($1) AS user_id) i JOIN account USING (user_id)";
constexpr std::string_view kSelectParts =
    "SELECT reservation_id, saga_id, user_id, currency, amount, id, balance_after "
    "FROM (SELECT unnest($1) AS reservation_id, unnest($2) AS saga_id) i "
    "JOIN ledger USING (reservation_id, saga_id) WHERE kind = 4";
constexpr std::string_view kInsertAccounts =
    "INSERT INTO account(user_id, state, reason, operator_id, changed_at_ms, version) SELECT user_id, "
    "state, reason, operator_id, changed_at_ms, 1 FROM (SELECT unnest($1) AS user_id, "
    "unnest($2) AS state, unnest($3) AS reason, unnest($4) AS operator_id, "
    "unnest($5) AS changed_at_ms) i ON CONFLICT DO NOTHING RETURNING user_id";
constexpr std::string_view kUpdateAccounts =
    "UPDATE account a SET state = i.state, reason = i.reason, operator_id = i.operator_id, "
    "changed_at_ms = i.changed_at_ms, version = i.version + 1 FROM (SELECT n.* "
    "FROM (SELECT unnest($1) AS user_id, unnest($2) AS state, unnest($3) AS reason, "
    "unnest($4) AS operator_id, unnest($5) AS changed_at_ms, unnest($6) AS version) n "
    "JOIN account q USING (user_id) ORDER BY user_id FOR UPDATE OF q) i WHERE a.user_id = i.user_id "
    "AND a.version = i.version RETURNING a.user_id";
constexpr std::string_view kSelectDebits =
    "SELECT saga_id, reservation_id, user_id, currency, amount, state, debit_entry_id, "
    "balance_after_debit, refund_entry_id, balance_after_refund, refunded "
    "FROM (SELECT unnest($1) AS saga_id) i JOIN saga_debit USING (saga_id)";
constexpr std::string_view kSelectTopUps =
    "SELECT user_id, client_key, id, currency, amount, balance_after, reason "
    "FROM (SELECT unnest($1) AS user_id, unnest($2) AS client_key) i JOIN ledger USING (user_id, "
    "client_key) WHERE client_key IS NOT NULL";
constexpr std::string_view kInsertWallets =
    "INSERT INTO wallet(user_id, currency, balance, version, day, topped_up) SELECT user_id, currency, "
    "balance, 1, day, topped_up FROM (SELECT unnest($1) AS user_id, unnest($2) AS currency, "
    "unnest($3) AS balance, unnest($4) AS day, unnest($5) AS topped_up) i ON CONFLICT DO NOTHING "
    "RETURNING user_id, currency";
// Rows are taken, and so locked, in the order of the arrays, which are sorted.
constexpr std::string_view kUpdateWallets =
    "UPDATE wallet w SET balance = i.balance, day = i.day, topped_up = i.topped_up, "
    "version = i.version + 1 FROM (SELECT unnest($1) AS user_id, unnest($2) AS currency, "
    "unnest($3) AS balance, unnest($4) AS version, unnest($5) AS day, unnest($6) AS topped_up) i "
    "WHERE w.user_id = i.user_id AND w.currency = i.currency AND w.version = i.version "
    "RETURNING w.user_id, w.currency";
const sql::pg::Insert kInsertDebits(
    "INSERT INTO saga_debit(saga_id, reservation_id, user_id, currency, amount, state, debit_entry_id, "
    "balance_after_debit, refund_entry_id, balance_after_refund, refunded) SELECT unnest($1), "
    "unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), "
    "unnest($10), unnest($11)",
    "saga_id");
constexpr std::string_view kUpdateDebits =
    "UPDATE saga_debit d SET state = i.state, refund_entry_id = i.entry, "
    "balance_after_refund = i.balance, refunded = i.refunded FROM (SELECT unnest($1) AS saga_id, "
    "unnest($2) AS state, unnest($3) AS entry, unnest($4) AS balance, unnest($5) AS refunded, "
    "unnest($6) AS before) i WHERE d.saga_id = i.saga_id AND d.state = 1 AND d.refunded = i.before "
    "RETURNING d.saga_id";
const sql::pg::Insert kInsertEntries(
    "INSERT INTO ledger(user_id, id, kind, currency, amount, contra, contra_amount, balance_after, "
    "saga_id, reservation_id, client_key, created_at_ms, reason, operator_id) SELECT user_id, id, "
    "kind, currency, amount, contra, -amount, balance_after, saga_id, reservation_id, client_key, "
    "created_at_ms, reason, operator_id FROM (SELECT unnest($1) AS user_id, unnest($2) AS id, "
    "unnest($3) AS kind, unnest($4) AS currency, unnest($5) AS amount, unnest($6) AS contra, "
    "unnest($7) AS balance_after, unnest($8) AS saga_id, unnest($9) AS reservation_id, "
    "unnest($10) AS client_key, unnest($11) AS created_at_ms, unnest($12) AS reason, "
    "unnest($13) AS operator_id) i",
    "id");

WalletRow WalletAt(const Row& row) {
  return {.key = {std::string(row.Text(0)), CurrencyAt(row, 1)},
          .balance = row.Int(2),
          .version = row.Int(3),
          .day = row.Int(4),
          .topped_up = row.Int(5)};
}

class PostgresStore final : public Store {
 public:
  explicit PostgresStore(std::unique_ptr<sql::pg::Connection> connection)
      : connection_(std::move(connection)) {}

  // A saga's debit may be stored between the statements: then its wallet is of before or after, and Save
  // finds the version, or the state, moved. The keys of what is done once come behind the balances that it is
  // refused for: a repeat that does not find its key has not seen the balance of after it either.
  Result<Rows> Load(const Keys& keys) override {
    Batch batch;
    AddWalletKeys(keys.wallets, batch);
    batch.Add(kSelectDebits, Column(keys.sagas));
    batch.Add(kSelectAccounts, Column(keys.accounts));
    const size_t more = keys.users.empty() && keys.entries.empty() ? 0 : AddMore(keys, batch);
    const size_t top_ups = keys.top_ups.empty() ? 0 : AddTopUps(keys, batch);
    const size_t parts = keys.parts.empty() ? 0 : AddParts(keys, batch);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    Rows rows;
    for (const Row row : results[0]) rows.wallets.push_back(WalletAt(row));
    for (const Row row : results[1]) {
      rows.debits.push_back({.saga = row.Id<SagaId>(0),
                             .reservation = row.Id<ReservationId>(1),
                             .user_id = std::string(row.Text(2)),
                             .money = {row.Int(4), CurrencyAt(row, 3)},
                             .state = static_cast<DebitState>(row.Int(5)),
                             .debit_entry = row.Id<EntryId>(6),
                             .balance_after_debit = row.Int(7),
                             .refund_entry = row.Id<EntryId>(8),
                             .balance_after_refund = row.Int(9),
                             .refunded = row.Int(10)});
    }
    if (more != 0) {
      for (const Row row : results[more]) rows.wallets.push_back(WalletAt(row));
      for (const Row row : results[more + 1]) rows.entries.push_back(EntryAt(row));
    }
    BOXOFFICE_TRY(LoadWalletsOfDebits(rows));
    for (const Row row : results[2]) rows.accounts.push_back(AccountAt(row));
    if (top_ups != 0) {
      for (const Row row : results[top_ups]) {
        rows.top_ups.push_back({{std::string(row.Text(0)), std::string(row.Text(1))},
                                {row.Int(4), CurrencyAt(row, 3)},
                                row.Id<EntryId>(2),
                                row.Int(5),
                                std::string(row.Text(6))});
      }
    }
    if (parts != 0) {
      for (const Row row : results[parts]) {
        rows.parts.push_back({.key = {row.Id<ReservationId>(0), row.Id<SagaId>(1)},
                              .user_id = std::string(row.Text(2)),
                              .money = {row.Int(4), CurrencyAt(row, 3)},
                              .entry = row.Id<EntryId>(5),
                              .balance_after = row.Int(6)});
      }
    }
    // Of a wallet that was read twice, the first counts: it is no newer than its account and than the keys,
    // and if the state of the account has changed since, Save finds the wallet's version moved.
    std::ranges::stable_sort(rows.wallets, {}, &WalletRow::key);
    const auto repeats = std::ranges::unique(rows.wallets, {}, &WalletRow::key);
    rows.wallets.erase(repeats.begin(), repeats.end());
    return rows;
  }

  Result<Keys> Save(const Changes& changes) override {
    Batch batch;
    Places places;
    AddWallets(changes, batch, places);
    AddDebits(changes, batch, places);
    if (!changes.entries.empty()) places.entries.push_back(AddEntries(changes.entries, batch));
    AddAccounts(changes, batch, places);
    std::vector<bus::Event> events;
    events.reserve(changes.entries.size());
    for (const Entry& entry : changes.entries) events.push_back(ToEvent(entry));
    BOXOFFICE_TRY(outbox::AddTo(batch, events));
    sql::pg::Transaction transaction(*connection_);
    BOXOFFICE_ASSIGN(const auto results, transaction.Run(batch));
    Keys moved = Moved(changes, places, results);
    if (moved.empty()) BOXOFFICE_TRY(transaction.Commit());
    return moved;
  }

 private:
  // Of the results that name what was written.
  struct Places {
    std::vector<size_t> wallets, debits, entries, accounts;
  };

  static void AddWalletKeys(const std::vector<WalletKey>& wallets, Batch& batch) {
    batch.Add(kSelectWallets, Column(wallets, &WalletKey::user_id),
              Column(wallets, [](const WalletKey& key) { return std::string(key.currency.code()); }));
  }

  // The wallets that the debits found took from. Seldom any: it is refunds that find their debits.
  Result<void> LoadWalletsOfDebits(Rows& rows) {
    std::vector<WalletKey> wallets;
    for (const DebitRow& debit : rows.debits) {
      if (debit.state == DebitState::kDebited) wallets.push_back({debit.user_id, debit.money.currency});
    }
    if (wallets.empty()) return {};
    Batch batch;
    AddWalletKeys(wallets, batch);
    BOXOFFICE_ASSIGN(const auto results, connection_->Read(batch));
    for (const Row row : results[0]) rows.wallets.push_back(WalletAt(row));
    return {};
  }

  // The places of their results.
  static size_t AddTopUps(const Keys& keys, Batch& batch) {
    return batch.Add(kSelectTopUps, Column(keys.top_ups, &TopUpKey::user_id),
                     Column(keys.top_ups, &TopUpKey::client_key));
  }
  static size_t AddParts(const Keys& keys, Batch& batch) {
    return batch.Add(kSelectParts, Column(keys.parts, &PartKey::reservation),
                     Column(keys.parts, &PartKey::saga));
  }
  // The place of the first of its two results.
  static size_t AddMore(const Keys& keys, Batch& batch) {
    const auto users = Column(keys.entries, &EntryKey::user_id);
    const auto ids = Column(keys.entries, &EntryKey::entry);
    const size_t place = batch.Add(kSelectMoreWallets, Column(keys.users), users, ids);
    batch.Add(kSelectEntries, users, ids);
    return place;
  }

  static void AddAccounts(const Changes& changes, Batch& batch, Places& places) {
    std::vector<AccountRow> created, known;
    for (const AccountRow& row : changes.accounts) (row.version == 0 ? created : known).push_back(row);
    const auto changed_at = [](const AccountRow& row) { return ToUnixMs(row.changed_at); };
    if (!created.empty()) {
      places.accounts.push_back(
          batch.Add(kInsertAccounts, Column(created, &AccountRow::user_id),
                    Column(created, &AccountRow::state), Column(created, &AccountRow::reason),
                    Column(created, &AccountRow::operator_id), Column(created, changed_at)));
    }
    if (!known.empty()) {
      places.accounts.push_back(
          batch.Add(kUpdateAccounts, Column(known, &AccountRow::user_id), Column(known, &AccountRow::state),
                    Column(known, &AccountRow::reason), Column(known, &AccountRow::operator_id),
                    Column(known, changed_at), Column(known, &AccountRow::version)));
    }
  }

  static void AddWallets(const Changes& changes, Batch& batch, Places& places) {
    std::vector<WalletRow> opened, known;
    for (const WalletRow& wallet : changes.wallets) (wallet.version == 0 ? opened : known).push_back(wallet);
    if (!opened.empty()) {
      places.wallets.push_back(batch.Add(kInsertWallets, Column(opened, kUserOf), Column(opened, kCurrencyOf),
                                         Column(opened, &WalletRow::balance), Column(opened, &WalletRow::day),
                                         Column(opened, &WalletRow::topped_up)));
    }
    if (!known.empty()) {
      places.wallets.push_back(batch.Add(kUpdateWallets, Column(known, kUserOf), Column(known, kCurrencyOf),
                                         Column(known, &WalletRow::balance),
                                         Column(known, &WalletRow::version), Column(known, &WalletRow::day),
                                         Column(known, &WalletRow::topped_up)));
    }
  }

  static void AddDebits(const Changes& changes, Batch& batch, Places& places) {
    std::vector<DebitRow> created, refunded;
    std::vector<int64_t> before;
    for (const DebitChange& change : changes.debits) {
      (change.created ? created : refunded).push_back(change.row);
      if (!change.created) before.push_back(change.refunded_before);
    }
    if (!created.empty()) {
      places.debits.push_back(batch.Add(
          kInsertDebits, Column(created, &DebitRow::saga), Column(created, &DebitRow::reservation),
          Column(created, &DebitRow::user_id),
          Column(created, [](const DebitRow& row) { return std::string(row.money.currency.code()); }),
          Column(created, [](const DebitRow& row) { return row.money.amount; }),
          Column(created, &DebitRow::state), Column(created, &DebitRow::debit_entry),
          Column(created, &DebitRow::balance_after_debit), Column(created, &DebitRow::refund_entry),
          Column(created, &DebitRow::balance_after_refund), Column(created, &DebitRow::refunded)));
    }
    if (!refunded.empty()) {
      places.debits.push_back(batch.Add(
          kUpdateDebits, Column(refunded, &DebitRow::saga), Column(refunded, &DebitRow::state),
          Column(refunded, &DebitRow::refund_entry), Column(refunded, &DebitRow::balance_after_refund),
          Column(refunded, &DebitRow::refunded), Column(before)));
    }
  }

  static size_t AddEntries(const std::vector<Entry>& entries, Batch& batch) {
    return batch.Add(
        kInsertEntries, Column(entries, &Entry::user_id), Column(entries, &Entry::id),
        Column(entries, &Entry::kind),
        Column(entries, [](const Entry& entry) { return std::string(entry.money.currency.code()); }),
        Column(entries, [](const Entry& entry) { return entry.money.amount; }),
        Column(entries, [](const Entry& entry) { return entry.contra(); }),
        Column(entries, &Entry::balance_after),
        Column(entries,
               [](const Entry& entry) { return entry.of_saga() ? std::optional(entry.saga) : std::nullopt; }),
        Column(entries,
               [](const Entry& entry) {
                 return entry.of_saga() ? std::optional(entry.reservation) : std::nullopt;
               }),
        Column(entries,
               [](const Entry& entry) {
                 return entry.of_saga() ? std::nullopt : std::optional(entry.client_key);
               }),
        Column(entries, [](const Entry& entry) { return ToUnixMs(entry.created_at); }),
        Column(entries, &Entry::reason), Column(entries, &Entry::operator_id));
  }

  // The keys of the changes that found their rows otherwise than they were loaded.
  static Keys Moved(const Changes& changes, const Places& places, const std::vector<sql::pg::Rows>& results) {
    Keys moved;
    const auto debit = [](const DebitChange& change) { return change.row.saga; };
    const auto wallet_at = [](const Row& row) {
      return WalletKey{std::string(row.Text(0)), CurrencyAt(row, 1)};
    };
    const auto saga_at = [](const Row& row) { return row.Id<SagaId>(0); };
    const auto entry_at = [](const Row& row) { return row.Id<EntryId>(0); };
    const auto user_at = [](const Row& row) { return std::string(row.Text(0)); };
    for (const WalletRow* wallet :
         sql::pg::Missing(changes.wallets, &WalletRow::key, results, places.wallets, wallet_at)) {
      moved.wallets.push_back(wallet->key);
    }
    for (const DebitChange* change : sql::pg::Missing(changes.debits, debit, results, places.debits, saga_at))
      moved.sagas.push_back(change->row.saga);
    for (const Entry* entry :
         sql::pg::Missing(changes.entries, &Entry::id, results, places.entries, entry_at)) {
      if (!entry->of_saga()) {
        moved.top_ups.push_back({entry->user_id, entry->client_key});
      } else if (entry->kind == EntryKind::kPartialRefund) {
        moved.parts.push_back({entry->reservation, entry->saga});
      } else {
        CHECK(!moved.sagas.empty(), "the ledger holds an entry that its saga's row does not know");
      }
    }
    for (const AccountRow* account :
         sql::pg::Missing(changes.accounts, &AccountRow::user_id, results, places.accounts, user_at)) {
      moved.accounts.push_back(account->user_id);
    }
    std::ranges::sort(moved.top_ups);
    std::ranges::sort(moved.parts);
    return moved;
  }

  std::unique_ptr<sql::pg::Connection> connection_;
};

#define BOXOFFICE_RESERVATION_COLUMNS                                                                   \
  "SELECT reservation_id, MIN(user_id), MIN(currency), COALESCE(SUM(-amount) FILTER (WHERE kind = 2), " \
  "0)::bigint, "                                                                                        \
  "COALESCE(SUM(amount) FILTER (WHERE kind IN (3, 4)), 0)::bigint, "                                    \
  "GREATEST(COUNT(*) FILTER (WHERE kind = 2) - COUNT(*) FILTER (WHERE kind = 3), 0) FROM ledger "

constexpr std::string_view kSelectPage = BOXOFFICE_RESERVATION_COLUMNS
    "WHERE reservation_id > $1 GROUP BY reservation_id ORDER BY reservation_id LIMIT $2";
constexpr std::string_view kSelectOne =
    BOXOFFICE_RESERVATION_COLUMNS "WHERE reservation_id = $1 GROUP BY reservation_id";
#undef BOXOFFICE_RESERVATION_COLUMNS

class PostgresReader final : public Reader {
 public:
  PostgresReader(std::unique_ptr<sql::pg::Connection> connection, sql::pg::Config config)
      : reader_(std::move(connection)), config_(std::move(config)) {}

  Result<std::vector<Money>> Balances(const std::string& user_id) override {
    BOXOFFICE_ASSIGN(
        const sql::pg::Rows rows,
        reader_.ReadOne("SELECT currency, balance FROM wallet WHERE user_id = $1 ORDER BY currency",
                        user_id));
    std::vector<Money> balances;
    for (const Row row : rows) balances.push_back({row.Int(1), CurrencyAt(row, 0)});
    return balances;
  }

  Result<std::optional<AccountRow>> Account(const std::string& user_id) override {
    BOXOFFICE_ASSIGN(
        const sql::pg::Rows rows,
        reader_.ReadOne("SELECT user_id, state, reason, operator_id, changed_at_ms, version FROM account "
                        "WHERE user_id = $1",
                        user_id));
    if (rows.empty()) return std::nullopt;
    return AccountAt(rows[0]);
  }

  Result<EntryPage> Entries(const std::string& user_id, std::optional<Currency> currency,
                            std::optional<EntryId> before, uint32_t limit, const Period& period) override {
    const auto code = currency ? std::optional(std::string(currency->code())) : std::nullopt;
    BOXOFFICE_ASSIGN(
        const sql::pg::Rows rows,
        reader_.ReadOne(
            "SELECT " BOXOFFICE_ENTRY_COLUMNS
            "FROM ledger WHERE user_id = $1 AND id < COALESCE($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff') "
            "AND ($3 IS NULL OR currency = $3) AND created_at_ms >= $5 AND created_at_ms < $6 "
            "ORDER BY id DESC LIMIT $4",
            user_id, before, code, int64_t{limit} + 1, From(period), Until(period)));
    return PageOf(rows, limit);
  }

  Result<StatementSums> Statement(const std::string& user_id, Currency currency,
                                  const Period& period) override {
    BOXOFFICE_ASSIGN(
        const sql::pg::Rows rows,
        reader_.ReadOne(
            "SELECT created_at_ms < $3, kind, SUM(amount >> 32)::bigint, SUM(amount & 4294967295)::bigint, "
            "COUNT(*) FROM ledger WHERE user_id = $1 AND currency = $2 AND created_at_ms < $4 "
            "GROUP BY 1, 2 ORDER BY 1, 2",
            user_id, std::string(currency.code()), From(period), Until(period)));
    StatementReading reading;
    for (const Row row : rows) reading.Add(row);
    return std::move(reading).statement();
  }

  Result<EntryPage> Ledger(const std::optional<EntryKey>& after, uint32_t limit) override {
    const EntryKey start = after.value_or(EntryKey());  // before every user
    BOXOFFICE_ASSIGN(
        const sql::pg::Rows rows,
        reader_.ReadOne("SELECT " BOXOFFICE_ENTRY_COLUMNS
                        "FROM ledger WHERE (user_id, id) > ($1, $2) ORDER BY user_id, id LIMIT $3",
                        start.user_id, start.entry, int64_t{limit} + 1));
    return PageOf(rows, limit);
  }

  Result<ReservationPage> Reservations(ReservationId after, uint32_t limit) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, reader_.ReadOne(kSelectPage, after, int64_t{limit} + 1));
    ReservationPage page;
    for (const Row row : rows) page.rows.push_back(ReservationAt(row));
    page.more = page.rows.size() > limit;
    if (page.more) page.rows.pop_back();
    return page;
  }

  Result<std::optional<ReservationTotals>> Reservation(ReservationId reservation) override {
    BOXOFFICE_ASSIGN(const sql::pg::Rows rows, reader_.ReadOne(kSelectOne, reservation));
    if (rows.empty()) return std::nullopt;
    return ReservationAt(rows[0]);
  }

  // On a connection of its own, so that other reads don't wait for it.
  Result<Totals> ComputeTotals() override {
    sql::pg::Config config = config_;
    config.whole_tables = true;
    config.statement_timeout = kLongRead;
    config.answer_timeout = 2 * kLongRead;
    BOXOFFICE_ASSIGN(const auto connection, sql::pg::Connection::Open(config));
    sql::pg::Transaction snapshot(*connection);
    Batch batch;
    batch.Add("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    batch.Add("SELECT currency, SUM(amount + contra_amount)::bigint FROM ledger GROUP BY currency");
    batch.Add(
        "SELECT COALESCE(w.user_id, l.user_id), COALESCE(w.currency, l.currency), w.balance, "
        "w.balance <> COALESCE(l.sum, 0) FROM wallet w FULL JOIN (SELECT user_id, currency, SUM(amount) AS "
        "sum "
        "FROM ledger "
        "GROUP BY user_id, currency) l ON l.user_id = w.user_id AND l.currency = w.currency "
        "WHERE w.balance IS NULL OR w.balance < 0 OR w.balance <> COALESCE(l.sum, 0)");
    // Of any number of the largest wallets: a sum stops at what it can hold.
    batch.Add(
        "SELECT currency, COUNT(*), LEAST(SUM(balance), 9223372036854775807)::bigint FROM wallet GROUP BY "
        "currency");
    BOXOFFICE_ASSIGN(const auto results, snapshot.Run(batch));
    std::map<Currency, CurrencyTotals> currencies;
    for (const Row row : results[1]) currencies[CurrencyAt(row, 0)].sum_of_all_accounts = row.Int(1);
    std::set<std::string> bad_users;
    for (const Row row : results[2]) {
      CurrencyTotals& totals = currencies[CurrencyAt(row, 1)];
      const bool orphan = row.IsNull(2);
      totals.wallets_unequal_entries += orphan || row.Bool(3) ? 1 : 0;
      totals.wallets_negative += !orphan && row.Int(2) < 0 ? 1 : 0;
      bad_users.emplace(row.Text(0));
    }
    for (const Row row : results[3]) {
      CurrencyTotals& totals = currencies[CurrencyAt(row, 0)];
      totals.wallets = row.Int(1);
      totals.sum_of_wallets = row.Int(2);
    }
    return MakeTotals(currencies, bad_users);
  }

 private:
  static int64_t From(const Period& period) { return period.from ? ToUnixMs(*period.from) : 0; }
  static int64_t Until(const Period& period) {
    return period.until ? ToUnixMs(*period.until) : std::numeric_limits<int64_t>::max();
  }
  // Of at most one row more than `limit`.
  static EntryPage PageOf(const sql::pg::Rows& rows, uint32_t limit) {
    EntryPage page;
    for (const Row row : rows) page.entries.push_back(EntryAt(row));
    page.more = page.entries.size() > limit;
    if (page.more) page.entries.pop_back();
    return page;
  }

  sql::pg::SharedReader reader_;
  const sql::pg::Config config_;
};

#undef BOXOFFICE_ENTRY_COLUMNS

}  // namespace

Result<Stores> OpenPostgres(const sql::pg::Config& config) {
  BOXOFFICE_ASSIGN(auto writer, sql::pg::Connection::Open(config));
  BOXOFFICE_TRY(writer->Migrate("wallet", sql::wallet_postgres_schema()));
  BOXOFFICE_ASSIGN(auto reader, sql::pg::Connection::Open(config));
  return Stores{std::make_unique<PostgresStore>(std::move(writer)),
                std::make_unique<PostgresReader>(std::move(reader), config)};
}

}  // namespace boxoffice::wallet
