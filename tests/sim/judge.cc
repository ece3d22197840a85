// What the databases hold at the end, as the auditor's facts, and what is wrong with it.
#include <algorithm>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "sim/world.h"

namespace boxoffice::sim {
namespace {

std::string Describe(const audit::Violation& violation, std::string_view of = "") {
  return fmt::format("{}{}: {} [{}]", audit::InvariantName(violation.invariant), of, violation.detail,
                     fmt::join(violation.ids, " "));
}

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
  fact.updated_at = r.updated_at;
  return fact;
}

audit::PlaceState ToState(reservation::EntryState state) {
  return static_cast<audit::PlaceState>(static_cast<int>(state) - 1);
}
static_assert(static_cast<int>(audit::PlaceState::kLeft) ==
              static_cast<int>(reservation::EntryState::kLeft) - 1);

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
audit::EventFact FactOf(const bus::Event& event) {
  const auto type = TypeOf(event.type);
  CHECK(type.has_value(), "{}", event.type);
  audit::EventFact fact;
  fact.id = event.id;
  fact.type = *type;
  std::istringstream body(event.body);
  size_t seats = 0;
  int64_t given_back = 0;
  CHECK(body >> fact.version >> fact.amount >> fact.fee >> seats >> given_back >> fact.from_waitlist, "{}",
        event.body);
  return fact;
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
    const audit::SeatFact fact{
        key.show_id,         key.seat_no, row.state == seat::SeatState::kSold, row.reservation,
        row.hold_expires_at, row.price,   audit::UserHash(row.user_id)};
    cases[row.reservation].seats.push_back(fact);
    for (auto& [id, other] : cases) {
      if (id == row.reservation || !other.reservation) continue;
      const bool named = std::ranges::any_of(other.reservation->seats,
                                             [&](const auto& seat) { return seat.seat_no == key.seat_no; });
      if (named) other.others_seats.push_back(fact);
    }
  }
  for (const auto& [key, entry] : places()) {
    if (entry.reservation.IsNil()) continue;
    cases[entry.reservation].places.push_back(
        {entry.show_id, entry.place, audit::UserHash(entry.user_id), ToState(entry.state), entry.updated_at});
  }
  for (const bus::Event& event : bus_.log()) {
    if (event.topic != "reservation") continue;
    cases[*ReservationId::Parse(event.key)].events.push_back(FactOf(event));
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
  // The other leg of an entry has no row of its own here, so that one without a wallet is seen by the sum.
  for (const wallet::Entry& entry : wallets_.entries) {
    sums[entry.user_id] += entry.money.amount;
    fact.sum_of_all_accounts -= entry.money.amount;
  }
  for (const auto& [key, row] : wallets_.wallets) {
    fact.sum_of_all_accounts += row.balance;
    if (sums[key.user_id] != row.balance) ++fact.wallets_unequal_entries;
    if (row.balance < 0) ++fact.wallets_negative;
  }
  return fact;
}

// Each seat that was bought and that its buyer then cancelled has cost the fee, once. What an operator
// cancels is free of it, and so is what a show ends: what was kept before it stays kept.
void World::JudgeFees(std::vector<std::string>& wrong) const {
  for (const auto& [id, row] : reservations_.rows.reservations()) {
    if (row.saga.status != reservation::SagaStatus::kDone) continue;
    const size_t bought = row.choice.best_count > 0 ? row.choice.best_count : row.choice.seat_nos.size();
    size_t left = bought;
    if (row.state == reservation::State::kConfirmed) left = row.seats.size();
    if (row.state == reservation::State::kCancelled) left = 0;
    if (const auto had = reservations_.left_to_show.find(id); had != reservations_.left_to_show.end())
      left = had->second;
    if (const auto free = reservations_.given_for_free.find(id); free != reservations_.given_for_free.end())
      left += free->second;
    const int64_t due = options_.cancel_fee * static_cast<int64_t>(bought - left);
    if (row.fees == due) continue;
    wrong.push_back(fmt::format("fees: of {}, which bought {} seats and has {}, {} are kept, not {}",
                                id.ToString(), bought, left, row.fees, due));
  }
}

// Nobody has anything of it any more, and who has cancelled since its intent was on record has paid no fee.
void World::JudgeCancelledShow(const std::vector<Operation>& history, std::vector<std::string>& wrong) const {
  if (!show_cancelled()) return;
  if (!seats_.sale_ended_at) wrong.push_back("show: it was cancelled, and its sale has not ended");
  for (const auto& [id, row] : reservations_.rows.reservations()) {
    if (reservation::IsEnd(row.state)) continue;
    wrong.push_back(fmt::format("show: it was cancelled, and {} is {}", id.ToString(),
                                reservation::StateName(row.state)));
  }
  for (const auto& [key, row] : seats_.seats) {
    if (!row.IsOwned()) continue;
    wrong.push_back(
        fmt::format("show: it was cancelled, and {} has seat {}", row.reservation.ToString(), key.seat_no));
  }
  for (const Operation& op : history) {
    if (op.fee == 0 || op.again) continue;
    if (reservations_.fee_taken_at.at(op.reservation) <= *reservations_.cancelled_at) continue;
    wrong.push_back(fmt::format("show: {} cancelled {} after it was cancelled, and has paid {} for that",
                                op.buyer, op.reservation.ToString(), op.fee));
  }
}

// Each event has had its effect once: what was counted is what there is.
void World::JudgeRanking(std::vector<std::string>& wrong) const {
  if (ranking_fleet_.replicas.empty()) return;
  int64_t bookings = 0;
  int64_t seats = 0;
  int64_t revenue = 0;
  for (const auto& [id, row] : reservations_.rows.reservations()) {
    revenue += row.fees;
    if (row.state != reservation::State::kConfirmed) continue;
    ++bookings;
    seats += static_cast<int64_t>(row.seats.size());
    revenue += row.amount;
  }
  ranking::Tally counted;
  if (!ranking_.state.shows.empty()) counted = ranking_.state.shows.begin()->second;
  const int64_t booked = counted.confirmed - counted.cancelled;
  if (booked == bookings && counted.seats == seats && counted.revenue == revenue) return;
  wrong.push_back(fmt::format(
      "ranking: it has counted {} bookings, {} seats and a revenue of {}: there are {}, {} and {}", booked,
      counted.seats, counted.revenue, bookings, seats, revenue));
}

size_t World::EndedByShow() const {
  return static_cast<size_t>(std::ranges::count_if(reservations_.rows.reservations(), [](const auto& entry) {
    const reservation::Reservation& r = entry.second;
    const bool had =
        r.state == reservation::State::kCancelled || r.saga.kind == reservation::SagaKind::kRelease;
    return had && reservation::IsEndedByShow(r);
  }));
}

std::map<ReservationId, int64_t> World::SettledOutside() const {
  std::map<ReservationId, int64_t> outside;
  for (const auto& [key, row] : payments_.payments) {
    if (!row.dispute.settled_by.empty()) outside[key.reservation] += row.money.amount - row.refunded;
  }
  for (const auto& [key, part] : payments_.refunds) {
    if (!part.dispute.settled_by.empty()) outside[key.first.reservation] += part.amount;
  }
  return outside;
}

size_t World::CapturedLate() const {
  return static_cast<size_t>(std::ranges::count_if(
      payments_.payments, [](const auto& entry) { return entry.second.captured_late; }));
}

// The acquirer keeps exactly what was sold, and fees, and what was given back otherwise because it refused.
void World::JudgeAcquirer(std::vector<std::string>& wrong) const {
  std::map<std::string, int64_t> kept;
  for (const auto& [key, account] : acquirer_.accounts())
    kept[key.substr(0, key.find('/'))] += account.Kept();
  std::map<ReservationId, int64_t> outside = SettledOutside();
  for (const auto& [id, row] : reservations_.rows.reservations()) {
    int64_t due = 0;
    if (row.state == reservation::State::kConfirmed) due = row.amount + row.fees;
    if (row.state == reservation::State::kCancelled) due = row.fees;
    due += outside[id];
    if (row.saga.status != reservation::SagaStatus::kDone || kept[id.ToString()] == due) continue;
    wrong.push_back(fmt::format("acquirer: it keeps {} of {}, which is {} with {}", kept[id.ToString()],
                                id.ToString(), reservation::StateName(row.state), due));
  }
}

FinalRead World::Read() const {
  FinalRead read;
  for (const auto& [id, r] : reservations_.rows.reservations())
    read.reservations[id] = {r.user_id, r.state,   reservation::SeatNumbers(r.seats), r.amount,
                             r.fees,    r.version, reservation::IsEndedByShow(r),     r.from_waitlist};
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

std::vector<uint32_t> World::FreeSeats() const {
  std::vector<uint32_t> free;
  for (uint32_t no = 1; no <= seats_.show.layout->capacity(); ++no) {
    const auto row = seats_.seats.find({kShow, no});
    if (row == seats_.seats.end() || !row->second.IsOwned()) free.push_back(no);
  }
  return free;
}

// What rests HELD, as at the end nothing does. The events that tell of it may be under way, and so may be
// what the acquirer takes after it has declined.
void World::JudgeHolds() {
  const auto rests = [](const auto& entry) {
    return entry.second.state == reservation::State::kHeld &&
           entry.second.saga.status == reservation::SagaStatus::kDone;
  };
  if (std::ranges::none_of(reservations_.rows.reservations(), rests)) return;
  audit::Bounds bounds;
  bounds.clock_skew = BetweenClocks();
  bounds.ended_hold =
      std::chrono::hours(1);  // the auditor looks again: one may rest for a moment long after its end
  for (audit::Case& one : Cases()) {
    if (!one.reservation || one.reservation->state != audit::State::kHeld ||
        one.reservation->saga_status != audit::SagaStatus::kDone)
      continue;
    one.events.clear();
    one.payments.clear();
    // A late copy of the hold may have taken what had lapsed again: the reservation's end frees it.
    if (one.reservation->hold_expires_at <= scheduler_.Now() + bounds.clock_skew) one.seats.clear();
    for (const audit::Violation& violation : audit::CheckCase(one, scheduler_.Now(), bounds)) {
      if (violation.invariant == audit::Invariant::kEventsPublished) continue;
      wrong_meanwhile_.insert(Describe(violation, " of a hold"));
    }
  }
}

void World::JudgeMaps() {
  for (const auto& replica : seat_fleet_.replicas) {
    if (!replica || replica->dead()) continue;
    const seat::SeatMapView known = replica->LookAtMap(kShow);
    const std::string& shown = known.seats->states;
    for (uint32_t no = 1; no <= seats_.show.layout->capacity(); ++no) {
      const auto found = seats_.seats.find({kShow, no});
      const seat::SeatRow row = found == seats_.seats.end() ? seat::SeatRow() : found->second;
      const Timestamp now = replica->clock().Now();
      const int unless_withheld = row.IsFree(now) ? 0 : static_cast<int>(row.state);
      const int state = row.IsWithheld(now) ? static_cast<int>(seat::SeatState::kBlocked) : unless_withheld;
      const int on_map = StateAt(shown, no);
      if (on_map != state)
        wrong_meanwhile_.insert(
            fmt::format("map: {} shows seat {} as {}, it is {}", replica->name(), no, on_map, state));
    }
    if (*known.show->layout != *seats_.show.layout)
      wrong_meanwhile_.insert(fmt::format("map: {} knows other prices than there are", replica->name()));
    if (known.show->terms != seats_.show.terms)
      wrong_meanwhile_.insert(fmt::format("map: {} knows other terms than there are", replica->name()));
  }
}

std::optional<reservation::CancellationState> World::cancellation() const {
  const auto found = reservations_.shows.works.find({kShow, reservation::WorkKind::kCancellation});
  if (found == reservations_.shows.works.end()) return std::nullopt;
  return found->second.cancellation.state;
}

// No offer is open, nobody waits whom the free seats serve, and these are kept for nobody else than somebody
// who waits.
std::vector<std::string> World::JudgeWaitlist() const {
  std::vector<std::string> wrong;
  auto seats = std::make_shared<std::vector<reservation::HallSeat>>();
  std::vector<bool> is_free;
  for (uint32_t no = 1; no <= seats_.show.layout->capacity(); ++no) {
    seats->push_back({seats_.show.layout->SectionOf(no).name, "A", seats_.show.layout->PriceOf(no)});
    const auto row = seats_.seats.find({kShow, no});
    is_free.push_back(row == seats_.seats.end() || !row->second.IsOwned());
  }
  const reservation::FreeSeats free({std::move(seats), std::move(is_free)});
  const std::map<std::string, uint32_t> owned = ShowFact().owned;
  bool somebody_waits = false;
  for (const auto& [key, entry] : places()) {
    if (!IsOpen(entry.state)) continue;
    somebody_waits = true;
    const auto has = owned.find(entry.user_id);
    const bool may_have =
        (has == owned.end() ? 0 : has->second) + entry.wish.best_count <= seats_.show.terms.seat_limit;
    std::string_view what;
    if (IsWaiting(entry) && may_have && free.CanServe(entry.wish)) what = "waits, and free seats would do";
    if (!IsWaiting(entry)) what = "has an offer that nothing ends";
    if (show_cancelled()) what = "is open, and the show is cancelled";
    if (!what.empty()) wrong.push_back(fmt::format("waitlist: place {} {}", entry.place, what));
  }
  const bool kept = seats_.show.terms.waitlist_first;
  if (!show_cancelled() && kept != (somebody_waits && free.none()))
    wrong.push_back(fmt::format("waitlist: seats are {}kept, and somebody waits: {}", kept ? "" : "not ",
                                somebody_waits));
  return wrong;
}

std::vector<std::string> World::Judge(const std::vector<Operation>& history) {
  std::vector<std::string> wrong = reservations_.violations;
  std::ranges::copy(seats_.violations, std::back_inserter(wrong));
  JudgeMaps();
  std::ranges::copy(wrong_meanwhile_, std::back_inserter(wrong));
  audit::Facts facts;
  facts.cases = Cases();
  facts.ledgers = {Ledger()};
  facts.shows = {ShowFact()};
  audit::Bounds bounds;
  bounds.look_at_waitlist = milliseconds(0);  // it was looked at
  for (const audit::Violation& violation : audit::Check(facts, scheduler_.Now(), bounds)) {
    wrong.push_back(Describe(violation));
  }
  for (const auto& [id, r] : reservations_.rows.reservations()) {
    if (r.saga.status == reservation::SagaStatus::kDone) continue;
    wrong.push_back(fmt::format("liveness: the {} saga of {} is {} ({})", reservation::KindName(r.saga.kind),
                                id.ToString(), reservation::StatusName(r.saga.status), r.saga.last_error));
  }
  for (const auto& [key, row] : seats_.seats) {  // which the auditor would not compare
    if (row.IsOwned() && row.price == 0) wrong.push_back(fmt::format("seat {} has no price", key.seat_no));
  }
  std::ranges::move(JudgeWaitlist(), std::back_inserter(wrong));
  JudgeFees(wrong);
  JudgeRanking(wrong);
  JudgeCancelledShow(history, wrong);
  JudgeAcquirer(wrong);
  std::ranges::move(CheckHistory(history, Read(), BetweenClocks()), std::back_inserter(wrong));
  return wrong;
}

}  // namespace boxoffice::sim
