#include "services/ranking/ranking.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <tuple>
#include <unordered_map>

namespace boxoffice::ranking {
namespace {

constexpr Hour kWeekHours = 7 * 24;

Hour FirstHour(Window window, Timestamp now) {
  switch (window) {
    case Window::kHour:
      return HourOf(now) - 1;
    case Window::kDay:
      return HourOf(now) - 24;
    case Window::kWeek:
      return HourOf(now) - kWeekHours;
    case Window::kAll:
      break;
  }
  return std::numeric_limits<Hour>::min();
}

std::unordered_map<int64_t, Bucket> SumUp(const State& state, Window window, Timestamp now) {
  std::unordered_map<int64_t, Bucket> sums;
  if (window == Window::kAll) {
    for (const auto& [show, tally] : state.shows)
      sums[show] = {tally.confirmed - tally.cancelled, tally.seats};
    return sums;
  }
  const HourKey first{FirstHour(window, now), std::numeric_limits<int64_t>::min()};
  for (auto it = state.hours.lower_bound(first); it != state.hours.end(); ++it) {
    Bucket& sum = sums[it->first.second];
    sum.bookings += it->second.bookings;
    sum.seats += it->second.seats;
  }
  return sums;
}

bool MoreBookings(const Row& a, const Row& b) {
  return std::tuple(-a.bookings, -a.seats, a.show_id) < std::tuple(-b.bookings, -b.seats, b.show_id);
}

bool SoldOutFaster(const Row& a, const Row& b) {
  return std::tuple(a.sellout, a.on_sale_at, a.show_id) < std::tuple(b.sellout, b.on_sale_at, b.show_id);
}

}  // namespace

Hour HourOf(Timestamp t) { return std::chrono::floor<std::chrono::hours>(t).time_since_epoch().count(); }

void Apply(State& state, const Event& event) {
  Tally& tally = state.shows[event.show_id];
  if (event.kind == Kind::kSoldOut) {
    if (!tally.sold_out_at || event.at < *tally.sold_out_at) {
      tally.sold_out_at = event.at;
      tally.on_sale_at = event.on_sale_at;
    }
  } else {
    const int64_t sign = event.kind == Kind::kConfirmed ? 1 : -1;
    (event.kind == Kind::kConfirmed ? tally.confirmed : tally.cancelled) += 1;
    tally.seats += sign * event.seats;
    Bucket& bucket = state.hours[{HourOf(event.at), event.show_id}];
    bucket.bookings += sign;
    bucket.seats += sign * event.seats;
  }
  ++state.processed;
  state.as_of = std::max(state.as_of, event.at);
}

State Decide(const State& state, std::span<const Event> fresh) {
  State changed;
  changed.processed = state.processed;
  changed.as_of = state.as_of;
  for (const Event& event : fresh) {
    if (const auto it = state.shows.find(event.show_id); it != state.shows.end()) changed.shows.insert(*it);
    const HourKey hour{HourOf(event.at), event.show_id};
    if (const auto it = state.hours.find(hour); it != state.hours.end()) changed.hours.insert(*it);
    Apply(changed, event);
  }
  return changed;
}

void Overlay(State& state, const State& changed) {
  for (const auto& [show, tally] : changed.shows) state.shows[show] = tally;
  for (const auto& [hour, bucket] : changed.hours) state.hours[hour] = bucket;
  state.processed = changed.processed;
  state.as_of = changed.as_of;
}

Hour OldestHour(Timestamp now) { return FirstHour(Window::kWeek, now); }

void Forget(State& state, Timestamp now) {
  const HourKey first{OldestHour(now), std::numeric_limits<int64_t>::min()};
  state.hours.erase(state.hours.begin(), state.hours.lower_bound(first));
}

std::vector<Row> Rank(const State& state, Order order, Window window, size_t limit, Timestamp now) {
  const std::unordered_map<int64_t, Bucket> sums = SumUp(state, window, now);
  std::vector<Row> rows;
  const auto add = [&](int64_t show) -> Row& {
    const auto sum = sums.find(show);
    const Bucket counted = sum == sums.end() ? Bucket{} : sum->second;
    return rows.emplace_back(Row{show,
                                 std::max<int64_t>(counted.bookings, 0),
                                 std::max<int64_t>(counted.seats, 0),
                                 milliseconds(0),
                                 {}});
  };
  if (order == Order::kBookings) {
    for (const auto& [show, sum] : sums) {
      if (sum.bookings > 0) add(show);
    }
  } else {
    const Hour first = FirstHour(window, now);
    for (const auto& [show, tally] : state.shows) {
      if (!tally.sold_out_at || HourOf(*tally.sold_out_at) < first) continue;
      Row& row = add(show);
      row.sellout = std::max(*tally.sold_out_at - tally.on_sale_at, milliseconds(0));
      row.on_sale_at = tally.on_sale_at;
    }
  }
  const size_t count = std::min(limit, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(count), rows.end(),
                    order == Order::kBookings ? MoreBookings : SoldOutFaster);
  rows.resize(count);
  return rows;
}

}  // namespace boxoffice::ranking
