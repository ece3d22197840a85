// Which rows commands name, and how refusals are called.
#include "base/sort_unique.h"
#include "services/seat/seat_book.h"

namespace boxoffice::seat {

int64_t PriceOf(const SeatRow& row, const Layout& layout) {
  if (!row.IsOwned()) return layout.PriceOf(row.key.seat_no);
  return row.price != 0 ? row.price : layout.FirstPriceOf(row.key.seat_no);
}

std::string_view RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "";
    case Refusal::kSeatsTaken:
      return "seats_taken";
    case Refusal::kSeatLimit:
      return "seat_limit";
    case Refusal::kShowNotOnSale:
      return "show_not_on_sale";
    case Refusal::kNotEnoughSeats:
      return "not_enough_seats";
    case Refusal::kSeatUnknown:
      return "seat_unknown";
    case Refusal::kShowNotFound:
      return "show_not_found";
    case Refusal::kHoldLost:
      return "hold_lost";
    case Refusal::kTooManySeats:
      return "too_many_seats";
    case Refusal::kNoSeats:
      return "no_seats";
    case Refusal::kDuplicateSeat:
      return "duplicate_seat";
    case Refusal::kSectionUnknown:
      return "section_unknown";
    case Refusal::kCategoryUnknown:
      return "category_unknown";
    case Refusal::kShowCancelled:
      return "show_cancelled";
    case Refusal::kOrphanSeat:
      return "orphan_seat";
    case Refusal::kRowUnknown:
      return "row_unknown";
    case Refusal::kWaitlistFirst:
      return "waitlist_first";
  }
  return "";
}

Keys KeysOf(std::span<const Command> commands) {
  Keys keys;
  keys.sagas.reserve(commands.size());
  keys.seats.reserve(2 * commands.size());
  const auto add_seats = [&keys](int64_t show_id, const std::vector<SeatNo>& seats) {
    for (const SeatNo seat_no : seats) keys.seats.push_back({show_id, seat_no});
  };
  for (const Command& command : commands) {
    if (const auto* hold = std::get_if<HoldSeats>(&command.body)) {
      keys.sagas.push_back(hold->saga);
      keys.buyers.push_back({hold->show_id, hold->user_id});
      if (hold->seats.size() <= kMaxSeatsPerHold) add_seats(hold->show_id, hold->seats);
      add_seats(hold->show_id, hold->proposal.seats);
    } else if (const auto* confirm = std::get_if<ConfirmSeats>(&command.body)) {
      keys.sagas.push_back(confirm->saga);
      if (confirm->seats.size() <= kMaxSeatsPerHold) add_seats(confirm->show_id, confirm->seats);
    } else if (const auto* release = std::get_if<ReleaseSeats>(&command.body)) {
      keys.sagas.push_back(release->saga);
      add_seats(release->show_id, release->seats);
    } else if (const auto* keep = std::get_if<KeepSeats>(&command.body)) {
      keys.sagas.push_back(keep->saga);
      add_seats(keep->show_id, keep->seats);
    } else if (const auto* move = std::get_if<MoveSeats>(&command.body)) {
      keys.sagas.push_back(move->saga);
      if (!move->user_id.empty()) keys.buyers.push_back({move->show_id, move->user_id});
      add_seats(move->show_id, move->from);
      add_seats(move->show_id, move->to);
    } else if (const auto* sweep = std::get_if<SweepSeats>(&command.body)) {
      keys.seats.insert(keys.seats.end(), sweep->seats.begin(), sweep->seats.end());
    } else if (const auto* block = std::get_if<BlockSeats>(&command.body)) {
      if (block->seats.size() <= kMaxSeatsPerBlock) add_seats(block->show_id, block->seats);
    } else if (const auto* assign = std::get_if<AssignChannel>(&command.body)) {
      if (assign->seats.size() <= kMaxSeatsPerBlock) add_seats(assign->show_id, assign->seats);
    }
  }
  SortUnique(keys.sagas);
  SortUnique(keys.buyers);
  SortUnique(keys.seats);
  return keys;
}

}  // namespace boxoffice::seat
