// The seats of one show in memory: what queries are answered from, and where the best available seats are
// looked for.
//
// It follows the stored rows, change by change, after each commit. A hold whose deadline passes turns free
// here by itself and at once; the row is tidied later. It proposes and informs; whether a seat can be had is
// decided by the rows.
//
// Thread-safe: queries copy under a short lock. Propose, OrphansOf, Nearest, AssumeTaken, AssumedBesides and
// Settle are for the one thread that runs commands.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "services/seat/best_seats.h"
#include "services/seat/layout.h"
#include "services/seat/seat_book.h"
#include "services/seat/show.h"

namespace boxoffice::seat {

class SeatMap {
 public:
  struct View {
    uint64_t version = 0;
    // 2 bits a seat, seat_no 1 first, low bits first: 0 free, 1 held, 2 sold, 3 blocked or kept for a channel
    std::string states;
    SeatCounts counts;
    std::optional<Timestamp> next_release_at;  // the first deadline of the holds there are
  };

  // All seats are free. `first_version` must be above any that was given out before for this show.
  SeatMap(std::shared_ptr<const Layout> layout, uint64_t first_version);

  // Seats of one channel.
  struct Contingent {
    std::string channel;
    std::vector<SeatNo> seats;            // sorted, whoever has them
    std::vector<SeatNo> free;             // sorted
    std::optional<Timestamp> next_until;  // when the first of them become everybody's
  };

  // What a row is now. Lapsed holds may come as they are stored. A row that is not newer than what was
  // applied before: no effect; so rows may come from several readers, in any order.
  void Apply(const SeatRow& row) { Apply(row, row.version); }
  // The same in a version that is not in the row.
  void Apply(const SeatRow& row, int64_t version);
  // Rows may have gone back, as where a failover has lost commits: what was applied before counts for less
  // than any version from now on. Once all that is stored has been applied, FreeUnstored.
  void ForgetVersions();
  // Frees the seats that no row was applied to since ForgetVersions: they have none any more.
  void FreeUnstored();

  [[nodiscard]] View Look(Timestamp now);
  // Like Look, without the states.
  [[nodiscard]] View LookAtCounts(Timestamp now);
  // Grows with every change that Look would show.
  [[nodiscard]] uint64_t Version(Timestamp now);
  // None: not changed since `version`.
  [[nodiscard]] std::optional<View> LookUnless(uint64_t version, Timestamp now);

  // Up to `limit` seats whose hold has passed its deadline and were not taken from here before; rows to tidy.
  [[nodiscard]] std::vector<SeatNo> TakeLapsed(size_t limit, Timestamp now);
  // Gives them back: the rows could not be tidied.
  void ReturnLapsed(const std::vector<SeatNo>& seats);

  // By channel.
  [[nodiscard]] std::vector<Contingent> Contingents(Timestamp now);

  // The best seats that are free for everybody or kept for one of these channels; they are then taken for
  // whoever asks next, until Settle. Status kNone: not enough, but only on what was assumed; ask again after
  // Settle. With `only_kept`: of what is kept for these channels alone, as the rest is the waitlist's; if
  // nothing is, kNotEnough whatever the wish names.
  [[nodiscard]] Proposal Propose(const BestAvailable& wish, Timestamp now, bool avoid_orphans = false,
                                 std::span<const std::string> channels = {}, bool only_kept = false);
  // Seats that `seats` would leave over alone, where as many could sit elsewhere in that section without; by
  // what is free and not assumed taken. None for seats that there are not.
  [[nodiscard]] std::vector<SeatNo> OrphansOf(const std::vector<SeatNo>& seats, Timestamp now);
  // As many free seats, nearest to these (which there are); empty if fewer are free. Nobody holds them.
  [[nodiscard]] std::vector<SeatNo> Nearest(const std::vector<SeatNo>& seats, bool avoid_orphans,
                                            Timestamp now);
  // An earlier command of the same batch wants these seats: whoever asks next finds them taken, until Settle.
  // No effect if one of them is not to be had, or unknown: then it gets none of them, or has them all.
  void AssumeTaken(const std::vector<SeatNo>& seats, Timestamp now);
  // Seats that are taken by proposals and assumptions alone, besides `own` (sorted).
  [[nodiscard]] std::vector<SeatNo> AssumedBesides(std::span<const SeatNo> own);
  // Forgets what was proposed and assumed: the rows have been applied, or nothing has come of it.
  void Settle();

  // The same layout with other prices.
  void SetPrices(std::shared_ptr<const Layout> layout);

  [[nodiscard]] ShowMarks marks();
  void SetMarks(const ShowMarks& marks);
  // Sets those that are not set yet: what was read may be older than what is known.
  void LearnMarks(const ShowMarks& marks);

 private:
  struct Deadline {
    Timestamp at{};
    SeatNo seat_no = 0;
    auto operator<=>(const Deadline&) const = default;
  };

  // A seat that an operator has given to a channel.
  struct Kept {
    std::string channel;
    Timestamp until{};     // the epoch: for ever
    bool free = false;     // nobody has it, and it is not blocked besides; its state is kBlocked then
    bool assumed = false;  // to be taken
  };

  // The seats that buyers with these of the show's channels choose from: for each command it is at hand, as
  // opening a channel's seats costs a look at all.
  struct Choice {
    std::vector<std::string> channels;  // sorted
    bool only_kept = false;             // for these channels
    FreeSeats free;                     // and not assumed taken
  };

  bool KeepLocked(const SeatRow& row);
  void ForgetKeptLocked(SeatNo seat_no);
  void FreeLocked(SeatNo seat_no);
  [[nodiscard]] const Kept* FindKeptLocked(SeatNo seat_no, std::span<const std::string> channels) const;
  [[nodiscard]] bool IsInLocked(const Choice& choice, SeatNo seat_no, bool open) const;
  void SetOpenLocked(SeatNo seat_no, bool open);
  [[nodiscard]] const FreeSeats& ChoiceLocked(std::vector<std::string> channels, bool only_kept);
  void AssumeLocked(SeatNo seat_no);
  [[nodiscard]] bool IsToBeHadLocked(SeatNo seat_no) const;
  [[nodiscard]] SeatState StateLocked(SeatNo seat_no) const;
  void SetLocked(SeatNo seat_no, SeatState state);
  void LapseLocked(Timestamp now);
  void DropStaleDeadlinesLocked();
  [[nodiscard]] View CountsLocked(Timestamp now);
  uint32_t& CountOf(SeatState state);

  std::mutex mutex_;
  std::shared_ptr<const Layout> layout_;
  uint64_t version_;
  std::string states_;
  SeatCounts counts_;
  std::vector<Timestamp> deadlines_;   // by seat_no - 1; of held seats
  std::vector<int64_t> row_versions_;  // by seat_no - 1
  // Earliest first. An entry whose seat has another deadline or is not held is stale.
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> next_deadlines_;
  std::vector<SeatNo> lapsed_;
  std::unordered_map<SeatNo, Kept> kept_;
  // Earliest first; stale if the seat is not kept until then any more.
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> kept_until_;
  std::set<std::string> channels_;  // that seats are or were kept for; empty when none is kept
  // The first is of whoever has no channel, the others come up as they are asked for.
  std::vector<Choice> choices_;
  std::vector<SeatNo> assumed_;
  ShowMarks marks_;
};

}  // namespace boxoffice::seat
