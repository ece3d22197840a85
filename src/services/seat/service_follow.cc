// How a replica learns what the others have saved.
#include <algorithm>
#include <utility>

#include "services/seat/service.h"

namespace boxoffice::seat {
namespace {

constexpr size_t kLoadPage = 10'000;

// Anybody's queries look at the store so often, and may have saved up, or owe, so much of that.
constexpr milliseconds kLookEvery{50};
constexpr milliseconds kLooksSaved{1'000};
// Besides, what a look takes counts so many times: the slower the store, the fewer are made.
constexpr int kLookWeighs = 4;
// For which a query waits for another look to end, which takes some milliseconds.
constexpr milliseconds kLookWait{500};

// Whether it has the show with these seats. One whose making was lost it has not, and another that was made
// since may have its id.
bool Has(const Catalogue& catalogue, const Show& known) {
  const auto id_of = [](const StoredShow& one) { return one.show.id; };
  const auto found = std::ranges::lower_bound(catalogue.shows, known.id, {}, id_of);
  if (found == catalogue.shows.end() || found->show.id != known.id) return false;
  const Layout& stored = *found->show.layout;
  return stored.seats == known.layout->seats && stored.rows == known.layout->rows &&
         stored.sections == known.layout->sections;
}

}  // namespace

Result<void> SeatService::Follow() {
  const std::scoped_lock news_lock(news_mutex_);
  return NoteLook(ReadNews());
}

Result<void> SeatService::NoteLook(Result<void> look) {
  const std::scoped_lock lock(looks_mutex_);
  ++looks_ended_;
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
  Result<void> look = NoteLook(ReadNews());
  if (asker == Asker::kAnybody) {
    const std::scoped_lock lock(looks_mutex_);
    next_look_ += kLookWeighs * (clock_.Now() - began);
  }
  return look;
}

Result<void> SeatService::ReadNews() {
  std::vector<KnownLayout> known;
  {
    const std::shared_lock lock(catalogue_mutex_);
    for (const auto& [id, entry] : shows_) known.push_back({id, entry.show->layout->version});
  }
  BOXOFFICE_ASSIGN(News news, stores_.news->LoadNews(news_place_, known));
  if (news.lost) {
    BOXOFFICE_TRY(ReadAnew());
    news_place_ = news.place;
    return {};
  }
  if (!news.concerts.empty()) {
    const std::unique_lock lock(catalogue_mutex_);
    for (Concert& concert : news.concerts) concerts_.insert_or_assign(concert.id, std::move(concert));
  }
  for (StoredShow& stored : news.shows) BOXOFFICE_TRY(Learn(std::move(stored)));
  {
    const std::shared_lock lock(catalogue_mutex_);
    for (const SeatRow& row : news.seats) {
      if (const auto found = shows_.find(row.key.show_id); found != shows_.end())
        found->second.map->Apply(row);
    }
  }
  news_place_ = news.place;
  return {};
}

// A show that is not known yet comes with its layout, and so does one whose prices were changed.
Result<void> SeatService::Learn(StoredShow stored) {
  const int64_t id = stored.show.id;
  const std::optional<Entry> known = FindKnown(id);
  if (known) {
    known->map->LearnMarks(stored.marks);
    const std::shared_ptr<const Layout> layout = stored.show.layout;
    // By what it says, not by its version: a failover may have lost one, and the next has its number.
    const bool repriced = layout != nullptr && *layout != *known->show->layout;
    if (repriced) known->map->SetPrices(layout);
    if (!repriced) stored.show.layout = known->show->layout;
    auto show = std::make_shared<const Show>(std::move(stored.show));
    const std::unique_lock lock(catalogue_mutex_);
    shows_.at(id).show = std::move(show);
    return {};
  }
  Entry entry = MakeEntry(std::move(stored.show));
  entry.map->SetMarks(stored.marks);
  BOXOFFICE_TRY(LoadSeats(*stores_.news, *entry.map, id));
  const std::unique_lock lock(catalogue_mutex_);
  shows_.emplace(id, std::move(entry));
  return {};
}

// News was missed, or a failover has lost some of what was told. A map takes the rows as they are, also older
// ones than it had, and of two readings of a row the newer, so nothing that is saved meanwhile is lost. What
// is not stored as it is known is forgotten, and learned as if it was new.
Result<void> SeatService::ReadAnew() {
  // Read before the catalogue, so that what is made meanwhile is not missing there.
  std::vector<std::shared_ptr<const Show>> lost;
  {
    const std::shared_lock lock(catalogue_mutex_);
    for (const auto& [id, entry] : shows_) lost.push_back(entry.show);
  }
  BOXOFFICE_ASSIGN(Catalogue catalogue, stores_.news->LoadCatalogue());
  std::erase_if(lost, [&catalogue](const auto& show) { return Has(catalogue, *show); });
  {
    const std::unique_lock lock(catalogue_mutex_);
    for (const auto& show : lost) shows_.erase(show->id);
    concerts_.clear();  // one that is made meanwhile is news
    for (Concert& concert : catalogue.concerts) concerts_.emplace(concert.id, std::move(concert));
  }
  for (StoredShow& stored : catalogue.shows) {
    const int64_t id = stored.show.id;
    const ShowMarks marks = stored.marks;
    BOXOFFICE_TRY(Learn(std::move(stored)));
    const std::shared_ptr<SeatMap> map = FindKnown(id).value().map;
    // One that is set meanwhile is news, and learned by the next look.
    map->SetMarks(marks);
    map->ForgetVersions();
    BOXOFFICE_TRY(LoadSeats(*stores_.news, *map, id));
    map->FreeUnstored();
  }
  return {};
}

Result<void> SeatService::LoadSeats(Store& store, SeatMap& map, int64_t show_id) {
  SeatNo after = 0;
  while (true) {
    BOXOFFICE_ASSIGN(const std::vector<SeatRow> rows, store.StoredSeats(show_id, after, kLoadPage));
    for (const SeatRow& row : rows) map.Apply(row);
    if (rows.size() < kLoadPage) return {};
    after = rows.back().key.seat_no;
  }
}

}  // namespace boxoffice::seat
