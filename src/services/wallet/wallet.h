// The rules of prepaid balances: top-up, debit, refund, and what operators do. Values and one pure function;
// no I/O, clock or thread.
//
// Money moves between a user's account and an account of the system: `external` for what comes in and is
// taken back, `sales` for what is spent and given back, `adjustments` for what operators correct. Every
// movement is one Entry, whose two legs sum to zero.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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
  // What was topped up on `day` (days since 1970 in UTC): the last one on which anything was. Counted only
  // where the currency has a limit per day.
  int64_t day = 0;
  int64_t topped_up = 0;
  bool operator==(const WalletRow&) const = default;
};

// Of all of a user's wallets.
enum class AccountState {
  kActive = 1,
  kFrozen = 2,  // no top-up and no debit
  kClosed = 3,  // for ever; only what is given back still comes in
};
// Of a user who has a wallet or whose state was changed; one who has none is active. (Wallets of before this
// was so may be without.)
struct AccountRow {
  std::string user_id;
  AccountState state = AccountState::kActive;
  std::string reason;
  std::string operator_id;
  Timestamp changed_at{};  // by an operator; 1970: never
  int64_t version = 0;     // as of a wallet; grows also when a wallet is opened
  bool operator==(const AccountRow&) const = default;
};

// What a user may have; a currency that is not named has no limit but kMaxAmount.
struct WalletLimits {
  std::map<Currency, int64_t> balance;         // of one wallet, after a top-up
  std::map<Currency, int64_t> top_up_per_day;  // of one wallet, from midnight to midnight in UTC
};

enum class EntryKind {
  kTopUp = 1,
  kDebit = 2,
  kRefund = 3,  // of a debit, or of what was left of it
  kPartialRefund = 4,
  kAdjustment = 5,
  kTopUpReversal = 6,
};
[[nodiscard]] std::string_view KindName(EntryKind kind);  // "top_up", …
// The system's accounts. Their balances are sums over the ledger, never rows that every command would update.
enum class SystemAccount { kExternal = 1, kSales = 2, kAdjustments = 3 };
[[nodiscard]] std::string_view AccountName(SystemAccount account);  // "external", …

// A movement between a user's wallet and a system account.
struct Entry {
  EntryId id;
  std::string user_id;
  EntryKind kind = EntryKind::kTopUp;
  Money money;                // signed, as the user's balance moved
  int64_t balance_after = 0;  // of the wallet
  // Of a debit and of its refunds; of a refund in part the saga that gives back, else the one that debited.
  SagaId saga;
  ReservationId reservation;
  std::string client_key;  // of what happens once per key: a top-up, and what operators do
  Timestamp created_at{};
  std::string reason;  // of what an operator did
  std::string operator_id;
  std::string traceparent;  // travels to the event; not stored
  bool operator==(const Entry&) const = default;

  [[nodiscard]] bool of_saga() const {
    return kind == EntryKind::kDebit || kind == EntryKind::kRefund || kind == EntryKind::kPartialRefund;
  }
  [[nodiscard]] SystemAccount contra() const {
    if (of_saga()) return SystemAccount::kSales;
    return kind == EntryKind::kAdjustment ? SystemAccount::kAdjustments : SystemAccount::kExternal;
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
  EntryId refund_entry;  // with kRefunded; nil if nothing was left to give back
  int64_t balance_after_refund = 0;
  int64_t refunded = 0;  // by refunds in part
  bool operator==(const DebitRow&) const = default;
};

struct TopUpKey {
  std::string user_id;
  std::string client_key;
  auto operator<=>(const TopUpKey&) const = default;
};
// A top-up that was done; or what an operator did, whose key begins with a blank, which a client's can't.
struct TopUpRow {
  TopUpKey key;
  Money money;
  EntryId entry;
  int64_t balance_after = 0;
  std::string reason;  // of what an operator did
  bool operator==(const TopUpRow&) const = default;
};

struct PartKey {
  ReservationId reservation;
  SagaId saga;  // that gives back
  auto operator<=>(const PartKey&) const = default;
};
// A refund in part that was done.
struct PartRow {
  PartKey key;
  std::string user_id;
  Money money;
  EntryId entry;
  int64_t balance_after = 0;
  bool operator==(const PartRow&) const = default;
};

struct EntryKey {
  std::string user_id;
  EntryId entry;
  auto operator<=>(const EntryKey&) const = default;
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
// Gives back a part of the debit of `debit_saga`; `saga` asks for it, and is the key.
struct PartialRefund {
  SagaId saga;
  ReservationId reservation;
  std::string user_id;
  SagaId debit_saga;
  Money money;
};
struct Adjust {
  std::string client_key;
  std::string user_id;
  Money money;  // signed, not 0
  std::string reason;
  std::string operator_id;
};
struct ReverseTopUp {
  std::string user_id;
  EntryId entry;  // of the top-up
  std::string reason;
  std::string operator_id;
};
struct SetState {
  std::string user_id;
  AccountState state = AccountState::kActive;
  std::string reason;
  std::string operator_id;
};
struct Command {
  std::variant<TopUp, Debit, Refund, PartialRefund, Adjust, ReverseTopUp, SetState> body;
  std::string traceparent;
};

enum class OutcomeKind { kDone, kRefused, kAborted, kMismatch };
enum class Refusal {
  kNone,
  kBalanceTooLow,
  kBalanceLimit,
  kDailyLimit,
  kFrozen,
  kClosed,
  kNotEmpty,
  kExceedsDebit,
  kNotATopUp,
};
struct Outcome {
  OutcomeKind kind = OutcomeKind::kDone;
  // After the command, as recorded; with kRefused: now. Absent where no money ever moved.
  std::optional<Money> balance;
  EntryId entry;  // nil: no money moved
  Refusal refusal = Refusal::kNone;
  int64_t needed = 0;                 // with kBalanceTooLow
  int64_t limit = 0;                  // with kBalanceLimit and kDailyLimit
  int64_t available = 0;              // with kBalanceLimit and kDailyLimit: what could still be topped up
  std::optional<AccountState> state;  // of SetState
  bool operator==(const Outcome&) const = default;
};

// The rows that commands name; each list sorted and without repeats.
struct Keys {
  std::vector<WalletKey> wallets;
  std::vector<SagaId> sagas;
  std::vector<TopUpKey> top_ups;
  std::vector<std::string> accounts;  // users
  std::vector<std::string> users;     // of whom all wallets are meant
  std::vector<PartKey> parts;
  std::vector<EntryKey> entries;
  [[nodiscard]] bool empty() const {
    return wallets.empty() && sagas.empty() && top_ups.empty() && accounts.empty() && users.empty() &&
           parts.empty() && entries.empty();
  }
};
[[nodiscard]] Keys KeysOf(std::span<const Command> commands);

// Rows as stored. What is not there is absent.
struct Rows {
  // Those named, those that the found debits took from, those of the found entries, and all of the users.
  std::vector<WalletRow> wallets;
  std::vector<DebitRow> debits;
  std::vector<TopUpRow> top_ups;
  std::vector<AccountRow> accounts;
  std::vector<PartRow> parts;
  std::vector<Entry> entries;
};

// A row of saga_debit to write.
struct DebitChange {
  DebitRow row;
  bool created = false;         // otherwise it was kDebited before,
  int64_t refunded_before = 0;  // with this much given back in parts
};
// What to save, all or nothing; sorted by key. Each entry is also an event.
struct Changes {
  std::vector<WalletRow> wallets;  // the new balance with the version that was loaded
  std::vector<DebitChange> debits;
  std::vector<Entry> entries;        // in the order of decision
  std::vector<AccountRow> accounts;  // changed, or as it was, of who opens a wallet
  // A change without one of these does not exist.
  [[nodiscard]] bool empty() const { return debits.empty() && entries.empty() && accounts.empty(); }
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
//   the limit → refused kBalanceLimit; more than the day allows → kDailyLimit; nothing is recorded.
// - Debit: repeated by its saga → the recorded answer, or kMismatch; undone before → kAborted, whatever its
// content.
//   More than the balance → refused kBalanceTooLow, and nothing is recorded.
// - Refund: never refused, whatever the balance becomes; once per debit, whoever asks. A debit that never
// came → a
//   tombstone. Another reservation or user than the debit's → kMismatch. After refunds in part: what is left.
// - PartialRefund: once per saga; repeated → the recorded answer, or kMismatch. All parts together more than
// the debit →
//   refused kExceedsDebit. A debit that was refunded as a whole, or is not there → kAborted.
// - Adjust: once per client key and operator, as TopUp; its reason is of its content, too. A negative one
// takes no more than there is: kBalanceTooLow.
// - ReverseTopUp: once per top-up. kNotATopUp; more than is left of the balance → kBalanceTooLow.
// - SetState: kClosed only where every balance is 0, else kNotEmpty; and never back from it.
// Where the user's account is frozen or closed, TopUp and Debit are refused (kFrozen, kClosed), and where it
// is closed, so is an Adjust that gives. What is given back is never refused for that.
[[nodiscard]] Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now,
                              EntryIds& ids, const WalletLimits& limits = {});

}  // namespace boxoffice::wallet
