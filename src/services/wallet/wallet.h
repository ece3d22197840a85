// The rules of prepaid balances: top-up, debit, refund. Values and one pure function; no I/O, clock or
// thread.
//
// Money moves between a user's account and an account of the system: `external` for what comes in, `sales`
// for what is spent and given back. Every movement is one Entry, whose two legs sum to zero.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/money.h"
#include "base/random.h"

namespace boxoffice::wallet {

using EntryId = Id<struct EntryTag>;

// One wallet: a user's balance in one currency.
struct WalletKey {
  std::string user_id;
  Currency currency;
  auto operator<=>(const WalletKey&) const = default;
};
struct WalletRow {
  WalletKey key;
  int64_t balance = 0;
  int64_t version = 0;  // grows by one with each save; 0: not stored yet
  bool operator==(const WalletRow&) const = default;
};

enum class EntryKind { kTopUp = 1, kDebit = 2, kRefund = 3 };
// The system's accounts. Their balances are sums over the ledger, never rows that every command would update.
enum class SystemAccount { kExternal = 1, kSales = 2 };

// A movement between a user's wallet and a system account.
struct Entry {
  EntryId id;
  std::string user_id;
  EntryKind kind = EntryKind::kTopUp;
  Money money;                // signed, as the user's balance moved
  int64_t balance_after = 0;  // of the wallet
  SagaId saga;                // that debited; nil for a top-up
  ReservationId reservation;  // nil for a top-up
  std::string client_key;     // of a top-up
  Timestamp created_at{};
  std::string traceparent;  // travels to the event; not stored
  bool operator==(const Entry&) const = default;

  [[nodiscard]] SystemAccount contra() const {
    return kind == EntryKind::kTopUp ? SystemAccount::kExternal : SystemAccount::kSales;
  }
};

// What a saga's debit came to; kRefunded and kNeverCame are tombstones and final.
enum class DebitState { kDebited = 1, kRefunded = 2, kNeverCame = 3 };
struct DebitRow {
  SagaId saga;
  ReservationId reservation;
  std::string user_id;
  Money money;  // unsigned; nothing with kNeverCame
  DebitState state = DebitState::kDebited;
  EntryId debit_entry;
  int64_t balance_after_debit = 0;
  EntryId refund_entry;  // with kRefunded
  int64_t balance_after_refund = 0;
  bool operator==(const DebitRow&) const = default;
};

struct TopUpKey {
  std::string user_id;
  std::string client_key;
  auto operator<=>(const TopUpKey&) const = default;
};
// A top-up that was done.
struct TopUpRow {
  TopUpKey key;
  Money money;
  EntryId entry;
  int64_t balance_after = 0;
  bool operator==(const TopUpRow&) const = default;
};

// Commands. Amounts are in 1…kMaxAmount and ids are not nil: the edge has checked it.
struct TopUp {
  std::string client_key;
  std::string user_id;
  Money money;
};
struct Debit {
  SagaId saga;
  ReservationId reservation;
  std::string user_id;
  Money money;
};
// Undoes the debit of `debit_saga`; `saga` asks for it (the same one in a compensation).
struct Refund {
  SagaId saga;
  ReservationId reservation;
  std::string user_id;
  SagaId debit_saga;
};
struct Command {
  std::variant<TopUp, Debit, Refund> body;
  std::string traceparent;
};

enum class OutcomeKind { kDone, kRefused, kAborted, kMismatch };
enum class Refusal { kNone, kBalanceTooLow, kBalanceLimit };
struct Outcome {
  OutcomeKind kind = OutcomeKind::kDone;
  // After the command, as recorded; with kRefused: now. Absent where no money ever moved.
  std::optional<Money> balance;
  EntryId entry;  // nil: no money moved
  Refusal refusal = Refusal::kNone;
  int64_t needed = 0;  // with kBalanceTooLow
  bool operator==(const Outcome&) const = default;
};

// The rows that commands name; each list sorted and without repeats.
struct Keys {
  std::vector<WalletKey> wallets;
  std::vector<SagaId> sagas;
  std::vector<TopUpKey> top_ups;
  [[nodiscard]] bool empty() const { return wallets.empty() && sagas.empty() && top_ups.empty(); }
};
[[nodiscard]] Keys KeysOf(std::span<const Command> commands);

// Rows as stored. What is not there is absent.
struct Rows {
  std::vector<WalletRow> wallets;  // those named, and those that the found debits took from
  std::vector<DebitRow> debits;
  std::vector<TopUpRow> top_ups;
};

// A row of saga_debit to write.
struct DebitChange {
  DebitRow row;
  bool created = false;  // otherwise it was kDebited before
};
// What to save, all or nothing; sorted by key. Each entry is also an event.
struct Changes {
  std::vector<WalletRow> wallets;  // the new balance with the version that was loaded
  std::vector<DebitChange> debits;
  std::vector<Entry> entries;  // in the order of decision
  // A change without a debit row or an entry does not exist.
  [[nodiscard]] bool empty() const { return debits.empty() && entries.empty(); }
};

// Makes entry ids that grow, also within a millisecond and when the clock steps back, so that a user's
// entries list in the order in which they were decided (RFC 9562 §6.2, method 2). Not thread-safe.
class EntryIds {
 public:
  explicit EntryIds(Random& random) : random_(random) {}
  [[nodiscard]] EntryId Next(Timestamp now);

 private:
  Random& random_;
  Uuid last_;
};

struct Decision {
  std::vector<Outcome> outcomes;  // one per command, in order
  Changes changes;                // empty if nothing moved
};

// Decides the commands in order: an earlier one is done before a later one looks.
// - TopUp: repeated with the same content → the recorded answer, with other content → kMismatch. A balance
// above
//   kMaxAmount → refused kBalanceLimit, and nothing is recorded.
// - Debit: repeated by its saga → the recorded answer, or kMismatch; undone before → kAborted, whatever its
// content.
//   More than the balance → refused kBalanceTooLow, and nothing is recorded.
// - Refund: never refused, whatever the balance becomes; once per debit, whoever asks. A debit that never
// came → a
//   tombstone. Another reservation or user than the debit's → kMismatch.
[[nodiscard]] Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now,
                              EntryIds& ids);

}  // namespace boxoffice::wallet
