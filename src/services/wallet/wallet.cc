#include "services/wallet/wallet.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"
#include "base/sort_unique.h"

namespace boxoffice::wallet {
namespace {

Outcome Refused(Refusal refusal, Money balance, int64_t needed = 0) {
  return {.kind = OutcomeKind::kRefused, .balance = balance, .refusal = refusal, .needed = needed};
}

// The first character of such a key is none that a client's may have.
std::string OperatorKey(const Adjust& adjust) {
  return fmt::format(" adjust {} {}", adjust.operator_id, adjust.client_key);
}
std::string OperatorKey(const ReverseTopUp& reversal) {
  return fmt::format(" reverse {}", reversal.entry.ToString());
}

int64_t LimitOf(const std::map<Currency, int64_t>& limits, Currency currency) {
  const auto it = limits.find(currency);
  return it != limits.end() ? it->second : kMaxAmount;
}

// The batch's rows as the commands leave them, one after the other.
class Batch {
 public:
  Batch(const Rows& rows, Timestamp now, EntryIds& ids, const WalletLimits& limits)
      : now_(now), ids_(ids), limits_(limits) {
    for (const WalletRow& row : rows.wallets) wallets_.emplace(row.key, Wallet{row, false});
    for (const DebitRow& row : rows.debits)
      debits_.emplace(row.saga, SagaDebit{row, row.refunded, false, false});
    for (const TopUpRow& row : rows.top_ups) top_ups_.emplace(row.key, row);
    for (const AccountRow& row : rows.accounts) accounts_.emplace(row.user_id, Account{row, false});
    for (const PartRow& row : rows.parts) parts_.emplace(row.key, row);
    for (const Entry& entry : rows.entries) entries_.emplace(EntryKey{entry.user_id, entry.id}, entry);
  }

  Outcome Run(const TopUp& top_up, const std::string& traceparent) {
    CHECK(top_up.money.amount > 0 && top_up.money.amount <= kMaxAmount);
    const TopUpKey key{top_up.user_id, top_up.client_key};
    if (const auto it = top_ups_.find(key); it != top_ups_.end()) {
      const TopUpRow& done = it->second;
      if (done.money != top_up.money) return {.kind = OutcomeKind::kMismatch};
      return {.balance = Money{done.balance_after, done.money.currency}, .entry = done.entry};
    }
    const Currency currency = top_up.money.currency;
    Wallet& wallet = WalletOf({top_up.user_id, currency});
    if (const Refusal refusal = RefusalOf(top_up.user_id); refusal != Refusal::kNone) {
      return Refused(refusal, {wallet.row.balance, currency});
    }
    const auto day_limit = limits_.top_up_per_day.find(currency);
    const bool counts = day_limit != limits_.top_up_per_day.end();
    // A clock that is behind, of another replica or stepped back, does not give the day's room once more.
    const int64_t today = std::max(ToUnixMs(now_) / kDayMs, wallet.row.day);
    const int64_t topped_up = wallet.row.day == today ? wallet.row.topped_up : 0;
    if (counts && top_up.money.amount > day_limit->second - topped_up) {
      return OverLimit(Refusal::kDailyLimit, wallet, day_limit->second, day_limit->second - topped_up);
    }
    const int64_t limit = LimitOf(limits_.balance, currency);
    if (top_up.money.amount > limit - wallet.row.balance) {
      return OverLimit(Refusal::kBalanceLimit, wallet, limit, limit - wallet.row.balance);
    }
    if (counts) {
      wallet.row.day = today;
      wallet.row.topped_up = topped_up + top_up.money.amount;
    }
    if (wallet.row.version == 0) MoveAccount(top_up.user_id);
    const Entry& entry = Move(wallet, {.user_id = top_up.user_id,
                                       .kind = EntryKind::kTopUp,
                                       .money = top_up.money,
                                       .client_key = top_up.client_key,
                                       .traceparent = traceparent});
    top_ups_.emplace(key, TopUpRow{key, top_up.money, entry.id, entry.balance_after, {}});
    return {.balance = Money{entry.balance_after, currency}, .entry = entry.id};
  }

  Outcome Run(const Debit& debit, const std::string& traceparent) {
    CHECK(debit.money.amount > 0 && debit.money.amount <= kMaxAmount);
    if (const auto it = debits_.find(debit.saga); it != debits_.end() && !MUTANT("wallet_debit_twice")) {
      const DebitRow& row = it->second.row;
      if (row.state != DebitState::kDebited) return {.kind = OutcomeKind::kAborted};
      if (row.reservation != debit.reservation || row.user_id != debit.user_id || row.money != debit.money) {
        return {.kind = OutcomeKind::kMismatch};
      }
      return {.balance = Money{row.balance_after_debit, row.money.currency}, .entry = row.debit_entry};
    }
    const Currency currency = debit.money.currency;
    Wallet& wallet = WalletOf({debit.user_id, currency});
    if (const Refusal refusal = RefusalOf(debit.user_id); refusal != Refusal::kNone) {
      return Refused(refusal, {wallet.row.balance, currency});
    }
    if (wallet.row.balance < debit.money.amount && !MUTANT("wallet_negative")) {
      return Refused(Refusal::kBalanceTooLow, {wallet.row.balance, currency}, debit.money.amount);
    }
    const Entry& entry = Move(wallet, {.user_id = debit.user_id,
                                       .kind = EntryKind::kDebit,
                                       .money = {-debit.money.amount, currency},
                                       .saga = debit.saga,
                                       .reservation = debit.reservation,
                                       .traceparent = traceparent});
    debits_.emplace(debit.saga, SagaDebit{{.saga = debit.saga,
                                           .reservation = debit.reservation,
                                           .user_id = debit.user_id,
                                           .money = debit.money,
                                           .debit_entry = entry.id,
                                           .balance_after_debit = entry.balance_after},
                                          0,
                                          true,
                                          true});
    return {.balance = Money{entry.balance_after, currency}, .entry = entry.id};
  }

  Outcome Run(const Refund& refund, const std::string& traceparent) {
    const auto it = debits_.find(refund.debit_saga);
    if (it == debits_.end()) {
      if (MUTANT("wallet_no_tombstone")) return {};
      debits_.emplace(refund.debit_saga, SagaDebit{{.saga = refund.debit_saga,
                                                    .reservation = refund.reservation,
                                                    .user_id = refund.user_id,
                                                    .state = DebitState::kNeverCame},
                                                   0,
                                                   true,
                                                   true});
      return {};
    }
    SagaDebit& debit = it->second;
    DebitRow& row = debit.row;
    if (row.reservation != refund.reservation || row.user_id != refund.user_id) {
      return {.kind = OutcomeKind::kMismatch};
    }
    if (row.state == DebitState::kNeverCame) return {};
    if (row.state == DebitState::kDebited || MUTANT("wallet_refund_twice")) GiveBackRest(debit, traceparent);
    return {.balance = Money{row.balance_after_refund, row.money.currency}, .entry = row.refund_entry};
  }

  Outcome Run(const PartialRefund& refund, const std::string& traceparent) {
    CHECK(refund.money.amount > 0 && refund.money.amount <= kMaxAmount);
    const PartKey key{refund.reservation, refund.saga};
    if (const auto it = parts_.find(key); it != parts_.end() && !MUTANT("wallet_part_twice")) {
      const PartRow& done = it->second;
      if (done.user_id != refund.user_id || done.money != refund.money)
        return {.kind = OutcomeKind::kMismatch};
      return {.balance = Money{done.balance_after, done.money.currency}, .entry = done.entry};
    }
    const auto it = debits_.find(refund.debit_saga);
    if (it == debits_.end() || it->second.row.state != DebitState::kDebited)
      return {.kind = OutcomeKind::kAborted};
    SagaDebit& debit = it->second;
    DebitRow& row = debit.row;
    if (row.reservation != refund.reservation || row.user_id != refund.user_id) {
      return {.kind = OutcomeKind::kMismatch};
    }
    Wallet& wallet = WalletOf({row.user_id, row.money.currency});
    if (refund.money.currency != row.money.currency ||
        refund.money.amount > row.money.amount - row.refunded) {
      return Refused(Refusal::kExceedsDebit, {wallet.row.balance, row.money.currency});
    }
    const Entry& entry = Move(wallet, {.user_id = row.user_id,
                                       .kind = EntryKind::kPartialRefund,
                                       .money = refund.money,
                                       .saga = refund.saga,
                                       .reservation = refund.reservation,
                                       .traceparent = traceparent});
    if (!MUTANT("wallet_refund_all_after_part")) row.refunded += refund.money.amount;
    debit.changed = true;
    parts_.emplace(key, PartRow{key, row.user_id, refund.money, entry.id, entry.balance_after});
    return {.balance = Money{entry.balance_after, row.money.currency}, .entry = entry.id};
  }

  Outcome Run(const Adjust& adjust, const std::string& traceparent) {
    CHECK(adjust.money.amount != 0);
    const TopUpKey key{adjust.user_id, OperatorKey(adjust)};
    if (const auto it = top_ups_.find(key); it != top_ups_.end()) {
      const TopUpRow& done = it->second;
      if (done.money != adjust.money || done.reason != adjust.reason) return {.kind = OutcomeKind::kMismatch};
      return {.balance = Money{done.balance_after, done.money.currency}, .entry = done.entry};
    }
    const Currency currency = adjust.money.currency;
    Wallet& wallet = WalletOf({adjust.user_id, currency});
    if (adjust.money.amount > 0 && RefusalOf(adjust.user_id) == Refusal::kClosed) {
      return Refused(Refusal::kClosed, {wallet.row.balance, currency});
    }
    if (wallet.row.balance + adjust.money.amount < 0) {
      return Refused(Refusal::kBalanceTooLow, {wallet.row.balance, currency}, -adjust.money.amount);
    }
    if (wallet.row.balance + adjust.money.amount > kMaxAmount) {
      return OverLimit(Refusal::kBalanceLimit, wallet, kMaxAmount, kMaxAmount - wallet.row.balance);
    }
    if (wallet.row.version == 0) MoveAccount(adjust.user_id);
    return MoveOnce(wallet, key,
                    {.user_id = adjust.user_id,
                     .kind = EntryKind::kAdjustment,
                     .money = adjust.money,
                     .client_key = key.client_key,
                     .reason = adjust.reason,
                     .operator_id = adjust.operator_id,
                     .traceparent = traceparent});
  }

  Outcome Run(const ReverseTopUp& reversal, const std::string& traceparent) {
    const TopUpKey key{reversal.user_id, OperatorKey(reversal)};
    if (const auto it = top_ups_.find(key); it != top_ups_.end()) {
      const TopUpRow& done = it->second;
      return {.balance = Money{done.balance_after, done.money.currency}, .entry = done.entry};
    }
    const auto it = entries_.find({reversal.user_id, reversal.entry});
    if (it == entries_.end() || it->second.kind != EntryKind::kTopUp) {
      return {.kind = OutcomeKind::kRefused, .refusal = Refusal::kNotATopUp};
    }
    const Money money = it->second.money;
    Wallet& wallet = WalletOf({reversal.user_id, money.currency});
    if (wallet.row.balance < money.amount) {
      return Refused(Refusal::kBalanceTooLow, {wallet.row.balance, money.currency}, money.amount);
    }
    return MoveOnce(wallet, key,
                    {.user_id = reversal.user_id,
                     .kind = EntryKind::kTopUpReversal,
                     .money = {-money.amount, money.currency},
                     .client_key = key.client_key,
                     .reason = reversal.reason,
                     .operator_id = reversal.operator_id,
                     .traceparent = traceparent});
  }

  Outcome Run(const SetState& change, const std::string&) {
    const auto it = accounts_.find(change.user_id);
    const AccountState now = it != accounts_.end() ? it->second.row.state : AccountState::kActive;
    if (now == change.state) return {.state = now};
    if (now == AccountState::kClosed)
      return {.kind = OutcomeKind::kRefused, .refusal = Refusal::kClosed, .state = now};
    for (auto& [key, wallet] : wallets_) {
      if (key.user_id != change.user_id || change.state != AccountState::kClosed || wallet.row.balance == 0)
        continue;
      return {.kind = OutcomeKind::kRefused,
              .balance = Money{wallet.row.balance, key.currency},
              .refusal = Refusal::kNotEmpty,
              .state = now};
    }
    // A debit or a top-up that another replica has decided on the state before finds the wallet's version
    // moved; one that opens a wallet, which is not known here, finds the account's.
    for (auto& [key, wallet] : wallets_) {
      if (key.user_id == change.user_id && wallet.row.version != 0) wallet.changed = true;
    }
    Account& account = accounts_[change.user_id];
    account.row = {.user_id = change.user_id,
                   .state = change.state,
                   .reason = change.reason,
                   .operator_id = change.operator_id,
                   .changed_at = now_,
                   .version = account.row.version};
    account.changed = true;
    return {.state = change.state};
  }

  Changes TakeChanges() {
    for (const auto& [key, wallet] : wallets_) {
      if (wallet.changed) changes_.wallets.push_back(wallet.row);
    }
    for (auto& [saga, debit] : debits_) {
      if (debit.changed)
        changes_.debits.push_back({std::move(debit.row), debit.created, debit.refunded_before});
    }
    for (const auto& [user, account] : accounts_) {
      if (account.changed) changes_.accounts.push_back(account.row);
    }
    std::sort(changes_.debits.begin(), changes_.debits.end(),
              [](const DebitChange& a, const DebitChange& b) { return a.row.saga < b.row.saga; });
    return std::move(changes_);
  }

 private:
  static constexpr int64_t kDayMs = 24 * 60 * 60 * 1'000;

  struct Wallet {
    WalletRow row;
    bool changed = false;
  };
  struct SagaDebit {
    DebitRow row;
    int64_t refunded_before;  // as it was loaded
    bool created;
    bool changed;
  };
  struct Account {
    AccountRow row;
    bool changed = false;
  };

  Wallet& WalletOf(const WalletKey& key) {
    Wallet& wallet = wallets_[key];
    wallet.row.key = key;
    return wallet;
  }
  // The account as it is: who opens a wallet and who closes the account at the same time share no other row.
  void MoveAccount(const std::string& user_id) {
    Account& account = accounts_[user_id];
    account.row.user_id = user_id;
    account.changed = true;
  }
  // Why the user may neither top up nor spend.
  [[nodiscard]] Refusal RefusalOf(const std::string& user_id) const {
    const auto it = accounts_.find(user_id);
    if (it == accounts_.end() || it->second.row.state == AccountState::kActive) return Refusal::kNone;
    return it->second.row.state == AccountState::kFrozen ? Refusal::kFrozen : Refusal::kClosed;
  }
  static Outcome OverLimit(Refusal refusal, const Wallet& wallet, int64_t limit, int64_t available) {
    Outcome outcome = Refused(refusal, {wallet.row.balance, wallet.row.key.currency});
    outcome.limit = limit;
    outcome.available = std::max<int64_t>(available, 0);
    return outcome;
  }
  void GiveBackRest(SagaDebit& debit, const std::string& traceparent) {
    DebitRow& row = debit.row;
    Wallet& wallet = WalletOf({row.user_id, row.money.currency});
    row.balance_after_refund = wallet.row.balance;
    if (const int64_t left = row.money.amount - row.refunded; left > 0) {
      const Entry& entry = Move(wallet, {.user_id = row.user_id,
                                         .kind = EntryKind::kRefund,
                                         .money = {left, row.money.currency},
                                         .saga = row.saga,
                                         .reservation = row.reservation,
                                         .traceparent = traceparent});
      row.refund_entry = entry.id;
      row.balance_after_refund = entry.balance_after;
    }
    row.state = DebitState::kRefunded;
    debit.changed = true;
  }
  Outcome MoveOnce(Wallet& wallet, const TopUpKey& key, Entry movement) {
    const Entry& entry = Move(wallet, std::move(movement));
    top_ups_.emplace(key, TopUpRow{key, entry.money, entry.id, entry.balance_after, entry.reason});
    return {.balance = Money{entry.balance_after, entry.money.currency}, .entry = entry.id};
  }

  // The one place where money moves. The returned entry is valid until the next move.
  const Entry& Move(Wallet& wallet, Entry entry) {
    wallet.row.balance += entry.money.amount;
    wallet.changed = true;
    entry.id = ids_.Next(now_);
    entry.balance_after = wallet.row.balance;
    entry.created_at = now_;
    return changes_.entries.emplace_back(std::move(entry));
  }

  const Timestamp now_;
  EntryIds& ids_;
  const WalletLimits& limits_;
  std::map<WalletKey, Wallet> wallets_;
  std::unordered_map<SagaId, SagaDebit> debits_;
  std::map<TopUpKey, TopUpRow> top_ups_;
  std::map<std::string, Account> accounts_;
  std::map<PartKey, PartRow> parts_;
  std::map<EntryKey, Entry> entries_;  // that may be reversed
  Changes changes_;
};

}  // namespace

std::string_view KindName(EntryKind kind) {
  switch (kind) {
    case EntryKind::kTopUp:
      return "top_up";
    case EntryKind::kDebit:
      return "debit";
    case EntryKind::kRefund:
      return "refund";
    case EntryKind::kPartialRefund:
      return "partial_refund";
    case EntryKind::kAdjustment:
      return "adjustment";
    case EntryKind::kTopUpReversal:
      return "top_up_reversal";
  }
  return "";
}

std::string_view AccountName(SystemAccount account) {
  switch (account) {
    case SystemAccount::kExternal:
      return "external";
    case SystemAccount::kSales:
      return "sales";
    case SystemAccount::kAdjustments:
      return "adjustments";
  }
  return "";
}

namespace {

void Name(const TopUp& top_up, Keys& keys) {
  keys.wallets.push_back({top_up.user_id, top_up.money.currency});
  keys.top_ups.push_back({top_up.user_id, top_up.client_key});
  keys.accounts.push_back(top_up.user_id);
}
void Name(const Debit& debit, Keys& keys) {
  keys.wallets.push_back({debit.user_id, debit.money.currency});
  keys.sagas.push_back(debit.saga);
  keys.accounts.push_back(debit.user_id);
}
void Name(const Refund& refund, Keys& keys) { keys.sagas.push_back(refund.debit_saga); }
void Name(const PartialRefund& refund, Keys& keys) {
  keys.sagas.push_back(refund.debit_saga);
  keys.parts.push_back({refund.reservation, refund.saga});
}
void Name(const Adjust& adjust, Keys& keys) {
  keys.wallets.push_back({adjust.user_id, adjust.money.currency});
  keys.top_ups.push_back({adjust.user_id, OperatorKey(adjust)});
  keys.accounts.push_back(adjust.user_id);
}
void Name(const ReverseTopUp& reversal, Keys& keys) {
  keys.top_ups.push_back({reversal.user_id, OperatorKey(reversal)});
  keys.entries.push_back({reversal.user_id, reversal.entry});
}
void Name(const SetState& change, Keys& keys) {
  keys.accounts.push_back(change.user_id);
  keys.users.push_back(change.user_id);
}

}  // namespace

Keys KeysOf(std::span<const Command> commands) {
  Keys keys;
  for (const Command& command : commands)
    std::visit([&](const auto& body) { Name(body, keys); }, command.body);
  SortUnique(keys.wallets);
  SortUnique(keys.sagas);
  SortUnique(keys.top_ups);
  SortUnique(keys.accounts);
  SortUnique(keys.users);
  SortUnique(keys.parts);
  SortUnique(keys.entries);
  return keys;
}

EntryId EntryIds::Next(Timestamp now) {
  Uuid next = Uuid::MakeV7(now, random_);
  if (next <= last_) {
    std::string bytes(last_.bytes());
    for (size_t i = bytes.size(); i-- > 0;) {
      const auto byte = static_cast<uint8_t>(static_cast<uint8_t>(bytes[i]) + 1);
      bytes[i] = static_cast<char>(byte);
      if (byte != 0) break;
    }
    next = *Uuid::FromBytes(bytes);
  }
  last_ = next;
  return EntryId(next);
}

Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now, EntryIds& ids,
                const WalletLimits& limits) {
  Batch batch(rows, now, ids, limits);
  Decision decision;
  decision.outcomes.reserve(commands.size());
  for (const Command& command : commands) {
    decision.outcomes.push_back(
        std::visit([&](const auto& body) { return batch.Run(body, command.traceparent); }, command.body));
  }
  decision.changes = batch.TakeChanges();
  return decision;
}

}  // namespace boxoffice::wallet
