#include "services/seat/seat_book.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/mutant.h"
#include "base/sort_unique.h"
#include "services/seat/book.h"

namespace boxoffice::seat {
namespace {

using Kind = Outcome::Kind;

// What a best-available hold is recognised by when it comes again.
std::string ChoiceOf(const HoldSeats& hold) {
  if (!hold.best) return {};
  std::string choice = fmt::format("{}/{}/{}", hold.best->count, hold.best->section, hold.best->category);
  if (hold.best->max_price != 0) choice += fmt::format("/{}", hold.best->max_price);
  if (hold.best->accessible != 0) choice += fmt::format("/accessible {}", hold.best->accessible);
  return choice;
}

Refusal CheckCount(size_t count) {
  if (count == 0) return Refusal::kNoSeats;
  if (count > kMaxSeatsPerHold) return Refusal::kTooManySeats;
  return Refusal::kNone;
}
Outcome LeavesOrphans(const HoldSeats& hold, const ShowNow& show) {
  Outcome outcome = Refused(Refusal::kOrphanSeat, show.facts->show);
  for (const SeatNo seat_no : hold.orphans) outcome.conflicts.push_back({seat_no, ConflictReason::kOrphan});
  return outcome;
}

std::optional<Outcome> NoProposal(const HoldSeats& hold, const ShowNow& show) {
  switch (hold.proposal.status) {
    case Proposal::Status::kNone:
      return std::nullopt;
    case Proposal::Status::kSectionUnknown:
      return Refused(Refusal::kSectionUnknown, show.facts->show);
    case Proposal::Status::kCategoryUnknown:
      return Refused(Refusal::kCategoryUnknown, show.facts->show);
    default:
      return Refused(Refusal::kNotEnoughSeats, show.facts->show);
  }
}

// A seat that is kept for a channel, or for nobody.
bool MayTake(const HoldSeats& hold, std::string_view channel) {
  return channel.empty() || std::ranges::find(hold.channels, channel) != hold.channels.end() ||
         MUTANT("seat_ignores_channel");
}

// Whether the map has proposed seats by prices that are not this show's: they have just been changed.
bool IsDear(const HoldSeats& hold, const std::vector<SeatNo>& seats, const ShowNow& show) {
  const int64_t most = hold.best->max_price;
  const auto is_dear = [&](SeatNo seat_no) { return show.facts->show->layout->PriceOf(seat_no) > most; };
  return most != 0 && std::ranges::any_of(seats, is_dear);
}

}  // namespace

std::vector<SeatNo> Sorted(std::vector<SeatNo> seats) {
  std::ranges::sort(seats);
  return seats;
}

bool Contains(const std::vector<SeatNo>& sorted, SeatNo seat_no) {
  return std::ranges::binary_search(sorted, seat_no);
}

Outcome Refused(Refusal refusal, std::shared_ptr<const Show> show) {
  Outcome outcome;
  outcome.kind = Kind::kRefused;
  outcome.refusal = refusal;
  outcome.show = std::move(show);
  return outcome;
}

Outcome Of(Kind kind) {
  Outcome outcome;
  outcome.kind = kind;
  return outcome;
}

Refusal CheckSeats(const std::vector<SeatNo>& sorted) {
  if (const Refusal refusal = CheckCount(sorted.size()); refusal != Refusal::kNone) return refusal;
  return std::ranges::adjacent_find(sorted) != sorted.end() ? Refusal::kDuplicateSeat : Refusal::kNone;
}

Outcome NotOnSale(const ShowNow& show) {
  const bool cancelled = show.facts->show->terms.phase == ShowPhase::kCancelled;
  return Refused(cancelled ? Refusal::kShowCancelled : Refusal::kShowNotOnSale, show.facts->show);
}

ConflictReason ReasonOf(const SeatRow& row) {
  switch (row.state) {
    case SeatState::kFree:
      return ConflictReason::kFree;
    case SeatState::kHeld:
      return ConflictReason::kHeld;
    case SeatState::kSold:
      return ConflictReason::kSold;
    case SeatState::kBlocked:
      return ConflictReason::kBlocked;
  }
  return ConflictReason::kFree;
}

Book::Book(const Rows& loaded, Timestamp now, Timestamp forgotten_before)
    : now_(now),
      forgotten_before_(forgotten_before),
      sagas_(loaded.sagas),
      buyers_(loaded.buyers),
      seats_(loaded.seats) {
  shows_.reserve(loaded.shows.size());
  for (const ShowFacts& facts : loaded.shows)
    shows_.push_back({&facts, facts.marks, facts.sold, facts.blocked});
}

void Book::Run(const Command& command) {
  traceparent_ = &command.traceparent;
  decision_.outcomes.push_back(
      std::visit([this](const auto& body) -> std::optional<Outcome> { return Run(body); }, command.body));
}

Decision Book::Finish() {
  for (const ShowNow& show : shows_) {
    if (show.marks != show.facts->marks) {
      decision_.changes.shows.push_back({show.facts->show->id, show.marks, show.facts->marks});
    }
  }
  decision_.changes.sagas = sagas_.TakeChanges();
  decision_.changes.buyers = buyers_.TakeChanges();
  decision_.changes.seats = seats_.TakeChanges();
  return std::move(decision_);
}

// What is on record of a saga that did something is never forgotten, so one that is too old to begin and has
// no record was undone, or is of no use any more: its deadline has passed.
bool Book::IsUndone(const SagaRow& saga) const {
  return saga.undone ||
         (saga.version == 0 && saga.seats.empty() && saga.id.uuid().Time() < forgotten_before_);
}

std::optional<Outcome> Book::Run(const HoldSeats& hold) {
  const SagaRow& saga = sagas_.Get(hold.saga);
  if (IsUndone(saga) && !MUTANT("seat_ignore_tombstone_hold")) return Of(Kind::kAborted);
  ShowNow* show = FindShow(hold.show_id);
  if (show == nullptr) return Refused(Refusal::kShowNotFound);
  const Refusal malformed = hold.best ? CheckCount(hold.best->count) : CheckSeats(Sorted(hold.seats));
  if (malformed != Refusal::kNone) return Refused(malformed, show->facts->show);

  const auto target = TargetOf(hold, saga);
  if (!target) return Of(Kind::kMismatch);
  if (auto unknown = UnknownSeats(target->seats, *show)) return unknown;
  const bool no_proposal = hold.best && target->seats.empty();
  size_t ours = 0;
  for (const SeatNo seat_no : target->seats) {
    const SeatRow& row = seats_.Get({hold.show_id, seat_no});
    if (!row.BelongsTo(hold.reservation)) continue;
    if (row.user_id != hold.user_id) return Of(Kind::kMismatch);
    ++ours;
  }
  const bool all_ours = !no_proposal && ours == target->seats.size();
  const bool cancelled = show->facts->show->terms.phase == ShowPhase::kCancelled;
  if (all_ours && cancelled && !AreSold(hold.show_id, target->seats)) return NotOnSale(*show);
  if (!target->recorded) {
    if (auto over = CheckMaxHold(hold, target->seats, *show)) return over;
  }
  if (!all_ours) {
    // A saga takes its seats once. What it no longer has was freed with its reservation, or went after the
    // deadline: a late duplicate gets nothing back.
    if (target->recorded && !MUTANT("seat_retake_recorded"))
      return CheckLost(hold.reservation, hold.show_id, target->seats, *show);
    if (auto refused = CheckNew(hold, *target, *show)) return refused;
    if (no_proposal) return NoProposal(hold, *show);
    auto taken = CheckTaken(hold, target->seats, *show);
    if (target->proposed && (taken || IsDear(hold, target->seats, *show) || WasAssumedInVain(hold)))
      return std::nullopt;
    if (taken) return taken;
    if (!hold.orphans.empty() && ours == 0) {
      if (WasAssumedInVain(hold)) return std::nullopt;
      return LeavesOrphans(hold, *show);
    }
  }
  return Take(hold, *target, *show);
}

// Past the absolute cap no other saga takes again what the reservation held until its deadline: one after the
// other would keep it for ever. The saga that took it does, as its buyer may have paid since.
std::optional<Outcome> Book::CheckMaxHold(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                          const ShowNow& show) const {
  std::vector<Conflict> conflicts;
  for (const SeatNo seat_no : seats) {
    const SeatRow& row = seats_.Get({hold.show_id, seat_no});
    const bool lapsed = row.BelongsTo(hold.reservation) && row.IsFree(now_);
    if (lapsed && now_ >= row.held_since + kMaxHold) conflicts.push_back({seat_no, ConflictReason::kFree});
  }
  if (conflicts.empty()) return std::nullopt;
  Outcome outcome = Refused(Refusal::kHoldLost, show.facts->show);
  outcome.conflicts = std::move(conflicts);
  return outcome;
}

bool Book::AreSold(int64_t show_id, const std::vector<SeatNo>& seats) const {
  return std::ranges::all_of(
      seats, [&](SeatNo seat_no) { return seats_.Get({show_id, seat_no}).state == SeatState::kSold; });
}

// Whether the buyer may take seats at all that are not the reservation's yet.
std::optional<Outcome> Book::CheckNew(const HoldSeats& hold, const Target& target,
                                      const ShowNow& show) const {
  const Show& facts = *show.facts->show;
  if (!facts.OnSale(now_) && !MUTANT("seat_hold_after_sale")) return NotOnSale(show);
  const bool kept = facts.terms.waitlist_first && !MUTANT("seat_ignores_waitlist_first");
  if (kept && !hold.from_waitlist && !AreKept(hold, target)) {
    return Refused(Refusal::kWaitlistFirst, show.facts->show);
  }
  return CheckLimit(hold, target.seats, show);
}

// Whether all that are not the reservation's yet are kept for channels, so that no offer to the waitlist can
// have them; or that is not known yet.
bool Book::AreKept(const HoldSeats& hold, const Target& target) const {
  if (target.seats.empty()) return hold.proposal.status == Proposal::Status::kNone;
  return std::ranges::all_of(target.seats, [&](SeatNo seat_no) {
    const SeatRow& row = seats_.Get({hold.show_id, seat_no});
    return row.BelongsTo(hold.reservation) || !row.ChannelAt(now_).empty();
  });
}

// None: the saga or the reservation has other seats.
std::optional<Book::Target> Book::TargetOf(const HoldSeats& hold, const SagaRow& saga) const {
  if (!saga.seats.empty()) {
    // Whoever had the best seats chosen may name them from then on.
    const bool same_seats = hold.best ? saga.choice == ChoiceOf(hold) : saga.seats == Sorted(hold.seats);
    const bool same = saga.reservation == hold.reservation && saga.show_id == hold.show_id && same_seats;
    if (!same) return std::nullopt;
    return Target{saga.seats, true, false};
  }
  std::vector<SeatNo> ours;
  bool live = false;
  Target target;
  if (!hold.best) target.seats = Sorted(hold.seats);
  for (const SeatNo seat_no : buyers_.Get({hold.show_id, hold.user_id}).seats) {
    const SeatRow& row = seats_.Get({hold.show_id, seat_no});
    if (!row.BelongsTo(hold.reservation)) continue;
    ours.push_back(seat_no);
    live = live || (!row.IsFree(now_) && !Contains(target.seats, seat_no));
  }
  // Another attempt of a reservation is after the seats that it has.
  if (hold.best && ours.size() == hold.best->count) return Target{std::move(ours), false, false};
  if (live) return std::nullopt;
  if (hold.best && hold.proposal.status == Proposal::Status::kFound) {
    target.seats = hold.proposal.seats;
    target.proposed = true;
  }
  return target;
}

std::optional<Outcome> Book::UnknownSeats(const std::vector<SeatNo>& seats, const ShowNow& show) {
  const Layout& layout = *show.facts->show->layout;
  Outcome outcome = Refused(Refusal::kSeatUnknown, show.facts->show);
  for (const SeatNo seat_no : seats) {
    if (!layout.Has(seat_no)) outcome.conflicts.push_back({seat_no, ConflictReason::kUnknown});
  }
  if (outcome.conflicts.empty()) return std::nullopt;
  return outcome;
}

// Seats of the buyer that count, in this show, besides those that are being asked for.
std::optional<Outcome> Book::CheckLimit(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                        const ShowNow& show) const {
  uint32_t owned = 0;
  for (const SeatNo seat_no : buyers_.Get({hold.show_id, hold.user_id}).seats) {
    const SeatRow& row = seats_.Get({hold.show_id, seat_no});
    if (row.user_id == hold.user_id && !row.IsFree(now_) && !Contains(seats, seat_no)) ++owned;
  }
  const size_t wanted = hold.best ? hold.best->count : seats.size();
  const uint32_t limit = show.facts->show->terms.seat_limit;
  if (owned + wanted <= limit || MUTANT("seat_no_limit")) return std::nullopt;
  Outcome outcome = Refused(Refusal::kSeatLimit, show.facts->show);
  outcome.seat_limit = limit;
  outcome.seats_owned = owned;
  return outcome;
}

std::optional<Outcome> Book::CheckTaken(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                        const ShowNow& show) const {
  Outcome outcome = Refused(Refusal::kSeatsTaken, show.facts->show);
  for (const SeatNo seat_no : seats) {
    const SeatRow& row = seats_.Get({hold.show_id, seat_no});
    if (row.BelongsTo(hold.reservation)) continue;
    const bool is_free =
        row.IsFree(now_) || (MUTANT("seat_hold_blocked") && row.state == SeatState::kBlocked);
    if (is_free && MayTake(hold, row.ChannelAt(now_))) continue;
    outcome.conflicts.push_back({seat_no, is_free ? ConflictReason::kChannel : ReasonOf(row)});
  }
  if (outcome.conflicts.empty() || MUTANT("seat_hold_taken")) return std::nullopt;
  return outcome;
}

// Whether seats have stayed free that the map took for taken when this was looked at. The first command of a
// batch is looked at without assumptions, so whatever is decided again is decided.
bool Book::WasAssumedInVain(const HoldSeats& hold) const {
  return std::ranges::any_of(
      hold.assumed, [&](SeatNo seat_no) { return seats_.Get({hold.show_id, seat_no}).IsFree(now_); });
}

// Every seat is the reservation's or free.
Outcome Book::Take(const HoldSeats& hold, const Target& target, ShowNow& show) {
  const Layout& layout = *show.facts->show->layout;
  FreeLapsed(hold, target.seats);
  Timestamp held_since = now_;
  for (const SeatNo seat_no : target.seats) {
    const SeatRow& row = seats_.Get({hold.show_id, seat_no});
    const bool anew = target.recorded && row.IsFree(now_);
    if (row.BelongsTo(hold.reservation) && !anew) held_since = std::min(held_since, row.held_since);
  }
  // The saga that is under way is always given its time; past that, the absolute cap holds.
  const Timestamp for_saga = std::min(hold.hold_at_least_until, held_since + kMaxHold + kSagaSlack);
  const Timestamp wanted =
      std::max(std::min(now_ + show.facts->show->terms.hold_ttl, held_since + kMaxHold), for_saga);
  bool changed = false;
  bool took = false;  // what was not the reservation's
  for (const SeatNo seat_no : target.seats) {
    const SeatKey key{hold.show_id, seat_no};
    const SeatRow& row = seats_.Get(key);
    const bool ours = row.BelongsTo(hold.reservation);
    if (ours && row.state == SeatState::kSold) continue;
    // The same command again gets the same answer, unless its hold would not last.
    const bool lasts = row.hold_expires_at >= (target.recorded ? for_saga : wanted);
    if (ours && lasts && !row.IsFree(now_)) continue;
    took = took || !ours || row.IsFree(now_);
    if (!ours && row.state == SeatState::kHeld) NoteReleased(row);
    if (row.IsWithheld(now_)) --show.blocked;
    SeatRow& mine = ChangeSeat(key);
    mine.state = SeatState::kHeld;
    mine.reservation = hold.reservation;
    mine.user_id = hold.user_id;
    mine.hold_expires_at = wanted;
    mine.held_since = held_since;
    if (!ours) mine.price = layout.PriceOf(seat_no);
    if (mine.price == 0) mine.price = layout.FirstPriceOf(seat_no);
    changed = true;
  }
  FlushReleased();
  Record(hold, target, took);
  // A saga that is undone meanwhile may keep these seats. As its record is saved with them, it is found
  // moved.
  if (target.recorded && changed) sagas_.Change(hold.saga);
  Outcome outcome = Done(target.seats, show);
  outcome.hold_expires_at = ExpiryOf(hold.show_id, target.seats);
  outcome.grace = show.facts->show->terms.grace;
  if (hold.best) outcome.rung = RungOf(layout, target.seats);
  if (changed) {
    Emit({Event::Kind::kHeld,
          hold.reservation,
          hold.show_id,
          target.seats,
          outcome.hold_expires_at,
          {},
          now_,
          *traceparent_});
  }
  return outcome;
}

// What the buyer held until its deadline did not count for the limit, so it must not be confirmed any more.
void Book::FreeLapsed(const HoldSeats& hold, const std::vector<SeatNo>& seats) {
  for (const SeatNo seat_no : buyers_.Get({hold.show_id, hold.user_id}).seats) {
    const SeatKey key{hold.show_id, seat_no};
    const SeatRow& row = seats_.Get(key);
    const bool lapsed = row.state == SeatState::kHeld && row.IsFree(now_);
    if (!lapsed || row.user_id != hold.user_id || Contains(seats, seat_no)) continue;
    NoteReleased(row);
    Free(key);
  }
}

// The saga's record, and the buyer's list of seats: also one that has them all, as seats which were given
// back stay on it. Else two holds of one buyer at two replicas would have no row in common.
void Book::Record(const HoldSeats& hold, const Target& target, bool took) {
  if (!target.recorded) {
    SagaRow& saga = sagas_.Change(hold.saga);
    saga.reservation = hold.reservation;
    saga.show_id = hold.show_id;
    saga.choice = ChoiceOf(hold);
    saga.seats = target.seats;
  }
  const BuyerKey key{hold.show_id, hold.user_id};
  if (took || !std::ranges::includes(buyers_.Get(key).seats, target.seats)) ListSeats(key, target.seats);
}

void Book::ListSeats(const BuyerKey& buyer, const std::vector<SeatNo>& more) {
  std::vector<SeatNo> seats = more;
  for (const SeatNo seat_no : buyers_.Get(buyer).seats) {
    const SeatRow& row = seats_.Get({buyer.show_id, seat_no});
    if (row.IsOwned() && row.user_id == buyer.user_id) seats.push_back(seat_no);
  }
  SortUnique(seats);
  buyers_.Change(buyer).seats = std::move(seats);
}

std::optional<Outcome> Book::Run(const ConfirmSeats& confirm) {
  const SagaRow& saga = sagas_.Get(confirm.saga);
  if (IsUndone(saga) && !MUTANT("seat_ignore_tombstone_confirm")) return Of(Kind::kAborted);
  ShowNow* show = FindShow(confirm.show_id);
  if (show == nullptr) return Refused(Refusal::kShowNotFound);
  const std::vector<SeatNo> seats = Sorted(confirm.seats);
  if (const Refusal refusal = CheckSeats(seats); refusal != Refusal::kNone) {
    return Refused(refusal, show->facts->show);
  }
  const bool other_content = !saga.seats.empty() && (saga.reservation != confirm.reservation ||
                                                     saga.show_id != confirm.show_id || saga.seats != seats);
  if (other_content) return Of(Kind::kMismatch);
  if (auto unknown = UnknownSeats(seats, *show)) return unknown;
  if (auto lost = CheckLost(confirm.reservation, confirm.show_id, seats, *show)) return lost;
  // Also a saga that was under way when the show was cancelled: it is undone, and its money goes back.
  const bool cancelled = show->facts->show->terms.phase == ShowPhase::kCancelled;
  if (cancelled && !AreSold(confirm.show_id, seats)) return NotOnSale(*show);
  bool changed = false;
  for (const SeatNo seat_no : seats) {
    const SeatKey key{confirm.show_id, seat_no};
    const SeatRow& row = seats_.Get(key);
    if (row.state == SeatState::kSold) continue;
    // One that has lapsed counts as kept again; counted twice, it would tell of a sell-out too early.
    show->blocked -= static_cast<int64_t>(row.IsWithheld(now_));
    ChangeSeat(key).state = SeatState::kSold;
    if (MUTANT("seat_confirm_at_new_price"))
      ChangeSeat(key).price = show->facts->show->layout->PriceOf(seat_no);
    ++show->sold;
    changed = true;
  }
  if (changed) {
    if (!show->marks.first_sold_at) show->marks.first_sold_at = now_;
    Emit({Event::Kind::kSold, confirm.reservation, confirm.show_id, seats, {}, {}, now_, *traceparent_});
    NoteSoldOut(*show);
  }
  return Done(seats, *show);
}

// A hold that has passed its deadline is as good as any, as long as the seat is still the reservation's.
std::optional<Outcome> Book::CheckLost(ReservationId reservation, int64_t show_id,
                                       const std::vector<SeatNo>& seats, const ShowNow& show) const {
  Outcome outcome = Refused(Refusal::kHoldLost, show.facts->show);
  for (const SeatNo seat_no : seats) {
    const SeatRow& row = seats_.Get({show_id, seat_no});
    if (MUTANT("seat_confirm_lapsed_refused") && row.IsFree(now_)) outcome.conflicts.push_back({seat_no, {}});
    if (row.BelongsTo(reservation) || MUTANT("seat_confirm_without_owner")) continue;
    outcome.conflicts.push_back({seat_no, ReasonOf(row)});
  }
  if (outcome.conflicts.empty()) return std::nullopt;
  return outcome;
}

std::optional<Outcome> Book::Run(const TellSoldOut& tell) {
  if (ShowNow* show = FindShow(tell.show_id); show != nullptr) NoteSoldOut(*show);
  return Of(Kind::kDone);
}

SeatRow& Book::ChangeSeat(const SeatKey& key) {
  decision_.touches.push_back({decision_.outcomes.size(), key});
  return seats_.Change(key);
}

void Book::NoteSoldOut(ShowNow& show) {
  const Show& sold_out = *show.facts->show;
  const auto capacity = static_cast<int64_t>(sold_out.layout->capacity());
  // Before the opening it is not: what is blocked may be what will be sold then.
  const bool opened = now_ >= sold_out.terms.on_sale_at;
  if (show.marks.sold_out_at || !opened || show.facts->doubted) return;
  if (show.sold == 0 || show.sold + show.blocked < capacity) return;
  show.marks.sold_out_at = now_;
  Emit({Event::Kind::kSoldOut, {}, sold_out.id, {}, {}, sold_out.terms.on_sale_at, now_, *traceparent_});
}

Outcome Book::Done(const std::vector<SeatNo>& seats, const ShowNow& show) const {
  Outcome outcome;
  outcome.show = show.facts->show;
  outcome.seats = seats;
  outcome.prices.reserve(seats.size());
  for (const SeatNo seat_no : seats) {
    const int64_t price = PriceOf(seats_.Get({outcome.show->id, seat_no}), *outcome.show->layout);
    outcome.prices.push_back(price);
    outcome.amount += price;
  }
  return outcome;
}

// The first of the holds' deadlines; the epoch if all are sold.
Timestamp Book::ExpiryOf(int64_t show_id, const std::vector<SeatNo>& seats) const {
  Timestamp first{};
  for (const SeatNo seat_no : seats) {
    const SeatRow& row = seats_.Get({show_id, seat_no});
    if (row.state != SeatState::kHeld) continue;
    if (first == Timestamp{} || row.hold_expires_at < first) first = row.hold_expires_at;
  }
  return first;
}

ShowNow* Book::FindShow(int64_t show_id) {
  const auto id = [](const ShowNow& show) { return show.facts->show->id; };
  const auto found = std::ranges::lower_bound(shows_, show_id, {}, id);
  return found != shows_.end() && id(*found) == show_id ? &*found : nullptr;
}

Decision Decide(const Rows& loaded, std::span<const Command> commands, Timestamp now,
                Timestamp forgotten_before) {
  Book book(loaded, now, forgotten_before);
  for (const Command& command : commands) book.Run(command);
  return book.Finish();
}

}  // namespace boxoffice::seat
