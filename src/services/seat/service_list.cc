// Lists of concerts: all there are, those to come, and those that are over.
#include <algorithm>
#include <limits>
#include <set>

#include "services/seat/service.h"

namespace boxoffice::seat {

bool SeatService::LeaveToBuyers(ConcertView& view) {
  std::erase_if(view.shows, [](const ShowView& one) { return !one.show->IsPublic(); });
  return !view.shows.empty();
}

ConcertPage SeatService::ListConcerts(size_t limit, int64_t after_id, bool drafts, When when) const {
  limit = std::clamp<size_t>(limit, 1, kMaxConcertPage);
  const Timestamp now = clock_.Now();
  ConcertPage page;
  // False: the page is full.
  const auto add = [&](const Concert& concert) {
    ConcertView view = ViewLocked(concert);
    if (!drafts && !LeaveToBuyers(view)) return true;
    page.more = page.concerts.size() == limit;
    if (!page.more) page.concerts.push_back(std::move(view));
    return !page.more;
  };
  const std::shared_lock lock(catalogue_mutex_);
  switch (when) {
    case When::kAll:
      for (auto next = concerts_.upper_bound(after_id); next != concerts_.end(); ++next) {
        if (!add(next->second)) break;
      }
      break;
    case When::kUpcoming:
      AddUpcomingLocked(after_id, drafts, now, add);
      break;
    case When::kPast:
      AddPastLocked(after_id, drafts, now, add);
      break;
  }
  return page;
}

void SeatService::AddUpcomingLocked(int64_t after_id, bool drafts, Timestamp now,
                                    const AddConcert& add) const {
  std::set<int64_t> upcoming;
  for (auto next = shows_by_start_.upper_bound({now, std::numeric_limits<int64_t>::max()});
       next != shows_by_start_.end(); ++next) {
    const Show& show = *shows_.at(next->second).show;
    if (drafts || show.IsPublic()) upcoming.insert(show.concert_id);
  }
  for (auto id = upcoming.upper_bound(after_id); id != upcoming.end(); ++id) {
    const auto concert = concerts_.find(*id);
    if (concert != concerts_.end() && !add(concert->second)) return;
  }
}

void SeatService::AddPastLocked(int64_t after_id, bool drafts, Timestamp now, const AddConcert& add) const {
  auto next = shows_by_start_.upper_bound({now, std::numeric_limits<int64_t>::max()});
  if (after_id != 0) {
    // Where that concert stood, also if it has got a show to come meanwhile.
    const std::optional<ShowStart> after = LastStartLocked(after_id, drafts, now);
    if (!after) return;
    next = shows_by_start_.lower_bound(*after);
  }
  std::set<int64_t> seen;  // so that a concert's shows are looked at once, however many it has
  while (next != shows_by_start_.begin()) {
    --next;
    const Show& show = *shows_.at(next->second).show;
    if (!drafts && !show.IsPublic()) continue;
    if (!seen.insert(show.concert_id).second) continue;
    // With a later one it is to come, or stands on a page before.
    if (LastStartLocked(show.concert_id, drafts, Timestamp::max()) != *next) continue;
    const auto concert = concerts_.find(show.concert_id);
    if (concert != concerts_.end() && !add(concert->second)) return;
  }
}

std::optional<SeatService::ShowStart> SeatService::LastStartLocked(int64_t concert_id, bool drafts,
                                                                   Timestamp until) const {
  std::optional<ShowStart> last;
  for (auto next = shows_by_concert_.lower_bound({concert_id, 0});
       next != shows_by_concert_.end() && next->first == concert_id; ++next) {
    const Show& show = *shows_.at(next->second).show;
    if ((!drafts && !show.IsPublic()) || show.starts_at > until) continue;
    last = std::max(last, std::optional<ShowStart>({show.starts_at, show.id}));
  }
  return last;
}

}  // namespace boxoffice::seat
