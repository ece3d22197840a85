// The use cases of the seat service: commands, which one batch executor turns into transactions, queries from
// memory, and what operators do.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/batch/executor.h"
#include "platform/batch/health.h"
#include "platform/obs/metrics.h"
#include "services/seat/seat_book.h"
#include "services/seat/seat_map.h"
#include "services/seat/seating_plan.h"
#include "services/seat/show.h"
#include "services/seat/store.h"

namespace boxoffice::seat {

struct ServiceOptions {
  batch::Limits batch;
  size_t sweep_batch = 256;  // seats that one sweep command tidies
  size_t max_sweeps = 64;    // sweep commands of one call of Sweep
  // From a saga's making until its tombstone may be forgotten, and its late commands are refused without it.
  milliseconds tombstones_kept = std::chrono::hours(30 * 24);
};
// No saga does anything by itself for longer: what reservation's saga.deadline_ms and saga.park_after_ms may
// be at most, and an hour for clocks that differ.
inline constexpr std::chrono::hours kLeastTombstonesKept{26};

// A show as it is now.
struct ShowView {
  std::shared_ptr<const Show> show;
  ShowState state = ShowState::kAnnounced;
  SeatCounts counts;
  ShowMarks marks;
  std::optional<Timestamp> next_release_at;
};
struct ConcertView {
  Concert concert;
  std::vector<ShowView> shows;  // by id
};
// Which concerts: all; those with a show that has not begun; those of which each has, also what was cancelled
// before. One without shows is among all alone.
enum class When { kAll, kUpcoming, kPast };
struct ConcertPage {
  std::vector<ConcertView> concerts;  // by id; past ones by when their last show began, the latest first
  bool more = false;
};
struct SeatMapView {
  std::shared_ptr<const Show> show;
  bool other_layout = false;  // than that of the version that the caller has
  uint64_t version = 0;
  std::optional<SeatMap::View> seats;  // none: the caller's version is still true
};
struct AuditPage {
  std::shared_ptr<const Show> show;  // whose rows these are
  std::vector<SeatRow> rows;         // with an owner, by seat_no
  bool more = false;
  std::vector<ShowView> shows;  // counted in the database
};

struct BlockPage {
  std::vector<BlockNote> notes;
  bool more = false;
};
struct PriceNotePage {
  std::vector<PriceNote> notes;
  bool more = false;
};
// A section, or one of its rows.
struct Area {
  std::string section;
  std::string row;  // empty: all
};

inline constexpr size_t kMaxBlockPage = 200;
inline constexpr size_t kMaxConcertPage = 200;
inline constexpr size_t kMaxAuditPage = 1000;

// Thread-safe.
class SeatService {
 public:
  using Done = std::move_only_function<void(Result<Outcome>)>;
  using Stores = seat::Stores;

  // `committed` is called on the executor's thread after each commit that wrote events.
  SeatService(Stores stores, const Clock& clock, obs::Registry& metrics, ServiceOptions options,
              std::function<void()> committed);
  ~SeatService();

  // Loads the shows and their seats, and takes commands from then on. Errors: database_unavailable.
  [[nodiscard]] Result<void> Start();
  // Refuses new commands, finishes what waits. Again: no effect.
  void Stop();

  // Queues a command and calls `done` once, after the commit, on the executor's thread; it must not block.
  // Commands may be repeated. Errors: overloaded, stopping, contention, database_unavailable.
  void Submit(Command command, Done done, resilience::Terms terms = {});
  // False while the last batch could not be loaded or saved.
  [[nodiscard]] bool works() const { return health_.works(); }
  // Queues commands that tidy the rows of holds past their deadline and tell of it, and of what is sold out.
  void Sweep();
  // Learns what other replicas have saved since it was last called. Called four times a second, what is
  // answered from memory is no older; the service calls it itself where it meets what it does not know.
  // Errors: database_unavailable.
  [[nodiscard]] Result<void> Follow();

  // From memory; what is not known there is looked for, unless that was done often of late, and then it is
  // not found. Errors: concert_not_found, show_not_found (kNotFound), database_unavailable (it is not known,
  // and can't be looked for).
  // Drafts are for operators, and so are those that were cancelled as such: without `drafts`, they are not
  // found, nor is a concert that has no other shows, or none at all.
  // Those behind the concert `after_id` are listed, or with 0 the first. Those to come cost a look at the
  // shows to come, and past ones at the shows between: a page of either costs no more with each year.
  [[nodiscard]] ConcertPage ListConcerts(size_t limit, int64_t after_id, bool drafts = false,
                                         When when = When::kAll) const;
  [[nodiscard]] Result<ConcertView> GetConcert(int64_t id, bool drafts = false);
  // `fresh`: as it was on record at most a second ago. Errors also: database_unavailable (it can't be looked
  // for).
  [[nodiscard]] Result<ShowView> GetShow(int64_t id, bool drafts = false, bool fresh = false);
  // `layout_version`: of the layout that the caller has.
  [[nodiscard]] Result<SeatMapView> GetSeatMap(int64_t show_id, std::optional<uint64_t> if_not_version,
                                               uint64_t layout_version = 0);

  // By an operator; `operation` names the request, and `content` is all that it asks for. The same again →
  // the same concert or show, also while another replica is at it. Errors: operation_key_missing
  // (kInvalidArgument), operation_key_reused (kConflict: other content), concert_not_found, and those of
  // CheckConcert, MakeShow and MakeLayout.
  [[nodiscard]] Result<ConcertView> CreateConcert(const std::string& operation, const Concert& concert);
  [[nodiscard]] Result<ShowView> CreateShow(const std::string& operation, std::string_view content,
                                            const NewShow& request,
                                            const std::function<Result<Layout>()>& make_layout);
  // Sets what is given; so again is the same. Errors: concert_not_found, concert_invalid, contention
  // (kUnavailable: other operators are at the same concert).
  [[nodiscard]] Result<ConcertView> UpdateConcert(int64_t id, const ConcertChange& change);
  // Sets what is given; so again is the same. Errors: show_not_found, show_invalid, contention (kUnavailable:
  // other operators are at the same show).
  [[nodiscard]] Result<ShowView> UpdateShow(int64_t id, const TermsChange& change);

  // From now on seats that are free are held for offers to the waitlist alone, or for everybody again. Again:
  // the same answer. Errors: show_not_found, contention.
  [[nodiscard]] Result<ShowView> SetWaitlistFirst(int64_t id, bool first);

  // Publishes a draft, or cancels a show; again: the same answer. Errors: show_not_found, show_state (as of
  // Publish and Cancel), contention.
  [[nodiscard]] Result<ShowView> PublishShow(int64_t id);
  [[nodiscard]] Result<ShowView> CancelShow(int64_t id);
  // Blocks these seats, or all of this area, or gives them back; queued with the commands of buyers. Calls
  // `done` as Submit does, or at once: kDone, or kRefused and nothing has changed. Errors: show_not_found,
  // and those of Submit.
  void Block(BlockSeats block, const std::optional<Area>& area, Done done);
  // Keeps these seats, or all of this area, for a channel; or gives them to everybody again, where none are
  // named those of assign.from_channel, however many: if that fails, some may have been given back, and again
  // gives back the others. As Block. Errors also: channel_invalid (kInvalidArgument: the name, or a time that
  // is not to come).
  void Assign(AssignChannel assign, const std::optional<Area>& area, Done done);
  // By channel, from memory. Errors: show_not_found.
  [[nodiscard]] Result<std::vector<SeatMap::Contingent>> Contingents(int64_t show_id);
  // What operators blocked and gave back, newest first. Errors: show_not_found, database_unavailable.
  [[nodiscard]] Result<BlockPage> ListBlocks(int64_t show_id, int64_t before_id, size_t limit);

  // What free seats cost from now on, by category, or of these seats or this area; held and sold ones keep
  // their price. Again: the same answer. Another replica goes on for a quarter of a second with the
  // prices before, and what is held there has these. Errors: show_not_found, contention (kUnavailable: other
  // operators are at it), section_unknown, row_unknown (kInvalidArgument), and those of seat::ChangePrices.
  [[nodiscard]] Result<ShowView> ChangePrices(int64_t id, PriceChange change,
                                              const std::optional<Area>& area);
  // As ListBlocks.
  [[nodiscard]] Result<PriceNotePage> ListPriceNotes(int64_t show_id, int64_t before_id, size_t limit);

  // Reads the database, for the auditor. With show_id 0: every show's counts and no rows. Otherwise up to
  // `limit` rows after `after`, and with after = 0 the show's counts, read before them. Errors:
  // show_not_found, database_unavailable.
  [[nodiscard]] Result<AuditPage> Audit(int64_t show_id, SeatNo after, size_t limit);

 private:
  using Executor = batch::Executor<Command, Outcome>;
  struct Entry {
    std::shared_ptr<const Show> show;
    std::shared_ptr<SeatMap> map;
  };

  Result<std::vector<std::optional<Outcome>>> Run(std::span<const Command> commands);
  // A part of the old tombstones, when it is time for one.
  void ForgetSome(Timestamp now);
  Result<std::vector<std::optional<Outcome>>> DecideAndSave(const Rows& rows,
                                                            std::span<const Command> commands, Timestamp now);
  // The shows of commands that exist; also those that another replica has made.
  [[nodiscard]] Result<std::map<int64_t, Entry>> FindEntries(std::span<const Command> commands);
  // Those that are known; `unknown` says whether there are others.
  [[nodiscard]] std::map<int64_t, Entry> EntriesOf(std::span<const Command> commands, bool& unknown) const;
  // Names the buyers whose seats are to be moved, as the rows have them now.
  Result<void> FindBuyers(std::vector<Command>& commands);
  static void Propose(std::vector<Command>& commands, const std::map<int64_t, Entry>& entries, Timestamp now);
  // Gives the refusals of named seats what is free instead.
  static void Suggest(std::span<const Command> commands, const std::map<int64_t, Entry>& entries,
                      Timestamp now, std::vector<std::optional<Outcome>>& outcomes);
  void Publish(const Changes& changes);
  // Follow, with news_mutex_. Unless it `may_last`, it does not read all anew. Errors: database_unavailable.
  Result<void> ReadNews(bool may_last);
  // Keeps in mind how the last look at the store ended, and returns it.
  Result<void> NoteLook(Timestamp began, Result<void> look);
  // Learns what was saved since `place`, which moves on. False: that can't be told any more, and everything
  // must be read anew.
  Result<bool> LearnSince(NewsPlace& place);
  Result<void> Learn(StoredShow stored);
  // The same of what is read anew: its rows may have gone back.
  Result<void> LearnAnew(StoredShow stored);
  Result<void> LearnNew(StoredShow stored);
  void LearnTerms(const Entry& known, Show stored);
  // The show as it is known. Another one with its id, whose making a failover has lost, is forgotten.
  [[nodiscard]] std::optional<Entry> FindSame(const Show& stored);
  // Reads concerts, shows and seats. `place` is one from before, and moves on, as what others save meanwhile
  // is learned, too.
  Result<void> ReadAnew(NewsPlace& place);

  // Who names what is not known here.
  enum class Asker {
    kAnybody,   // may name what there is not, as often as they like
    kInformed,  // operators, services, and batches: they name what some replica has told them
    kActor,     // operators, of what they change or must know for certain
  };
  // Learns what other replicas have made, for a query or request that needs it: always for a kActor, and for
  // the others so that they don't wait for it long. Errors: database_unavailable.
  Result<void> LookFor(Asker asker);
  // The same for what is known, where the last look is too old to say how it is.
  Result<void> LookUnlessFresh();
  [[nodiscard]] Result<Entry> Find(int64_t show_id, Asker asker = Asker::kActor);
  [[nodiscard]] std::optional<Entry> FindKnown(int64_t show_id) const;
  [[nodiscard]] Result<ConcertView> FindConcert(int64_t id, Asker asker = Asker::kActor);
  [[nodiscard]] std::optional<ConcertView> FindKnownConcert(int64_t id) const;
  [[nodiscard]] Entry MakeEntry(Show show) const;
  [[nodiscard]] ShowView View(const Entry& entry) const;
  // Unless the show is known, and if it is. With catalogue_mutex_, exclusively.
  void AddLocked(Entry entry);
  void ForgetLocked(int64_t show_id);
  // With all its shows, and no look at those of other concerts.
  [[nodiscard]] ConcertView ViewLocked(const Concert& concert) const;
  // Takes out what operators alone may know of. False: nothing is left, and so the concert is theirs, too.
  static bool LeaveToBuyers(ConcertView& view);
  // Of ListConcerts; `add` says whether there may be more.
  using AddConcert = std::function<bool(const Concert&)>;
  void AddUpcomingLocked(int64_t after_id, bool drafts, Timestamp now, const AddConcert& add) const;
  void AddPastLocked(int64_t after_id, bool drafts, Timestamp now, const AddConcert& add) const;
  // The last of a concert's shows that begin by then. Without `drafts`, of those that buyers know of.
  using ShowStart = std::pair<Timestamp, int64_t>;  // when a show begins, and which
  [[nodiscard]] std::optional<ShowStart> LastStartLocked(int64_t concert_id, bool drafts,
                                                         Timestamp until) const;
  // The seats of a command that names an area instead.
  static std::optional<Outcome> FillArea(const Entry& entry, const std::optional<Area>& area,
                                         std::vector<SeatNo>& seats);
  void GiveBack(AssignChannel assign, Outcome given, Done done);
  Result<ShowView> ChangeShow(int64_t id, const std::function<Result<Show>(const Show&)>& change);
  // The id of what the same request made before. Errors: operation_key_missing, operation_key_reused.
  Result<std::optional<int64_t>> Repeated(const Operation& operation);
  // The same after `failure` to make it, which is returned where it has another cause.
  Result<int64_t> MadeMeanwhile(const Operation& operation, const Error& failure);
  // Applies all seats that are stored to the show's map.
  Result<void> LoadSeats(const Entry& entry);

  Stores stores_;
  const Clock& clock_;
  obs::Registry& metrics_;
  const ServiceOptions options_;
  const std::function<void()> committed_;

  std::mutex requests_mutex_;  // guards stores_.requests
  // Guards stores_.news and news_place_, and that what is read of a show's terms is not older than what is
  // known. Taken after requests_mutex_, before catalogue_mutex_.
  std::timed_mutex news_mutex_;
  NewsPlace news_place_;
  std::mutex looks_mutex_;            // guards the next four; nothing is taken after it
  uint64_t looks_ended_ = 0;          // well or not
  std::optional<Error> look_failed_;  // none: the last look came to its end
  Timestamp looked_at_{};             // when the last that came to its end began
  Timestamp next_look_{};             // for anybody's queries
  mutable std::shared_mutex catalogue_mutex_;
  std::map<int64_t, Concert> concerts_;
  std::map<int64_t, Entry> shows_;
  std::set<std::pair<int64_t, int64_t>> shows_by_concert_;  // (concert, show), of all in shows_
  std::set<ShowStart> shows_by_start_;                      // of all in shows_, too

  // Of the executor's thread.
  std::set<int64_t> doubted_;  // shows that were otherwise than they were decided by; until the next decision
  Timestamp next_forgetting_{};
  SagaId forgotten_up_to_;
  obs::Counter& forgotten_;
  batch::StoreHealth health_;
  std::unique_ptr<Executor> executor_;
};

}  // namespace boxoffice::seat
