#include "sim/stores.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"
#include "base/sort_unique.h"

namespace boxoffice::sim {
namespace {

bus::Event EventOf(EventId id, std::string topic, std::string key, std::string type, std::string body) {
  bus::Event event;
  event.id = id;
  event.topic = std::move(topic);
  event.key = std::move(key);
  event.type = std::move(type);
  event.body = std::move(body);
  return event;
}

class ReservationStore final : public reservation::Store {
 public:
  ReservationStore(ReservationDb& db, Process& process) : db_(db), process_(process) {
    db_.rows.is_cancelled = [&db](int64_t show_id) { return db.shows.IsCancelled(show_id); };
  }
  // Statement by statement, in the order of PostgreSQL's.
  Result<reservation::Rows> Load(const reservation::Keys& keys, Timestamp now) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    BOXOFFICE_ASSIGN(reservation::Rows rows, db_.rows.Load({.due_limit = keys.due_limit}, now));
    BOXOFFICE_TRY(process_.TakeTime());
    BOXOFFICE_ASSIGN(reservation::Rows named, db_.rows.Load({.reservations = keys.reservations}, now));
    rows.reservations = std::move(named.reservations);
    if (!keys.requests.empty()) BOXOFFICE_TRY(process_.TakeTime());
    BOXOFFICE_ASSIGN(reservation::Rows asked, db_.rows.Load({.requests = keys.requests}, now));
    rows.requests = std::move(asked.requests);
    if (!keys.fee_shows.empty()) BOXOFFICE_TRY(process_.TakeTime());
    BOXOFFICE_ASSIGN(reservation::Rows shows, db_.rows.Load({.fee_shows = keys.fee_shows}, now));
    rows.cancelled_shows = std::move(shows.cancelled_shows);
    BOXOFFICE_TRY(process_.TakeTime());
    return rows;
  }
  Result<std::vector<bool>> Save(std::span<const reservation::Change> changes) override {
    return process_.Commit<std::vector<bool>>("reservation", [&] { return Apply(changes); });
  }
  Result<reservation::Forgotten> ForgetRequests(Timestamp, int64_t) override {
    return reservation::Forgotten{};
  }

 private:
  // What an edge starts at; the whole row is much to copy.
  struct Before {
    reservation::State state;
    decltype(reservation::Reservation::version) version;
    SagaId saga;
    decltype(reservation::Saga::epoch) epoch;
  };
  Result<std::vector<bool>> Apply(std::span<const reservation::Change> changes) {
    std::vector<std::optional<Before>> before;
    for (const auto& change : changes) {
      const auto found = db_.rows.reservations().find(change.reservation->id);
      if (found == db_.rows.reservations().end()) {
        before.push_back(std::nullopt);
      } else {
        const reservation::Reservation& r = found->second;
        before.push_back(Before{r.state, r.version, r.saga.id, r.saga.epoch});
      }
    }
    auto saved = db_.rows.Save(changes);
    for (size_t i = 0; saved && i < changes.size(); ++i) {
      if (!(*saved)[i] || changes[i].lease_only) continue;
      const reservation::Reservation& now = changes[i].reservation;
      if (before[i]) CheckEdge(*before[i], now);
      if (before[i] && before[i]->saga != now.saga.id) NoteGivenBack(now);
      if (process_.ground().note) {
        process_.ground().note(fmt::format("{} wrote {} {} v{} e{} {}{}", process_.name(), now.id.ToString(),
                                           reservation::StateName(now.state), now.version, now.saga.epoch,
                                           reservation::KindName(now.saga.kind),
                                           now.saga.undoing ? ", undoing" : ""));
      }
      if (changes[i].event.empty()) continue;
      const auto id = EventId::Make(process_.ground().scheduler.Now(), process_.ground().rng);
      // As the real body tells them: see ToBusEvent.
      const reservation::Return returned = now.returned.value_or(reservation::Return());
      const bool gives_back = now.returned && now.saga.kind != reservation::SagaKind::kMove;
      const int64_t amount = gives_back ? returned.amount : now.amount;
      const size_t seats = gives_back ? returned.seats.size() : now.seats.size();
      db_.outbox.Add(EventOf(id, "reservation", now.id.ToString(), changes[i].event,
                             fmt::format("{} {} {} {} {} {:d}", now.version, amount, returned.fee, seats,
                                         returned.amount, now.from_waitlist)),
                     process_.ground().rng);
    }
    return saved;
  }
  void CheckEdge(const Before& from, const reservation::Reservation& to) {
    const bool epoch_grows = to.saga.id != from.saga || to.saga.epoch >= from.epoch;
    if (reservation::CanMove(from.state, to.state) && to.version > from.version && epoch_grows) return;
    db_.violations.push_back(fmt::format("state_edges: {} moved from {} v{} e{} to {} v{} e{}",
                                         to.id.ToString(), reservation::StateName(from.state), from.version,
                                         from.epoch, reservation::StateName(to.state), to.version,
                                         to.saga.epoch));
  }
  // Who pays no fee for what a saga that has just begun gives back: whose show is cancelled, and for whom an
  // operator does it. Once the intent to cancel the show is on record, it may have come before or after.
  void NoteGivenBack(const reservation::Reservation& now) {
    if (now.state != reservation::State::kCancelling) return;
    if (now.returned->fee > 0) db_.fee_taken_at[now.id] = process_.ground().scheduler.Now();
    if (reservation::IsEndedByShow(now)) {
      db_.left_to_show[now.id] = now.seats.size();
    } else if (!now.saga.asked_by.empty() || (db_.cancelled_at && now.returned->fee == 0)) {
      db_.given_for_free[now.id] += now.returned->seats.size();
    }
  }
  ReservationDb& db_;
  Process& process_;
};

class ReservationReader final : public reservation::Reader {
 public:
  ReservationReader(ReservationDb& db, Process& process) : db_(db), process_(process) {}
  Result<std::optional<reservation::Reservation>> Get(ReservationId id) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    const auto found = db_.rows.reservations().find(id);
    if (found == db_.rows.reservations().end()) return std::nullopt;
    return found->second;
  }
  Result<reservation::Page> List(const reservation::ListQuery&) override { return reservation::Page(); }
  Result<reservation::Page> ListSagas(std::optional<reservation::SagaStatus>, ReservationId,
                                      uint32_t) override {
    return reservation::Page();
  }
  Result<std::vector<reservation::SagaCount>> CountSagas() override {
    return std::vector<reservation::SagaCount>();
  }
  Result<reservation::Page> Scan(ReservationId, uint32_t) override { return reservation::Page(); }

 private:
  ReservationDb& db_;
  Process& process_;
};

class WalletStore final : public wallet::Store {
 public:
  WalletStore(WalletDb& db, Process& process) : db_(db), process_(process) {}
  Result<wallet::Rows> Load(const wallet::Keys& keys) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    wallet::Rows rows;
    LoadWallets(keys.wallets, rows);
    BOXOFFICE_TRY(process_.TakeTime());
    std::set<wallet::WalletKey> debited;
    for (const SagaId& saga : keys.sagas) {
      const auto found = db_.debits.find(saga);
      if (found == db_.debits.end()) continue;
      rows.debits.push_back(found->second);
      if (found->second.state == wallet::DebitState::kDebited)
        debited.insert({found->second.user_id, found->second.money.currency});
    }
    BOXOFFICE_TRY(process_.TakeTime());
    for (const wallet::TopUpKey& key : keys.top_ups) {
      if (const auto found = db_.top_ups.find(key); found != db_.top_ups.end())
        rows.top_ups.push_back(found->second);
    }
    for (const wallet::PartKey& key : keys.parts) {
      if (const auto found = db_.parts.find(key); found != db_.parts.end())
        rows.parts.push_back(found->second);
    }
    for (const wallet::WalletKey& key : keys.wallets) debited.erase(key);
    LoadWallets(debited, rows);
    BOXOFFICE_TRY(process_.TakeTime());
    return rows;
  }
  Result<wallet::Keys> Save(const wallet::Changes& changes) override {
    return process_.Commit<wallet::Keys>("wallet", [&] { return Apply(changes); });
  }

 private:
  void LoadWallets(const auto& keys, wallet::Rows& rows) const {
    for (const wallet::WalletKey& key : keys) {
      if (const auto found = db_.wallets.find(key); found != db_.wallets.end())
        rows.wallets.push_back(found->second);
    }
  }
  [[nodiscard]] wallet::Keys MovedOf(const wallet::Changes& changes) const {
    wallet::Keys moved;
    for (const wallet::WalletRow& row : changes.wallets) {
      const auto found = db_.wallets.find(row.key);
      const int64_t version = found == db_.wallets.end() ? 0 : found->second.version;
      if (version != row.version && !MUTANT("wallet_ignore_version")) moved.wallets.push_back(row.key);
    }
    for (const wallet::DebitChange& change : changes.debits) {
      const auto found = db_.debits.find(change.row.saga);
      const bool as_loaded = change.created ? found == db_.debits.end()
                                            : found != db_.debits.end() &&
                                                  found->second.state == wallet::DebitState::kDebited &&
                                                  found->second.refunded == change.refunded_before;
      if (!as_loaded) moved.sagas.push_back(change.row.saga);
    }
    for (const wallet::Entry& entry : changes.entries) {
      const wallet::TopUpKey key{entry.user_id, entry.client_key};
      if (!entry.of_saga() && db_.top_ups.contains(key)) moved.top_ups.push_back(key);
      const wallet::PartKey part{entry.reservation, entry.saga};
      if (entry.kind == wallet::EntryKind::kPartialRefund && db_.parts.contains(part))
        moved.parts.push_back(part);
    }
    return moved;
  }
  Result<wallet::Keys> Apply(const wallet::Changes& changes) {
    wallet::Keys moved = MovedOf(changes);
    if (!moved.empty()) return moved;
    for (wallet::WalletRow row : changes.wallets) {
      ++row.version;
      db_.wallets[row.key] = row;
    }
    for (const wallet::DebitChange& change : changes.debits) db_.debits[change.row.saga] = change.row;
    for (const wallet::Entry& entry : changes.entries) {
      db_.entries.push_back(entry);
      if (!entry.of_saga()) {
        const wallet::TopUpKey key{entry.user_id, entry.client_key};
        db_.top_ups[key] = {key, entry.money, entry.id, entry.balance_after, entry.reason};
      } else if (entry.kind == wallet::EntryKind::kPartialRefund) {
        const wallet::PartKey key{entry.reservation, entry.saga};
        db_.parts[key] = {key, entry.user_id, entry.money, entry.id, entry.balance_after};
      }
      db_.outbox.Add(EventOf(EventId(entry.id.uuid()), "wallet", entry.user_id, "wallet.moved", {}),
                     process_.ground().rng);
    }
    return moved;
  }
  WalletDb& db_;
  Process& process_;
};

class PaymentStore final : public payment::Store {
 public:
  PaymentStore(PaymentDb& db, Process& process) : db_(db), process_(process) {}
  Result<payment::Rows> Load(const payment::Keys& keys) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    payment::Rows rows;
    for (const ReservationId& id : keys.reservations) {
      for (auto it = db_.payments.lower_bound({id, 0});
           it != db_.payments.end() && it->first.reservation == id; ++it) {
        rows.payments.push_back(it->second);
      }
    }
    BOXOFFICE_TRY(process_.TakeTime());
    for (const ReservationId& id : keys.reservations) {
      for (auto it = db_.refunds.lower_bound({{id, 0}, SagaId()});
           it != db_.refunds.end() && it->first.first.reservation == id; ++it) {
        rows.refunds.push_back(it->second);
      }
    }
    for (const payment::WebhookKey& key : keys.webhooks) {
      if (db_.webhooks.contains(key)) rows.webhooks.push_back(key);
    }
    BOXOFFICE_TRY(process_.TakeTime());
    return rows;
  }
  Result<std::vector<ReservationId>> Save(const payment::Changes& changes) override {
    return process_.Commit<std::vector<ReservationId>>("payment", [&] { return Apply(changes); });
  }

 private:
  Result<std::vector<ReservationId>> Apply(const payment::Changes& changes) {
    std::vector<ReservationId> moved;
    for (const payment::Payment& row : changes.payments) {
      const auto found = db_.payments.find(row.key);
      const int64_t version = found == db_.payments.end() ? 0 : found->second.version;
      if (version != row.version && !MUTANT("payment_ignore_version")) moved.push_back(row.key.reservation);
    }
    for (const payment::TakenWebhook& taken : changes.webhooks) {
      if (db_.webhooks.contains(taken.key)) moved.push_back(taken.reservation);
    }
    SortUnique(moved);
    if (!moved.empty()) return moved;
    for (const payment::TakenWebhook& taken : changes.webhooks) db_.webhooks.insert(taken.key);
    for (payment::Payment row : changes.payments) {
      ++row.version;
      db_.payments[row.key] = row;
    }
    for (const payment::Refund& refund : changes.refunds) db_.refunds[{refund.payment, refund.saga}] = refund;
    for (const payment::PaymentEvent& event : changes.events) {
      db_.outbox.Add(
          EventOf(event.id, "payment", event.payment.key.reservation.ToString(), "payment.moved", {}),
          process_.ground().rng);
    }
    return moved;
  }
  PaymentDb& db_;
  Process& process_;
};

class PaymentReader final : public payment::Reader {
 public:
  PaymentReader(PaymentDb& db, Process& process) : db_(db), process_(process) {}
  Result<std::vector<payment::Payment>> Payments(ReservationId) override {
    return std::vector<payment::Payment>();
  }
  Result<payment::PaymentPage> Page(ReservationId, uint32_t) override { return payment::PaymentPage(); }
  Result<std::vector<payment::Refund>> Refunds(ReservationId) override {
    return std::vector<payment::Refund>();
  }
  Result<std::vector<payment::PaymentKey>> Unsettled(const payment::PaymentKey& after,
                                                     uint32_t limit) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    std::vector<payment::PaymentKey> keys;
    for (auto it = db_.payments.upper_bound(after); it != db_.payments.end() && keys.size() < limit; ++it) {
      if (!it->second.settled() || it->second.refunding > 0) keys.push_back(it->first);
    }
    return keys;
  }
  Result<std::vector<payment::PaymentKey>> Refused(const payment::PaymentKey&, uint32_t) override {
    return std::vector<payment::PaymentKey>();
  }
  Result<payment::Rows> Find(std::span<const payment::PaymentKey>) override { return payment::Rows(); }

 private:
  PaymentDb& db_;
  Process& process_;
};

}  // namespace

std::unique_ptr<reservation::Store> OpenReservations(ReservationDb& db, Process& process) {
  return std::make_unique<ReservationStore>(db, process);
}
std::unique_ptr<reservation::Reader> ReadReservations(ReservationDb& db, Process& process) {
  return std::make_unique<ReservationReader>(db, process);
}
std::unique_ptr<wallet::Store> OpenWallets(WalletDb& db, Process& process) {
  return std::make_unique<WalletStore>(db, process);
}
std::unique_ptr<payment::Store> OpenPayments(PaymentDb& db, Process& process) {
  return std::make_unique<PaymentStore>(db, process);
}
std::unique_ptr<payment::Reader> ReadPayments(PaymentDb& db, Process& process) {
  return std::make_unique<PaymentReader>(db, process);
}

}  // namespace boxoffice::sim
