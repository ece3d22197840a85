// What the databases hold at the end, as the auditor's facts, and what is wrong with it.
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "sim/world.h"

namespace boxoffice::sim {
namespace {

audit::State ToState(reservation::State state) { return static_cast<audit::State>(static_cast<int>(state)); }
static_assert(static_cast<int>(audit::State::kReleased) == static_cast<int>(reservation::State::kReleased));

audit::ReservationFact FactOf(const reservation::Reservation& r) {
  audit::ReservationFact fact;
  fact.user_id = r.user_id;
  fact.show_id = r.show_id;
  for (const reservation::Seat& seat : r.seats) fact.seats.push_back({seat.seat_no, seat.price});
  fact.amount = r.amount;
  fact.currency = r.currency;
  fact.fees = r.fees;
  fact.state = ToState(r.state);
  fact.hold_expires_at = r.hold_expires_at;
  fact.saga_status = static_cast<audit::SagaStatus>(static_cast<int>(r.saga.status));
  fact.saga_kind = reservation::KindName(r.saga.kind);
  fact.saga_started_at = r.saga.started_at;
  fact.epoch = r.saga.epoch;
  fact.version = r.version;
  return fact;
}

audit::PaymentFact FactOf(const payment::Payment& row) {
  audit::PaymentFact fact;
  fact.attempt = row.key.attempt;
  switch (row.state) {
    case payment::State::kApproved:
      fact.state = audit::PaymentState::kApproved;
      break;
    case payment::State::kDeclined:
      fact.state = audit::PaymentState::kDeclined;
      break;
    case payment::State::kCancelled:
      fact.state = audit::PaymentState::kCancelled;
      break;
    default:
      fact.state = audit::PaymentState::kPending;
  }
  fact.user_id = row.user_id;
  fact.amount = row.money.amount;
  fact.currency = row.money.currency.code();
  fact.resolution = row.settled() ? "settled" : "";
  fact.refunded = row.refunded;
  fact.refunding = row.refunding;
  return fact;
}

std::optional<audit::EventType> TypeOf(std::string_view name) {
  for (const audit::EventType type : audit::kEventTypes) {
    if (audit::EventTypeName(type) == name) return type;
  }
  return std::nullopt;
}

// As the store has written it.
uint64_t VersionOf(const bus::Event& event) {
  uint64_t version = 0;
  const auto [end, error] =
      std::from_chars(event.body.data(), event.body.data() + event.body.size(), version);
  CHECK(error == std::errc(), "{}", event.body);
  return version;
}

}  // namespace

std::vector<audit::Case> World::Cases() const {
  std::map<ReservationId, audit::Case> cases;
  for (const auto& [id, row] : reservations_.rows.reservations()) cases[id].reservation = FactOf(row);
  for (const wallet::Entry& entry : wallets_.entries) {
    if (!entry.of_saga()) continue;
    auto& debits = cases[entry.reservation].debits;
    if (debits.empty()) debits.push_back({entry.user_id, std::string(entry.money.currency.code()), 0, 0, 0});
    const bool debit = entry.kind == wallet::EntryKind::kDebit;
    (debit ? debits[0].debited : debits[0].refunded) += std::abs(entry.money.amount);
    if (debit) ++debits[0].effective_debits;
    if (entry.kind == wallet::EntryKind::kRefund && debits[0].effective_debits > 0)
      --debits[0].effective_debits;
  }
  for (const auto& [key, row] : payments_.payments) cases[key.reservation].payments.push_back(FactOf(row));
  for (const auto& [key, row] : seats_.seats) {
    if (!row.IsOwned()) continue;
    const audit::SeatFact fact{key.show_id, key.seat_no, row.state == seat::SeatState::kSold, row.reservation,
                               row.hold_expires_at};
    cases[row.reservation].seats.push_back(fact);
    for (auto& [id, other] : cases) {
      if (id == row.reservation || !other.reservation) continue;
      const bool named = std::ranges::any_of(other.reservation->seats,
                                             [&](const auto& seat) { return seat.seat_no == key.seat_no; });
      if (named) other.others_seats.push_back(fact);
    }
  }
  for (const bus::Event& event : bus_.log()) {
    if (event.topic != "reservation") continue;
    const auto type = TypeOf(event.type);
    CHECK(type.has_value(), "{}", event.type);
    cases[*ReservationId::Parse(event.key)].events.push_back({event.id, *type, VersionOf(event)});
  }
  std::vector<audit::Case> all;
  for (auto& [id, one] : cases) {
    one.id = id;
    all.push_back(std::move(one));
  }
  return all;
}

audit::ShowFact World::ShowFact() const {
  audit::ShowFact fact;
  fact.show_id = kShow;
  fact.capacity = seats_.show.layout->capacity();
  fact.highest_seat_limit = seats_.show.terms.highest_seat_limit;
  for (const auto& [key, row] : seats_.seats) {
    if (row.state == seat::SeatState::kSold) ++fact.sold;
    if (row.state == seat::SeatState::kHeld) ++fact.held;
    if (row.IsOwned()) ++fact.owned[row.user_id];
  }
  fact.sold_in_list = fact.sold;
  fact.free = fact.capacity - fact.sold - fact.held;
  return fact;
}

audit::LedgerFact World::Ledger() const {
  audit::LedgerFact fact;
  fact.currency = seats_.show.currency.code();
  std::map<std::string, int64_t> sums;
  for (const wallet::Entry& entry : wallets_.entries) sums[entry.user_id] += entry.money.amount;
  for (const auto& [key, row] : wallets_.wallets) {
    if (sums[key.user_id] != row.balance) ++fact.wallets_unequal_entries;
    if (row.balance < 0) ++fact.wallets_negative;
  }
  return fact;
}

// The acquirer keeps exactly what was sold, and fees.
void World::JudgeAcquirer(std::vector<std::string>& wrong) const {
  std::map<std::string, int64_t> kept;
  for (const auto& [key, account] : acquirer_.accounts) kept[key.substr(0, key.find('/'))] += account.Kept();
  for (const auto& [id, row] : reservations_.rows.reservations()) {
    int64_t due = 0;
    if (row.state == reservation::State::kConfirmed) due = row.amount + row.fees;
    if (row.state == reservation::State::kCancelled) due = row.fees;
    if (row.saga.status != reservation::SagaStatus::kDone || kept[id.ToString()] == due) continue;
    wrong.push_back(fmt::format("acquirer: it keeps {} of {}, which is {} with {}", kept[id.ToString()],
                                id.ToString(), reservation::StateName(row.state), due));
  }
}

FinalRead World::Read() const {
  FinalRead read;
  for (const auto& [id, r] : reservations_.rows.reservations())
    read.reservations[id] = {r.user_id, r.state, reservation::SeatNumbers(r.seats),
                             r.amount,  r.fees,  r.version};
  for (const auto& [key, row] : wallets_.wallets) read.balances[key.user_id] = row.balance;
  for (const wallet::Entry& entry : wallets_.entries) {
    if (entry.kind == wallet::EntryKind::kTopUp)
      read.paid_in[entry.user_id][entry.client_key] += entry.money.amount;
  }
  for (const auto& [key, row] : seats_.seats) {
    if (row.IsOwned()) read.owners[key.seat_no] = row.reservation;
  }
  return read;
}

std::vector<std::string> World::Judge(const std::vector<Operation>& history) const {
  std::vector<std::string> wrong = reservations_.violations;
  audit::Facts facts;
  facts.cases = Cases();
  facts.ledgers = {Ledger()};
  facts.shows = {ShowFact()};
  for (const audit::Violation& violation : audit::Check(facts, scheduler_.Now(), audit::Bounds())) {
    wrong.push_back(fmt::format("{}: {} [{}]", audit::InvariantName(violation.invariant), violation.detail,
                                fmt::join(violation.ids, " ")));
  }
  for (const auto& [id, r] : reservations_.rows.reservations()) {
    if (r.saga.status == reservation::SagaStatus::kDone) continue;
    wrong.push_back(fmt::format("liveness: the {} saga of {} is {} ({})", reservation::KindName(r.saga.kind),
                                id.ToString(), reservation::StatusName(r.saga.status), r.saga.last_error));
  }
  JudgeAcquirer(wrong);
  std::ranges::move(CheckHistory(history, Read(), options_.max_skew * 2 + milliseconds(1)),
                    std::back_inserter(wrong));
  return wrong;
}

}  // namespace boxoffice::sim
