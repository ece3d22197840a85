// How a replica learns what the others have saved.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutant.h"
#include "services/seat/service.h"

namespace boxoffice::seat {
namespace {

constexpr SeatNo kLoadPage = 10'000;

// Anybody's queries look at the store so often, and may have saved up, or owe, so much of that.
constexpr milliseconds kLookEvery{50};
constexpr milliseconds kLooksSaved{1'000};
// Besides, what a look takes counts so many times: the slower the store, the fewer are made.
constexpr int kLookWeighs = 4;
// For which a query waits for another look to end, which takes some milliseconds.
constexpr milliseconds kLookWait{500};

// What was looked at no longer ago is fresh: four looks a second are made anyway.
constexpr milliseconds kFresh{1'000};

// While everything is read anew, news is looked at whenever so much time has passed between two shows.
constexpr milliseconds kLookWhileReading{5'000};

bool HaveSameSeats(const Layout& one, const Layout& other) {
  return one.seats == other.seats && one.rows == other.rows && one.sections == other.sections &&
         one.accessible == other.accessible && one.companions == other.companions && one.stage == other.stage;
}

}  // namespace

Result<void> SeatService::Follow() {
  const std::scoped_lock news_lock(news_mutex_);
  const Timestamp began = clock_.Now();
  return NoteLook(began, ReadNews(/*may_last=*/true));
}

Result<void> SeatService::NoteLook(Timestamp began, Result<void> look) {
  const std::scoped_lock lock(looks_mutex_);
  ++looks_ended_;
  if (look) looked_at_ = began;
  look_failed_ = look ? std::nullopt : std::optional(look.error());
  return look;
}

// Whoever has the id of what another replica made a moment ago finds it. But ids can be guessed, and a
// database may not answer for seconds: whoever asks for what is known must not wait behind those.
Result<void> SeatService::LookFor(Asker asker) {
  if (asker == Asker::kActor) return Follow();
  const Timestamp began = clock_.Now();
  uint64_t ended_before = 0;
  {
    const std::scoped_lock lock(looks_mutex_);
    // When it answers again, whoever calls Follow regularly finds out.
    if (look_failed_) return std::unexpected(*look_failed_);
    ended_before = looks_ended_;
    if (asker == Asker::kAnybody) {
      next_look_ = std::clamp(next_look_, began - kLooksSaved, began + kLooksSaved);
      if (next_look_ >= began) return {};
      next_look_ += kLookEvery;
    }
  }
  const std::unique_lock<std::timed_mutex> news_lock(news_mutex_, kLookWait);
  if (!news_lock) {
    const std::scoped_lock lock(looks_mutex_);
    const Error lasts{Code::kUnavailable, "database_unavailable", "another look lasts"};
    // Noted, so that no further query waits for the same; but of a look that has ended since, it says more.
    if (looks_ended_ == ended_before) look_failed_ = lasts;
    return std::unexpected(lasts);
  }
  Result<void> look = NoteLook(began, ReadNews(/*may_last=*/false));
  if (asker == Asker::kAnybody) {
    const std::scoped_lock lock(looks_mutex_);
    next_look_ += kLookWeighs * (clock_.Now() - began);
  }
  return look;
}

// A replica that is cut off from its database goes on from memory, for minutes if it must.
Result<void> SeatService::LookUnlessFresh() {
  {
    const std::scoped_lock lock(looks_mutex_);
    if (clock_.Now() - looked_at_ <= kFresh) return {};
  }
  return LookFor(Asker::kInformed);
}

Result<void> SeatService::ReadNews(bool may_last) {
  NewsPlace place = news_place_;
  BOXOFFICE_ASSIGN(const bool told, LearnSince(place));
  if (!told && !may_last) {
    return Fail(Code::kUnavailable, "database_unavailable", "all is to be read anew first");
  }
  if (!told) BOXOFFICE_TRY(ReadAnew(place));
  news_place_ = std::move(place);
  return {};
}

Result<bool> SeatService::LearnSince(NewsPlace& place) {
  std::vector<KnownLayout> layouts;
  {
    const std::shared_lock lock(catalogue_mutex_);
    for (const auto& [id, entry] : shows_) layouts.push_back({id, entry.show->layout->version});
  }
  BOXOFFICE_ASSIGN(News news, stores_.news->LoadNews(place, layouts));
  place = std::move(news.place);
  if (news.lost) return false;
  if (!news.concerts.empty()) {
    const std::unique_lock lock(catalogue_mutex_);
    for (Concert& concert : news.concerts) concerts_.insert_or_assign(concert.id, std::move(concert));
  }
  for (StoredShow& stored : news.shows) BOXOFFICE_TRY(Learn(std::move(stored)));
  if (MUTANT("seat_map_ignores_news")) return true;
  const std::shared_lock lock(catalogue_mutex_);
  for (const SeatRow& row : news.seats) {
    if (const auto found = shows_.find(row.key.show_id); found != shows_.end()) found->second.map->Apply(row);
  }
  return true;
}

// A show that is not known yet comes with its layout, and so does one whose prices were changed.
Result<void> SeatService::Learn(StoredShow stored) {
  const std::optional<Entry> known = FindSame(stored.show);
  if (!known) return LearnNew(std::move(stored));
  known->map->LearnMarks(stored.marks);
  LearnTerms(*known, std::move(stored.show));
  return {};
}

Result<void> SeatService::LearnAnew(StoredShow stored) {
  const std::optional<Entry> known = FindSame(stored.show);
  if (!known) return LearnNew(std::move(stored));
  LearnTerms(*known, std::move(stored.show));
  // One that is set meanwhile is news, and learned by the next look.
  known->map->SetMarks(stored.marks);
  known->map->ForgetVersions();
  BOXOFFICE_TRY(LoadSeats(*known));
  known->map->FreeUnstored();
  return {};
}

Result<void> SeatService::LearnNew(StoredShow stored) {
  Entry entry = MakeEntry(std::move(stored.show));
  entry.map->SetMarks(stored.marks);
  BOXOFFICE_TRY(LoadSeats(entry));
  const std::unique_lock lock(catalogue_mutex_);
  AddLocked(std::move(entry));
  return {};
}

void SeatService::LearnTerms(const Entry& known, Show stored) {
  // By what it says, not by its version: a failover may have lost one, and the next has its number.
  const bool repriced =
      stored.layout != nullptr && *stored.layout != *known.show->layout && !MUTANT("seat_ignores_new_prices");
  if (repriced) known.map->SetPrices(stored.layout);
  if (!repriced) stored.layout = known.show->layout;
  auto show = std::make_shared<const Show>(std::move(stored));
  const std::unique_lock lock(catalogue_mutex_);
  ForgetLocked(show->id);  // after a failover it may be of another concert
  AddLocked({std::move(show), known.map});
}

std::optional<SeatService::Entry> SeatService::FindSame(const Show& stored) {
  std::optional<Entry> known = FindKnown(stored.id);
  if (!known || stored.layout == nullptr || HaveSameSeats(*stored.layout, *known->show->layout)) return known;
  const std::unique_lock lock(catalogue_mutex_);
  ForgetLocked(stored.id);
  return std::nullopt;
}

// Nothing is known yet, news was missed, or a failover has lost some of what was told. A map takes the rows
// as they are, also older ones than it had, and of two readings of a row the newer, so nothing that is saved
// meanwhile is lost. What is not stored as it is known is forgotten, and learned as if it was new.
Result<void> SeatService::ReadAnew(NewsPlace& place) {
  // Looked up before anything is read, so that what is made meanwhile is not missing there.
  std::vector<int64_t> known;
  {
    const std::shared_lock lock(catalogue_mutex_);
    for (const auto& [id, entry] : shows_) known.push_back(id);
  }
  BOXOFFICE_ASSIGN(std::vector<Concert> concerts, stores_.news->LoadConcerts());
  {
    const std::unique_lock lock(catalogue_mutex_);
    concerts_.clear();  // one that is made meanwhile is news
    for (Concert& concert : concerts) concerts_.emplace(concert.id, std::move(concert));
  }
  auto next = known.begin();
  for (int64_t after = 0;;) {
    // One by one, so that nothing that was read before a look is learned after it.
    BOXOFFICE_ASSIGN(std::optional<StoredShow> stored, stores_.news->LoadShowAfter(after));
    if (stored) after = stored->show.id;
    {
      const std::unique_lock lock(catalogue_mutex_);
      for (; next != known.end() && (!stored || *next < after); ++next) ForgetLocked(*next);
    }
    if (!stored) return {};
    if (next != known.end() && *next == after) ++next;
    BOXOFFICE_TRY(LearnAnew(*std::move(stored)));
    // All of it may take longer than news is told for. A database that one process has tells none.
    if (place == NewsPlace{} || clock_.Now() - place.at < kLookWhileReading) continue;
    BOXOFFICE_ASSIGN(const bool told, LearnSince(place));
    if (!told)
      return Fail(Code::kUnavailable, "database_unavailable", "news was lost while all was read anew");
  }
}

Result<void> SeatService::LoadSeats(const Entry& entry) {
  const auto& [show, map] = entry;
  for (SeatNo after = 0; after < show->layout->capacity(); after += kLoadPage) {
    BOXOFFICE_ASSIGN(std::vector<SeatGroup> groups,
                     stores_.news->StoredSeats(show->id, after, after + kLoadPage));
    for (SeatGroup& group : groups) {
      for (const SeatNo seat_no : group.seats) {
        group.row.key.seat_no = seat_no;
        map->Apply(group.row);
      }
    }
  }
  return {};
}

}  // namespace boxoffice::seat
