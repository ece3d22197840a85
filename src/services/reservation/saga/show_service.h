// The use cases of whole shows: an operator cancels one, buyers wait for one that is sold out. Owns the batch
// executor of their rows and the loop that takes over and does what is due: a round at a time, by a lease, so
// that a replica that dies is followed by any other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/clock.h"
#include "base/random.h"
#include "platform/batch/execute.h"
#include "platform/batch/executor.h"
#include "platform/obs/metrics.h"
#include "services/reservation/saga/shared_looks.h"
#include "services/reservation/saga/shows.h"
#include "services/reservation/service.h"
#include "services/reservation/show_book.h"
#include "services/reservation/show_store.h"

namespace boxoffice::reservation {

struct ShowServiceConfig {
  std::string owner;  // unique to this process
  Policy policy;
  batch::Limits limits;
  milliseconds scan_every{1'000};
  // Shows that this replica cancels at once; and as many waitlists that it looks after.
  size_t max_works = 16;
  size_t max_ended_at_once = 32;   // reservations of a cancelled show, by this replica
  milliseconds poll_every{1'000};  // from one look at what waits to the next
  // From the end of a cancelled show's sale until every replica of the seat service has heard of it: until
  // then one may still hold or sell a seat. A waitlist gives it as long to hear of seats that are free.
  milliseconds settle{5'000};
  // The same as poll_every of a waitlist that nobody is on, until its show is over.
  milliseconds idle_every{60'000};
  uint32_t waitlist_page = 256;  // places that a look reads and writes at once
};

// Runs on one thread, that of `executor`, which is the sagas'.
class ShowService {
 public:
  ShowService(ShowServiceConfig config, asio::any_io_executor executor, ShowStore& store, ShowReader& reader,
              Reader& reservations, Service& sagas, Shows& shows, const Clock& clock, Random& random,
              obs::Registry& metrics);
  // Waits for reads that run.
  ~ShowService();

  // Writes the intent, asks once that the sale ends, and answers; the rest is done in the background, also
  // where the seat service did not hear of it. Again: the same cancellation. What it has done is not counted
  // for that: while it runs, its progress is empty.
  // Errors: show_not_found, show_state (the show has begun), seat_unavailable.
  asio::awaitable<Result<Cancellation>> Cancel(BeginCancellation command);
  // With its progress, as SharedLooks counts it while it runs. nullopt: nobody has cancelled the show.
  asio::awaitable<Result<std::optional<Cancellation>>> CancellationOf(int64_t show_id);
  // Whoever's offer has ended has no place any more, also before the next look says so. While it is ending
  // (IsEnding), nobody knows: waitlist_offer_ending (kUnavailable). Its seats are looked at as by
  // SharedLooks. Errors: as CheckWish; show_not_found, waitlist_other_wish, waitlist_offer_ending,
  // seat_unavailable.
  asio::awaitable<Result<WaitlistEntry>> Join(JoinWaitlist command);
  // Likewise. Errors: not_on_waitlist, waitlist_offered, waitlist_offer_ending.
  asio::awaitable<Result<WaitlistEntry>> Leave(LeaveWaitlist command);

  void StartWorking();
  // Claims nothing any more, waits for the rounds that run, at most `grace`; they end at their next step, and
  // give up their leases. Before the sagas are drained.
  asio::awaitable<void> Drain(milliseconds grace);

 private:
  // A round of work. Whoever has it looks whether it may go on.
  struct Lease {
    uint64_t epoch = 0;
    bool lost = false;
  };
  using Lent = std::shared_ptr<Lease>;
  [[nodiscard]] bool MayGoOn(const Lent& lease) const { return working_ && !lease->lost; }

  asio::awaitable<Result<ShowOutcome>> Write(ShowCommand command);
  // At most one.
  asio::awaitable<Result<WaitlistPage>> OpenPlaceOf(int64_t show_id, std::string user_id);
  using Counts = std::shared_ptr<const HallCounts>;
  asio::awaitable<Result<Counts>> CountSeats(int64_t show_id);
  // As its offer's end leaves the place; none: it is open. Errors: waitlist_offer_ending.
  asio::awaitable<Result<std::optional<WaitlistEntry>>> EndOf(WaitlistEntry entry);
  using Outcomes = std::vector<std::optional<ShowOutcome>>;
  [[nodiscard]] Result<Outcomes> RunBatch(std::span<const ShowCommand> commands);
  [[nodiscard]] Result<Outcomes> LoadDecideSave(std::span<const ShowCommand> commands);
  void NoteUnsure(const ShowDecision& decision);

  asio::awaitable<void> ScanLoop();
  asio::awaitable<void> RenewLoop();
  // How much more of each kind this replica may work on; none: nothing.
  [[nodiscard]] std::map<WorkKind, uint32_t> Room() const;
  asio::awaitable<bool> ClaimDue();
  asio::awaitable<void> WorkOn(ShowWork work);

  // One pass over the show's reservations. The work as it shall be kept.
  asio::awaitable<Result<ShowWork>> RunCancellation(ShowWork work, Lent lease);
  asio::awaitable<Result<bool>> EndAll(std::vector<Reservation> reservations, Lent lease);
  // What the cancellation has done so far, by a look at all the show's reservations: a page at a time, so
  // that others' reads come in between.
  asio::awaitable<Result<CancellationProgress>> CountProgress(int64_t show_id);

  // One look at the waitlist: see show_waitlist.cc.
  struct Round;
  asio::awaitable<Result<ShowWork>> RunWaitlist(ShowWork work, Lent lease);
  asio::awaitable<Result<WaitlistPage>> Read(int64_t show_id, Places which, uint64_t after_place,
                                             uint32_t limit);
  asio::awaitable<Result<void>> IndexAll(Round& round);
  asio::awaitable<Result<void>> SettleAll(Round& round);
  asio::awaitable<Result<Reservation>> SettleOne(Round& round, WaitlistEntry& entry);
  asio::awaitable<Result<void>> EndAllWaiting(Round& round, std::string_view because);
  asio::awaitable<Result<std::vector<SeatChoice>>> Wishes(int64_t show_id, uint32_t limit);
  asio::awaitable<Result<bool>> SomebodyWaits(int64_t show_id);
  using Entries = std::vector<WaitlistEntry>;
  asio::awaitable<Result<Entries>> NextServable(const Round& round, uint64_t after_place);
  asio::awaitable<Result<void>> OfferSeats(Round& round);
  asio::awaitable<Result<bool>> OfferToAll(Round& round, Entries& servable);
  asio::awaitable<Result<void>> OfferTo(Round& round, WaitlistEntry& entry);
  asio::awaitable<Result<bool>> SomebodyMayBeServed(const Round& round);
  asio::awaitable<Result<void>> KeepSeatsFor(Round& round, const Entries& servable);
  asio::awaitable<Result<void>> KeepSeats(Round& round, bool first);
  // The same whatever the round knows; it knows the show as it is on record then.
  asio::awaitable<Result<void>> TellToKeep(Round& round, bool first);
  asio::awaitable<Result<void>> Keep(Round& round, std::vector<WaitlistEntry*> entries);

  const ShowServiceConfig config_;
  asio::any_io_executor executor_;
  ShowStore& store_;
  ShowReader& reader_;
  Reader& reservations_;
  Service& sagas_;
  Shows& shows_;
  const Clock& clock_;
  Random& random_;
  batch::Inbox inbox_;
  std::map<WorkKey, uint64_t> unsure_;  // see ClaimWork; on the executor's thread
  std::unique_ptr<batch::Executor<ShowCommand, ShowOutcome>> batches_;
  std::unique_ptr<asio::thread_pool> readers_;  // none in simulation, where everything runs on one thread
  asio::steady_timer scan_timer_;
  asio::steady_timer renew_timer_;
  bool working_ = false;
  bool claiming_ = false;
  RefusalNotes refused_;
  SharedLooks<Counts> seats_;
  SharedLooks<CancellationProgress> progress_;
  std::map<WorkKey, Lent> running_;
  obs::Counter& rounds_;
  obs::Counter& failed_rounds_;
};

}  // namespace boxoffice::reservation
