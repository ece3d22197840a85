#include "services/reservation/store_show_memory.h"

#include <algorithm>
#include <limits>
#include <ranges>
#include <tuple>

#include "base/mutant.h"

namespace boxoffice::reservation {
namespace {

constexpr int64_t kAnyPrice = std::numeric_limits<int64_t>::max();

int64_t PriceOf(const SeatChoice& wish) { return wish.max_price == 0 ? kAnyPrice : wish.max_price; }
auto KindOf(const SeatChoice& wish) { return std::tie(wish.best_count, wish.section, wish.category); }

bool IsAmong(const WaitlistEntry& entry, Places which) {
  switch (which) {
    case Places::kAll:
      return true;
    case Places::kOpen:
      return IsOpen(entry.state);
    case Places::kOffered:
      return entry.state == EntryState::kOffered || IsPending(entry);
    case Places::kUnindexed:
      return false;
  }
  return false;
}

template <typename Map, typename Row>
bool HasMoved(const Map& map, const auto& key, const RowChange<Row>& change) {
  const auto found = map.find(key);
  const uint64_t version = found == map.end() ? 0 : found->second.version;
  return version != change.expected_version && !MUTANT("waitlist_ignore_version");
}

// Takes the entry into the page, if that has room.
void Add(const WaitlistEntry& entry, uint32_t limit, WaitlistPage& page) {
  page.more = page.entries.size() == limit;
  if (!page.more) page.entries.push_back(entry);
}

}  // namespace

bool MemoryShows::IsCancelled(int64_t show_id) const {
  const auto found = works.find({show_id, WorkKind::kCancellation});
  return found != works.end() && Stands(found->second.cancellation);
}

Result<ShowRows> MemoryShowStore::Load(const ShowKeys& keys, Timestamp now) {
  ShowRows rows;
  for (const auto& [kind, limit] : keys.due_limits) {
    std::vector<ShowWork> due;
    for (const auto& [key, work] : rows_.works) {
      if (key.kind == kind && work.due_at && *work.due_at <= now) due.push_back(work);
    }
    std::ranges::stable_sort(due, {}, [](const ShowWork& work) { return *work.due_at; });
    for (const ShowWork& work : due | std::views::take(limit)) {
      rows.due.push_back(work.key);
      rows.works[work.key] = work;
    }
  }
  for (const WorkKey& key : keys.works) {
    if (const auto found = rows_.works.find(key); found != rows_.works.end()) rows.works.insert(*found);
  }
  for (const auto& [key, entry] : rows_.entries) {
    const bool is_members = IsOpen(entry.state) && keys.members.contains({entry.show_id, entry.user_id});
    if (is_members || keys.entries.contains(key)) rows.entries[key] = entry;
  }
  return rows;
}

Result<bool> MemoryShowStore::Save(const ShowChanges& changes) {
  for (const auto& change : changes.works) {
    if (HasMoved(rows_.works, change.row.key, change)) return false;
  }
  for (const auto& change : changes.entries) {
    if (HasMoved(rows_.entries, EntryKey(change.row.show_id, change.row.place), change)) return false;
  }
  for (const auto& change : changes.works) rows_.works[change.row.key] = change.row;
  for (const auto& change : changes.entries)
    rows_.entries[{change.row.show_id, change.row.place}] = change.row;
  return true;
}

Result<std::optional<ShowWork>> MemoryShowReader::Work(const WorkKey& key) {
  const auto found = rows_.works.find(key);
  if (found == rows_.works.end()) return std::nullopt;
  return found->second;
}

Result<WaitlistPage> MemoryShowReader::List(const WaitlistQuery& query) {
  WaitlistPage page;
  const auto take = [&](const WaitlistEntry& entry) {
    const bool its = query.user_id.empty() || entry.user_id == query.user_id;
    if (its && IsAmong(entry, query.which)) Add(entry, query.limit, page);
    return !page.more;
  };
  const EntryKey after{query.show_id != 0 ? query.show_id : query.after_show_id, query.after_place};
  if (query.show_id != 0) {
    for (auto it = rows_.entries.upper_bound(after);
         it != rows_.entries.end() && it->first.first == query.show_id && take(it->second); ++it) {
    }
    return page;
  }
  for (const auto& [key, entry] : rows_.entries | std::views::reverse) {
    if ((query.after_show_id == 0 || key < after) && !take(entry)) break;
  }
  return page;
}

Result<std::vector<SeatChoice>> MemoryShowReader::Wishes(int64_t show_id, uint32_t limit) {
  std::vector<SeatChoice> wishes;
  for (const auto& [key, entry] : rows_.entries) {
    if (entry.show_id != show_id || !IsWaiting(entry)) continue;
    const auto same = std::ranges::find_if(
        wishes, [&](const SeatChoice& wish) { return KindOf(wish) == KindOf(entry.wish); });
    if (same == wishes.end()) {
      wishes.push_back(entry.wish);
    } else if (PriceOf(*same) < PriceOf(entry.wish)) {
      same->max_price = entry.wish.max_price;
    }
  }
  if (wishes.size() > limit) wishes.resize(limit);
  return wishes;
}

Result<WaitlistPage> MemoryShowReader::ListByWish(const WishQuery& query) {
  WaitlistPage page;
  for (auto it = rows_.entries.upper_bound({query.show_id, query.after_place});
       it != rows_.entries.end() && it->first.first == query.show_id && !page.more; ++it) {
    const WaitlistEntry& entry = it->second;
    const bool fits = std::ranges::any_of(query.wishes, [&](const SeatChoice& wish) {
      return KindOf(wish) == KindOf(entry.wish) && PriceOf(entry.wish) >= wish.max_price;
    });
    if (fits && IsWaiting(entry)) Add(entry, query.limit, page);
  }
  return page;
}

Result<uint64_t> MemoryShowReader::CountBefore(int64_t show_id, uint64_t place) {
  const auto is_before = [&](const auto& row) {
    return row.first.first == show_id && row.first.second < place && IsOpen(row.second.state);
  };
  return std::min(static_cast<uint64_t>(std::ranges::count_if(rows_.entries, is_before)), kMaxBefore);
}

Result<Page> MemoryShowReader::OfShow(int64_t show_id, std::span<const State> states, ReservationId after,
                                      uint32_t limit) {
  Page page;
  const auto& reservations = reservations_.reservations();
  for (auto it = reservations.upper_bound(after); it != reservations.end() && !page.more; ++it) {
    const Reservation& reservation = it->second;
    if (reservation.show_id != show_id || std::ranges::find(states, reservation.state) == states.end())
      continue;
    page.more = page.reservations.size() == limit;
    if (!page.more) page.reservations.push_back(reservation);
  }
  return page;
}

}  // namespace boxoffice::reservation
