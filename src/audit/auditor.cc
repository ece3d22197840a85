#include "audit/auditor.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/sort_unique.h"

namespace boxoffice::audit {
namespace {

constexpr std::string_view kStopping = "stopping";

std::unexpected<Error> Stopping() { return Fail(Code::kUnavailable, kStopping); }

// What of `later` was so already in `earlier`; the figures in the detail may differ. Of a ledger it is the
// currency with those of its wallets that were wrong in both: while it goes on, others join them, and what is
// wrong with another wallet each time may only be under way.
std::optional<Violation> Stayed(const Violation& earlier, Violation later) {
  if (earlier.invariant != later.invariant) return std::nullopt;
  if (later.invariant != Invariant::kLedgerBalanced) {
    if (earlier.ids != later.ids) return std::nullopt;
    return later;
  }
  const bool of_wallets = later.ids.size() > 1;  // or of the sum of all
  if (earlier.ids.front() != later.ids.front() || (earlier.ids.size() > 1) != of_wallets) return std::nullopt;
  std::erase_if(later.ids, [&](const std::string& id) {
    return std::ranges::find(earlier.ids, id) == earlier.ids.end();
  });
  if (of_wallets && later.ids.size() == 1) return std::nullopt;
  return later;
}

// Those of `second` that were there already in `first`.
std::vector<Violation> InBoth(const std::vector<Violation>& first, const std::vector<Violation>& second) {
  std::vector<Violation> both;
  for (const Violation& violation : second) {
    for (const Violation& earlier : first) {
      auto stayed = Stayed(earlier, violation);
      if (!stayed) continue;
      both.push_back(*std::move(stayed));
      break;
    }
  }
  return both;
}

}  // namespace

template <typename Row>
class Auditor::Stream {
 public:
  using Read = std::function<Result<Collector::Page<Row>>(ReservationId after)>;
  explicit Stream(Read read) : read_(std::move(read)) {}

  // Calls `take` with each row up to `last`, in order; without `last`, with all that are left.
  Result<void> TakeUpTo(const std::optional<ReservationId>& last,
                        const std::function<void(ReservationId, Row&)>& take) {
    while (true) {
      for (; next_ < page_.rows.size(); ++next_) {
        auto& [id, row] = page_.rows[next_];
        if (last && id > *last) return {};
        take(id, row);
      }
      if (!page_.more) return {};
      const ReservationId after = page_.rows.empty() ? ReservationId() : page_.rows.back().first;
      BOXOFFICE_ASSIGN(page_, read_(after));
      next_ = 0;
    }
  }

 private:
  const Read read_;
  Collector::Page<Row> page_{{}, true};
  size_t next_ = 0;
};

Auditor::Auditor(const rpc::ChannelFactory& channels, bus::Bus& bus, const Clock& clock,
                 Surroundings surroundings, Bounds bounds, Patience patience, Limits limits)
    : collector_(channels),
      bus_(bus),
      clock_(clock),
      surroundings_(std::move(surroundings)),
      bounds_(bounds),
      patience_(patience),
      limits_(limits) {}

Result<void> Auditor::Wait(milliseconds how_long) {
  verdict_.waited += how_long;
  if (!surroundings_.wait(how_long)) return Stopping();
  return {};
}

size_t Auditor::bytes() const {
  return (events_ ? events_->bytes() : 0) + seats_.size() * sizeof(SeatFact) +
         by_owner_.capacity() * sizeof(uint32_t) + offered_.capacity() * sizeof(Offered);
}

Result<void> Auditor::GoOn() const {
  if (!surroundings_.after_page()) return Stopping();
  if (bytes() > (limits_.memory_mib << 20)) {
    return Fail(Code::kResourceExhausted, kTooLarge,
                fmt::format("the events and the seats take more than {} MiB of memory: raise "
                            "audit.max_memory_mib, and what the process may have with it",
                            limits_.memory_mib));
  }
  return {};
}

Result<Verdict> Auditor::Run() {
  verdict_ = {};
  verdict_.at = clock_.Now();
  verdict_.checked["violations"] = 0;
  Result<Verdict> verdict = Judge();
  // The next audit may be far away, and the process has other work.
  events_.reset();
  std::deque<SeatFact>().swap(seats_);
  std::vector<uint32_t>().swap(by_owner_);
  std::vector<Offered>().swap(offered_);
  std::vector<Suspect>().swap(suspects_);
  return verdict;
}

// What can't be read keeps nothing from being judged but what rests on it.
Result<Verdict> Auditor::Judge() {
  std::vector<Error> unread;
  const auto stopped = [&unread] { return !unread.empty() && unread.back().reason == kStopping; };
  const auto done = [&](Result<void> (Auditor::*part)()) {
    if (stopped()) return false;
    Result<void> read = (this->*part)();
    if (!read) unread.push_back(read.error());
    return read.has_value();
  };
  done(&Auditor::CheckQueues);
  const bool has_events = done(&Auditor::ReadEvents);
  const bool has_seats = done(&Auditor::ReadSeats);
  if (!has_seats)
    std::deque<SeatFact>().swap(seats_);  // or they would count as memory for what goes on without
  const bool has_places = has_seats && done(&Auditor::ReadWaitlists);
  if (has_events && has_places && done(&Auditor::ReadReservations)) done(&Auditor::FollowSuspects);
  done(&Auditor::FollowLedgers);
  if (has_events) done(&Auditor::FollowRankings);
  if (stopped()) return Stopping();
  // What was found is certain, whatever could not be read. That all else is well is not.
  if (!unread.empty() && verdict_.violations.empty()) {
    const auto too_large = std::ranges::find(unread, kTooLarge, &Error::reason);
    return std::unexpected(std::move(too_large == unread.end() ? unread.front() : *too_large));
  }
  for (const Error& error : unread)
    verdict_.unread.push_back(fmt::format("{}: {}", error.reason, error.detail));
  verdict_.took = clock_.Now() - verdict_.at;
  return std::move(verdict_);
}

Result<void> Auditor::RefreshEvents() {
  return events_->Refresh([this] { return GoOn(); });
}

Result<void> Auditor::ReadEvents() {
  events_ = std::make_unique<EventIndex>(bus_);
  BOXOFFICE_TRY(RefreshEvents());
  verdict_.checked["events"] = static_cast<int64_t>(events_->rows().size());
  // Whoever may write to the bus may have written them. A reservation whose own event is one of them lacks
  // it.
  if (events_->unreadable() > 0) verdict_.checked["events_unreadable"] = events_->unreadable();
  return {};
}

void Auditor::Report(std::vector<Violation> violations) {
  verdict_.checked["violations"] += static_cast<int64_t>(violations.size());
  for (Violation& violation : violations) {
    verdict_.ok = false;
    if (verdict_.violations.size() < kMaxViolations) verdict_.violations.push_back(std::move(violation));
  }
}

// Suspicions about wholes (a ledger, a show, …): looked at again until as many readings agree as for a
// reservation.
Result<void> Auditor::Confirm(std::vector<Violation> suspicions,
                              const std::function<Result<std::vector<Violation>>()>& again) {
  for (int reading = 0; reading < patience_.readings && !suspicions.empty(); ++reading) {
    BOXOFFICE_TRY(Wait(patience_.pause));
    BOXOFFICE_ASSIGN(auto found, again());
    suspicions = InBoth(suspicions, std::move(found));
  }
  Report(std::move(suspicions));
  return {};
}

Result<ShowFact> Auditor::ReadShow(int64_t show_id, std::deque<SeatFact>* into) {
  ShowFact show;
  const auto now = clock_.Now();
  int64_t sold = 0;
  uint32_t after = 0;
  std::optional<ShowFact> first;
  while (true) {
    BOXOFFICE_ASSIGN(auto page, collector_.Seats(show_id, after));
    if (!first) first = page.show;  // the counts come with the first page
    for (Collector::Seat& seat : page.rows) {
      if (seat.fact.sold) ++sold;
      if (seat.fact.sold || seat.fact.hold_expires_at > now) ++show.owned[seat.user_id];
      after = seat.fact.seat_no;
      if (into != nullptr) into->push_back(seat.fact);
    }
    BOXOFFICE_TRY(GoOn());
    if (page.more) continue;
    BOXOFFICE_ASSIGN(page, collector_.Seats(show_id, 0, 1));  // and once more behind the last
    if (!first || !page.show) {
      return Fail(Code::kInternal, "answer_malformed", fmt::format("seat: no counts of show {}", show_id));
    }
    auto owned = std::move(show.owned);
    show = *page.show;
    show.owned = std::move(owned);
    show.sold_in_list = sold;
    // The list lies between the two: what is sold meanwhile may be in it or not.
    show.still = first->sold == show.sold && first->held == show.held && first->free == show.free;
    if (show.cancelled && show.sold > 0) {
      BOXOFFICE_ASSIGN(show.cancellation_runs, collector_.CancellationRuns(show_id));
    }
    return show;
  }
}

Result<void> Auditor::ReadSeats() {
  BOXOFFICE_ASSIGN(shows_, collector_.Shows());
  for (const int64_t show_id : shows_) {
    const auto judge = [this, show_id](std::deque<SeatFact>* into) -> Result<std::vector<Violation>> {
      Facts facts;
      BOXOFFICE_ASSIGN(auto show, ReadShow(show_id, into));
      facts.shows.push_back(std::move(show));
      return Check(facts, clock_.Now(), bounds_);
    };
    BOXOFFICE_ASSIGN(auto suspicions, judge(&seats_));
    BOXOFFICE_TRY(Confirm(std::move(suspicions), [&judge] { return judge(nullptr); }));
  }
  by_owner_.resize(seats_.size());
  std::iota(by_owner_.begin(), by_owner_.end(), 0U);
  std::ranges::stable_sort(by_owner_, {}, [this](uint32_t index) { return seats_[index].owner; });
  verdict_.checked["shows"] = static_cast<int64_t>(shows_.size());
  verdict_.checked["seats"] = static_cast<int64_t>(seats_.size());
  return {};
}

Result<WaitlistFact> Auditor::ReadWaitlist(int64_t show_id, bool note_offers) {
  WaitlistFact waitlist;
  waitlist.show_id = show_id;
  for (uint64_t after = 0;;) {
    BOXOFFICE_ASSIGN(const auto page, collector_.Places(show_id, after));
    for (const Collector::Place& place : page.rows) {
      after = place.fact.place;
      waitlist.changed_at = std::max(waitlist.changed_at, place.fact.updated_at);
      if (IsOpen(place.fact.state)) ++waitlist.open, ++waitlist.open_of_user[place.user_id];
      if (note_offers && !place.offer.IsNil()) offered_.push_back({place.offer, place.fact});
      if (note_offers) ++verdict_.checked["places"];
    }
    BOXOFFICE_TRY(GoOn());
    if (!page.more) break;
  }
  std::erase_if(waitlist.open_of_user, [](const auto& user) { return user.second == 1; });
  if (waitlist.open > 0 || waitlist.changed_at == Timestamp()) return waitlist;
  BOXOFFICE_ASSIGN(const auto page, collector_.Seats(show_id, 0, 1));
  waitlist.kept = page.show && page.show->keeps_seats;
  return waitlist;
}

Result<void> Auditor::ReadWaitlists() {
  for (const int64_t show_id : shows_) {
    const auto judge = [this, show_id](bool note_offers) -> Result<std::vector<Violation>> {
      Facts facts;
      BOXOFFICE_ASSIGN(auto waitlist, ReadWaitlist(show_id, note_offers));
      facts.waitlists.push_back(std::move(waitlist));
      return Check(facts, clock_.Now(), bounds_);
    };
    BOXOFFICE_ASSIGN(auto suspicions, judge(true));
    BOXOFFICE_TRY(Confirm(std::move(suspicions), [&judge] { return judge(false); }));
  }
  std::ranges::stable_sort(offered_, {}, &Offered::offer);
  return {};
}

// Merges the services' pages by reservation id: a page of reservations, and what the others know of the same
// ids.
Result<void> Auditor::ReadReservations() {
  Stream<DebitFact> debits([this](ReservationId after) { return collector_.Debits(after); });
  Stream<PaymentFact> payments([this](ReservationId after) { return collector_.Payments(after); });
  auto seat = by_owner_.begin();
  auto event = events_->rows().begin();
  auto offered = offered_.begin();
  ReservationId after;
  std::map<ReservationId, Case> chunk;
  const auto case_of = [&chunk](ReservationId id) -> Case& {
    Case& found = chunk[id];
    found.id = id;
    return found;
  };
  while (true) {
    BOXOFFICE_ASSIGN(auto page, collector_.Reservations(after));
    chunk.clear();
    for (auto& [id, row] : page.rows) case_of(id).reservation = std::move(row);
    std::optional<ReservationId> last;
    if (page.more) last = page.rows.back().first;
    BOXOFFICE_TRY(debits.TakeUpTo(last, [&](ReservationId id, DebitFact& row) {
      case_of(id).debits.push_back(std::move(row));
      ++verdict_.checked["debits"];
    }));
    BOXOFFICE_TRY(payments.TakeUpTo(last, [&](ReservationId id, PaymentFact& row) {
      case_of(id).payments.push_back(std::move(row));
      ++verdict_.checked["payments"];
    }));
    for (; seat != by_owner_.end() && (!last || seats_[*seat].owner <= *last); ++seat) {
      case_of(seats_[*seat].owner).seats.push_back(seats_[*seat]);
    }
    for (; event != events_->rows().end() && (!last || event->reservation <= *last); ++event) {
      case_of(event->reservation).events.push_back(event->Fact());
    }
    for (; offered != offered_.end() && (!last || offered->offer <= *last); ++offered) {
      case_of(offered->offer).places.push_back(offered->place);
    }
    CheckChunk(chunk);
    if (!page.more) return {};
    after = *last;
    BOXOFFICE_TRY(GoOn());
  }
}

void Auditor::CheckChunk(std::map<ReservationId, Case>& chunk) {
  const auto now = clock_.Now();
  for (auto& [id, facts] : chunk) {
    if (!facts.reservation) {
      if (id.uuid().Time() > verdict_.at) continue;  // begun since
    } else {
      const ReservationFact& reservation = *facts.reservation;
      ++verdict_.checked["reservations"];
      if (reservation.saga_status == SagaStatus::kRunning) ++verdict_.checked["sagas_running"];
      if (reservation.saga_status == SagaStatus::kParked) ++verdict_.checked["sagas_parked"];
      if (reservation.updated_at > verdict_.at) {
        ++verdict_.checked["in_motion"];
        // One whose saga is tried again and again never rests; how long that has gone on is true all the
        // same.
        if (!IsOverdue(reservation, now, bounds_)) continue;
      }
      const auto by_seat = [](const SeatFact& seat) { return std::tie(seat.show_id, seat.seat_no); };
      for (const ReservationFact::Seat& seat : reservation.seats) {
        const auto found =
            std::ranges::lower_bound(seats_, std::tie(reservation.show_id, seat.seat_no), {}, by_seat);
        const bool there =
            found != seats_.end() && found->show_id == reservation.show_id && found->seat_no == seat.seat_no;
        if (there && found->owner != id) facts.others_seats.push_back(*found);
      }
    }
    if (CheckCase(facts, now, bounds_).empty()) continue;
    if (suspects_.size() < limits_.suspects) {
      suspects_.push_back({id});
    } else {
      ++verdict_.checked["suspects_not_followed"];
    }
  }
}

// All that is known of one reservation now; nullopt if it changed while it was read.
Result<std::optional<Case>> Auditor::ReadCase(ReservationId id, const std::vector<SeatFact>& once_owned) {
  Case facts;
  facts.id = id;
  BOXOFFICE_ASSIGN(facts.reservation, collector_.Reservation(id));
  BOXOFFICE_ASSIGN(facts.debits, collector_.DebitsOf(id));
  BOXOFFICE_ASSIGN(facts.payments, collector_.PaymentsOf(id));
  std::vector<std::pair<int64_t, uint32_t>> seats;
  for (const SeatFact& seat : once_owned) seats.emplace_back(seat.show_id, seat.seat_no);
  if (facts.reservation) {
    for (const auto& seat : facts.reservation->seats)
      seats.emplace_back(facts.reservation->show_id, seat.seat_no);
  }
  SortUnique(seats);
  for (const auto& [show_id, seat_no] : seats) {
    BOXOFFICE_ASSIGN(const auto page, collector_.Seats(show_id, seat_no - 1, 1));
    if (page.rows.empty() || page.rows.front().fact.seat_no != seat_no) continue;
    const SeatFact& seat = page.rows.front().fact;
    (seat.owner == id ? facts.seats : facts.others_seats).push_back(seat);
  }
  BOXOFFICE_TRY(ReadPlaces(facts));
  facts.events = events_->Of(id);
  BOXOFFICE_ASSIGN(const auto again, collector_.Reservation(id));
  const bool same = again.has_value() == facts.reservation.has_value() &&
                    (!again || again->version == facts.reservation->version);
  if (!same) return std::nullopt;
  return facts;
}

// Those that had it when they were read, and all of its buyer.
Result<void> Auditor::ReadPlaces(Case& facts) {
  const auto add = [&facts](const Collector::PlacePage& page) {
    for (const Collector::Place& place : page.rows) {
      if (place.offer != facts.id) continue;
      const bool known =
          std::ranges::find(facts.places, place.fact.place, &PlaceFact::place) != facts.places.end();
      if (!known) facts.places.push_back(place.fact);
    }
  };
  for (const Offered& once : std::ranges::equal_range(offered_, facts.id, {}, &Offered::offer)) {
    BOXOFFICE_ASSIGN(const auto page, collector_.Places(once.place.show_id, once.place.place - 1, {}, 1));
    add(page);
  }
  const bool may_be_offer = std::ranges::any_of(events_->Of(facts.id), &EventFact::from_waitlist);
  if (!facts.reservation || !may_be_offer) return {};
  for (uint64_t after = 0;;) {
    const ReservationFact& offer = *facts.reservation;
    BOXOFFICE_ASSIGN(const auto page, collector_.Places(offer.show_id, after, offer.user_id));
    add(page);
    if (!page.more) return {};
    after = page.rows.back().fact.place;
  }
}

Result<void> Auditor::FollowSuspects() {
  for (int reading = 0; reading < patience_.max_readings && !suspects_.empty(); ++reading) {
    BOXOFFICE_TRY(Wait(patience_.pause));
    BOXOFFICE_TRY(RefreshEvents());
    std::vector<Suspect> left;
    for (Suspect& suspect : suspects_) {
      const auto [first, last] = std::ranges::equal_range(
          by_owner_, suspect.id, {}, [this](uint32_t index) { return seats_[index].owner; });
      std::vector<SeatFact> once_owned;
      std::for_each(first, last, [&](uint32_t index) { once_owned.push_back(seats_[index]); });
      BOXOFFICE_ASSIGN(const auto facts, ReadCase(suspect.id, once_owned));
      BOXOFFICE_TRY(GoOn());
      if (!facts) {
        suspect.agreed = 0;
        left.push_back(suspect);
        continue;
      }
      const auto now = clock_.Now();
      auto violations = CheckCase(*facts, now, bounds_);
      if (violations.empty()) continue;
      const uint64_t version = facts->reservation ? facts->reservation->version : 0;
      suspect.agreed = version == suspect.version ? suspect.agreed + 1 : 1;
      suspect.version = version;
      if (suspect.agreed == 1) suspect.since = now;
      // What a saga that runs is held to waits for no event. Of others the row's age says nothing:
      // money of what ended long ago may have been taken just now, and be given back already.
      const bool settled = !facts->reservation || facts->reservation->saga_status == SagaStatus::kRunning ||
                           now - suspect.since >= patience_.settle;
      if (suspect.agreed >= patience_.readings && settled) {
        Report(std::move(violations));
      } else {
        left.push_back(suspect);
      }
    }
    suspects_ = std::move(left);
  }
  if (!suspects_.empty()) verdict_.checked["in_motion"] += static_cast<int64_t>(suspects_.size());
  const auto not_followed = verdict_.checked.find("suspects_not_followed");
  if (not_followed == verdict_.checked.end()) return {};
  return Fail(Code::kResourceExhausted, "too_many_suspicions",
              fmt::format("{} of them beyond the {} that one audit follows up", not_followed->second,
                          limits_.suspects));
}

Result<void> Auditor::FollowLedgers() {
  const auto ledgers = [this]() -> Result<std::vector<Violation>> {
    BOXOFFICE_ASSIGN(const auto facts, collector_.Ledgers());
    verdict_.checked["currencies"] = static_cast<int64_t>(facts.ledgers.size());
    return Check(facts, clock_.Now(), bounds_);
  };
  // A wallet that does not answer at all is not waited for as long as for sums.
  BOXOFFICE_TRY(collector_.Debits({}));
  BOXOFFICE_ASSIGN(auto suspicions, ledgers());
  return Confirm(std::move(suspicions), ledgers);
}

Result<void> Auditor::FollowRankings() {
  BOXOFFICE_ASSIGN(auto suspicions, CheckRankings());
  return Confirm(std::move(suspicions), [this] { return CheckRankings(); });
}

// Both readings are close together: in the minutes that an audit may take, a cap can be raised, reached and
// lowered.
Result<void> Auditor::CheckQueues() {
  Facts facts;
  BOXOFFICE_ASSIGN(const auto first, collector_.Queues());
  verdict_.checked["queues"] = static_cast<int64_t>(first.size());
  if (first.empty()) return {};
  BOXOFFICE_TRY(Wait(patience_.pause));
  BOXOFFICE_ASSIGN(const auto second, collector_.Queues());
  for (const Collector::Queue& queue : second) {
    const auto before = std::ranges::find(first, queue.show_id, &Collector::Queue::show_id);
    if (before == first.end()) continue;
    facts.queues.push_back(
        {queue.show_id, std::max(queue.active_cap, before->active_cap), before->active, queue.active});
  }
  // That it grew past the cap was seen, and can't be seen again.
  Report(Check(facts, clock_.Now(), bounds_));
  return {};
}

Result<std::vector<Violation>> Auditor::CheckRankings() {
  BOXOFFICE_TRY(RefreshEvents());
  const int64_t end = events_->end();
  static const std::array<std::string, 2> kCounted{"reservation", "seat"};
  BOXOFFICE_ASSIGN(const int64_t lag, bus_.Lag("ranking", kCounted));
  BOXOFFICE_ASSIGN(const auto counted, collector_.Ranking());
  BOXOFFICE_TRY(RefreshEvents());
  verdict_.checked["ranking_lag"] = lag;
  // A ranking that is behind, or counts anew, is late, not wrong: then only what it counted too much is
  // found.
  const bool late = lag != 0 || counted.rebuilding;
  const auto before = late ? std::map<int64_t, RankingFact::Counts>() : events_->Fold(end);
  const auto after = events_->Fold(events_->end());
  std::map<int64_t, RankingFact> shows;
  for (const auto& [show_id, counts] : before) shows[show_id].before = counts;
  for (const auto& [show_id, counts] : after) shows[show_id].after = counts;
  for (const auto& [show_id, counts] : counted.shows) shows[show_id].counted = counts;
  Facts facts;
  for (auto& [show_id, fact] : shows) {
    fact.show_id = show_id;
    facts.rankings.push_back(fact);
  }
  verdict_.checked["rankings"] = static_cast<int64_t>(facts.rankings.size());
  return Check(facts, clock_.Now(), bounds_);
}

}  // namespace boxoffice::audit
