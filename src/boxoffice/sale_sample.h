// What `boxoffice top` knows of a system at one moment, and how it shows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/clock.h"

namespace boxoffice::top {

struct ShowLine {
  std::string id;
  std::string title;
  std::string queue;  // the state of its queue; empty: what is said of it here is not known
  int64_t waiting = 0;
  int64_t active = 0;
  int64_t cap = 0;
  double admitted_per_s = 0;
  int64_t capacity = 0;
  int64_t held = 0;
  int64_t sold = 0;
  int64_t revenue = 0;   // as the ranking has counted it, minor units
  std::string currency;  // of it; empty: nothing was counted yet
};

struct OutboxLine {
  std::string service;
  int64_t pending = 0;
  double oldest_s = 0;
  std::string problem;  // empty: it answers
};

// Commands in the transactions of one executor, since the process began.
struct BatchCount {
  double commands = 0;
  double transactions = 0;
};

// What one process has counted since it began.
struct Counts {
  Timestamp at{};                             // of the look at which it told
  double requests = 0;                        // that its gateway answered
  double errors = 0;                          // of these, with 5xx
  double turned_away = 0;                     // with 429, or 503 of a full queue: in `errors` too, the latter
  std::map<std::string, BatchCount> batches;  // by executor
};

struct Sample {
  Timestamp at{};
  std::vector<ShowLine> shows;              // who has most people first
  bool shows_known = true;                  // false: there may be others
  size_t more_shows = 0;                    // that are not in `shows`
  std::map<std::string, Counts> processes;  // by where their metrics are
  std::vector<OutboxLine> outboxes;         // empty: not known
  // "gateway_seat → seat 127.0.0.1:9001: open"; nullopt, here and in the next two: not known.
  std::optional<std::vector<std::string>> breakers;
  std::optional<int64_t> sagas_running;  // up to 200
  std::optional<int64_t> sagas_parked;
  std::optional<bool> audit_ok;  // nullopt: there was none yet
  std::string audited_at;
  std::vector<std::string> problems;  // what could not be asked
};

// Adds what the /metrics of a process tell, which are at `url`.
void AddMetrics(const std::string& url, std::string_view exposition, Sample& sample);

// For the look after `now`: a process that did not tell is in it as it was in `before`.
void KeepMissed(Sample& before, Sample& now);

// Adds what GET /v1/admin/breakers lists: which are not closed, and who reaches no replica of a service at
// all. That one of several is not reached says nothing: the queue's stand by.
void AddBreakers(const boost::json::array& rows, Sample& sample);

// For people: lines that end with '\n', none wider than `width` columns, and at most `rows` of them, but
// one: what is calm gives way first, and of the shows those with fewest people. Where they are too wide,
// titles are shortened, and then whole columns left out: no figure is cut. Rates are those since
// `before`, of a process since it last told; null: there are none. `color`: what needs attention is red,
// headings are bold.
[[nodiscard]] std::string Render(const Sample& now, const Sample* before, bool color,
                                 size_t width = std::numeric_limits<size_t>::max(),
                                 size_t rows = std::numeric_limits<size_t>::max());

// The same for machines.
[[nodiscard]] boost::json::value ToJson(const Sample& now, const Sample* before);

}  // namespace boxoffice::top
