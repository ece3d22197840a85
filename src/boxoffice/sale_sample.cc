#include "boxoffice/sale_sample.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iterator>
#include <set>
#include <span>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace boxoffice::top {
namespace {

namespace json = boost::json;

constexpr double kOutboxOld = 10;  // seconds

// One line of an exposition: NAME{LABELS} VALUE.
struct Series {
  std::string_view name;
  std::string_view labels;
  double value = 0;
};

std::optional<Series> ReadSeries(std::string_view line) {
  if (line.empty() || line.front() == '#') return std::nullopt;
  Series series;
  const size_t brace = line.find('{');
  const size_t end = brace == std::string_view::npos ? line.find(' ') : line.rfind('}');
  if (end == std::string_view::npos) return std::nullopt;
  series.name = line.substr(0, std::min(brace, end));
  if (brace != std::string_view::npos) series.labels = line.substr(brace + 1, end - brace - 1);
  const size_t number = line.find_first_not_of(' ', end + 1);
  if (number == std::string_view::npos) return std::nullopt;
  const auto read = std::from_chars(line.data() + number, line.data() + line.size(), series.value);
  if (read.ec != std::errc()) return std::nullopt;
  return series;
}

std::string_view Label(const Series& series, std::string_view name) {
  const std::string key = fmt::format("{}=\"", name);
  const size_t at = series.labels.find(key);
  if (at == std::string_view::npos) return {};
  const size_t begin = at + key.size();
  return series.labels.substr(begin, series.labels.find('"', begin) - begin);
}

// A rate since the sample before; after a restart of what counts it is not known.
std::optional<double> Rate(double now, double before, double seconds) {
  if (seconds <= 0 || now < before) return std::nullopt;
  return (now - before) / seconds;
}

double SecondsBetween(const Sample& now, const Sample* before) {
  if (before == nullptr) return 0;
  return std::chrono::duration<double>(now.at - before->at).count();
}

const ShowLine* Find(const Sample* sample, std::string_view id) {
  if (sample == nullptr) return nullptr;
  const auto found = std::ranges::find(sample->shows, id, &ShowLine::id);
  return found != sample->shows.end() ? &*found : nullptr;
}

std::optional<double> SoldRate(const ShowLine& show, const Sample* before, double seconds) {
  const ShowLine* was = Find(before, show.id);
  if (was == nullptr) return std::nullopt;
  return Rate(static_cast<double>(show.sold), static_cast<double>(was->sold), seconds);
}

// Mean commands in a transaction since the sample before, or since the beginning.
std::map<std::string, double> BatchMeans(const Sample& now, const Sample* before) {
  std::map<std::string, double> means;
  for (const auto& [executor, count] : now.batches) {
    BatchCount since = count;
    if (before != nullptr) {
      const auto was = before->batches.find(executor);
      if (was != before->batches.end() && was->second.transactions <= count.transactions) {
        since.commands -= was->second.commands;
        since.transactions -= was->second.transactions;
      }
    }
    if (since.transactions > 0) means[executor] = since.commands / since.transactions;
  }
  return means;
}

std::string OrDash(std::optional<double> rate) {
  return rate ? fmt::format("{:.1f}", *rate) : std::string("–");
}
std::string OrDash(std::optional<int64_t> count) {
  return count ? fmt::format("{}", *count) : std::string("–");
}

std::string TextOf(const json::object& row, std::string_view name) {
  const json::value* member = row.if_contains(name);
  return member != nullptr && member->is_string() ? std::string(member->as_string()) : std::string();
}

// At most `width` columns. A character of several bytes takes one, or two where it is wide, as fmt counts.
std::string Cut(std::string_view text, size_t width) {
  size_t shown = 0;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
    const size_t bytes = end - i;
    shown += fmt::formatted_size("{:>2}", text.substr(i, bytes)) == bytes ? 2 : 1;
    if (shown > width) return std::string(text.substr(0, i));
    i = end;
  }
  return std::string(text);
}

class Page {
 public:
  Page(bool color, size_t width) : color_(color), width_(width) {}
  void Line(std::string_view text) { Put("", text); }
  void Heading(std::string_view text) { Put("\x1b[1m", text); }
  void Alarm(std::string_view text) {
    Put("\x1b[31m", text);
    rows_.back().alarm = true;
  }
  [[nodiscard]] size_t size() const { return rows_.size(); }

  // Leaves at most `room` rows: what is calm goes first, from the top.
  void Shorten(size_t room) {
    size_t over = rows_.size() - std::min(rows_.size(), room);
    std::erase_if(rows_, [&over](const Row& row) {
      const bool goes = over > 0 && !row.alarm;
      if (goes) --over;
      return goes;
    });
    if (over == 0) return;
    const size_t alarms = rows_.size();
    rows_.resize(room - std::min<size_t>(room, 1));
    if (room > 0) Alarm(fmt::format("… and {} more", alarms - rows_.size()));
  }
  [[nodiscard]] std::string Text() const {
    std::string text;
    for (const Row& row : rows_) text += row.text;
    return text;
  }

 private:
  struct Row {
    std::string text;
    bool alarm = false;
  };

  // What comes from elsewhere moves no cursor.
  void Put(std::string_view style, std::string_view text) {
    std::string plain;
    for (const char c : Cut(text, width_))
      plain += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    const bool styled = color_ && !style.empty();
    rows_.push_back({fmt::format("{}{}{}\n", styled ? style : "", plain, styled ? "\x1b[0m" : "")});
  }
  const bool color_;
  const size_t width_;
  std::vector<Row> rows_;
};

// Of all shows, with the heading.
size_t RowsOfShows(const Sample& now) {
  return 1 + std::max<size_t>(1, now.shows.size()) + (now.more_shows > 0 ? 1 : 0);
}

// In at most `room` rows: the last says how many are left out, where there is room for more than one show.
void RenderShows(const Sample& now, const Sample* before, size_t room, Page& page) {
  if (room < 2) return;
  const size_t whole = RowsOfShows(now);
  const size_t shown =
      whole <= room ? now.shows.size() : std::min(now.shows.size(), room - (room > 2 ? 2 : 1));
  const size_t more = now.more_shows + now.shows.size() - shown;
  const double seconds = SecondsBetween(now, before);
  page.Heading(fmt::format("{:<6} {:<28} {:<9} {:>9} {:>14} {:>8} {:>7} {:>13} {:>7} {:>16}", "SHOW", "TITLE",
                           "QUEUE", "WAITING", "ACTIVE/CAP", "ADMIT/S", "HELD", "SOLD", "SOLD/S", "REVENUE"));
  for (const ShowLine& show : std::span(now.shows).first(shown)) {
    const std::string queue =
        show.queue_known
            ? fmt::format("{:<9} {:>9} {:>14} {:>8.1f}", show.queue.empty() ? "–" : show.queue, show.waiting,
                          fmt::format("{}/{}", show.active, show.cap), show.admitted_per_s)
            : fmt::format("{:<9} {:>9} {:>14} {:>8}", "?", "?", "?", "?");
    page.Line(fmt::format("{:<6} {:<28} {} {:>7} {:>13} {:>7} {:>16}", show.id, Cut(show.title, 28), queue,
                          show.held, fmt::format("{}/{}", show.sold, show.capacity),
                          OrDash(SoldRate(show, before, seconds)),
                          show.currency.empty() ? "–" : fmt::format("{} {}", show.revenue, show.currency)));
  }
  if (now.shows.empty()) page.Line(now.shows_known ? "no show" : "? it is not known which shows there are");
  if (more > 0 && page.size() < room) page.Line(fmt::format("… and {} more", more));
}

void RenderBelow(const Sample& now, const Sample* before, Page& page) {
  const auto means = BatchMeans(now, before);
  std::string batches;
  for (const auto& [executor, mean] : means)
    batches += fmt::format("{}{} {:.1f}", batches.empty() ? "" : "  ", executor, mean);
  page.Line(fmt::format("batches   {}", batches.empty() ? "–" : batches));
  for (const OutboxLine& outbox : now.outboxes) {
    if (!outbox.problem.empty()) {
      page.Alarm(fmt::format("outbox    {}: {}", outbox.service, outbox.problem));
    } else if (outbox.oldest_s > kOutboxOld) {
      page.Alarm(fmt::format("outbox    {}: {} events wait, the oldest for {:.0f} s", outbox.service,
                             outbox.pending, outbox.oldest_s));
    }
  }
  int64_t pending = 0;
  for (const OutboxLine& outbox : now.outboxes) pending += outbox.pending;
  page.Line(now.outboxes.empty() ? "outboxes  –" : fmt::format("outboxes  {} events wait", pending));
  const std::string sagas =
      fmt::format("sagas     {} under way, {} parked", OrDash(now.sagas_running), OrDash(now.sagas_parked));
  now.sagas_parked.value_or(0) > 0 ? page.Alarm(sagas) : page.Line(sagas);
  if (!now.breakers) {
    page.Line("breakers  –");
  } else if (now.breakers->empty()) {
    page.Line("breakers  all closed");
  } else {
    for (const std::string& breaker : *now.breakers) page.Alarm("breaker   " + breaker);
  }
  if (!now.audit_ok) {
    page.Line("audit     none yet");
  } else if (*now.audit_ok) {
    page.Line("audit     clean, " + now.audited_at);
  } else {
    page.Alarm("audit     NOT CLEAN, " + now.audited_at);
  }
  for (const std::string& problem : now.problems) page.Alarm("can't ask " + problem);
}

template <typename T>
json::value OrNull(const std::optional<T>& known) {
  return known ? json::value_from(*known) : json::value(nullptr);
}

}  // namespace

void AddMetrics(std::string_view exposition, Sample& sample) {
  while (!exposition.empty()) {
    const size_t end = std::min(exposition.find('\n'), exposition.size());
    const auto series = ReadSeries(exposition.substr(0, end));
    exposition.remove_prefix(std::min(end + 1, exposition.size()));
    if (!series) continue;
    if (series->name == "boxoffice_http_requests_total") {
      const std::string_view status = Label(*series, "status");
      sample.requests += series->value;
      if (status.starts_with('5')) sample.errors += series->value;
      if (status == "429" || status == "503") sample.turned_away += series->value;
    } else if (series->name == "boxoffice_batch_size_sum") {
      sample.batches[std::string(Label(*series, "executor"))].commands += series->value;
    } else if (series->name == "boxoffice_batch_size_count") {
      sample.batches[std::string(Label(*series, "executor"))].transactions += series->value;
    }
  }
}

void AddBreakers(const json::array& rows, Sample& sample) {
  std::vector<std::string>& lines = sample.breakers.emplace();
  std::set<std::string> unreached;
  std::set<std::string> reached;
  for (const json::value& value : rows) {
    if (!value.is_object()) continue;
    const json::object& row = value.as_object();
    const std::string caller = fmt::format("{} → {}", TextOf(row, "client"), TextOf(row, "service"));
    if (const std::string state = TextOf(row, "state"); state != "closed")
      lines.push_back(fmt::format("{} {}: {}", caller, TextOf(row, "replica"), state));
    const json::value* reachable = row.if_contains("reachable");
    const bool gone = reachable != nullptr && reachable->is_bool() && !reachable->as_bool();
    (gone ? unreached : reached).insert(caller);
  }
  for (const std::string& caller : unreached) {
    if (!reached.contains(caller)) lines.push_back(caller + ": no replica can be reached");
  }
}

std::string Render(const Sample& now, const Sample* before, bool color, size_t width, size_t rows) {
  const double seconds = SecondsBetween(now, before);
  Page head(color, width);
  const auto rate = [&](double Sample::* member) {
    return before == nullptr ? std::nullopt : Rate(now.*member, before->*member, seconds);
  };
  head.Heading(fmt::format("boxoffice {}  requests/s {}  errors/s {}  turned away/s {}", ToRfc3339(now.at),
                           OrDash(rate(&Sample::requests)), OrDash(rate(&Sample::errors)),
                           OrDash(rate(&Sample::turned_away))));
  Page below(color, width);
  RenderBelow(now, before, below);
  const size_t room = rows - std::min<size_t>(rows, 1);
  // The shows have half of it at least, or the heading and one; where there is less, the alarms have all.
  below.Shorten(room - (room < 3 ? 0 : std::min(RowsOfShows(now), std::max<size_t>(2, room / 2))));
  Page shows(color, width);
  RenderShows(now, before, room - below.size(), shows);
  return head.Text() + shows.Text() + below.Text();
}

json::value ToJson(const Sample& now, const Sample* before) {
  const double seconds = SecondsBetween(now, before);
  const auto rate = [&](double Sample::* member) {
    return OrNull(before == nullptr ? std::nullopt : Rate(now.*member, before->*member, seconds));
  };
  json::array shows;
  for (const ShowLine& show : now.shows) {
    const auto of_queue = [&show](const auto& value) {
      return show.queue_known ? json::value_from(value) : json::value(nullptr);
    };
    shows.push_back(json::object{{"show_id", show.id},
                                 {"title", show.title},
                                 {"queue", of_queue(show.queue)},
                                 {"waiting", of_queue(show.waiting)},
                                 {"active", of_queue(show.active)},
                                 {"active_cap", of_queue(show.cap)},
                                 {"admitted_per_s", of_queue(show.admitted_per_s)},
                                 {"capacity", show.capacity},
                                 {"held", show.held},
                                 {"sold", show.sold},
                                 {"sold_per_s", OrNull(SoldRate(show, before, seconds))},
                                 {"revenue", show.revenue},
                                 {"currency", show.currency}});
  }
  json::object batches;
  for (const auto& [executor, mean] : BatchMeans(now, before)) batches[executor] = mean;
  json::array outboxes;
  for (const OutboxLine& outbox : now.outboxes) {
    outboxes.push_back(json::object{{"service", outbox.service},
                                    {"pending", outbox.pending},
                                    {"oldest_age_s", outbox.oldest_s},
                                    {"problem", outbox.problem}});
  }
  return json::object{
      {"at", ToRfc3339(now.at)},
      {"requests_per_s", rate(&Sample::requests)},
      {"errors_per_s", rate(&Sample::errors)},
      {"turned_away_per_s", rate(&Sample::turned_away)},
      {"shows", std::move(shows)},
      {"batch_sizes", std::move(batches)},
      {"outboxes", std::move(outboxes)},
      {"breakers", OrNull(now.breakers)},
      {"sagas", {{"running", OrNull(now.sagas_running)}, {"parked", OrNull(now.sagas_parked)}}},
      {"audit",
       {{"ok", now.audit_ok ? json::value(*now.audit_ok) : json::value(nullptr)}, {"at", now.audited_at}}},
      {"problems", json::value_from(now.problems)}};
}

}  // namespace boxoffice::top
