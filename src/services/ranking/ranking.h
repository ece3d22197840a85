// What makes a concert popular: bookings, seats and revenue per show and hour, and how fast a show sold out.
// A projection: the fold of events, in any order, each once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"

namespace boxoffice::ranking {

enum class Kind {
  kConfirmed,
  kCancelled,
  kSoldOut,
  kLessened,  // a booking that stays, with fewer seats or for less
};

// What an event says to this service.
struct Event {
  EventId id;
  Kind kind = Kind::kConfirmed;
  int64_t show_id = 0;
  int64_t seats = 0;  // of the booking; kLessened: that it has no more; kSoldOut: 0
  Timestamp at{};
  Timestamp on_sale_at{};  // kSoldOut only
  int64_t amount = 0;      // of the booking, or that was given back, in minor units; kSoldOut: 0
  std::string currency;    // the show's, which has one; kSoldOut: empty
};

// Of one show, ever.
struct Tally {
  int64_t confirmed = 0;
  int64_t cancelled = 0;
  int64_t seats = 0;  // of confirmed bookings less those that were given back
  std::optional<Timestamp> sold_out_at;
  Timestamp on_sale_at{};  // with sold_out_at
  int64_t revenue = 0;     // of confirmed bookings less what was given back
  std::string currency;    // empty: nothing was booked yet
  bool operator==(const Tally&) const = default;
};

// Of one show in one hour. A cancellation counts in the hour when it comes, so all can be negative.
struct Bucket {
  int64_t bookings = 0;
  int64_t seats = 0;
  int64_t revenue = 0;
  bool operator==(const Bucket&) const = default;
};

using Hour = int64_t;  // of UTC, since 1970
using HourKey = std::pair<Hour, int64_t>;
[[nodiscard]] Hour HourOf(Timestamp t);

struct State {
  std::map<int64_t, Tally> shows;
  std::map<HourKey, Bucket> hours;
  uint64_t processed = 0;
  Timestamp as_of{};  // time of the newest event
  bool operator==(const State&) const = default;
};

// Which rows of a State.
struct Keys {
  std::set<int64_t> shows;
  std::set<HourKey> hours;
};

// What counting `events` touches.
[[nodiscard]] Keys KeysOf(std::span<const Event> events);

// The fold: counts one event. Of several sell-outs of a show the first counts.
void Apply(State& state, const Event& event);

// What counting `fresh` (each new, none twice) makes of the rows that it touches (KeysOf), of which `state`
// has all that there are: these rows, and `processed` and `as_of` of the whole. `state` is not changed.
[[nodiscard]] State Decide(const State& state, std::span<const Event> fresh);

// Puts such rows in the place of the old ones.
void Overlay(State& state, const State& changed);

// Drops hours that no window reaches any more.
void Forget(State& state, Timestamp now);
// The first hour that a window at `now` reaches.
[[nodiscard]] Hour OldestHour(Timestamp now);

enum class Order { kBookings, kRevenue, kSellout, kTrending };
// A window holds the hour that has begun and as many whole hours before it as its name says. By trending, all
// hours that are kept count, and a booking that is as old as the window is long counts half; kAll is not for
// that.
enum class Window { kHour, kDay, kWeek, kAll };

struct Row {
  int64_t show_id = 0;
  int64_t bookings = 0;  // confirmed less cancelled in the window, at least 0
  int64_t seats = 0;
  milliseconds sellout{0};  // kSellout only: from the opening to the last seat
  Timestamp on_sale_at{};   // kSellout only
  int64_t revenue = 0;      // confirmed less cancelled in the window, at least 0
  std::string currency;     // of the show; empty: nothing was booked yet
  double score = 0;         // kTrending only: bookings, each with its weight
  bool operator==(const Row&) const = default;
};

// At most `limit` rows, the best first.
// kBookings: shows with bookings in the window, most first; ties: more seats, then the smaller id.
// kRevenue: shows with revenue in the window, by currency (amounts of two can't be compared), at most `limit`
// of each, most first; ties: more bookings, then the smaller id. kSellout: shows that sold out in the window,
// the shortest time first; ties: the earlier opening, then the smaller id. kTrending: shows with a score
// above 0, the highest first; ties: the smaller id. `bookings`, `seats` and `revenue` are those of the
// window. The age of a booking is in whole hours.
[[nodiscard]] std::vector<Row> Rank(const State& state, Order order, Window window, size_t limit,
                                    Timestamp now);

}  // namespace boxoffice::ranking
