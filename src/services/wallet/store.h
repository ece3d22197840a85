// What the wallet asks of storage. The rules are in wallet.h; a store only loads by key and saves rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "services/wallet/wallet.h"

namespace boxoffice::wallet {

// The writer's side; belongs to one thread. Errors of both: database_unavailable, and nothing was done.
class Store {
 public:
  virtual ~Store() = default;

  // The rows of `keys`, and the wallets that the debits found took from and that the entries found are of.
  [[nodiscard]] virtual Result<Rows> Load(const Keys& keys) = 0;

  // Saves all of `changes` with an event per entry in one durable transaction, or, where rows are no longer
  // as they were loaded, nothing: then it returns their keys. At least one command of the batch names each of
  // them.
  [[nodiscard]] virtual Result<Keys> Save(const Changes& changes) = 0;
};

struct EntryPage {
  std::vector<Entry> entries;  // newest first
  bool more = false;
};

// A stretch of time; an absent bound is none.
struct Period {
  std::optional<Timestamp> from;
  std::optional<Timestamp> until;  // excluded
};
// How one balance went through a period.
struct StatementSums {
  struct Sum {
    EntryKind kind = EntryKind::kTopUp;
    int64_t amount = 0;
    uint64_t entries = 0;
    bool operator==(const Sum&) const = default;
  };
  int64_t opening_balance = 0;
  std::vector<Sum> sums;  // by kind; those that there were. Each stops at what it can hold
  int64_t closing_balance = 0;
};

// The effect of the ledger on one reservation.
struct ReservationTotals {
  ReservationId reservation;
  std::string user_id;
  Currency currency;
  int64_t debited = 0;
  int64_t refunded = 0;
  uint32_t effective_debits = 0;
  bool operator==(const ReservationTotals&) const = default;
};
struct ReservationPage {
  std::vector<ReservationTotals> rows;  // in the order of reservations
  bool more = false;
};

// What the ledger sums to in one currency.
struct CurrencyTotals {
  Currency currency;
  int64_t sum_of_all_accounts = 0;  // both legs of every entry; 0 unless the ledger is broken
  int64_t wallets = 0;
  int64_t wallets_unequal_entries = 0;  // also counts entries without a wallet
  int64_t wallets_negative = 0;
  int64_t sum_of_wallets = 0;
  bool operator==(const CurrencyTotals&) const = default;
};
struct Totals {
  std::vector<CurrencyTotals> currencies;  // by code
  std::vector<std::string> bad_users;      // of unequal or negative wallets, sorted; at most kMaxBadUsers
};
inline constexpr size_t kMaxBadUsers = 100;
inline constexpr uint32_t kMaxPage = 200;
inline constexpr uint32_t kMaxAuditPage = 10'000;

// The readers' side: never waits for commands. Thread-safe. Errors: database_unavailable.
class Reader {
 public:
  virtual ~Reader() = default;
  // The user's balances by currency; none for an unknown user.
  [[nodiscard]] virtual Result<std::vector<Money>> Balances(const std::string& user_id) = 0;
  // The user's account; absent if no wallet was opened and its state never changed.
  [[nodiscard]] virtual Result<std::optional<AccountRow>> Account(const std::string& user_id) = 0;
  // At most `limit` entries older than `before` (absent: from the newest), of one currency or of all, of a
  // period.
  [[nodiscard]] virtual Result<EntryPage> Entries(const std::string& user_id,
                                                  std::optional<Currency> currency,
                                                  std::optional<EntryId> before, uint32_t limit,
                                                  const Period& period) = 0;
  // Over all entries of a user in one currency before the end of the period.
  [[nodiscard]] virtual Result<StatementSums> Statement(const std::string& user_id, Currency currency,
                                                        const Period& period) = 0;
  // At most `limit` entries of all users after `after` (absent: from the start), by user and id.
  [[nodiscard]] virtual Result<EntryPage> Ledger(const std::optional<EntryKey>& after, uint32_t limit) = 0;
  // At most `limit` reservations after `after`.
  [[nodiscard]] virtual Result<ReservationPage> Reservations(ReservationId after, uint32_t limit) = 0;
  // One reservation; absent if the ledger has nothing of it.
  [[nodiscard]] virtual Result<std::optional<ReservationTotals>> Reservation(ReservationId reservation) = 0;
  // Sums over the whole ledger as of one moment: minutes of work on a large one.
  [[nodiscard]] virtual Result<Totals> ComputeTotals() = 0;
};

struct Stores {
  std::unique_ptr<Store> store;
  std::unique_ptr<Reader> reader;
};

}  // namespace boxoffice::wallet
