// What operators do to seats: block them, keep them for a channel, and move a buyer to others.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "base/mutant.h"
#include "services/seat/book.h"

namespace boxoffice::seat {
namespace {

using Kind = Outcome::Kind;

// What a move is recognised by when it comes again.
std::string ChoiceOf(const MoveSeats& move) {
  return fmt::format("move/{}/{}", fmt::join(move.from, ","), fmt::join(move.to, ","));
}

}  // namespace

// Calls `change(row)` on each of these seats, frees what has lapsed on the way, and counts what is withheld.
template <typename Change>
void Book::ChangeMany(ShowNow& show, const std::vector<SeatNo>& seats, Change change) {
  for (const SeatNo seat_no : seats) {
    const SeatKey key{show.facts->show->id, seat_no};
    const SeatRow& row = seats_.Get(key);
    show.blocked -= static_cast<int64_t>(row.IsWithheld(now_));
    if (row.state == SeatState::kHeld && row.IsFree(now_)) {
      NoteReleased(row);
      Free(key);
    }
    SeatRow& changed = ChangeSeat(key);
    change(changed);
    show.blocked += static_cast<int64_t>(changed.IsWithheld(now_));
  }
  FlushReleased();
}

// None: they are seats, and not too many.
std::optional<Outcome> Book::CheckMany(const ShowNow& show, const std::vector<SeatNo>& seats) {
  if (seats.empty()) return Refused(Refusal::kNoSeats, show.facts->show);
  if (seats.size() > kMaxSeatsPerBlock) return Refused(Refusal::kTooManySeats, show.facts->show);
  return UnknownSeats(seats, show);
}

// None: nobody has any of them.
std::optional<Outcome> Book::CheckNobodys(const ShowNow& show, const std::vector<SeatNo>& seats) const {
  Outcome taken = Refused(Refusal::kSeatsTaken, show.facts->show);
  for (const SeatNo seat_no : seats) {
    const SeatRow& row = seats_.Get({show.facts->show->id, seat_no});
    const bool nobodys = row.state == SeatState::kBlocked || row.IsFree(now_);
    if (nobodys || MUTANT("seat_block_over_buyer")) continue;
    taken.conflicts.push_back({seat_no, ReasonOf(row)});
  }
  if (taken.conflicts.empty()) return std::nullopt;
  return taken;
}

// None: no other channel has any of them. What it has, it is not deprived of in passing.
std::optional<Outcome> Book::CheckNoOthers(const ShowNow& show, const AssignChannel& assign) const {
  Outcome taken = Refused(Refusal::kSeatsTaken, show.facts->show);
  for (const SeatNo seat_no : assign.seats) {
    const std::string_view channel = seats_.Get({assign.show_id, seat_no}).ChannelAt(now_);
    if (channel.empty() || channel == assign.channel) continue;
    if (taken.conflicts.empty()) taken.channel = channel;
    taken.conflicts.push_back({seat_no, ConflictReason::kChannel});
  }
  if (taken.conflicts.empty()) return std::nullopt;
  return taken;
}

std::optional<Outcome> Book::Run(const BlockSeats& block) {
  ShowNow* show = FindShow(block.show_id);
  if (show == nullptr) return Refused(Refusal::kShowNotFound);
  if (auto refused = CheckMany(*show, block.seats)) return refused;
  if (!block.release) {
    if (auto taken = CheckNobodys(*show, block.seats)) return taken;
  }
  std::vector<SeatNo> changed;
  for (const SeatNo seat_no : block.seats) {
    const bool blocked = seats_.Get({block.show_id, seat_no}).state == SeatState::kBlocked;
    if (blocked == block.release) changed.push_back(seat_no);
  }
  const SeatState state = block.release ? SeatState::kFree : SeatState::kBlocked;
  ChangeMany(*show, changed, [state](SeatRow& row) { row.state = state; });
  Outcome done = Done(block.seats, *show);
  done.changed = static_cast<uint32_t>(changed.size());
  if (!changed.empty()) {
    decision_.changes.blocks.push_back(
        {block.show_id, std::move(changed), block.release, block.reason, block.operator_id, now_});
  }
  return done;
}

std::optional<Outcome> Book::Run(const AssignChannel& assign) {
  ShowNow* show = FindShow(assign.show_id);
  if (show == nullptr) return Refused(Refusal::kShowNotFound);
  if (auto refused = CheckMany(*show, assign.seats)) return refused;
  const bool gives_back = assign.channel.empty();
  if (!gives_back) {
    if (auto taken = CheckNobodys(*show, assign.seats)) return taken;
    if (auto others = CheckNoOthers(*show, assign)) return others;
  }
  std::vector<SeatNo> changed;
  for (const SeatNo seat_no : assign.seats) {
    const SeatRow& row = seats_.Get({assign.show_id, seat_no});
    const bool same = row.channel == assign.channel && row.channel_until == assign.until;
    const bool others = gives_back && !assign.from_channel.empty() && row.channel != assign.from_channel;
    if (!same && !others) changed.push_back(seat_no);
  }
  ChangeMany(*show, changed, [&assign](SeatRow& row) {
    row.channel = assign.channel;
    row.channel_until = assign.until;
  });
  Outcome done = Done(assign.seats, *show);
  done.changed = static_cast<uint32_t>(changed.size());
  if (!changed.empty()) {
    decision_.changes.blocks.push_back({assign.show_id, std::move(changed), gives_back, assign.reason,
                                        assign.operator_id, now_, 0, true,
                                        gives_back ? assign.from_channel : assign.channel});
  }
  return done;
}

std::optional<Outcome> Book::Run(const MoveSeats& move) {
  CHECK(move.from.size() == move.to.size(), "seats are moved one for one");
  const SagaRow& saga = sagas_.Get(move.saga);
  const bool was_refused = saga.undone && saga.choice == ChoiceOf(move);
  if (saga.undone && !was_refused) return Of(Kind::kAborted);
  ShowNow* show = FindShow(move.show_id);
  if (show == nullptr) return Refused(Refusal::kShowNotFound);
  for (const auto* seats : {&move.from, &move.to}) {
    const Refusal refusal = CheckSeats(Sorted(*seats));
    if (refusal != Refusal::kNone) return Refused(refusal, show->facts->show);
    if (auto unknown = UnknownSeats(Sorted(*seats), *show)) return unknown;
  }
  if (!saga.seats.empty()) {
    const bool same =
        saga.reservation == move.reservation && saga.show_id == move.show_id && saga.choice == ChoiceOf(move);
    if (!same) return Of(Kind::kMismatch);
    if (auto lost = CheckLost(move.reservation, move.show_id, saga.seats, *show)) return lost;
    return Done(saga.seats, *show);
  }
  auto refused = CheckMove(move, *show);
  if (was_refused) return refused ? refused : Refused(Refusal::kSeatsTaken, show->facts->show);
  if (refused) {
    // For good: its saga ends with the first refusal that it hears, while another copy of this may be on its
    // way.
    SagaRow& never = sagas_.Change(move.saga);
    never.undone = true;
    never.reservation = move.reservation;
    never.show_id = move.show_id;
    never.choice = ChoiceOf(move);
    return refused;
  }
  // Another buyer has come to these seats since it was looked who has them.
  const auto other = [&](SeatNo seat_no) {
    return seats_.Get({move.show_id, seat_no}).user_id != move.user_id;
  };
  if (std::ranges::any_of(move.from, other)) return std::nullopt;
  TakeMoved(move, *show);
  SagaRow& moved = sagas_.Change(move.saga);
  moved.reservation = move.reservation;
  moved.show_id = move.show_id;
  moved.choice = ChoiceOf(move);
  moved.seats = ListMoved(move);
  return Done(moved.seats, *show);
}

std::optional<Outcome> Book::CheckMove(const MoveSeats& move, const ShowNow& show) const {
  if (show.facts->show->terms.phase == ShowPhase::kCancelled) return NotOnSale(show);
  const std::vector<SeatNo> from = Sorted(move.from);
  Outcome lost = Refused(Refusal::kHoldLost, show.facts->show);
  for (const SeatNo seat_no : from) {
    const SeatRow& row = seats_.Get({move.show_id, seat_no});
    if (row.state == SeatState::kSold && row.reservation == move.reservation) continue;
    lost.conflicts.push_back({seat_no, ReasonOf(row)});
  }
  if (!lost.conflicts.empty()) return lost;
  Outcome taken = Refused(Refusal::kSeatsTaken, show.facts->show);
  for (const SeatNo seat_no : Sorted(move.to)) {
    const SeatRow& row = seats_.Get({move.show_id, seat_no});
    // What an operator keeps back, an operator may give to this buyer.
    const bool nobodys = row.IsFree(now_) || row.state == SeatState::kBlocked;
    if (!nobodys && !Contains(from, seat_no)) taken.conflicts.push_back({seat_no, ReasonOf(row)});
  }
  if (!taken.conflicts.empty()) return taken;
  return std::nullopt;
}

void Book::TakeMoved(const MoveSeats& move, ShowNow& show) {
  std::vector<SeatRow> before;
  for (const SeatNo seat_no : move.from) before.push_back(seats_.Get({move.show_id, seat_no}));
  const std::vector<SeatNo> to = Sorted(move.to);
  std::vector<SeatNo> freed;
  for (const SeatNo seat_no : Sorted(move.from)) {
    if (Contains(to, seat_no)) continue;
    Free({move.show_id, seat_no});
    show.blocked += static_cast<int64_t>(seats_.Get({move.show_id, seat_no}).IsWithheld(now_));
    freed.push_back(seat_no);
  }
  const Layout& layout = *show.facts->show->layout;
  for (size_t i = 0; i < move.to.size(); ++i) {
    const SeatKey key{move.show_id, move.to[i]};
    const SeatRow& row = seats_.Get(key);
    if (row.state == SeatState::kHeld) NoteReleased(row);
    show.blocked -= static_cast<int64_t>(row.IsWithheld(now_));
    SeatRow& mine = ChangeSeat(key);
    mine.state = SeatState::kSold;
    mine.reservation = move.reservation;
    mine.user_id = MUTANT("seat_wrong_user_on_move") ? "another" : move.user_id;
    mine.hold_expires_at = before[i].hold_expires_at;
    mine.held_since = before[i].held_since;
    mine.price = std::min(PriceOf(before[i], layout), layout.PriceOf(move.to[i]));
  }
  FlushReleased();
  if (freed.empty()) return;  // they have changed places among themselves
  Emit({Event::Kind::kReleased,
        move.reservation,
        move.show_id,
        std::move(freed),
        {},
        {},
        now_,
        *traceparent_});
  Emit({Event::Kind::kSold, move.reservation, move.show_id, to, {}, {}, now_, *traceparent_});
}

// The buyer's list follows; returns all that the reservation has now, sorted.
std::vector<SeatNo> Book::ListMoved(const MoveSeats& move) {
  const BuyerKey buyer{move.show_id, move.user_id};
  ListSeats(buyer, move.to);
  std::vector<SeatNo> seats;
  for (const SeatNo seat_no : buyers_.Get(buyer).seats) {
    if (seats_.Get({move.show_id, seat_no}).BelongsTo(move.reservation)) seats.push_back(seat_no);
  }
  return seats;
}

}  // namespace boxoffice::seat
