#include "services/seat/seat_book.h"

#include <algorithm>

#include <fmt/format.h>

#include "services/seat/row_overlay.h"

namespace boxoffice::seat {
namespace {

using Kind = Outcome::Kind;

std::vector<SeatNo> Sorted(std::vector<SeatNo> seats) {
  std::ranges::sort(seats);
  return seats;
}

bool Contains(const std::vector<SeatNo>& sorted, SeatNo seat_no) {
  return std::ranges::binary_search(sorted, seat_no);
}

template <typename T>
void SortUnique(std::vector<T>& items) {
  std::ranges::sort(items);
  items.erase(std::ranges::unique(items).begin(), items.end());
}

// What a best-available hold is recognised by when it comes again.
std::string ChoiceOf(const HoldSeats& hold) {
  if (!hold.best) return {};
  std::string choice = fmt::format("{}/{}/{}", hold.best->count, hold.best->section, hold.best->category);
  if (hold.best->max_price != 0) choice += fmt::format("/{}", hold.best->max_price);
  return choice;
}

Outcome Refused(Refusal refusal, std::shared_ptr<const Show> show = nullptr) {
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

// What is wrong with a list of seats before any is looked at.
Refusal CheckCount(size_t count) {
  if (count == 0) return Refusal::kNoSeats;
  if (count > kMaxSeatsPerHold) return Refusal::kTooManySeats;
  return Refusal::kNone;
}
Refusal CheckSeats(const std::vector<SeatNo>& sorted) {
  if (const Refusal refusal = CheckCount(sorted.size()); refusal != Refusal::kNone) return refusal;
  return std::ranges::adjacent_find(sorted) != sorted.end() ? Refusal::kDuplicateSeat : Refusal::kNone;
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

// A show while a batch is decided.
struct ShowNow {
  const ShowFacts* facts = nullptr;
  ShowMarks marks;
  int64_t sold = 0;
  int64_t blocked = 0;
};

class Book {
 public:
  Book(const Rows& loaded, Timestamp now)
      : now_(now), sagas_(loaded.sagas), buyers_(loaded.buyers), seats_(loaded.seats) {
    shows_.reserve(loaded.shows.size());
    for (const ShowFacts& facts : loaded.shows)
      shows_.push_back({&facts, facts.marks, facts.sold, facts.blocked});
  }

  void Run(const Command& command) {
    traceparent_ = &command.traceparent;
    decision_.outcomes.push_back(
        std::visit([this](const auto& body) -> std::optional<Outcome> { return Run(body); }, command.body));
  }

  Decision Finish() {
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

 private:
  // Seats that a hold aims at; or what it is answered instead.
  struct Target {
    std::vector<SeatNo> seats;  // sorted
    bool recorded = false;      // the saga holds them already
    bool proposed = false;      // by the map
  };

  std::optional<Outcome> Run(const HoldSeats& hold) {
    const SagaRow& saga = sagas_.Get(hold.saga);
    if (saga.undone) return Of(Kind::kAborted);
    const ShowNow* show = FindShow(hold.show_id);
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
    if (!all_ours) {
      // A saga takes its seats once. What it no longer has was freed with its reservation, or went after the
      // deadline: a late duplicate gets nothing back.
      if (target->recorded) return CheckLost(hold.reservation, hold.show_id, target->seats, *show);
      if (!show->facts->show->OnSale(now_)) return NotOnSale(*show);
      if (auto refused = CheckLimit(hold, target->seats, *show)) return refused;
      if (no_proposal) return NoProposal(hold, *show);
      auto taken = CheckTaken(hold, target->seats, *show);
      if (taken && target->proposed) return std::nullopt;
      if (taken) return taken;
      if (!hold.orphans.empty() && ours == 0) return LeavesOrphans(hold, *show);
    }
    return Take(hold, *target, *show);
  }

  [[nodiscard]] bool AreSold(int64_t show_id, const std::vector<SeatNo>& seats) const {
    return std::ranges::all_of(
        seats, [&](SeatNo seat_no) { return seats_.Get({show_id, seat_no}).state == SeatState::kSold; });
  }

  static Outcome NotOnSale(const ShowNow& show) {
    const bool cancelled = show.facts->show->terms.phase == ShowPhase::kCancelled;
    return Refused(cancelled ? Refusal::kShowCancelled : Refusal::kShowNotOnSale, show.facts->show);
  }

  static Outcome LeavesOrphans(const HoldSeats& hold, const ShowNow& show) {
    Outcome outcome = Refused(Refusal::kOrphanSeat, show.facts->show);
    for (const SeatNo seat_no : hold.orphans) outcome.conflicts.push_back({seat_no, ConflictReason::kOrphan});
    return outcome;
  }

  // None: the saga or the reservation has other seats.
  std::optional<Target> TargetOf(const HoldSeats& hold, const SagaRow& saga) const {
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

  std::optional<Outcome> UnknownSeats(const std::vector<SeatNo>& seats, const ShowNow& show) const {
    const Layout& layout = *show.facts->show->layout;
    Outcome outcome = Refused(Refusal::kSeatUnknown, show.facts->show);
    for (const SeatNo seat_no : seats) {
      if (!layout.Has(seat_no)) outcome.conflicts.push_back({seat_no, ConflictReason::kUnknown});
    }
    if (outcome.conflicts.empty()) return std::nullopt;
    return outcome;
  }

  // Seats of the buyer that count, in this show, besides those that are being asked for.
  std::optional<Outcome> CheckLimit(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                    const ShowNow& show) const {
    uint32_t owned = 0;
    for (const SeatNo seat_no : buyers_.Get({hold.show_id, hold.user_id}).seats) {
      const SeatRow& row = seats_.Get({hold.show_id, seat_no});
      if (row.user_id == hold.user_id && !row.IsFree(now_) && !Contains(seats, seat_no)) ++owned;
    }
    const size_t wanted = hold.best ? hold.best->count : seats.size();
    const uint32_t limit = show.facts->show->terms.seat_limit;
    if (owned + wanted <= limit) return std::nullopt;
    Outcome outcome = Refused(Refusal::kSeatLimit, show.facts->show);
    outcome.seat_limit = limit;
    outcome.seats_owned = owned;
    return outcome;
  }

  static std::optional<Outcome> NoProposal(const HoldSeats& hold, const ShowNow& show) {
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

  std::optional<Outcome> CheckTaken(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                    const ShowNow& show) const {
    Outcome outcome = Refused(Refusal::kSeatsTaken, show.facts->show);
    for (const SeatNo seat_no : seats) {
      const SeatRow& row = seats_.Get({hold.show_id, seat_no});
      if (row.BelongsTo(hold.reservation) || row.IsFree(now_)) continue;
      outcome.conflicts.push_back({seat_no, ReasonOf(row)});
    }
    if (outcome.conflicts.empty()) return std::nullopt;
    return outcome;
  }

  // Every seat is the reservation's or free.
  Outcome Take(const HoldSeats& hold, const Target& target, const ShowNow& show) {
    FreeLapsed(hold, target.seats);
    Timestamp held_since = now_;
    for (const SeatNo seat_no : target.seats) {
      const SeatRow& row = seats_.Get({hold.show_id, seat_no});
      if (row.BelongsTo(hold.reservation) && !row.IsFree(now_)) {
        held_since = std::min(held_since, row.held_since);
      }
    }
    // The saga that is under way is always given its time; past that, the absolute cap holds.
    const Timestamp for_saga = std::min(hold.hold_at_least_until, held_since + kMaxHold + kSagaSlack);
    const Timestamp wanted =
        std::max(std::min(now_ + show.facts->show->terms.hold_ttl, held_since + kMaxHold), for_saga);
    bool changed = false;
    for (const SeatNo seat_no : target.seats) {
      const SeatKey key{hold.show_id, seat_no};
      const SeatRow& row = seats_.Get(key);
      const bool ours = row.BelongsTo(hold.reservation);
      if (ours && row.state == SeatState::kSold) continue;
      // The same command again gets the same answer, unless its hold would not last.
      const bool lasts = row.hold_expires_at >= (target.recorded ? for_saga : wanted);
      if (ours && lasts && !row.IsFree(now_)) continue;
      if (!ours && row.state == SeatState::kHeld) NoteReleased(row);
      SeatRow& mine = ChangeSeat(key);
      mine.state = SeatState::kHeld;
      mine.reservation = hold.reservation;
      mine.user_id = hold.user_id;
      mine.hold_expires_at = wanted;
      mine.held_since = held_since;
      changed = true;
    }
    FlushReleased();
    Record(hold, target);
    Outcome outcome = Done(target.seats, show);
    outcome.hold_expires_at = ExpiryOf(hold.show_id, target.seats);
    if (hold.best) outcome.rung = RungOf(*show.facts->show->layout, target.seats);
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
  void FreeLapsed(const HoldSeats& hold, const std::vector<SeatNo>& seats) {
    for (const SeatNo seat_no : buyers_.Get({hold.show_id, hold.user_id}).seats) {
      const SeatKey key{hold.show_id, seat_no};
      const SeatRow& row = seats_.Get(key);
      const bool lapsed = row.state == SeatState::kHeld && row.IsFree(now_);
      if (!lapsed || row.user_id != hold.user_id || Contains(seats, seat_no)) continue;
      NoteReleased(row);
      Free(key);
    }
  }

  // The saga's record, and the buyer's list of seats.
  void Record(const HoldSeats& hold, const Target& target) {
    if (!target.recorded) {
      SagaRow& saga = sagas_.Change(hold.saga);
      saga.reservation = hold.reservation;
      saga.show_id = hold.show_id;
      saga.choice = ChoiceOf(hold);
      saga.seats = target.seats;
    }
    const BuyerKey key{hold.show_id, hold.user_id};
    const std::vector<SeatNo>& listed = buyers_.Get(key).seats;
    if (std::ranges::includes(listed, target.seats)) return;
    std::vector<SeatNo> seats;
    for (const SeatNo seat_no : listed) {
      const SeatRow& row = seats_.Get({hold.show_id, seat_no});
      if (row.IsOwned() && row.user_id == hold.user_id) seats.push_back(seat_no);
    }
    seats.insert(seats.end(), target.seats.begin(), target.seats.end());
    SortUnique(seats);
    buyers_.Change(key).seats = std::move(seats);
  }

  std::optional<Outcome> Run(const ConfirmSeats& confirm) {
    const SagaRow& saga = sagas_.Get(confirm.saga);
    if (saga.undone) return Of(Kind::kAborted);
    ShowNow* show = FindShow(confirm.show_id);
    if (show == nullptr) return Refused(Refusal::kShowNotFound);
    const std::vector<SeatNo> seats = Sorted(confirm.seats);
    if (const Refusal refusal = CheckSeats(seats); refusal != Refusal::kNone) {
      return Refused(refusal, show->facts->show);
    }
    const bool other_content =
        !saga.seats.empty() &&
        (saga.reservation != confirm.reservation || saga.show_id != confirm.show_id || saga.seats != seats);
    if (other_content) return Of(Kind::kMismatch);
    if (auto unknown = UnknownSeats(seats, *show)) return unknown;
    if (auto lost = CheckLost(confirm.reservation, confirm.show_id, seats, *show)) return lost;
    // Also a saga that was under way when the show was cancelled: it is undone, and its money goes back.
    const bool cancelled = show->facts->show->terms.phase == ShowPhase::kCancelled;
    if (cancelled && !AreSold(confirm.show_id, seats)) return NotOnSale(*show);
    bool changed = false;
    for (const SeatNo seat_no : seats) {
      const SeatKey key{confirm.show_id, seat_no};
      if (seats_.Get(key).state == SeatState::kSold) continue;
      ChangeSeat(key).state = SeatState::kSold;
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
  std::optional<Outcome> CheckLost(ReservationId reservation, int64_t show_id,
                                   const std::vector<SeatNo>& seats, const ShowNow& show) const {
    Outcome outcome = Refused(Refusal::kHoldLost, show.facts->show);
    for (const SeatNo seat_no : seats) {
      const SeatRow& row = seats_.Get({show_id, seat_no});
      if (row.BelongsTo(reservation)) continue;
      outcome.conflicts.push_back({seat_no, ReasonOf(row)});
    }
    if (outcome.conflicts.empty()) return std::nullopt;
    return outcome;
  }

  std::optional<Outcome> Run(const ReleaseSeats& release) {
    const SagaRow& saga = sagas_.Get(release.saga);
    // Again: the reservation may have seats by a later saga, which are none of this one's.
    if (saga.undone) return Of(Kind::kDone);
    ShowNow* show = FindShow(release.show_id);
    std::vector<SeatNo> freed;
    if (show != nullptr) {
      std::vector<SeatNo> seats = release.seats;
      if (saga.show_id == release.show_id) {
        seats.insert(seats.end(), saga.seats.begin(), saga.seats.end());
      }
      SortUnique(seats);
      for (const SeatNo seat_no : seats) {
        const SeatKey key{release.show_id, seat_no};
        if (!seats_.Get(key).BelongsTo(release.reservation)) continue;
        if (seats_.Get(key).state == SeatState::kSold) --show->sold;
        Free(key);
        freed.push_back(seat_no);
      }
    }
    if (!freed.empty()) {
      Emit({Event::Kind::kReleased,
            release.reservation,
            release.show_id,
            std::move(freed),
            {},
            {},
            now_,
            *traceparent_});
    }
    SagaRow& undone = sagas_.Change(release.saga);
    undone.undone = true;
    if (undone.seats.empty()) {
      undone.reservation = release.reservation;
      undone.show_id = release.show_id;
    }
    return Of(Kind::kDone);
  }

  std::optional<Outcome> Run(const SweepSeats& sweep) {
    for (const SeatKey& key : sweep.seats) {
      const SeatRow& row = seats_.Get(key);
      if (row.state != SeatState::kHeld || row.hold_expires_at > now_) continue;
      NoteReleased(row);
      Free(key);
    }
    FlushReleased();
    return Of(Kind::kDone);
  }

  std::optional<Outcome> Run(const TellSoldOut& tell) {
    if (ShowNow* show = FindShow(tell.show_id); show != nullptr) NoteSoldOut(*show);
    return Of(Kind::kDone);
  }

  std::optional<Outcome> Run(const BlockSeats& block) {
    ShowNow* show = FindShow(block.show_id);
    if (show == nullptr) return Refused(Refusal::kShowNotFound);
    if (block.seats.empty()) return Refused(Refusal::kNoSeats, show->facts->show);
    if (block.seats.size() > kMaxSeatsPerBlock) return Refused(Refusal::kTooManySeats, show->facts->show);
    if (auto unknown = UnknownSeats(block.seats, *show)) return unknown;
    Outcome taken = Refused(Refusal::kSeatsTaken, show->facts->show);
    std::vector<SeatNo> changed;
    for (const SeatNo seat_no : block.seats) {
      const SeatRow& row = seats_.Get({block.show_id, seat_no});
      const bool blocked = row.state == SeatState::kBlocked;
      if (!block.release && !blocked && !row.IsFree(now_))
        taken.conflicts.push_back({seat_no, ReasonOf(row)});
      if (blocked == block.release) changed.push_back(seat_no);
    }
    if (!taken.conflicts.empty()) return taken;
    for (const SeatNo seat_no : changed) {
      const SeatKey key{block.show_id, seat_no};
      if (seats_.Get(key).state == SeatState::kHeld) NoteReleased(seats_.Get(key));
      Free(key);
      if (!block.release) ChangeSeat(key).state = SeatState::kBlocked;
    }
    FlushReleased();
    const auto count = static_cast<int64_t>(changed.size());
    show->blocked += block.release ? -count : count;
    if (!changed.empty()) {
      decision_.changes.blocks.push_back(
          {block.show_id, std::move(changed), block.release, block.reason, block.operator_id, now_});
    }
    return Done(block.seats, *show);
  }

  SeatRow& ChangeSeat(const SeatKey& key) {
    decision_.touches.push_back({decision_.outcomes.size(), key});
    return seats_.Change(key);
  }

  void Free(const SeatKey& key) {
    SeatRow& row = ChangeSeat(key);
    row.state = SeatState::kFree;
    row.reservation = {};
    row.user_id.clear();
    row.hold_expires_at = {};
    row.held_since = {};
  }

  // One event per reservation whose hold had passed, in the order of seats.
  void NoteReleased(const SeatRow& row) {
    for (Event& event : released_) {
      if (event.reservation == row.reservation && event.show_id == row.key.show_id) {
        event.seats.push_back(row.key.seat_no);
        return;
      }
    }
    released_.push_back({Event::Kind::kReleased,
                         row.reservation,
                         row.key.show_id,
                         {row.key.seat_no},
                         {},
                         {},
                         now_,
                         *traceparent_});
  }
  void FlushReleased() {
    for (Event& event : released_) Emit(std::move(event));
    released_.clear();
  }

  void NoteSoldOut(ShowNow& show) {
    const Show& sold_out = *show.facts->show;
    const auto capacity = static_cast<int64_t>(sold_out.layout->capacity());
    if (show.marks.sold_out_at || show.sold == 0 || show.sold + show.blocked < capacity) return;
    show.marks.sold_out_at = now_;
    Emit({Event::Kind::kSoldOut, {}, sold_out.id, {}, {}, sold_out.terms.on_sale_at, now_, *traceparent_});
  }

  void Emit(Event event) { decision_.changes.events.push_back(std::move(event)); }

  static Outcome Done(const std::vector<SeatNo>& seats, const ShowNow& show) {
    Outcome outcome;
    outcome.show = show.facts->show;
    outcome.seats = seats;
    for (const SeatNo seat_no : seats) outcome.amount += outcome.show->layout->PriceOf(seat_no);
    return outcome;
  }

  // The first of the holds' deadlines; the epoch if all are sold.
  [[nodiscard]] Timestamp ExpiryOf(int64_t show_id, const std::vector<SeatNo>& seats) const {
    Timestamp first{};
    for (const SeatNo seat_no : seats) {
      const SeatRow& row = seats_.Get({show_id, seat_no});
      if (row.state != SeatState::kHeld) continue;
      if (first == Timestamp{} || row.hold_expires_at < first) first = row.hold_expires_at;
    }
    return first;
  }

  ShowNow* FindShow(int64_t show_id) {
    const auto id = [](const ShowNow& show) { return show.facts->show->id; };
    const auto found = std::ranges::lower_bound(shows_, show_id, {}, id);
    return found != shows_.end() && id(*found) == show_id ? &*found : nullptr;
  }

  const Timestamp now_;
  const std::string* traceparent_ = nullptr;
  Overlay<SagaRow, SagaId, &SagaRow::id> sagas_;
  Overlay<BuyerRow, BuyerKey, &BuyerRow::key> buyers_;
  Overlay<SeatRow, SeatKey, &SeatRow::key> seats_;
  std::vector<ShowNow> shows_;
  std::vector<Event> released_;
  Decision decision_;
};

}  // namespace

Decision Decide(const Rows& loaded, std::span<const Command> commands, Timestamp now) {
  Book book(loaded, now);
  for (const Command& command : commands) book.Run(command);
  return book.Finish();
}

}  // namespace boxoffice::seat
