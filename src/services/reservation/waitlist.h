// The rules of a waitlist: who can be served by the seats that are free, and what an offer's end means for
// its place. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "services/reservation/show_work.h"

namespace boxoffice::reservation {

enum class ShowPhase { kDraft, kAnnounced, kOnSale, kSoldOut, kPast, kCancelled };

// A show, as its waitlist needs it.
struct ShowView {
  ShowPhase phase = ShowPhase::kOnSale;
  Timestamp starts_at{};
  uint32_t seat_limit = 8;
  bool waitlist_first = false;  // free seats are kept for the waitlist
};

// The seats of a show and which of them are free.
struct HallSeat {
  std::string section;
  std::string category;
  int64_t price = 0;
  // Else it is for wheelchairs, or for whoever comes with one, and serves nobody who just wants a seat.
  bool ordinary = true;
};
struct Hall {
  std::shared_ptr<const std::vector<HallSeat>> seats;  // seat_no 1 first
  std::vector<bool> free;                              // of the same length
};

// How many free seats fit the wish.
[[nodiscard]] size_t CountFree(const Hall& hall, const SeatChoice& wish);
// Whether the wish can be met now: as many seats that fit it are free as are wished for.
[[nodiscard]] inline bool CanServe(const Hall& hall, const SeatChoice& wish) {
  return CountFree(hall, wish) >= wish.best_count;
}
void TakeSeats(Hall& hall, std::span<const Seat> seats);

// Why nobody can wait for that; nullopt: one can. no_seats, too_many_seats, seat_limit, section_unknown,
// category_unknown, show_not_on_sale, show_cancelled, not_sold_out.
[[nodiscard]] std::optional<Error> CheckWish(const SeatChoice& wish, const ShowView& show, const Hall& hall);

// What a show that is over means for who waits: why each place ends; empty: it goes on.
[[nodiscard]] std::string_view EndOfWaiting(ShowPhase phase);

// The entry as its offer's reservation makes it; nullopt: as it was. An offer that got no seats gives the
// entry back its place among those who wait.
[[nodiscard]] std::optional<WaitlistEntry> Settle(const WaitlistEntry& entry, const Reservation& offer);

// Whether free seats shall be kept for the waitlist: somebody waits, and either nothing is free, or what is
// can serve one of them.
[[nodiscard]] bool KeepsSeats(std::span<const WaitlistEntry> waiting, const Hall& hall);

}  // namespace boxoffice::reservation
