// The rules of a waitlist: who can be served by the seats that are free, what an offer's end means for its
// place, and who is passed over after a refusal. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
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

// The free seats of a hall, counted once by all that wishes tell apart: each wish costs a look at these few
// kinds, not at every seat.
class FreeSeats {
 public:
  FreeSeats() = default;  // none
  explicit FreeSeats(const Hall& hall);

  // Not even seats for wheelchairs.
  [[nodiscard]] bool none() const { return count_ == 0; }
  [[nodiscard]] bool HasSection(std::string_view name) const;
  [[nodiscard]] bool HasCategory(std::string_view name) const;
  // How many fit the wish.
  [[nodiscard]] size_t Count(const SeatChoice& wish) const;
  // Whether the wish can be met now: as many seats that fit it are free as are wished for.
  [[nodiscard]] bool CanServe(const SeatChoice& wish) const { return Count(wish) >= wish.best_count; }
  // Those of `wishes` that can be met, each at the least max_price at which it can: whoever wishes for the
  // same and pays as much, or any price, can be served, and nobody else.
  [[nodiscard]] std::vector<SeatChoice> Servable(std::span<const SeatChoice> wishes) const;
  // Those of `seats` that are free are so no more.
  void Take(std::span<const Seat> seats);
  // Tells this set of free seats from others.
  [[nodiscard]] uint64_t mark() const { return mark_; }
  [[nodiscard]] const Hall& hall() const { return hall_; }
  // What Count looks at.
  [[nodiscard]] size_t kinds() const { return kinds_.size(); }

 private:
  using Kind = std::tuple<std::string_view, std::string_view, int64_t>;  // section, category, price
  [[nodiscard]] static bool Fits(const Kind& kind, const SeatChoice& wish);
  // Of the dearest seat where the wish is met by the cheapest; nullopt: it can't be.
  [[nodiscard]] std::optional<int64_t> LeastPrice(const SeatChoice& wish) const;
  Hall hall_;
  std::map<Kind, size_t> kinds_;  // how many of them are ordinary. Views into hall_.seats
  size_t count_ = 0;              // of all
  uint64_t mark_ = 0;
};

// The seats of a hall, counted once for all who want to wait for some of them.
struct HallCounts {
  explicit HallCounts(const Hall& hall);
  FreeSeats all;  // as if they were free
  FreeSeats free;
};

// Why nobody can wait for that; nullopt: one can. no_seats, too_many_seats, seat_limit, section_unknown,
// category_unknown, not_enough_seats (were all free, they would not do), show_not_on_sale, show_cancelled,
// not_sold_out.
[[nodiscard]] std::optional<Error> CheckWish(const SeatChoice& wish, const ShowView& show,
                                             const HallCounts& hall);

// What a show that is over means for who waits: why each place ends; empty: it goes on.
[[nodiscard]] std::string_view EndOfWaiting(ShowPhase phase);

// The entry as its offer's reservation makes it; nullopt: as it was. An offer that got no seats gives the
// entry back its place among those who wait.
[[nodiscard]] std::optional<WaitlistEntry> Settle(const WaitlistEntry& entry, const Reservation& offer);

// Whether the offer is coming to its end, or may be: its deadline has passed, though it is HELD still, or it
// is being given back or undone. What its place is shows once that is over.
[[nodiscard]] bool IsEnding(const Reservation& offer, Timestamp now);

// Whether free seats shall be kept for the waitlist: somebody waits who is not passed over, and either
// nothing is free, or what is serves one of them.
[[nodiscard]] bool KeepsSeats(bool somebody_waits, bool serves_somebody, const FreeSeats& free);

// For how long who was refused for a reason of her own is passed over: each try costs five commits, and keeps
// what is free from everybody meanwhile.
inline constexpr milliseconds kPersonalRefusal{60'000};

// Who was refused seats although they seemed to do: those that are free now, or any, for a reason of the
// buyer's own. All that is noted of a show is about one set of free seats, but for such reasons.
class RefusalNotes {
 public:
  // At each look, also at nothing: what is free. Other seats than were seen last: the show's notes are gone,
  // but for those of the buyers' own reasons, which go after kPersonalRefusal.
  void See(int64_t show_id, const FreeSeats& free, Timestamp now);
  // The place's offer of `free` was refused by `code`. What is the buyer's own matter (seat_limit) is noted
  // at once. Anything else may be a replica of the seat service that has not heard of these seats: it is
  // noted once those that are free for `lag` would do for it, so that those behind don't wait for ever for a
  // place that can't be served. While it is not noted, nobody behind may be offered them.
  void Note(const WaitlistEntry& entry, std::string_view code, const FreeSeats& free, Timestamp now,
            milliseconds lag);
  // Whether the place is passed over while these seats are free, as of what was seen last.
  [[nodiscard]] bool WasRefused(const WaitlistEntry& entry, const FreeSeats& free) const;
  // Whether somebody of the show is passed over whatever is free.
  [[nodiscard]] bool HasPersonal(int64_t show_id) const;
  void Forget(int64_t show_id) { shows_.erase(show_id); }
  [[nodiscard]] size_t size() const;

 private:
  struct OfShow {
    uint64_t mark = 0;  // of the free seats
    // By seat, of those that are free: when it was first seen to be so. It gets no younger when others come
    // and go.
    std::vector<std::optional<Timestamp>> since;
    std::set<uint64_t> places;
    std::map<uint64_t, Timestamp> personal;  // by place: since when
  };
  [[nodiscard]] static bool CouldServe(const OfShow& notes, const SeatChoice& wish, const FreeSeats& free,
                                       Timestamp now, milliseconds lag);

  std::map<int64_t, OfShow> shows_;
};

}  // namespace boxoffice::reservation
