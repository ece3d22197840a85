#include "services/wallet/wallet.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/check.h"

namespace boxoffice::wallet {
namespace {

template <typename T>
void SortUnique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

Outcome Refused(Refusal refusal, Money balance, int64_t needed = 0) {
  return {.kind = OutcomeKind::kRefused, .balance = balance, .refusal = refusal, .needed = needed};
}

// The batch's rows as the commands leave them, one after the other.
class Batch {
 public:
  Batch(const Rows& rows, Timestamp now, EntryIds& ids) : now_(now), ids_(ids) {
    for (const WalletRow& row : rows.wallets) wallets_.emplace(row.key, Wallet{row.balance, row.version});
    for (const DebitRow& row : rows.debits) debits_.emplace(row.saga, SagaDebit{row, false, false});
    for (const TopUpRow& row : rows.top_ups) top_ups_.emplace(row.key, row);
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
    Wallet& wallet = wallets_[{top_up.user_id, currency}];
    if (!AddAmounts(wallet.balance, top_up.money.amount)) {
      return Refused(Refusal::kBalanceLimit, {wallet.balance, currency});
    }
    const Entry& entry = Move(wallet, {.user_id = top_up.user_id,
                                       .kind = EntryKind::kTopUp,
                                       .money = top_up.money,
                                       .client_key = top_up.client_key,
                                       .traceparent = traceparent});
    top_ups_.emplace(key, TopUpRow{key, top_up.money, entry.id, entry.balance_after});
    return {.balance = Money{entry.balance_after, currency}, .entry = entry.id};
  }

  Outcome Run(const Debit& debit, const std::string& traceparent) {
    CHECK(debit.money.amount > 0 && debit.money.amount <= kMaxAmount);
    if (const auto it = debits_.find(debit.saga); it != debits_.end()) {
      const DebitRow& row = it->second.row;
      if (row.state != DebitState::kDebited) return {.kind = OutcomeKind::kAborted};
      if (row.reservation != debit.reservation || row.user_id != debit.user_id || row.money != debit.money) {
        return {.kind = OutcomeKind::kMismatch};
      }
      return {.balance = Money{row.balance_after_debit, row.money.currency}, .entry = row.debit_entry};
    }
    const Currency currency = debit.money.currency;
    Wallet& wallet = wallets_[{debit.user_id, currency}];
    if (wallet.balance < debit.money.amount) {
      return Refused(Refusal::kBalanceTooLow, {wallet.balance, currency}, debit.money.amount);
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
                                          true,
                                          true});
    return {.balance = Money{entry.balance_after, currency}, .entry = entry.id};
  }

  Outcome Run(const Refund& refund, const std::string& traceparent) {
    const auto it = debits_.find(refund.debit_saga);
    if (it == debits_.end()) {
      debits_.emplace(refund.debit_saga, SagaDebit{{.saga = refund.debit_saga,
                                                    .reservation = refund.reservation,
                                                    .user_id = refund.user_id,
                                                    .state = DebitState::kNeverCame},
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
    if (row.state == DebitState::kDebited) {
      const Entry& entry = Move(wallets_[{row.user_id, row.money.currency}], {.user_id = row.user_id,
                                                                              .kind = EntryKind::kRefund,
                                                                              .money = row.money,
                                                                              .saga = row.saga,
                                                                              .reservation = row.reservation,
                                                                              .traceparent = traceparent});
      row.state = DebitState::kRefunded;
      row.refund_entry = entry.id;
      row.balance_after_refund = entry.balance_after;
      debit.changed = true;
    }
    return {.balance = Money{row.balance_after_refund, row.money.currency}, .entry = row.refund_entry};
  }

  Changes TakeChanges() {
    for (const auto& [key, wallet] : wallets_) {
      if (wallet.changed) changes_.wallets.push_back({key, wallet.balance, wallet.version});
    }
    for (auto& [saga, debit] : debits_) {
      if (debit.changed) changes_.debits.push_back({std::move(debit.row), debit.created});
    }
    std::sort(changes_.debits.begin(), changes_.debits.end(),
              [](const DebitChange& a, const DebitChange& b) { return a.row.saga < b.row.saga; });
    return std::move(changes_);
  }

 private:
  struct Wallet {
    int64_t balance = 0;
    int64_t version = 0;
    bool changed = false;
  };
  struct SagaDebit {
    DebitRow row;
    bool created;
    bool changed;
  };

  // The one place where money moves. The returned entry is valid until the next move.
  const Entry& Move(Wallet& wallet, Entry entry) {
    wallet.balance += entry.money.amount;
    wallet.changed = true;
    entry.id = ids_.Next(now_);
    entry.balance_after = wallet.balance;
    entry.created_at = now_;
    return changes_.entries.emplace_back(std::move(entry));
  }

  const Timestamp now_;
  EntryIds& ids_;
  std::map<WalletKey, Wallet> wallets_;
  std::unordered_map<SagaId, SagaDebit> debits_;
  std::map<TopUpKey, TopUpRow> top_ups_;
  Changes changes_;
};

}  // namespace

Keys KeysOf(std::span<const Command> commands) {
  Keys keys;
  for (const Command& command : commands) {
    if (const auto* top_up = std::get_if<TopUp>(&command.body)) {
      keys.wallets.push_back({top_up->user_id, top_up->money.currency});
      keys.top_ups.push_back({top_up->user_id, top_up->client_key});
    } else if (const auto* debit = std::get_if<Debit>(&command.body)) {
      keys.wallets.push_back({debit->user_id, debit->money.currency});
      keys.sagas.push_back(debit->saga);
    } else {
      keys.sagas.push_back(std::get<Refund>(command.body).debit_saga);
    }
  }
  SortUnique(keys.wallets);
  SortUnique(keys.sagas);
  SortUnique(keys.top_ups);
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

Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now, EntryIds& ids) {
  Batch batch(rows, now, ids);
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
