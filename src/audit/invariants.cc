#include "audit/invariants.h"

#include <algorithm>

#include <fmt/format.h>

#include "audit/waitlist_kept.h"

namespace boxoffice::audit {

std::string_view InvariantName(Invariant invariant) {
  switch (invariant) {
    case Invariant::kLedgerBalanced:
      return "ledger_balanced";
    case Invariant::kDebitOnce:
      return "debit_once";
    case Invariant::kPaymentOnce:
      return "payment_once";
    case Invariant::kSeatSoldOnce:
      return "seat_sold_once";
    case Invariant::kConfirmedComplete:
      return "confirmed_complete";
    case Invariant::kEndedClean:
      return "ended_clean";
    case Invariant::kConfirmedKept:
      return "confirmed_kept";
    case Invariant::kStateEdges:
      return "state_edges";
    case Invariant::kNothingOrphaned:
      return "nothing_orphaned";
    case Invariant::kEventsPublished:
      return "events_published";
    case Invariant::kProjectionsEqual:
      return "projections_equal";
    case Invariant::kAdmissionAndLimits:
      return "admission_and_limits";
    case Invariant::kCancelledRefunded:
      return "cancelled_refunded";
    case Invariant::kWaitlistKept:
      return "waitlist_kept";
  }
  return "";
}

namespace {

// The state in which a reservation rests once its saga is done, and the event that tells of it; nullopt for
// the states that only a running saga may have.
std::optional<EventType> RestingEvent(State state) {
  switch (state) {
    case State::kHeld:
      return EventType::kHeld;
    case State::kConfirmed:
      return EventType::kConfirmed;
    case State::kFailed:
      return EventType::kFailed;
    case State::kCancelled:
      return EventType::kCancelled;
    case State::kExpired:
      return EventType::kExpired;
    case State::kReleased:
      return EventType::kReleased;
    case State::kConfirming:
    case State::kCompensating:
    case State::kCancelling:
      return std::nullopt;
  }
  return std::nullopt;
}

bool IsEnd(State state) {
  return state == State::kFailed || state == State::kCancelled || state == State::kExpired ||
         state == State::kReleased;
}

// Whether it is CONFIRMED after this event, and was so before.
bool StaysConfirmed(EventType type) {
  return type == EventType::kSeatsCancelled || type == EventType::kMoved;
}

// Whether an event may come after another in the life of one reservation.
bool CanFollow(EventType first, EventType next) {
  switch (first) {
    case EventType::kHeld:
      // Held again: put back by a refused payment.
      return next != EventType::kCancelled && !StaysConfirmed(next);
    case EventType::kConfirmed:
    case EventType::kSeatsCancelled:
    case EventType::kMoved:
      return next == EventType::kCancelled || StaysConfirmed(next);
    default:
      return false;
  }
}

// Whether it is not certain that the provider keeps nothing of what is not approved.
bool MayKeepMoney(const PaymentFact& payment) {
  return payment.state == PaymentState::kPending ||
         (payment.state == PaymentState::kCancelled && payment.resolution.empty());
}

std::string SeatId(int64_t show_id, uint32_t seat_no) { return fmt::format("seat:{}/{}", show_id, seat_no); }

// Judges what is known of one reservation.
class CaseCheck {
 public:
  CaseCheck(const Case& facts, Timestamp now, const Bounds& bounds)
      : case_(facts), now_(now), bounds_(bounds) {
    for (const EventFact& event : case_.events) {
      const bool seen = std::ranges::any_of(events_, [&](const EventFact& e) { return e.id == event.id; });
      if (!seen) events_.push_back(event);
    }
  }

  std::vector<Violation> Take() {
    CheckDebitOnce();
    CheckPaymentOnce();
    CheckPlaces(case_, now_, bounds_, violations_);
    if (!case_.reservation) {
      CheckWithoutReservation();
      return std::move(violations_);
    }
    const ReservationFact& reservation = *case_.reservation;
    CheckVersions(reservation);
    CheckUnfinishedSaga(reservation);
    if (reservation.saga_status != SagaStatus::kDone) return std::move(violations_);
    if (reservation.state == State::kConfirmed) {
      CheckConfirmedComplete(reservation);
      CheckSeatSoldOnce(reservation);
    } else {
      CheckMoneyAndSalesOfOthers(reservation);
      CheckHeldSeats(reservation);
      CheckHoldLength(reservation);
    }
    CheckSeatUsers(reservation);
    CheckConfirmedKept(reservation);
    CheckEdges(reservation);
    CheckEndedHold(reservation);
    CheckEvents(reservation);
    CheckEventMoney(reservation);
    return std::move(violations_);
  }

 private:
  void Add(Invariant invariant, std::string detail, std::vector<std::string> more_ids = {}) {
    std::vector<std::string> ids{"reservation:" + case_.id.ToString()};
    ids.insert(ids.end(), more_ids.begin(), more_ids.end());
    violations_.push_back({invariant, std::move(ids), std::move(detail)});
  }

  [[nodiscard]] size_t CountApproved() const {
    return static_cast<size_t>(
        std::ranges::count(case_.payments, PaymentState::kApproved, &PaymentFact::state));
  }
  [[nodiscard]] size_t CountEvents(EventType type) const {
    return static_cast<size_t>(std::ranges::count(events_, type, &EventFact::type));
  }

  void CheckDebitOnce() {
    uint32_t effective = 0;
    for (const DebitFact& debit : case_.debits) {
      effective += debit.effective_debits;
      if (debit.refunded > debit.debited) {
        Add(Invariant::kDebitOnce,
            fmt::format("{} {} were refunded of {} debited", debit.refunded, debit.currency, debit.debited),
            {"user:" + debit.user_id});
      }
    }
    if (effective > 1) Add(Invariant::kDebitOnce, fmt::format("{} debits are in effect", effective));
  }

  void CheckPaymentOnce() {
    if (CountApproved() > 1)
      Add(Invariant::kPaymentOnce, fmt::format("{} payments are APPROVED", CountApproved()));
    for (const PaymentFact& payment : case_.payments) {
      if (payment.refunded >= 0 && payment.refunding >= 0 &&
          payment.refunded + payment.refunding <= payment.amount) {
        continue;
      }
      Add(Invariant::kPaymentOnce,
          fmt::format("{} {} were given back, or may be, of {} approved",
                      payment.refunded + payment.refunding, payment.currency, payment.amount),
          {"user:" + payment.user_id});
    }
    for (size_t i = 1; i < case_.payments.size(); ++i) {
      if (case_.payments[i].attempt == case_.payments[i - 1].attempt) {
        Add(Invariant::kPaymentOnce, fmt::format("attempt {} has two payments", case_.payments[i].attempt));
      }
    }
  }

  // The intent is written before the first side effect, so whatever a participant knows has a reservation.
  void CheckWithoutReservation() {
    for (const SeatFact& seat : case_.seats) {
      Add(Invariant::kNothingOrphaned,
          seat.sold ? "a seat is sold to a reservation that does not exist"
                    : "a seat is held for a reservation that does not exist",
          {SeatId(seat.show_id, seat.seat_no)});
    }
    for (const DebitFact& debit : case_.debits) {
      if (debit.debited == debit.refunded) continue;
      Add(Invariant::kNothingOrphaned,
          fmt::format("{} {} were debited for a reservation that does not exist",
                      debit.debited - debit.refunded, debit.currency),
          {"user:" + debit.user_id});
    }
    for (const PaymentFact& payment : case_.payments) {
      if (payment.state != PaymentState::kApproved && !MayKeepMoney(payment)) continue;
      Add(Invariant::kNothingOrphaned,
          fmt::format("{} {} were approved, or may have been, for a reservation that does not exist",
                      payment.amount, payment.currency),
          {"user:" + payment.user_id});
    }
    if (CountEvents(EventType::kConfirmed) > CountEvents(EventType::kCancelled)) {
      Add(Invariant::kConfirmedKept, "was confirmed, and does not exist any more");
    }
  }

  void CheckVersions(const ReservationFact& reservation) {
    if (reservation.version < 1 || reservation.epoch < 1) {
      Add(Invariant::kStateEdges,
          fmt::format("version {}, epoch {}: both start at 1", reservation.version, reservation.epoch));
    }
  }

  void CheckUnfinishedSaga(const ReservationFact& reservation) {
    if (!IsOverdue(reservation, now_, bounds_)) return;
    const auto age = now_ - reservation.saga_started_at;
    Add(Invariant::kNothingOrphaned, fmt::format("its {} saga has not ended for {} s, and is not parked",
                                                 reservation.saga_kind, age.count() / 1000));
  }

  // CONFIRMED: debited, approved, its seats sold to it, and one event says so.
  void CheckConfirmedComplete(const ReservationFact& reservation) {
    CheckConfirmedMoney(reservation);
    int64_t sum = 0;
    for (const ReservationFact::Seat& seat : reservation.seats) sum += seat.price;
    if (sum != reservation.amount) {
      Add(Invariant::kConfirmedComplete,
          fmt::format("the seats cost {}, its amount is {}", sum, reservation.amount));
    }
    if (reservation.seats.empty()) Add(Invariant::kConfirmedComplete, "it has no seat");
    for (const ReservationFact::Seat& seat : reservation.seats) {
      const std::vector<std::string> ids{SeatId(reservation.show_id, seat.seat_no)};
      const auto sold = std::ranges::find_if(case_.seats, [&](const SeatFact& fact) {
        return fact.sold && fact.show_id == reservation.show_id && fact.seat_no == seat.seat_no;
      });
      if (sold == case_.seats.end()) {
        Add(Invariant::kConfirmedComplete, "its seat is not sold to it", ids);
      } else if (sold->price != 0 && sold->price != seat.price) {
        Add(Invariant::kConfirmedComplete,
            fmt::format("its seat was sold at {}, and {} were paid for it", sold->price, seat.price), ids);
      }
    }
    for (const SeatFact& fact : case_.seats) {
      const bool named = fact.show_id == reservation.show_id &&
                         std::ranges::any_of(reservation.seats,
                                             [&](const auto& seat) { return seat.seat_no == fact.seat_no; });
      if (!named)
        Add(Invariant::kConfirmedComplete, "it owns a seat that is not its",
            {SeatId(fact.show_id, fact.seat_no)});
    }
    // None at all is invariant 10's.
    if (const size_t count = CountEvents(EventType::kConfirmed); count > 1) {
      Add(Invariant::kConfirmedComplete, fmt::format("{} events say that it was confirmed", count));
    }
  }

  // What was paid and not given back is what its seats cost, and the fees that were kept of others.
  void CheckConfirmedMoney(const ReservationFact& reservation) {
    const int64_t paid = reservation.amount + reservation.fees;
    int64_t net = 0;
    for (const DebitFact& debit : case_.debits) {
      const bool its = debit.user_id == reservation.user_id && debit.currency == reservation.currency;
      net += debit.debited - debit.refunded;
      if (!its && debit.debited != debit.refunded) {
        Add(Invariant::kConfirmedComplete,
            fmt::format("{} was debited in {}, not {} in {}", debit.user_id, debit.currency,
                        reservation.user_id, reservation.currency),
            {"user:" + debit.user_id});
      }
    }
    if (net != paid) {
      Add(Invariant::kConfirmedComplete,
          fmt::format("{} {} are debited, its amount is {} and its fees {}", net, reservation.currency,
                      reservation.amount, reservation.fees),
          {"user:" + reservation.user_id});
    }
    for (const PaymentFact& payment : case_.payments) {
      if (payment.state == PaymentState::kApproved && payment.user_id != reservation.user_id) {
        Add(Invariant::kConfirmedComplete, fmt::format("{} has paid for it", payment.user_id),
            {"user:" + reservation.user_id});
      }
      if (!MayKeepMoney(payment)) continue;
      Add(Invariant::kConfirmedComplete,
          fmt::format("of its payment {} the provider may keep the money, too", payment.attempt));
    }
    if (paid == 0 && CountApproved() == 0) return;  // nothing to pay
    const bool approved = std::ranges::any_of(case_.payments, [&](const PaymentFact& payment) {
      return payment.state == PaymentState::kApproved && payment.refunding == 0 &&
             payment.amount - payment.refunded == paid && payment.currency == reservation.currency;
    });
    if (!approved) Add(Invariant::kConfirmedComplete, "no payment of its amount and fees is APPROVED");
  }

  // A seat that two confirmed reservations claim has one owner, so one of the two finds the other there.
  void CheckSeatSoldOnce(const ReservationFact& reservation) {
    for (const SeatFact& seat : case_.others_seats) {
      if (!seat.sold) continue;
      Add(Invariant::kSeatSoldOnce,
          fmt::format("{} is CONFIRMED for a seat that is sold to another", case_.id.ToString()),
          {"reservation:" + seat.owner.ToString(), SeatId(reservation.show_id, seat.seat_no)});
    }
  }

  // Whatever is not CONFIRMED has no money, but for the fees of what is CANCELLED, and no sold seat; what has
  // ended has no seat at all.
  void CheckMoneyAndSalesOfOthers(const ReservationFact& reservation) {
    const bool ended = IsEnd(reservation.state);
    const Invariant invariant = ended ? Invariant::kEndedClean : Invariant::kConfirmedComplete;
    const std::string_view state = StateName(reservation.state);
    const int64_t fees = reservation.state == State::kCancelled ? reservation.fees : 0;
    int64_t kept_of_debits = 0;
    int64_t kept_of_payments = 0;
    for (const DebitFact& debit : case_.debits) {
      const int64_t net = debit.debited - debit.refunded;
      kept_of_debits += net;
      if (net == 0 || net == fees) continue;
      Add(invariant, fmt::format("{} with {} {} debited, and fees of {}", state, net, debit.currency, fees),
          {"user:" + debit.user_id});
    }
    for (const PaymentFact& payment : case_.payments) {
      if (payment.state == PaymentState::kCancelled && payment.resolution.empty()) {
        Add(invariant, fmt::format("{} with a payment of which the provider may keep the money", state));
      }
      if (payment.state != PaymentState::kApproved && payment.state != PaymentState::kPending) continue;
      const int64_t net = payment.amount - payment.refunded;
      const bool certain = payment.state == PaymentState::kApproved && payment.refunding == 0;
      kept_of_payments += net;
      if (certain && fees > 0 && net == fees) continue;
      Add(invariant,
          fmt::format("{} with a payment of {} {} that is {}, and fees of {}", state, net, payment.currency,
                      payment.state == PaymentState::kApproved ? "APPROVED" : "PENDING", fees));
    }
    if (fees > 0 && (kept_of_debits != fees || kept_of_payments != fees)) {
      Add(invariant, fmt::format("{} with fees of {}: {} of debits and {} of payments are kept", state, fees,
                                 kept_of_debits, kept_of_payments));
    }
    for (const SeatFact& seat : case_.seats) {
      if (!ended && !seat.sold) continue;
      Add(invariant, fmt::format("{} with a seat {}", state, seat.sold ? "sold to it" : "held"),
          {SeatId(seat.show_id, seat.seat_no)});
    }
  }

  // Whose they are counts for the show's limit, and for whoever looks for the buyer of a seat.
  void CheckSeatUsers(const ReservationFact& reservation) {
    const Invariant invariant =
        reservation.state == State::kConfirmed ? Invariant::kConfirmedComplete : Invariant::kSeatSoldOnce;
    for (const SeatFact& seat : case_.seats) {
      if (seat.user_hash == 0 || seat.user_hash == UserHash(reservation.user_id)) continue;
      Add(invariant, fmt::format("its seat is {} another buyer", seat.sold ? "sold to" : "held for"),
          {SeatId(seat.show_id, seat.seat_no), "user:" + reservation.user_id});
    }
  }

  // Until a hold ends, all its seats are held for it, and for nobody else.
  void CheckHeldSeats(const ReservationFact& reservation) {
    const bool holds =
        reservation.state == State::kHeld && reservation.hold_expires_at - now_ > bounds_.clock_skew;
    if (!holds) return;
    for (const ReservationFact::Seat& seat : reservation.seats) {
      const auto is_it = [&](const SeatFact& fact) {
        return fact.show_id == reservation.show_id && fact.seat_no == seat.seat_no;
      };
      if (std::ranges::any_of(case_.seats, is_it)) continue;
      std::vector<std::string> ids{SeatId(reservation.show_id, seat.seat_no)};
      const auto other = std::ranges::find_if(case_.others_seats, is_it);
      if (other != case_.others_seats.end()) ids.push_back("reservation:" + other->owner.ToString());
      Add(Invariant::kSeatSoldOnce,
          fmt::format("HELD until {}, and its seat is {}", ToRfc3339(reservation.hold_expires_at),
                      other != case_.others_seats.end() ? "another's" : "not held for it"),
          ids);
    }
  }

  // What a saga needed of time is given back with it: nobody keeps seats from others for longer than was
  // told.
  void CheckHoldLength(const ReservationFact& reservation) {
    if (reservation.state != State::kHeld) return;
    for (const SeatFact& seat : case_.seats) {
      if (seat.sold || seat.hold_expires_at <= reservation.hold_expires_at) continue;
      Add(Invariant::kNothingOrphaned,
          fmt::format("HELD until {}, and its seat is held until {}", ToRfc3339(reservation.hold_expires_at),
                      ToRfc3339(seat.hold_expires_at)),
          {SeatId(seat.show_id, seat.seat_no)});
    }
  }

  void CheckConfirmedKept(const ReservationFact& reservation) {
    const bool was_confirmed = CountEvents(EventType::kConfirmed) > 0;
    const bool kept = reservation.state == State::kConfirmed || reservation.state == State::kCancelling ||
                      reservation.state == State::kCancelled;
    if (was_confirmed && !kept) {
      Add(Invariant::kConfirmedKept,
          fmt::format("was confirmed, and is {} without a cancellation", StateName(reservation.state)));
    }
  }

  void CheckEdges(const ReservationFact& reservation) {
    if (!RestingEvent(reservation.state)) {
      Add(Invariant::kStateEdges,
          fmt::format("{}, but no saga is working on it", StateName(reservation.state)));
    }
    for (size_t i = 1; i < events_.size(); ++i) {
      if (!CanFollow(events_[i - 1].type, events_[i].type)) {
        Add(Invariant::kStateEdges, fmt::format("{} followed {}", EventTypeName(events_[i].type),
                                                EventTypeName(events_[i - 1].type)));
      }
    }
  }

  void CheckEndedHold(const ReservationFact& reservation) {
    if (reservation.state == State::kHeld && now_ - reservation.hold_expires_at > bounds_.ended_hold) {
      Add(Invariant::kNothingOrphaned,
          fmt::format("its hold ended at {}, and nothing ended it", ToRfc3339(reservation.hold_expires_at)));
    }
  }

  void CheckEvents(const ReservationFact& reservation) {
    for (size_t i = 0; i < events_.size(); ++i) {
      if (i > 0 && events_[i].version <= events_[i - 1].version) {
        Add(Invariant::kEventsPublished, fmt::format("the event of version {} came after that of version {}",
                                                     events_[i].version, events_[i - 1].version));
      }
      if (events_[i].version > reservation.version) {
        Add(Invariant::kEventsPublished,
            fmt::format("an event tells of version {}, it has {}", events_[i].version, reservation.version));
      }
    }
    const auto resting = RestingEvent(reservation.state);
    if (!resting) return;
    if (CountEvents(*resting) == 0) {
      Add(Invariant::kEventsPublished,
          fmt::format("{}, but no {} is on the bus", StateName(reservation.state), EventTypeName(*resting)));
    } else if (const bool confirmed_still =
                   reservation.state == State::kConfirmed && StaysConfirmed(events_.back().type);
               events_.back().type != *resting && !confirmed_still) {
      Add(Invariant::kEventsPublished,
          fmt::format("{}, but the last event is {}", StateName(reservation.state),
                      EventTypeName(events_.back().type)));
    }
  }

  // What consumers were told of money is what the reservation says; whatever changed that was told last.
  void CheckEventMoney(const ReservationFact& reservation) {
    uint64_t sum = 0;  // wraps: whoever may write to the bus may tell of any fee
    for (const EventFact& event : events_) sum += static_cast<uint64_t>(event.fee);
    if (const auto fees = static_cast<int64_t>(sum); fees != reservation.fees) {
      Add(Invariant::kEventsPublished,
          fmt::format("the events tell of fees of {}, it has {}", fees, reservation.fees));
    }
    // A part that was cancelled is told by what was given back.
    const bool tells =
        reservation.state == State::kConfirmed && !events_.empty() &&
        (events_.back().type == EventType::kConfirmed || events_.back().type == EventType::kMoved);
    if (tells && events_.back().amount != reservation.amount) {
      Add(Invariant::kEventsPublished, fmt::format("the last event tells of an amount of {}, it has {}",
                                                   events_.back().amount, reservation.amount));
    }
  }

  const Case& case_;
  const Timestamp now_;
  const Bounds& bounds_;
  std::vector<EventFact> events_;  // each once
  std::vector<Violation> violations_;
};

void CheckLedgers(const Facts& facts, std::vector<Violation>& violations) {
  for (const LedgerFact& ledger : facts.ledgers) {
    const std::string currency = "currency:" + ledger.currency;
    const auto add = [&](std::string detail) {
      std::vector<std::string> ids{currency};
      for (const std::string& user : facts.bad_wallet_users) ids.push_back("user:" + user);
      violations.push_back({Invariant::kLedgerBalanced, std::move(ids), std::move(detail)});
    };
    if (ledger.sum_of_all_accounts != 0) {  // of no wallet in particular
      violations.push_back({Invariant::kLedgerBalanced,
                            {currency},
                            fmt::format("the sum of all accounts is {}", ledger.sum_of_all_accounts)});
    }
    if (ledger.wallets_unequal_entries != 0) {
      add(fmt::format("{} wallets are not the sum of their entries", ledger.wallets_unequal_entries));
    }
    if (ledger.wallets_negative != 0) add(fmt::format("{} wallets are negative", ledger.wallets_negative));
  }
}

void CheckShows(const Facts& facts, std::vector<Violation>& violations) {
  for (const ShowFact& show : facts.shows) {
    const std::string id = fmt::format("show:{}", show.show_id);
    if (show.sold + show.held + show.free + show.blocked != show.capacity) {
      violations.push_back({Invariant::kSeatSoldOnce,
                            {id},
                            fmt::format("{} sold, {} held, {} free and {} blocked are not its {} seats",
                                        show.sold, show.held, show.free, show.blocked, show.capacity)});
    }
    if (show.still && show.sold != show.sold_in_list) {
      violations.push_back(
          {Invariant::kSeatSoldOnce,
           {id},
           fmt::format("{} seats are counted as sold, {} are listed", show.sold, show.sold_in_list)});
    }
    if (show.cancelled && show.sold > 0 && !show.cancellation_runs) {
      violations.push_back({Invariant::kCancelledRefunded,
                            {id},
                            fmt::format("it is cancelled, {} seats are sold, and nothing cancels their "
                                        "reservations",
                                        show.sold)});
    }
    // A limit that was lowered took nobody's seats, and who took them under which is on no record.
    for (const auto& [user, owned] : show.owned) {
      if (show.highest_seat_limit == 0 || owned <= show.highest_seat_limit) continue;
      violations.push_back({Invariant::kAdmissionAndLimits,
                            {id, "user:" + user},
                            fmt::format("a buyer has {} seats, the show's limit was never above {}", owned,
                                        show.highest_seat_limit)});
    }
  }
}

// A cap that was lowered leaves more ACTIVE than it allows for a while; then nobody may be admitted.
void CheckQueues(const Facts& facts, std::vector<Violation>& violations) {
  for (const QueueFact& queue : facts.queues) {
    if (queue.active <= queue.active_cap || queue.active <= queue.active_before) continue;
    violations.push_back({Invariant::kAdmissionAndLimits,
                          {fmt::format("show:{}", queue.show_id)},
                          fmt::format("ACTIVE sessions grew from {} to {} past the cap of {}",
                                      queue.active_before, queue.active, queue.active_cap)});
  }
}

void CheckRankings(const Facts& facts, std::vector<Violation>& violations) {
  for (const RankingFact& ranking : facts.rankings) {
    const auto add = [&](std::string_view what, uint64_t counted, uint64_t from, uint64_t to) {
      if (counted >= from && counted <= to) return;
      violations.push_back({Invariant::kProjectionsEqual,
                            {fmt::format("show:{}", ranking.show_id)},
                            fmt::format("the ranking counted {} {} reservations, the events are {}", counted,
                                        what, counted < from ? from : to)});
    };
    add("confirmed", ranking.counted.confirmed, ranking.before.confirmed, ranking.after.confirmed);
    add("cancelled", ranking.counted.cancelled, ranking.before.cancelled, ranking.after.cancelled);
    // Seats go both ways, so only where nothing happened meanwhile can they be compared.
    const int64_t seats = std::max<int64_t>(ranking.after.seats, 0);
    if (ranking.before != ranking.after || ranking.counted.seats == seats) continue;
    violations.push_back(
        {Invariant::kProjectionsEqual,
         {fmt::format("show:{}", ranking.show_id)},
         fmt::format("the ranking counted {} seats, the events are {}", ranking.counted.seats, seats)});
  }
}

}  // namespace

bool IsOverdue(const ReservationFact& reservation, Timestamp now, const Bounds& bounds) {
  const Timestamp tried_since =
      std::max(reservation.saga_started_at, reservation.saga_deadline - bounds.saga_deadline);
  return reservation.saga_status == SagaStatus::kRunning && now - tried_since > bounds.unfinished_saga;
}

std::vector<Violation> CheckCase(const Case& facts, Timestamp now, const Bounds& bounds) {
  return CaseCheck(facts, now, bounds).Take();
}

std::vector<Violation> Check(const Facts& facts, Timestamp now, const Bounds& bounds) {
  std::vector<Violation> violations;
  for (const Case& c : facts.cases) {
    auto found = CheckCase(c, now, bounds);
    std::ranges::move(found, std::back_inserter(violations));
  }
  CheckLedgers(facts, violations);
  CheckShows(facts, violations);
  CheckWaitlists(facts, now, bounds, violations);
  CheckQueues(facts, violations);
  CheckRankings(facts, violations);
  return violations;
}

}  // namespace boxoffice::audit
