#include "services/reservation/same_seats.h"

#include <utility>

#include "base/check.h"

namespace boxoffice::reservation {

bool SameSeats::MustWait(int64_t show_id, const SeatChoice& choice) const {
  if (choice.seat_nos.empty()) return false;
  const auto found = questions_.find(std::forward_as_tuple(show_id, choice));
  return found != questions_.end() && found->second.askers >= kAskers;
}

void SameSeats::Wait(int64_t show_id, const SeatChoice& choice, Timestamp now, Turn turn) {
  const auto found = questions_.find(std::forward_as_tuple(show_id, choice));
  CHECK(found != questions_.end(), "somebody asks");
  Asked& asked = found->second;
  if (asked.waiting.empty()) asked.waiting_since = now;
  asked.waiting.push_back(std::move(turn));
  ++waiting_;
}

SameSeats::Question SameSeats::Ask(int64_t show_id, const SeatChoice& choice) {
  const Question question = questions_.try_emplace({show_id, choice}).first;
  ++question->second.askers;
  return question;
}

void SameSeats::Answered(Question question, const std::optional<Refusal>& refusal) {
  Asked& asked = question->second;
  --asked.askers;
  std::list<Turn> turns;
  const bool for_all = refusal && refusal->code == "seats_taken" && !refusal->conflicts.empty();
  if (for_all) {
    turns.swap(asked.waiting);
  } else if (!asked.waiting.empty()) {
    turns.splice(turns.end(), asked.waiting, asked.waiting.begin());
  }
  waiting_ -= turns.size();
  if (asked.askers == 0 && asked.waiting.empty()) questions_.erase(question);
  // Whose turn it is asks at once, which changes `questions_`.
  if (turns.empty()) return;
  const auto told = for_all ? std::make_shared<const Refusal>(*refusal) : nullptr;
  for (Turn& turn : turns) turn(told);
}

void SameSeats::LetGo(Timestamp now) {
  std::list<Turn> turns;
  for (auto& [seats, asked] : questions_) {
    if (asked.waiting.empty() || now - asked.waiting_since < kPatience) continue;
    turns.splice(turns.end(), asked.waiting);
  }
  waiting_ -= turns.size();
  for (Turn& turn : turns) turn(nullptr);
}

}  // namespace boxoffice::reservation
