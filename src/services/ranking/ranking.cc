#include "services/ranking/ranking.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string_view>
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
      sums[show] = {tally.confirmed - tally.cancelled, tally.seats, tally.revenue};
    return sums;
  }
  const HourKey first{FirstHour(window, now), std::numeric_limits<int64_t>::min()};
  for (auto it = state.hours.lower_bound(first); it != state.hours.end(); ++it) {
    Bucket& sum = sums[it->first.second];
    sum.bookings += it->second.bookings;
    sum.seats += it->second.seats;
    sum.revenue += it->second.revenue;
  }
  return sums;
}

// After how many hours a booking counts half.
double HalfLife(Window window) {
  return static_cast<double>(window == Window::kHour ? 1 : window == Window::kDay ? 24 : kWeekHours);
}

// In the order of hours, so that the same counts give the same sums to the last bit.
std::unordered_map<int64_t, double> Scores(const State& state, Window window, Timestamp now) {
  const Hour this_hour = HourOf(now);
  std::unordered_map<int64_t, double> scores;
  for (const auto& [key, bucket] : state.hours) {
    const Hour age = std::max<Hour>(this_hour - key.first, 0);
    if (age > kWeekHours) continue;  // about to be forgotten
    scores[key.second] +=
        static_cast<double>(bucket.bookings) * std::exp2(-static_cast<double>(age) / HalfLife(window));
  }
  return scores;
}

bool MoreBookings(const Row& a, const Row& b) {
  return std::tuple(-a.bookings, -a.seats, a.show_id) < std::tuple(-b.bookings, -b.seats, b.show_id);
}

bool MoreRevenue(const Row& a, const Row& b) {
  return std::tie(a.currency, b.revenue, b.bookings, a.show_id) <
         std::tie(b.currency, a.revenue, a.bookings, b.show_id);
}

bool TrendsHigher(const Row& a, const Row& b) {
  return std::tie(b.score, a.show_id) < std::tie(a.score, b.show_id);
}

bool SoldOutFaster(const Row& a, const Row& b) {
  return std::tuple(a.sellout, a.on_sale_at, a.show_id) < std::tuple(b.sellout, b.on_sale_at, b.show_id);
}

}  // namespace

Hour HourOf(Timestamp t) { return std::chrono::floor<std::chrono::hours>(t).time_since_epoch().count(); }

Keys KeysOf(std::span<const Event> events) {
  Keys keys;
  for (const Event& event : events) {
    keys.shows.insert(event.show_id);
    keys.hours.insert({HourOf(event.at), event.show_id});
  }
  return keys;
}

void Apply(State& state, const Event& event) {
  Tally& tally = state.shows[event.show_id];
  if (event.kind == Kind::kSoldOut) {
    if (!tally.sold_out_at || event.at < *tally.sold_out_at) {
      tally.sold_out_at = event.at;
      tally.on_sale_at = event.on_sale_at;
    }
  } else {
    const int64_t sign = event.kind == Kind::kConfirmed ? 1 : -1;
    const int64_t bookings = event.kind == Kind::kLessened ? 0 : sign;
    if (event.kind == Kind::kConfirmed) ++tally.confirmed;
    if (event.kind == Kind::kCancelled) ++tally.cancelled;
    tally.seats += sign * event.seats;
    tally.revenue += sign * event.amount;
    if (!event.currency.empty()) tally.currency = event.currency;
    Bucket& bucket = state.hours[{HourOf(event.at), event.show_id}];
    bucket.bookings += bookings;
    bucket.seats += sign * event.seats;
    bucket.revenue += sign * event.amount;
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

namespace {

// One row of a show, with what was counted of it in the window.
class Rows {
 public:
  Rows(const State& state, Window window, Timestamp now) : state_(state), sums_(SumUp(state, window, now)) {}
  Row Make(int64_t show) const {
    const auto sum = sums_.find(show);
    const Bucket counted = sum == sums_.end() ? Bucket{} : sum->second;
    Row row;
    row.show_id = show;
    row.bookings = std::max<int64_t>(counted.bookings, 0);
    row.seats = std::max<int64_t>(counted.seats, 0);
    row.revenue = std::max<int64_t>(counted.revenue, 0);
    if (const auto tally = state_.shows.find(show); tally != state_.shows.end())
      row.currency = tally->second.currency;
    return row;
  }
  // Those whose sum has `counted` above 0.
  std::vector<Row> With(int64_t Bucket::* counted) const {
    std::vector<Row> rows;
    for (const auto& [show, sum] : sums_) {
      if (sum.*counted > 0) rows.push_back(Make(show));
    }
    return rows;
  }

 private:
  const State& state_;
  const std::unordered_map<int64_t, Bucket> sums_;
};

std::vector<Row> SoldOut(const State& state, const Rows& rows, Hour first) {
  std::vector<Row> sold_out;
  for (const auto& [show, tally] : state.shows) {
    if (!tally.sold_out_at || HourOf(*tally.sold_out_at) < first) continue;
    Row& row = sold_out.emplace_back(rows.Make(show));
    row.sellout = std::max(*tally.sold_out_at - tally.on_sale_at, milliseconds(0));
    row.on_sale_at = tally.on_sale_at;
  }
  return sold_out;
}

std::vector<Row> Trending(const State& state, const Rows& rows, Window window, Timestamp now) {
  std::vector<Row> trending;
  for (const auto& [show, score] : Scores(state, window, now)) {
    if (score <= 0) continue;
    trending.emplace_back(rows.Make(show)).score = score;
  }
  return trending;
}

std::vector<Row> Best(std::vector<Row> rows, bool (*better)(const Row&, const Row&), size_t limit) {
  const size_t count = std::min(limit, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(count), rows.end(), better);
  rows.resize(count);
  return rows;
}

std::vector<Row> BestOfEachCurrency(std::vector<Row> rows, size_t limit) {
  std::ranges::sort(rows, MoreRevenue);
  size_t rank = 0;
  std::string_view currency;
  std::vector<Row> best;
  for (Row& row : rows) {
    rank = !best.empty() && row.currency == currency ? rank + 1 : 1;
    currency = row.currency;
    if (rank <= limit) best.push_back(row);
  }
  return best;
}

}  // namespace

std::vector<Row> Rank(const State& state, Order order, Window window, size_t limit, Timestamp now) {
  const Rows rows(state, window, now);
  switch (order) {
    case Order::kBookings:
      return Best(rows.With(&Bucket::bookings), MoreBookings, limit);
    case Order::kRevenue:
      return BestOfEachCurrency(rows.With(&Bucket::revenue), limit);
    case Order::kSellout:
      return Best(SoldOut(state, rows, FirstHour(window, now)), SoldOutFaster, limit);
    case Order::kTrending:
      return Best(Trending(state, rows, window, now), TrendsHigher, limit);
  }
  return {};
}

}  // namespace boxoffice::ranking
