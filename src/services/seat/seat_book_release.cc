// How seats come free: releases, what a saga that keeps its seats gives up, and the ends of holds.
#include <utility>

#include "base/mutant.h"
#include "base/sort_unique.h"
#include "services/seat/book.h"

namespace boxoffice::seat {

using Kind = Outcome::Kind;

std::optional<Outcome> Book::Run(const ReleaseSeats& release) {
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
    if (MUTANT("seat_release_part") && seats.size() > 1) seats.pop_back();
    for (const SeatNo seat_no : seats) {
      const SeatKey key{release.show_id, seat_no};
      const bool anybodys = MUTANT("seat_release_without_owner") && seats_.Get(key).IsOwned();
      if (!seats_.Get(key).BelongsTo(release.reservation) && !anybodys) continue;
      const SeatRow& row = seats_.Get(key);
      if (row.state == SeatState::kSold) --show->sold;
      // What has lapsed counts as kept already.
      if (!row.IsFree(now_) && !row.ChannelAt(now_).empty()) ++show->blocked;
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
  LeaveTombstone(release.saga, release.reservation, release.show_id);
  return Of(Kind::kDone);
}

std::optional<Outcome> Book::Run(const KeepSeats& keep) {
  // Again: a later saga may have made the hold longer.
  if (sagas_.Get(keep.saga).undone) return Of(Kind::kDone);
  ShowNow* show = FindShow(keep.show_id);
  std::vector<SeatNo> shortened;
  for (const SeatNo seat_no : keep.seats) {
    const SeatKey key{keep.show_id, seat_no};
    const SeatRow& row = seats_.Get(key);
    const bool held = row.BelongsTo(keep.reservation) && row.state == SeatState::kHeld;
    const bool shortens = row.hold_expires_at > keep.until && !MUTANT("seat_keep_no_shorten");
    if (show == nullptr || !held || !shortens) continue;
    const bool was_free = row.IsFree(now_);
    ChangeSeat(key).hold_expires_at = keep.until;
    // What lapses by it counts as kept again.
    if (!was_free && seats_.Get(key).IsWithheld(now_)) ++show->blocked;
    shortened.push_back(seat_no);
  }
  // Of what lapses by it, the sweeper tells.
  if (!shortened.empty() && keep.until > now_) {
    Emit({Event::Kind::kHeld,
          keep.reservation,
          keep.show_id,
          Sorted(std::move(shortened)),
          keep.until,
          {},
          now_,
          *traceparent_});
  }
  LeaveTombstone(keep.saga, keep.reservation, keep.show_id);
  return Of(Kind::kDone);
}

void Book::LeaveTombstone(SagaId saga, ReservationId reservation, int64_t show_id) {
  SagaRow& undone = sagas_.Change(saga);
  undone.undone = !MUTANT("seat_no_tombstone");
  if (!undone.seats.empty()) return;
  undone.reservation = reservation;
  undone.show_id = show_id;
}

std::optional<Outcome> Book::Run(const SweepSeats& sweep) {
  for (const SeatKey& key : sweep.seats) {
    const SeatRow& row = seats_.Get(key);
    if (row.state != SeatState::kHeld || row.hold_expires_at > now_) continue;
    NoteReleased(row);
    Free(key);
  }
  FlushReleased();
  return Of(Kind::kDone);
}

void Book::Free(const SeatKey& key) {
  SeatRow& row = ChangeSeat(key);
  row.state = SeatState::kFree;
  row.reservation = {};
  row.user_id.clear();
  row.hold_expires_at = {};
  row.held_since = {};
  row.price = 0;
  if (MUTANT("seat_channel_ends_with_owner")) row.channel.clear();
}

// One event per reservation whose hold had passed, in the order of seats.
void Book::NoteReleased(const SeatRow& row) {
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

void Book::FlushReleased() {
  for (Event& event : released_) Emit(std::move(event));
  released_.clear();
}

}  // namespace boxoffice::seat
