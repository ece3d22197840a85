#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "boxoffice/api_client.h"
#include "boxoffice/cluster.h"
#include "boxoffice/commands.h"
#include "boxoffice/rest_command.h"
#include "boxoffice/sale_sample.h"
#include "boxoffice/system_commands.h"
#include "platform/http/client.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using top::Sample;

// For all that is asked, so that what is shown is as of now. Longer than a gateway waits for a service.
constexpr std::chrono::seconds kLookLimit{3};
constexpr size_t kMaxShows = 20;
constexpr size_t kMaxPages = 50;
constexpr int64_t kMaxLooks = 1'000'000;
constexpr std::string_view kConcerts = "/v1/admin/concerts";
constexpr std::string_view kQueues = "/v1/admin/queues";
constexpr std::string_view kOutbox = "/v1/admin/outbox";
constexpr const char* kRevenue = "/v1/admin/rankings?by=revenue&window=all&limit=200";
constexpr const char* kBreakers = "/v1/admin/breakers";
constexpr const char* kRunning = "/v1/admin/sagas?status=running&limit=200";
constexpr const char* kParked = "/v1/admin/sagas?status=parked&limit=200";
constexpr const char* kAudit = "/v1/admin/audit";
constexpr const char* kMetrics = "/v1/admin/metrics";

struct TopOptions {
  ApiOptions api;
  std::vector<std::string> metrics;
  double interval_s = 2;
  int64_t count = -1;  // -1: not given
  bool json = false;
};

int64_t Number(const json::value& object, std::string_view name) {
  const json::value* member = object.is_object() ? object.as_object().if_contains(name) : nullptr;
  return member != nullptr && member->is_number() ? member->to_number<int64_t>() : 0;
}
double Real(const json::value& object, std::string_view name) {
  const json::value* member = object.is_object() ? object.as_object().if_contains(name) : nullptr;
  return member != nullptr && member->is_number() ? member->to_number<double>() : 0;
}

// Asks one system again and again. What can't be asked is noted in the sample.
class Watcher {
 public:
  explicit Watcher(const TopOptions& options) : options_(options) {
    auto client = ApiClient::Make(options.api);
    if (!client) ExitCant(client.error());
    client_ = *std::move(client);
  }

  Sample Look() {
    Sample sample;
    sample.at = SystemClock().Now();
    AskAll();
    std::map<std::string, top::ShowLine> shows;
    for (const json::value& concert : Items(kConcerts, sample, sample.shows_known)) AddShows(concert, shows);
    bool queues_known = true;
    for (const json::value& queue : Items(kQueues, sample, queues_known)) {
      if (const auto found = shows.find(TextOf(queue, "show_id")); found != shows.end())
        AddQueue(queue, found->second);
    }
    const auto ranking = Get(kRevenue, sample);
    if (const json::array* rows = ItemsOf(ranking)) AddRevenue(*rows, shows);
    for (auto& [id, show] : shows) sample.shows.push_back(std::move(show));
    std::ranges::stable_sort(sample.shows, [](const top::ShowLine& a, const top::ShowLine& b) {
      return a.waiting + a.active + a.held > b.waiting + b.active + b.held;
    });
    if (sample.shows.size() > kMaxShows) {
      sample.more_shows = sample.shows.size() - kMaxShows;
      sample.shows.resize(kMaxShows);
    }
    if (queues_known) AddUntouchedQueues(sample);
    AddOperations(sample);
    AddAllMetrics(sample);
    return sample;
  }

 private:
  static std::string FirstPage(std::string_view path) { return fmt::format("{}?limit=200", path); }

  // Whatever does not depend on another answer, at once: those who do not answer hold nobody up.
  void AskAll() {
    until_ = steady_clock::now() + kLookLimit;
    std::vector<std::string> names{FirstPage(kConcerts),
                                   FirstPage(kQueues),
                                   FirstPage(kOutbox),
                                   kRevenue,
                                   kBreakers,
                                   kRunning,
                                   kParked,
                                   kAudit};
    metrics_urls_ = MetricsUrls();
    if (metrics_urls_.empty()) names.emplace_back(kMetrics);
    std::vector<http::ClientRequest> requests;
    for (const std::string& path : names) requests.push_back(client_->Request("GET", path, kLookLimit));
    for (const std::string& url : metrics_urls_) {
      names.push_back(url);
      requests.push_back(MetricsRequest(url));
    }
    std::vector<Result<http::ClientResponse>> answers = http::FetchAllBlocking(std::move(requests));
    answers_.clear();
    for (size_t i = 0; i < names.size(); ++i) answers_.insert_or_assign(names[i], std::move(answers[i]));
  }
  // As AskAll has it; else, as a page that follows, asked in what is left of the time.
  Result<http::ClientResponse> AnswerOf(const std::string& name) {
    if (const auto asked = answers_.find(name); asked != answers_.end()) return asked->second;
    return client_->Send("GET", name, {}, {}, LeftOfLook());
  }
  [[nodiscard]] milliseconds LeftOfLook() const {
    const auto left = std::chrono::duration_cast<milliseconds>(until_ - steady_clock::now());
    return std::max(left, milliseconds(1));
  }

  static void AddShows(const json::value& concert, std::map<std::string, top::ShowLine>& shows) {
    const json::value* rows = concert.as_object().if_contains("shows");
    if (rows == nullptr || !rows->is_array()) return;
    for (const json::value& row : rows->as_array()) {
      top::ShowLine& show = shows[TextOf(row, "id")];
      show.id = TextOf(row, "id");
      show.title = TextOf(concert, "title");
      show.capacity = Number(row, "capacity");
      show.held = Number(row, "held");
      show.sold = Number(row, "sold");
    }
  }
  static void AddQueue(const json::value& queue, top::ShowLine& show) {
    show.queue = TextOf(queue, "state");
    show.waiting = Number(queue, "waiting");
    show.active = Number(queue, "active");
    show.cap = Number(queue, "active_cap");
    show.admitted_per_s = Real(queue, "admitted_per_s");
  }
  // A queue that nobody has set and nobody has come to is not listed. It is as it is by default, which is
  // asked for once.
  void AddUntouchedQueues(Sample& sample) {
    std::vector<std::string> asked;
    std::vector<http::ClientRequest> requests;
    for (const top::ShowLine& show : sample.shows) {
      if (!show.queue.empty() || untouched_.contains(show.id)) continue;
      asked.push_back(show.id);
      requests.push_back(
          client_->Request("GET", fmt::format("/v1/admin/shows/{}/queue", show.id), LeftOfLook()));
    }
    const auto answers = http::FetchAllBlocking(std::move(requests));
    for (size_t i = 0; i < asked.size(); ++i) {
      boost::system::error_code error;
      if (!answers[i] || answers[i]->status != 200) continue;
      json::value queue = json::parse(answers[i]->body, error);
      if (!error) untouched_.insert_or_assign(asked[i], std::move(queue));
    }
    for (top::ShowLine& show : sample.shows) {
      if (const auto found = untouched_.find(show.id); show.queue.empty() && found != untouched_.end())
        AddQueue(found->second, show);
    }
  }

  static void AddRevenue(const json::array& rows, std::map<std::string, top::ShowLine>& shows) {
    for (const json::value& row : rows) {
      const auto found = shows.find(TextOf(row, "show_id"));
      if (found == shows.end()) continue;
      found->second.revenue = Number(row, "revenue");
      found->second.currency = TextOf(row, "currency");
    }
  }

  void AddOperations(Sample& sample) {
    bool outboxes_known = true;  // where not, there are none in the sample
    for (const json::value& row : Items(kOutbox, sample, outboxes_known)) {
      sample.outboxes.push_back({TextOf(row, "service"), Number(row, "pending"), Real(row, "oldest_age_s"),
                                 TextOf(row, "problem")});
    }
    const auto breakers = Get(kBreakers, sample);
    if (const json::array* rows = ItemsOf(breakers)) top::AddBreakers(*rows, sample);
    sample.sagas_running = CountOf(kRunning, sample);
    sample.sagas_parked = CountOf(kParked, sample);
    if (const auto audit = Get(kAudit, sample); audit && audit->is_object()) {
      const json::value* ok = audit->as_object().if_contains("ok");
      if (ok != nullptr && ok->is_bool()) sample.audit_ok = ok->as_bool();
      sample.audited_at = TextOf(*audit, "at");
    }
  }

  // nullopt: noted, or there is none (404, or 204: not yet).
  std::optional<json::value> Get(const std::string& path, Sample& sample) {
    const Result<http::ClientResponse> response = AnswerOf(path);
    if (!response) {
      sample.problems.push_back(
          fmt::format("{}: {} ({})", path, response.error().detail, response.error().reason));
      return std::nullopt;
    }
    // Whoever may not look need not look again.
    if (response->status == 401 || response->status == 403)
      ExitCant({Code::kPermissionDenied, "forbidden", DescribeProblem(*response)});
    boost::system::error_code error;
    json::value body = json::parse(response->body, error);
    if (response->status == 200 && !error) return body;
    if (response->status != 404 && response->status != 204)
      sample.problems.push_back(fmt::format("{}: {}", path, DescribeProblem(*response)));
    return std::nullopt;
  }

  // Null: it was not asked, or is no list.
  static const json::array* ItemsOf(const std::optional<json::value>& page) {
    const json::value* items = page && page->is_object() ? page->as_object().if_contains("items") : nullptr;
    return items != nullptr ? items->if_array() : nullptr;
  }

  // `known` becomes false where not all can be had.
  json::array Items(std::string_view path, Sample& sample, bool& known) {
    json::array all;
    std::string next = FirstPage(path);
    for (size_t pages = 0; pages < kMaxPages && !next.empty(); ++pages) {
      const auto page = Get(next, sample);
      next.clear();
      const json::array* items = ItemsOf(page);
      if (items == nullptr) {
        known = false;
        break;
      }
      for (const json::value& item : *items) {
        if (item.is_object()) all.push_back(item);
      }
      if (const std::string cursor = TextOf(*page, "next_cursor"); !cursor.empty())
        next = fmt::format("{}?limit=200&cursor={}", path, cursor);
    }
    return all;
  }
  std::optional<int64_t> CountOf(const std::string& path, Sample& sample) {
    const auto page = Get(path, sample);
    const json::array* items = ItemsOf(page);
    return items != nullptr ? std::optional(static_cast<int64_t>(items->size())) : std::nullopt;
  }

  // Of the processes that were named, else of all of an `up --scaled` of the data folder, else the gateway's.
  void AddAllMetrics(Sample& sample) {
    for (const std::string& url : metrics_urls_) AddMetricsOf(url, AnswerOf(url), sample);
    if (metrics_urls_.empty()) AddMetricsOf(kMetrics, AnswerOf(kMetrics), sample);
  }
  std::vector<std::string> MetricsUrls() const {
    if (!options_.metrics.empty()) return options_.metrics;
    std::vector<std::string> urls;
    if (const auto described = DescribeCluster(options_.api.data);
        described && options_.api.FolderIsItsOwn()) {
      for (const json::value& process : described->at("processes").as_array()) {
        if (process.at("running").as_bool())
          urls.push_back(fmt::format("http://{}/metrics", TextOf(process, "admin")));
      }
    }
    return urls;
  }
  static http::ClientRequest MetricsRequest(const std::string& url) {
    http::ClientRequest request;
    request.url = url;
    request.timeout = kLookLimit;
    request.max_response = size_t{16} << 20;
    return request;
  }
  static void AddMetricsOf(const std::string& url, const Result<http::ClientResponse>& response,
                           Sample& sample) {
    if (response && response->status == 200) {
      top::AddMetrics(url, response->body, sample);
    } else {
      sample.problems.push_back(response ? fmt::format("{}: {}", url, response->status)
                                         : fmt::format("{}: {}", url, response.error().detail));
    }
  }

  const TopOptions& options_;
  std::optional<ApiClient> client_;
  steady_clock::time_point until_;  // of the look that is under way
  std::vector<std::string> metrics_urls_;
  std::map<std::string, Result<http::ClientResponse>> answers_;  // by path or URL
  std::map<std::string, json::value> untouched_;                 // queues, by show
};

winsize TerminalSize() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
  return size;
}

void Show(const TopOptions& options, const Sample& now, const Sample* before, bool terminal) {
  if (options.json) {
    fmt::print("{}\n", json::serialize(top::ToJson(now, before)));
  } else if (!terminal) {
    fmt::print("{}\n", top::Render(now, before, /*color=*/false));
  } else {
    const bool color = std::getenv("NO_COLOR") == nullptr;
    const winsize size = TerminalSize();  // zeros: it has none
    const size_t width = size.ws_col > 0 ? size.ws_col : std::numeric_limits<size_t>::max();
    // The cursor ends below the page: on the last row, or all that is above would move.
    const size_t rows = size.ws_row > 0 ? size.ws_row - size_t{1} : std::numeric_limits<size_t>::max();
    // Over what was there, so that nothing flickers; then whatever is below goes.
    std::string page = top::Render(now, before, color, width, rows);
    for (size_t at = page.find('\n'); at != std::string::npos; at = page.find('\n', at + 4))
      page.insert(at, "\x1b[K");
    fmt::print("\x1b[H{}\x1b[J", page);
  }
}

void Run(const TopOptions& options) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1 && !options.json;
  const int64_t count = options.count >= 0 ? options.count : (terminal ? 0 : 1);
  Watcher watcher(options);
  if (count == 0) EndAtInterrupt();
  std::optional<Sample> before;
  if (terminal) fmt::print("\x1b[2J");
  for (int64_t i = 0; count == 0 || i < count; ++i) {
    if (i > 0) Pause(std::chrono::milliseconds(static_cast<int64_t>(options.interval_s * 1'000)));
    Sample now = watcher.Look();
    Show(options, now, before ? &*before : nullptr, terminal);
    if (std::fflush(stdout) != 0) return;  // nobody reads any more
    if (before) top::KeepMissed(*before, now);
    before = std::move(now);
  }
}

}  // namespace

void AddTopCommand(CLI::App& app) {
  const auto options = std::make_shared<TopOptions>();
  CLI::App* command =
      app.add_subcommand("top", "Watch an on-sale: queues, sales, batches, outboxes, breakers, audit");
  AddApiFlags(*command, options->api);
  command->add_option(
      "--metrics", options->metrics,
      "URLs of the /metrics that are added up; else those of all replicas of an `up --scaled` in "
      "--data, or the gateway's");
  command->add_option("--interval", options->interval_s, "Seconds from one look to the next")
      ->check(CLI::Range(0.2, 3'600.0))
      ->check(Finite())
      ->capture_default_str();
  command
      ->add_option("--count", options->count,
                   "Looks; 0: until Ctrl-C. Without it: until Ctrl-C on a terminal, else one")
      ->check(CLI::Range(int64_t{0}, kMaxLooks));
  command->add_flag("--json", options->json, "One line of JSON for each look");
  command->footer(
      "The shows with most people are on top, up to 20, and as many as the terminal has rows for. Rates are\n"
      "since the look before, or, of a process that was missed then, since it last told; the first look has\n"
      "none, and sizes of batches since the processes began.\n"
      "Where a terminal is too narrow, titles are shortened and columns left out; elsewhere all are there.\n"
      "What does not answer within 3 s is not waited for; ? is what is not known of a queue. What needs\n"
      "attention is red, unless NO_COLOR is set.\n"
      "Exit codes: 0 done, also by Ctrl-C; 2 called the wrong way, or not an operator. A system that can't\n"
      "be asked is shown as such.");
  command->callback([options] { Run(*options); });
}

}  // namespace boxoffice::cli
