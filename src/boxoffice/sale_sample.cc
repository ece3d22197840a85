#include "boxoffice/sale_sample.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <iterator>
#include <set>
#include <span>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/api_client.h"

namespace boxoffice::top {
namespace {

namespace json = boost::json;
using cli::TextOf;

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

double SecondsBetween(Timestamp before, Timestamp now) {
  return std::chrono::duration<double>(now - before).count();
}

// Null: the process had not told anything.
const Counts* CountsOf(const Sample* sample, const std::string& url) {
  if (sample == nullptr) return nullptr;
  const auto found = sample->processes.find(url);
  return found != sample->processes.end() ? &found->second : nullptr;
}

// Of the gateways that tell, together; each since it last told.
std::optional<double> RateOf(double Counts::* member, const Sample& now, const Sample* before) {
  std::optional<double> all;
  for (const auto& [url, counts] : now.processes) {
    const Counts* was = CountsOf(before, url);
    if (was == nullptr || counts.requests == 0) continue;
    const auto rate = Rate(counts.*member, was->*member, SecondsBetween(was->at, counts.at));
    if (rate) all = all.value_or(0) + *rate;
  }
  return all;
}

const ShowLine* Find(const Sample* sample, std::string_view id) {
  if (sample == nullptr) return nullptr;
  const auto found = std::ranges::find(sample->shows, id, &ShowLine::id);
  return found != sample->shows.end() ? &*found : nullptr;
}

std::optional<double> SoldRate(const ShowLine& show, const Sample& now, const Sample* before) {
  const ShowLine* was = Find(before, show.id);
  if (was == nullptr) return std::nullopt;
  return Rate(static_cast<double>(show.sold), static_cast<double>(was->sold),
              SecondsBetween(before->at, now.at));
}

BatchCount BatchesOf(const Counts* counts, const std::string& executor) {
  if (counts == nullptr) return {};
  const auto found = counts->batches.find(executor);
  return found != counts->batches.end() ? found->second : BatchCount();
}

// Mean commands in a transaction since the process last told, or since it began.
std::map<std::string, double> BatchMeans(const Sample& now, const Sample* before) {
  std::map<std::string, BatchCount> since;
  for (const auto& [url, counts] : now.processes) {
    for (const auto& [executor, count] : counts.batches) {
      BatchCount was = BatchesOf(CountsOf(before, url), executor);
      if (was.transactions > count.transactions) was = {};
      since[executor].commands += count.commands - was.commands;
      since[executor].transactions += count.transactions - was.transactions;
    }
  }
  std::map<std::string, double> means;
  for (const auto& [executor, count] : since) {
    if (count.transactions > 0) means[executor] = count.commands / count.transactions;
  }
  return means;
}

std::string OrDash(std::optional<double> rate) {
  return rate ? fmt::format("{:.1f}", *rate) : std::string("–");
}
std::string OrDash(std::optional<int64_t> count) {
  return count ? fmt::format("{}", *count) : std::string("–");
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

// The same, but between words, which figures are, where there is a place between them.
std::string CutBetweenWords(std::string_view text, size_t width) {
  std::string cut = Cut(text, width);
  if (cut.size() == text.size() || width == 0) return cut;
  cut = Cut(text, width - 1);
  if (text[cut.size()] != ' ') {
    if (const size_t space = cut.rfind(' '); space != std::string::npos) cut.resize(space);
  }
  return cut + "…";
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

  void Put(std::string_view style, std::string_view text) {
    const std::string plain = cli::WithoutControls(std::string(CutBetweenWords(text, width_)));
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

constexpr size_t kTitle = 1;  // of the columns
constexpr size_t kLeastTitle = 12;

struct Column {
  std::string_view name;
  size_t width;   // at least
  int gives_way;  // where there is no room: who has the least first; 0: never
  bool left;      // its text begins where the column does
};
constexpr std::array kColumns{Column{"SHOW", 6, 0, true},         Column{"TITLE", 28, 0, true},
                              Column{"QUEUE", 9, 5, true},        Column{"WAITING", 9, 8, false},
                              Column{"ACTIVE/CAP", 14, 6, false}, Column{"ADMIT/S", 8, 4, false},
                              Column{"HELD", 7, 3, false},        Column{"SOLD", 13, 7, false},
                              Column{"SOLD/S", 7, 2, false},      Column{"REVENUE", 16, 1, false}};
using Cells = std::array<std::string, kColumns.size()>;

Cells CellsOf(const ShowLine& show, const Sample& now, const Sample* before) {
  const auto of_queue = [&show](std::string text) { return show.queue.empty() ? "?" : std::move(text); };
  return {show.id,
          show.title,
          of_queue(show.queue),
          of_queue(fmt::format("{}", show.waiting)),
          of_queue(fmt::format("{}/{}", show.active, show.cap)),
          of_queue(fmt::format("{:.1f}", show.admitted_per_s)),
          fmt::format("{}", show.held),
          fmt::format("{}/{}", show.sold, show.capacity),
          OrDash(SoldRate(show, now, before)),
          show.currency.empty() ? "–" : fmt::format("{} {}", show.revenue, show.currency)};
}

// How wide each column is, 0 for those that are left out, so that a line has `width` at most.
std::array<size_t, kColumns.size()> WidthsOf(const std::vector<Cells>& lines, size_t width) {
  std::array<size_t, kColumns.size()> widths{};
  size_t others = 0;  // and the spaces between all
  for (size_t i = 0; i < kColumns.size(); ++i) {
    widths[i] = kColumns[i].width;
    if (i == kTitle) continue;
    for (const Cells& cells : lines) widths[i] = std::max(widths[i], cells[i].size());
    others += widths[i] + 1;
  }
  const int last = std::ranges::max(kColumns, {}, &Column::gives_way).gives_way;
  for (int next = 1; next <= last && others + kLeastTitle > width; ++next) {
    const auto gone = std::ranges::find(kColumns, next, &Column::gives_way) - kColumns.begin();
    size_t& of_gone = widths[static_cast<size_t>(gone)];
    others -= std::exchange(of_gone, 0) + 1;
  }
  widths[kTitle] = std::min(widths[kTitle], width - std::min(width, others));
  return widths;
}

std::string LineOf(const Cells& cells, const std::array<size_t, kColumns.size()>& widths) {
  std::string line;
  for (size_t i = 0; i < kColumns.size(); ++i) {
    if (widths[i] == 0) continue;
    const std::string text = i == kTitle ? Cut(cells[i], widths[i]) : cells[i];
    if (!line.empty()) line += ' ';
    line +=
        kColumns[i].left ? fmt::format("{:<{}}", text, widths[i]) : fmt::format("{:>{}}", text, widths[i]);
  }
  return line;
}

// In at most `room` rows: the last says how many are left out, where there is room for more than one show.
void RenderShows(const Sample& now, const Sample* before, size_t width, size_t room, Page& page) {
  if (room < 2) return;
  const size_t whole = RowsOfShows(now);
  const size_t shown =
      whole <= room ? now.shows.size() : std::min(now.shows.size(), room - (room > 2 ? 2 : 1));
  const size_t more = now.more_shows + now.shows.size() - shown;
  std::vector<Cells> lines;
  for (const ShowLine& show : std::span(now.shows).first(shown)) lines.push_back(CellsOf(show, now, before));
  const auto widths = WidthsOf(lines, width);
  Cells names;
  std::ranges::transform(kColumns, names.begin(), [](const Column& column) { return column.name; });
  page.Heading(LineOf(names, widths));
  for (const Cells& cells : lines) page.Line(LineOf(cells, widths));
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

void AddMetrics(const std::string& url, std::string_view exposition, Sample& sample) {
  Counts& counts = sample.processes[url];
  counts.at = sample.at;
  while (!exposition.empty()) {
    const size_t end = std::min(exposition.find('\n'), exposition.size());
    const auto series = ReadSeries(exposition.substr(0, end));
    exposition.remove_prefix(std::min(end + 1, exposition.size()));
    if (!series) continue;
    if (series->name == "boxoffice_http_requests_total") {
      const std::string_view status = Label(*series, "status");
      counts.requests += series->value;
      if (status.starts_with('5')) counts.errors += series->value;
      if (status == "429" || status == "503") counts.turned_away += series->value;
    } else if (series->name == "boxoffice_batch_size_sum") {
      counts.batches[std::string(Label(*series, "executor"))].commands += series->value;
    } else if (series->name == "boxoffice_batch_size_count") {
      counts.batches[std::string(Label(*series, "executor"))].transactions += series->value;
    }
  }
}

void KeepMissed(Sample& before, Sample& now) { now.processes.merge(before.processes); }

void AddBreakers(const json::array& rows, Sample& sample) {
  std::vector<std::string>& lines = sample.breakers.emplace();
  std::set<std::string> unreached;
  std::set<std::string> reached;
  for (const json::value& row : rows) {
    if (!row.is_object()) continue;
    const std::string caller = fmt::format("{} → {}", TextOf(row, "client"), TextOf(row, "service"));
    if (const std::string state = TextOf(row, "state"); state != "closed")
      lines.push_back(fmt::format("{} {}: {}", caller, TextOf(row, "replica"), state));
    const json::value* reachable = row.as_object().if_contains("reachable");
    const bool gone = reachable != nullptr && reachable->is_bool() && !reachable->as_bool();
    (gone ? unreached : reached).insert(caller);
  }
  for (const std::string& caller : unreached) {
    if (!reached.contains(caller)) lines.push_back(caller + ": no replica can be reached");
  }
}

std::string Render(const Sample& now, const Sample* before, bool color, size_t width, size_t rows) {
  Page head(color, width);
  head.Heading(fmt::format("boxoffice {}  requests/s {}  errors/s {}  turned away/s {}", ToRfc3339(now.at),
                           OrDash(RateOf(&Counts::requests, now, before)),
                           OrDash(RateOf(&Counts::errors, now, before)),
                           OrDash(RateOf(&Counts::turned_away, now, before))));
  Page below(color, width);
  RenderBelow(now, before, below);
  const size_t room = rows - std::min<size_t>(rows, 1);
  // The shows have half of it at least, or the heading and one; where there is less, the alarms have all.
  below.Shorten(room - (room < 3 ? 0 : std::min(RowsOfShows(now), std::max<size_t>(2, room / 2))));
  Page shows(color, width);
  RenderShows(now, before, width, room - below.size(), shows);
  return head.Text() + shows.Text() + below.Text();
}

json::value ToJson(const Sample& now, const Sample* before) {
  json::array shows;
  for (const ShowLine& show : now.shows) {
    const auto of_queue = [&show](const auto& value) {
      return show.queue.empty() ? json::value(nullptr) : json::value_from(value);
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
                                 {"sold_per_s", OrNull(SoldRate(show, now, before))},
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
      {"requests_per_s", OrNull(RateOf(&Counts::requests, now, before))},
      {"errors_per_s", OrNull(RateOf(&Counts::errors, now, before))},
      {"turned_away_per_s", OrNull(RateOf(&Counts::turned_away, now, before))},
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
