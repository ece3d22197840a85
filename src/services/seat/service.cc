#include "services/seat/service.h"

#include <algorithm>
#include <array>
#include <ranges>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"
#include "platform/obs/log.h"

namespace boxoffice::seat {
namespace {

using Outcomes = std::vector<std::optional<Outcome>>;

constexpr std::chrono::hours kForgetEvery{1};
constexpr std::chrono::seconds kForgetAgain{1};
constexpr size_t kForgetAtOnce = 1'000;
// What is forgotten is refused by every replica, also by one whose clock is behind.
constexpr std::chrono::minutes kForgetSlack{10};

int64_t ShowOf(const HoldSeats& hold) { return hold.show_id; }
int64_t ShowOf(const ConfirmSeats& confirm) { return confirm.show_id; }
int64_t ShowOf(const ReleaseSeats& release) { return release.show_id; }
int64_t ShowOf(const KeepSeats& keep) { return keep.show_id; }
int64_t ShowOf(const MoveSeats& move) { return move.show_id; }
int64_t ShowOf(const TellSoldOut& tell) { return tell.show_id; }
int64_t ShowOf(const BlockSeats& block) { return block.show_id; }
int64_t ShowOf(const AssignChannel& assign) { return assign.show_id; }

// Tells contents of one operation key apart. Operators are trusted, so it need not withstand an attack.
std::string Fingerprint(std::string_view content) {
  std::array<uint64_t, 2> hash{0xcbf29ce484222325, 0x84222325cbf29ce4};
  for (const char c : content) {
    hash[0] = (hash[0] ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    hash[1] = (hash[1] ^ static_cast<uint8_t>(c)) * 0x9e3779b97f4a7c15;
  }
  return fmt::format("{:016x}{:016x}{:x}", hash[0], hash[1], content.size());
}

std::unexpected<Error> NoShow(int64_t id) {
  return Fail(Code::kNotFound, "show_not_found", fmt::format("no show {}", id));
}
std::unexpected<Error> NoConcert(int64_t id) {
  return Fail(Code::kNotFound, "concert_not_found", fmt::format("no concert {}", id));
}

// Whether the command changed, or relied on, a row that has moved.
class Moved {
 public:
  Moved(const Saved& saved, const Decision& decision, size_t commands) : saved_(saved), seats_(commands) {
    for (const Touch& touch : decision.touches) {
      if (std::ranges::binary_search(saved.moved_seats, touch.seat)) seats_[touch.command] = true;
    }
  }
  [[nodiscard]] bool Concerns(size_t index, const Command& command) const {
    if (MUTANT("seat_moved_names_nobody")) return false;
    if (seats_[index]) return true;
    return std::visit([this](const auto& body) { return Named(body); }, command.body);
  }

 private:
  [[nodiscard]] bool Named(const HoldSeats& hold) const {
    return Has(saved_.moved_sagas, hold.saga) ||
           Has(saved_.moved_buyers, BuyerKey{hold.show_id, hold.user_id});
  }
  [[nodiscard]] bool Named(const ConfirmSeats& confirm) const {
    return Has(saved_.moved_sagas, confirm.saga) || Has(saved_.moved_shows, confirm.show_id);
  }
  [[nodiscard]] bool Named(const ReleaseSeats& release) const {
    return Has(saved_.moved_sagas, release.saga);
  }
  [[nodiscard]] bool Named(const KeepSeats& keep) const { return Has(saved_.moved_sagas, keep.saga); }
  [[nodiscard]] bool Named(const MoveSeats& move) const {
    return Has(saved_.moved_sagas, move.saga) ||
           Has(saved_.moved_buyers, BuyerKey{move.show_id, move.user_id});
  }
  [[nodiscard]] bool Named(const SweepSeats&) const { return false; }
  [[nodiscard]] bool Named(const BlockSeats&) const { return false; }
  [[nodiscard]] bool Named(const AssignChannel&) const { return false; }
  [[nodiscard]] bool Named(const TellSoldOut& tell) const { return Has(saved_.moved_shows, tell.show_id); }
  template <typename Key>
  static bool Has(const std::vector<Key>& sorted, const Key& key) {
    return std::ranges::binary_search(sorted, key);
  }
  const Saved& saved_;
  std::vector<bool> seats_;
};

// This replica may not have heard yet, and decides by what is on record: of a show that was cancelled,
// nothing is held or sold once its cancellation has looked for the last time at what is. A draft that was
// published stays one until that is heard of: the prices and terms that are known here may be those before.
void Correct(const ShowRow& row, std::vector<ShowFacts>& shows) {
  const auto facts =
      std::ranges::lower_bound(shows, row.show_id, {}, [](const ShowFacts& one) { return one.show->id; });
  if (facts == shows.end() || facts->show->id != row.show_id) return;
  facts->marks = row.marks;
  if (row.phase != ShowPhase::kCancelled || facts->show->terms.phase == row.phase) return;
  auto show = std::make_shared<Show>(*facts->show);
  show->terms.phase = row.phase;
  facts->show = std::move(show);
}

}  // namespace

SeatService::SeatService(Stores stores, const Clock& clock, obs::Registry& metrics, ServiceOptions options,
                         std::function<void()> committed)
    : stores_(std::move(stores)),
      clock_(clock),
      metrics_(metrics),
      options_(options),
      committed_(std::move(committed)),
      forgotten_(metrics.GetCounter("boxoffice_retention_deleted_total", "Rows deleted because of their age",
                                    {{"service", "seat"}, {"kind", "tombstone"}})) {}

SeatService::~SeatService() { Stop(); }

Result<void> SeatService::Start() {
  CHECK(executor_ == nullptr, "a service starts once");
  // First the place, so that what is saved while the rows are read is news.
  BOXOFFICE_ASSIGN(News none, stores_.news->LoadNews({}, {}));
  BOXOFFICE_TRY(ReadAnew(none.place));
  news_place_ = std::move(none.place);
  executor_ = std::make_unique<Executor>(
      "seat", options_.batch, [this](std::span<const Command> commands) { return Run(commands); }, metrics_);
  return {};
}

void SeatService::Stop() {
  if (executor_) executor_->Stop();
}

void SeatService::Submit(Command command, Done done, resilience::Terms terms) {
  executor_->Submit(std::move(command), std::move(done), terms);
}

void SeatService::Sweep() {
  const Timestamp now = clock_.Now();
  std::vector<Entry> entries;
  {
    const std::shared_lock lock(catalogue_mutex_);
    for (const auto& [id, entry] : shows_) entries.push_back(entry);
  }
  size_t commands = 0;
  for (const Entry& entry : entries) {
    const SeatCounts counts = entry.map->LookAtCounts(now).counts;
    const bool untold = !entry.map->marks().sold_out_at && counts.sold > 0 &&
                        counts.sold + counts.blocked == entry.show->layout->capacity() &&
                        now >= entry.show->terms.on_sale_at;
    if (untold) Submit({TellSoldOut{entry.show->id}, {}}, [](const Result<Outcome>&) {});
    while (commands < options_.max_sweeps) {
      const std::vector<SeatNo> lapsed = entry.map->TakeLapsed(options_.sweep_batch, now);
      if (lapsed.empty()) break;
      SweepSeats sweep;
      for (const SeatNo seat_no : lapsed) sweep.seats.push_back({entry.show->id, seat_no});
      ++commands;
      Submit({std::move(sweep), {}}, [map = entry.map, lapsed](const Result<Outcome>& outcome) {
        if (!outcome) map->ReturnLapsed(lapsed);
      });
    }
  }
}

Result<Outcomes> SeatService::Run(std::span<const Command> commands) {
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(const auto entries, FindEntries(commands));
  std::vector<Command> prepared;
  const bool moves = std::ranges::any_of(
      commands, [](const Command& command) { return std::holds_alternative<MoveSeats>(command.body); });
  const bool asks_map = std::ranges::any_of(commands, [&entries](const Command& command) {
    const auto* hold = std::get_if<HoldSeats>(&command.body);
    if (hold == nullptr || hold->best) return hold != nullptr;
    const auto entry = entries.find(hold->show_id);
    return entry != entries.end() && entry->second.show->terms.orphan_rule;
  });
  if (asks_map || moves) {
    prepared.assign(commands.begin(), commands.end());
    if (moves) BOXOFFICE_TRY(FindBuyers(prepared));
    if (asks_map) Propose(prepared, entries, now);
    commands = prepared;
  }
  const auto run = [&]() -> Result<Outcomes> {
    Keys keys = KeysOf(commands);
    for (const auto& [id, entry] : entries) keys.shows.push_back(id);
    BOXOFFICE_ASSIGN(Rows rows, stores_.commands->Load(keys));
    // The map learns from them, too: they are newer where another replica was at work.
    for (const SeatRow& row : rows.seats) {
      if (const auto entry = entries.find(row.key.show_id); entry != entries.end())
        entry->second.map->Apply(row);
    }
    for (const auto& [id, entry] : entries) {
      const SeatCounts counts = entry.map->LookAtCounts(now).counts;
      const bool doubted = doubted_.erase(id) > 0;
      rows.shows.push_back({entry.show, entry.map->marks(), counts.sold, counts.blocked, doubted});
    }
    for (const ShowRow& row : rows.show_rows) Correct(row, rows.shows);
    return DecideAndSave(rows, commands, now);
  };
  Result<Outcomes> outcomes = run();
  if (!outcomes && outcomes.error().code == Code::kUnavailable) health_.Note(false);
  if (asks_map) {
    for (const auto& [id, entry] : entries) entry.map->Settle();
  }
  if (outcomes) Suggest(commands, entries, now, *outcomes);
  // Another replica was first, or has taken what the map proposed: before it is decided again, the map learns
  // what else it has done, unless it is learning already. A failure is none of this batch, part of which is
  // committed.
  const bool again = outcomes && std::ranges::any_of(*outcomes, [](const auto& one) { return !one; });
  if (again) (void)LookFor(Asker::kInformed);
  if (outcomes) ForgetSome(now);
  return outcomes;
}

// Between two batches, so few at a time: all older ones once an hour, from the oldest on.
void SeatService::ForgetSome(Timestamp now) {
  if (now < next_forgetting_) return;
  const auto forgotten = stores_.commands->ForgetTombstones(
      forgotten_up_to_, now - options_.tombstones_kept - kForgetSlack, kForgetAtOnce);
  const bool more = forgotten && forgotten->looked_at == kForgetAtOnce;
  next_forgetting_ = now + (more ? kForgetAgain : kForgetEvery);
  forgotten_up_to_ = more ? forgotten->last : SagaId();
  if (forgotten) {
    forgotten_.Add(forgotten->forgotten);
  } else {
    obs::Log(obs::Level::kWarning, "forgetting_failed", {{"detail", forgotten.error().detail}});
  }
}

// Another replica may have changed a row since it was loaded. The commands that depend on such a row go back
// to be decided again; the others are decided without them.
Result<Outcomes> SeatService::DecideAndSave(const Rows& rows, std::span<const Command> commands,
                                            Timestamp now) {
  Outcomes outcomes(commands.size());
  std::vector<size_t> places(commands.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = i;
  std::vector<Command> kept;
  while (!commands.empty()) {
    Decision decision = Decide(rows, commands, now, now - options_.tombstones_kept);
    Saved saved;
    if (!decision.changes.empty()) {
      BOXOFFICE_ASSIGN(saved, stores_.commands->Save(decision.changes));
      health_.Note(true);
    }
    if (saved.done()) {
      Publish(decision.changes);
      for (size_t i = 0; i < commands.size(); ++i) outcomes[places[i]] = std::move(decision.outcomes[i]);
      return outcomes;
    }
    // The map may not be able to learn better now, and a sale does not wait for that. The sweep tells.
    doubted_.insert(saved.moved_shows.begin(), saved.moved_shows.end());
    const Moved moved(saved, decision, commands.size());
    std::vector<Command> rest;
    std::vector<size_t> rest_places;
    for (size_t i = 0; i < commands.size(); ++i) {
      if (moved.Concerns(i, commands[i])) continue;
      rest.push_back(commands[i]);
      rest_places.push_back(places[i]);
    }
    CHECK(rest.size() < commands.size(), "a row moved that no command had changed");
    kept = std::move(rest);
    places = std::move(rest_places);
    commands = kept;
  }
  return outcomes;
}

Result<std::map<int64_t, SeatService::Entry>> SeatService::FindEntries(std::span<const Command> commands) {
  bool unknown = false;
  auto entries = EntriesOf(commands, unknown);
  if (!unknown) return entries;
  BOXOFFICE_TRY(LookFor(Asker::kInformed));
  return EntriesOf(commands, unknown);
}

std::map<int64_t, SeatService::Entry> SeatService::EntriesOf(std::span<const Command> commands,
                                                             bool& unknown) const {
  std::map<int64_t, Entry> entries;
  const std::shared_lock lock(catalogue_mutex_);
  const auto add = [&](int64_t show_id) {
    if (entries.contains(show_id)) return;
    const auto found = shows_.find(show_id);
    unknown = unknown || found == shows_.end();
    if (found != shows_.end()) entries.insert(*found);
  };
  for (const Command& command : commands) {
    if (const auto* sweep = std::get_if<SweepSeats>(&command.body)) {
      for (const SeatKey& key : sweep->seats) add(key.show_id);
      continue;
    }
    std::visit(
        [&](const auto& body) {
          if constexpr (requires { ShowOf(body); }) add(ShowOf(body));
        },
        command.body);
  }
  return entries;
}

void SeatService::Propose(std::vector<Command>& commands, const std::map<int64_t, Entry>& entries,
                          Timestamp now) {
  for (Command& command : commands) {
    auto* hold = std::get_if<HoldSeats>(&command.body);
    if (hold == nullptr) continue;
    const auto entry = entries.find(hold->show_id);
    if (entry == entries.end()) continue;
    const auto& [show, map] = entry->second;
    const bool orphan_rule = show->terms.orphan_rule;
    if (!hold->best) {
      if (hold->seats.size() > kMaxSeatsPerHold) continue;
      if (orphan_rule) hold->orphans = map->OrphansOf(hold->seats, now);
      if (hold->orphans.empty()) {
        map->AssumeTaken(hold->seats, now);
      } else {
        // It takes no seats in this batch. Were they assumed, those behind it would be decided again for it.
        hold->assumed = map->AssumedBesides({});
      }
    } else if (hold->best->count >= 1 && hold->best->count <= kMaxSeatsPerHold) {
      const bool only_kept = show->terms.waitlist_first && !hold->from_waitlist;
      hold->proposal = map->Propose(*hold->best, now, orphan_rule, hold->channels, only_kept);
      const std::vector<SeatNo>& seats = hold->proposal.seats;
      const bool apart = !seats.empty() && RungOf(*show->layout, seats) != Rung::kRow;
      if (apart) hold->assumed = map->AssumedBesides(seats);
    }
  }
}

void SeatService::Suggest(std::span<const Command> commands, const std::map<int64_t, Entry>& entries,
                          Timestamp now, Outcomes& outcomes) {
  for (size_t i = 0; i < commands.size(); ++i) {
    if (!outcomes[i] || outcomes[i]->kind != Outcome::Kind::kRefused) continue;
    const Refusal refusal = outcomes[i]->refusal;
    if (refusal != Refusal::kSeatsTaken && refusal != Refusal::kOrphanSeat) continue;
    const auto* hold = std::get_if<HoldSeats>(&commands[i].body);
    if (hold == nullptr || hold->best) continue;
    const Entry& entry = entries.at(hold->show_id);
    if (entry.show->terms.waitlist_first) continue;  // the others are the waitlist's
    outcomes[i]->alternative = entry.map->Nearest(hold->seats, entry.show->terms.orphan_rule, now);
  }
}

void SeatService::Publish(const Changes& changes) {
  if (changes.empty()) return;
  {
    const std::shared_lock lock(catalogue_mutex_);
    // None: its making was lost, as has just been found out (ReadAnew).
    const auto map_of = [this](int64_t show_id) {
      const auto found = shows_.find(show_id);
      return found == shows_.end() ? nullptr : found->second.map.get();
    };
    SeatMap* map = nullptr;
    int64_t show_id = 0;
    for (const SeatRow& row : changes.seats) {
      if (show_id != row.key.show_id) {
        show_id = row.key.show_id;
        map = map_of(show_id);
      }
      if (map != nullptr) map->Apply(row, row.version + 1);
    }
    for (const MarkedShow& show : changes.shows) {
      if (SeatMap* marked = map_of(show.show_id)) marked->SetMarks(show.marks);
    }
  }
  if (!changes.events.empty() && committed_) committed_();
}

Result<ConcertView> SeatService::GetConcert(int64_t id, bool drafts) {
  BOXOFFICE_ASSIGN(ConcertView view, FindConcert(id, drafts ? Asker::kInformed : Asker::kAnybody));
  if (!drafts && !LeaveToBuyers(view)) return NoConcert(id);
  return view;
}

Result<ShowView> SeatService::GetShow(int64_t id, bool drafts, bool fresh) {
  if (fresh) BOXOFFICE_TRY(LookUnlessFresh());
  BOXOFFICE_ASSIGN(const Entry entry, Find(id, drafts ? Asker::kInformed : Asker::kAnybody));
  if (!drafts && !entry.show->IsPublic()) return NoShow(id);
  return View(entry);
}

Result<SeatMapView> SeatService::GetSeatMap(int64_t show_id, std::optional<uint64_t> if_not_version,
                                            uint64_t layout_version) {
  BOXOFFICE_ASSIGN(const Entry entry, Find(show_id, Asker::kInformed));
  const Timestamp now = clock_.Now();
  SeatMapView view{entry.show, entry.show->layout->version != layout_version, 0, std::nullopt};
  // The map's version may be known and the layout not yet: they are not changed in one moment.
  view.seats = if_not_version && !view.other_layout ? entry.map->LookUnless(*if_not_version, now)
                                                    : std::optional(entry.map->Look(now));
  view.version = view.seats ? view.seats->version : *if_not_version;
  return view;
}

Result<ConcertView> SeatService::CreateConcert(const std::string& operation, const Concert& concert) {
  BOXOFFICE_TRY(CheckConcert(concert));
  const Operation request{
      operation,
      Fingerprint(fmt::format("concert\n{}\n{}\n{}", concert.title, concert.artist, concert.venue)), 0};
  const std::scoped_lock requests_lock(requests_mutex_);
  BOXOFFICE_ASSIGN(const std::optional<int64_t> before, Repeated(request));
  if (before) return FindConcert(*before);
  Concert made = concert;
  const Result<int64_t> id = stores_.requests->CreateConcert(request, concert);
  if (!id) {
    BOXOFFICE_ASSIGN(const int64_t theirs, MadeMeanwhile(request, id.error()));
    return FindConcert(theirs);
  }
  made.id = *id;
  const std::unique_lock lock(catalogue_mutex_);
  return ViewLocked(concerts_.emplace(made.id, std::move(made)).first->second);
}

Result<ShowView> SeatService::CreateShow(const std::string& operation, std::string_view content,
                                         const NewShow& request,
                                         const std::function<Result<Layout>()>& make_layout) {
  const Operation named{operation, Fingerprint(content), 0};
  const std::scoped_lock requests_lock(requests_mutex_);
  BOXOFFICE_ASSIGN(const std::optional<int64_t> before, Repeated(named));
  if (before) {
    BOXOFFICE_ASSIGN(const Entry made, Find(*before));
    return View(made);
  }
  BOXOFFICE_TRY(FindConcert(request.concert_id));
  BOXOFFICE_ASSIGN(Layout layout, make_layout());
  BOXOFFICE_ASSIGN(Show show, MakeShow(request, ShareLayout(std::move(layout)), clock_.Now()));
  const Result<int64_t> id = stores_.requests->CreateShow(named, show);
  if (!id) {
    BOXOFFICE_ASSIGN(const int64_t theirs, MadeMeanwhile(named, id.error()));
    BOXOFFICE_ASSIGN(const Entry made, Find(theirs));
    return View(made);
  }
  show.id = *id;
  Entry entry = MakeEntry(std::move(show));
  {
    const std::unique_lock lock(catalogue_mutex_);
    AddLocked(entry);
  }
  return View(entry);
}

Result<AuditPage> SeatService::Audit(int64_t show_id, SeatNo after, size_t limit) {
  limit = std::clamp<size_t>(limit, 1, kMaxAuditPage);
  const Timestamp now = clock_.Now();
  AuditPage page;
  if (show_id != 0) {
    BOXOFFICE_ASSIGN(const Entry entry, Find(show_id));
    page.show = entry.show;
  }
  const std::scoped_lock requests_lock(requests_mutex_);
  if (show_id == 0 || after == 0) {
    BOXOFFICE_ASSIGN(const std::vector<CountedShow> counted, stores_.requests->CountSeats(show_id, now));
    for (const CountedShow& one : counted) {
      const auto entry = Find(one.show_id);
      if (!entry) continue;  // made since
      ShowView view = View(*entry);
      view.counts = one.counts;
      page.shows.push_back(std::move(view));
    }
  }
  if (show_id == 0) return page;
  // Behind the counts: with those that the auditor reads behind its last page, they lie around the list.
  BOXOFFICE_ASSIGN(page.rows, stores_.requests->OwnedSeats(show_id, after, limit + 1));
  page.more = page.rows.size() > limit;
  if (page.more) page.rows.resize(limit);
  return page;
}

Result<SeatService::Entry> SeatService::Find(int64_t show_id, Asker asker) {
  auto found = FindKnown(show_id);
  if (!found) {
    BOXOFFICE_TRY(LookFor(asker));
    found = FindKnown(show_id);
  }
  if (!found) return NoShow(show_id);
  return *std::move(found);
}

std::optional<SeatService::Entry> SeatService::FindKnown(int64_t show_id) const {
  const std::shared_lock lock(catalogue_mutex_);
  const auto found = shows_.find(show_id);
  if (found == shows_.end()) return std::nullopt;
  return found->second;
}

Result<ConcertView> SeatService::FindConcert(int64_t id, Asker asker) {
  auto found = FindKnownConcert(id);
  if (!found) {
    BOXOFFICE_TRY(LookFor(asker));
    found = FindKnownConcert(id);
  }
  if (!found) return NoConcert(id);
  return *std::move(found);
}

std::optional<ConcertView> SeatService::FindKnownConcert(int64_t id) const {
  const std::shared_lock lock(catalogue_mutex_);
  const auto found = concerts_.find(id);
  if (found == concerts_.end()) return std::nullopt;
  return ViewLocked(found->second);
}

SeatService::Entry SeatService::MakeEntry(Show show) const {
  // Beyond what the process before this one gave out: it can't have made 1,024 changes in every millisecond.
  const auto first_version = static_cast<uint64_t>(ToUnixMs(clock_.Now())) << 10;
  Entry entry;
  entry.map = std::make_shared<SeatMap>(show.layout, first_version);
  entry.show = std::make_shared<const Show>(std::move(show));
  return entry;
}

ShowView SeatService::View(const Entry& entry) const {
  const Timestamp now = clock_.Now();
  const SeatMap::View seats = entry.map->LookAtCounts(now);
  return {entry.show, StateOf(*entry.show, seats.counts, now), seats.counts, entry.map->marks(),
          seats.next_release_at};
}

void SeatService::AddLocked(Entry entry) {
  const std::shared_ptr<const Show> show = entry.show;
  if (!shows_.emplace(show->id, std::move(entry)).second) return;
  shows_by_concert_.emplace(show->concert_id, show->id);
  shows_by_start_.emplace(show->starts_at, show->id);
}

void SeatService::ForgetLocked(int64_t show_id) {
  const auto found = shows_.find(show_id);
  if (found == shows_.end()) return;
  shows_by_concert_.erase({found->second.show->concert_id, show_id});
  shows_by_start_.erase({found->second.show->starts_at, show_id});
  shows_.erase(found);
}

ConcertView SeatService::ViewLocked(const Concert& concert) const {
  ConcertView view{concert, {}};
  for (auto next = shows_by_concert_.lower_bound({concert.id, 0});
       next != shows_by_concert_.end() && next->first == concert.id; ++next) {
    view.shows.push_back(View(shows_.at(next->second)));
  }
  return view;
}

Result<std::optional<int64_t>> SeatService::Repeated(const Operation& operation) {
  if (operation.key.empty()) {
    return Fail(Code::kInvalidArgument, "operation_key_missing", "operation_key: is missing");
  }
  BOXOFFICE_ASSIGN(const std::optional<Operation> before, stores_.requests->FindOperation(operation.key));
  if (!before) return std::nullopt;
  if (before->fingerprint != operation.fingerprint) {
    return Fail(Code::kConflict, "operation_key_reused", "operation_key: was used with other content");
  }
  return before->result_id;
}

// Another replica may have been at the same request, and first.
Result<int64_t> SeatService::MadeMeanwhile(const Operation& operation, const Error& failure) {
  if (failure.reason != "constraint") return std::unexpected(failure);
  BOXOFFICE_ASSIGN(const std::optional<int64_t> theirs, Repeated(operation));
  if (theirs) return *theirs;
  // A failover has lost the concert that is known here.
  return Fail(Code::kUnavailable, "database_unavailable", failure.detail);
}

}  // namespace boxoffice::seat
