#include "services/reservation/recent_conflicts.h"

#include <algorithm>

#include "base/mutant.h"

namespace boxoffice::reservation {

void RecentConflicts::Note(int64_t show_id, const SeatChoice& choice, const Refusal& refusal, Timestamp now) {
  const bool sold = refusal.code == "seats_taken" && !choice.seat_nos.empty() && !refusal.conflicts.empty() &&
                    std::ranges::all_of(refusal.conflicts, [](const SeatConflict& conflict) {
                      return conflict.reason == "sold";
                    });
  if (!sold) return;
  if (told_.size() >= kMost) std::erase_if(told_, [&](const auto& told) { return told.second.until < now; });
  if (told_.size() >= kMost) told_.clear();
  told_.insert_or_assign({show_id, choice}, Told{std::make_shared<Refusal>(refusal), now + kTold});
}

std::shared_ptr<const Refusal> RecentConflicts::Find(int64_t show_id, const SeatChoice& choice,
                                                     Timestamp now) {
  const auto found = told_.find(std::forward_as_tuple(show_id, choice));
  if (found == told_.end()) return nullptr;
  Told& told = found->second;
  if (now <= told.until || MUTANT("reservation_conflicts_forever")) return told.refusal;
  // Nobody has asked for long: nobody waits for this one's answer.
  if (now <= told.until + kAsking) told.until = now + kAsking;
  return nullptr;
}

void RecentConflicts::Forget(int64_t show_id) {
  ++forgotten_[show_id];
  if (MUTANT("reservation_conflicts_forever")) return;
  const auto first = told_.lower_bound(std::forward_as_tuple(show_id, SeatChoice()));
  told_.erase(first, std::find_if(first, told_.end(),
                                  [&](const auto& told) { return std::get<0>(told.first) != show_id; }));
}

uint64_t RecentConflicts::forgotten(int64_t show_id) const {
  const auto found = forgotten_.find(show_id);
  return found == forgotten_.end() ? 0 : found->second;
}

bool MayHaveFreed(const Reservation& reservation) {
  if (reservation.saga.kind == SagaKind::kCancelSeats || reservation.saga.kind == SagaKind::kMove)
    return true;
  // Whoever was refused the seats has none.
  return !reservation.seats.empty() && reservation.state != State::kConfirmed &&
         reservation.state != State::kHeld;
}

}  // namespace boxoffice::reservation
