#include "services/queue/service.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "base/random.h"
#include "platform/obs/log.h"

namespace boxoffice::queue {
namespace {

// A session or a saga's record is worth keeping as long as a token can name it: the token that a late Bind
// comes with was issued before its saga was undone, so it has ended by then, and the Bind is refused without
// the tombstone. An hour more for clocks and people.
constexpr milliseconds kRetention = kTokenLife + kClockSkew + milliseconds(3'600'000);
// Whoever got in at the last moment has a token for longer.
static_assert(kRetention > kTokenLife + kClockSkew + kActiveMax + kClockSkew);
constexpr milliseconds kPurgeEvery{60'000};
constexpr int64_t kPurgeLimit = 10'000;  // rows of a show, so that a purge never holds up the batches

bool IsFromEdge(const Command& command) {
  return std::holds_alternative<Join>(command) || std::holds_alternative<Leave>(command) ||
         std::holds_alternative<Poll>(command) || std::holds_alternative<Heartbeat>(command);
}

bool HasTick(std::span<const Command> commands) {
  return std::ranges::any_of(commands,
                             [](const Command& command) { return std::holds_alternative<Tick>(command); });
}

std::vector<Show> ShowsOf(const WaitingRoom& room) {
  std::vector<Show> shows;
  for (const auto& [show_id, queue] : room.shows()) shows.push_back(queue.show());
  return shows;
}

// Of the shows that were known, those that the room has no more, and those whose draw it has no more.
Changes LostOf(const WaitingRoom& room, const std::vector<Show>& known, Timestamp now) {
  Changes lost;
  for (const Show& show : known) {
    const ShowQueue* stored = room.Find(show.show_id);
    if (stored == nullptr) {
      lost.shows.push_back({.show = PutBack(show, now), .durable = true});
    } else if (IsDrawLost(show, stored->show())) {
      lost.shows.push_back({.show = DrawnAgain(show, stored->show(), now), .durable = true});
    }
  }
  std::ranges::sort(lost.shows, {}, [](const ShowChange& change) { return change.show.show_id; });
  return lost;
}

}  // namespace

obs::Counter& PutBackCounter(obs::Registry& metrics) {
  return metrics.GetCounter("boxoffice_queue_shows_put_back_total",
                            "Shows that the store had lost, and whose settings were written back");
}

Service::Service(Store& store, const Clock& clock, obs::Registry& metrics, batch::Limits limits, Leads leads,
                 uint64_t max_places)
    : store_(store),
      clock_(clock),
      leads_(std::move(leads)),
      max_places_(max_places),
      purged_(metrics.GetCounter("boxoffice_retention_deleted_total", "Rows deleted because of their age",
                                 {{"service", "queue"}, {"kind", "session"}})),
      put_back_(PutBackCounter(metrics)),
      executor_(
          "queue", limits, [this](std::span<const Command> commands) { return Run(commands); }, metrics) {}

Result<void> Service::Load(const std::vector<Show>& known) {
  const Timestamp now = clock_.Now();
  purge_at_ = now + kPurgeEvery;
  latest_ = now;
  BOXOFFICE_TRY(LoadAt(now, known));
  // Whoever is there came by an edge, so there will be one again: until then nobody can be seen.
  if (room_.HasPeople()) edges_seen_at_ = now;
  return {};
}

Result<WaitingRoom> Service::ReadRoom(Timestamp now) {
  WaitingRoom room;
  BOXOFFICE_TRY(store_.VisitLive([&](Show show) { room.RestoreShow(std::move(show)); },
                                 [&](Session session) { room.RestoreSession(std::move(session), now); }));
  room.FinishRestore(now);
  return room;
}

Result<void> Service::LoadAt(Timestamp now, const std::vector<Show>& known) {
  BOXOFFICE_ASSIGN(WaitingRoom room, ReadRoom(now));
  if (const Changes lost = LostOf(room, known, now); lost.Durable()) {
    BOXOFFICE_ASSIGN(const Saved saved, store_.Save(lost));
    BOXOFFICE_TRY(NotePutBack(lost, saved));
    BOXOFFICE_ASSIGN(room, ReadRoom(now));
  }
  room_ = std::move(room);
  stale_ = false;
  NoteLoading(now);
  // In one go: an edge that looked in between would forget all queues.
  const std::scoped_lock lock(views_mutex_);
  views_.clear();  // of what the store has lost
  moment_ = {.epoch = std::max<uint64_t>(SystemSeed(), 1)};
  for (const auto& [show_id, queue] : room_.shows()) PublishLocked(queue, now);
  return {};
}

Result<void> Service::NotePutBack(const Changes& lost, const Saved& saved) {
  size_t put_back = 0;
  bool draw_waits = false;
  for (const ShowChange& change : lost.shows) {
    const int64_t show_id = change.show.show_id;
    const bool moved = std::ranges::find(saved.moved_shows, show_id) != saved.moved_shows.end();
    if (!change.show.draw.Drawn()) {
      // One that has moved was not lost, but for its name in the list of shows: it is read as it is stored.
      if (!moved) ++put_back;
    } else if (!saved.moved_shows.empty()) {
      draw_waits = true;
    } else {
      obs::Log(obs::Level::kWarning, "queue_draw_made_again", {{"show", show_id}});
    }
  }
  if (put_back > 0) {
    put_back_.Add(put_back);
    obs::Log(obs::Level::kWarning, "queue_shows_put_back", {{"shows", put_back}});
  }
  if (draw_waits)
    return Fail(Code::kUnavailable, "contention", "a draw that was lost is yet to be made again");
  return {};
}

void Service::NoteLoading(Timestamp now) {
  std::unordered_map<int64_t, std::vector<Loading>> loadings;
  for (const auto& [show_id, queue] : room_.shows()) {
    loadings[show_id] = LoadingsAfter(LoadingsOf(show_id), {queue.show().last_sequence, now});
  }
  loadings_ = std::move(loadings);
  loaded_at_ = now;
}

std::vector<Loading> Service::LoadingsOf(int64_t show_id) const {
  const auto found = loadings_.find(show_id);
  if (found != loadings_.end()) return found->second;
  return {Loading{.at = loaded_at_}};  // nobody's place was stored then
}

Result<Service::Outcomes> Service::Run(std::span<const Command> commands) {
  const Timestamp now = clock_.Now();
  // After the clock was read: so, whatever pause follows, what is decided was true when this process led.
  if (!leads()) return Fail(Code::kUnavailable, "not_leading", "another process may lead");
  auto outcomes = LoadDecideSave(commands, now);
  if (!outcomes) health_.Note(false);
  if (outcomes && HasTick(commands)) {
    PublishAll(now);
    Purge(now);
  }
  return outcomes;
}

// While no edge is there, who waits can't be seen, and would lose the place as if absent. Once there is one
// again, everybody counts as seen then. The same after a pause of this process, and a jump of its clock.
bool Service::NobodyCanBeSeen(std::span<const Command> commands, Timestamp now) {
  Timestamp seen = std::min(now, FromUnixMs(edge_asked_ms_.load(std::memory_order_relaxed)));
  // Before an edge has asked, and where nobody came by one, nobody knows whether there will be one.
  const bool known = seen != Timestamp() || edges_seen_at_ != Timestamp();
  if (known && std::ranges::any_of(commands, IsFromEdge)) seen = std::max(seen, now);
  if (seen > edges_seen_at_) {
    if (edges_seen_at_ != Timestamp() && seen - edges_seen_at_ > kEdgesGone) room_.SeeEverybody(now);
    edges_seen_at_ = seen;
  }
  return known && now - edges_seen_at_ > kEdgesGone;
}

// What a clock that was ahead has promised ends with it.
void Service::FollowClock(Timestamp now) {
  if (latest_ - now > kClockStep) {
    room_.ClockWentBack(now);
    edges_seen_at_ = std::min(edges_seen_at_, now);
    edge_asked_ms_ = std::min(edge_asked_ms_.load(), ToUnixMs(now));
    purge_at_ = std::min(purge_at_, now + kPurgeEvery);
    loaded_at_ = std::min(loaded_at_, now);
    for (auto& [show_id, loadings] : loadings_) {
      for (Loading& loading : loadings) loading.at = std::min(loading.at, now);
    }
    latest_ = now;
  }
  latest_ = std::max(latest_, now);
}

Result<Service::Outcomes> Service::LoadDecideSave(std::span<const Command> commands, Timestamp now) {
  FollowClock(now);
  if (stale_) BOXOFFICE_TRY(LoadAt(now, ShowsOf(room_)));
  const bool unseen = NobodyCanBeSeen(commands, now);
  // Presence is memory only, and no decision: noted first, so that a tick of the same batch knows of it.
  for (const Command& command : commands) {
    if (const auto* beat = std::get_if<Heartbeat>(&command)) room_.Seen(beat->show_id, beat->sequences, now);
  }
  Found found;
  if (const Keys keys = KeysOf(room_, commands); !keys.empty()) {
    BOXOFFICE_ASSIGN(found, store_.Load(keys));
  }
  Decision decision = Decide({room_, found, unseen, max_places_}, commands, now);
  if (decision.changes.Durable()) {
    auto saved = store_.Save(decision.changes);
    if (!saved) {
      stale_ = saved.error().code == Code::kUnknown;
      return std::unexpected(std::move(saved).error());
    }
    health_.Note(true);
    if (!saved->moved_shows.empty()) {
      stale_ = true;
      return Outcomes(commands.size());  // all again, with what is stored now
    }
  }
  room_.Apply(decision.changes);
  Publish(decision.changes, now);
  return Outcomes(std::make_move_iterator(decision.outcomes.begin()),
                  std::make_move_iterator(decision.outcomes.end()));
}

void Service::NoteDepartures(const ShowChange& change, Timestamp now) {
  const ShowQueue& queue = *room_.Find(change.show.show_id);
  for (const SessionChange& session : change.sessions) {
    const uint64_t sequence = session.session.sequence;
    const bool left = session.Durable() && session.session.state == SessionState::kExpired;
    if (!left || queue.PlaceOf(sequence) <= change.show.head_sequence) continue;
    std::deque<Departure>& departures = departures_[change.show.show_id];
    departures.push_back({now, sequence});
    if (departures.size() > kMaxLeftLately) departures.pop_front();
  }
}

QueueView Service::ViewAt(const ShowQueue& queue, Timestamp now) {
  QueueView view = ViewOf(queue, now);
  view.loadings = LoadingsAt(LoadingsOf(view.show.show_id), now);
  const auto found = departures_.find(view.show.show_id);
  if (found == departures_.end()) return view;
  std::deque<Departure>& departures = found->second;
  while (!departures.empty() && now - departures.front().at > kLeftLately) departures.pop_front();
  for (const Departure& departure : departures) view.left_lately.push_back(departure.sequence);
  if (departures.empty()) departures_.erase(found);
  return view;
}

void Service::PublishLocked(const ShowQueue& queue, Timestamp now) {
  QueueView view = ViewAt(queue, now);
  Published& published = views_[view.show.show_id];
  if (published.revision != 0 && published.view == view) return;
  published = {std::move(view), ++moment_.revision};
}

void Service::Publish(const Changes& changes, Timestamp now) {
  if (changes.shows.empty()) return;
  for (const ShowChange& change : changes.shows) NoteDepartures(change, now);
  const std::scoped_lock lock(views_mutex_);
  for (const ShowChange& change : changes.shows) {
    PublishLocked(*room_.Find(change.show.show_id), now);
  }
}

void Service::PublishAll(Timestamp now) {
  const std::scoped_lock lock(views_mutex_);
  for (const auto& [show_id, queue] : room_.shows()) PublishLocked(queue, now);
}

// A part of the round at each tick.
void Service::Purge(Timestamp now) {
  if (!purging_ && now < purge_at_) return;
  if (!purging_) purge_at_ = now + kPurgeEvery;
  // Housekeeping may fail: the next round deletes the same rows, and a store that fails shows in the next
  // batch.
  const Purged purged = store_.Purge(now - kRetention, kPurgeLimit).value_or(Purged());
  purging_ = purged.more;
  purged_.Add(static_cast<uint64_t>(purged.rows));
}

std::vector<QueueView> Service::Views() const { return HeadsSince({}).views; }

Service::Heads Service::HeadsSince(const Moment& since) const {
  Heads heads;
  {
    const std::scoped_lock lock(views_mutex_);
    heads.at = moment_;
    const uint64_t after = since.epoch == moment_.epoch ? since.revision : 0;
    for (const auto& [show_id, published] : views_) {
      if (published.revision > after) heads.views.push_back(published.view);
    }
  }
  std::ranges::sort(heads.views, {}, [](const QueueView& view) { return view.show.show_id; });
  return heads;
}

}  // namespace boxoffice::queue
