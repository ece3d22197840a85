#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
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
using top::Sample;

constexpr std::chrono::seconds kAnswerLimit{5};
constexpr size_t kMaxShows = 20;
constexpr size_t kMaxPages = 50;

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
    std::map<std::string, top::ShowLine> shows;
    for (const json::value& concert : Items("/v1/admin/concerts", sample)) AddShows(concert, shows);
    for (const json::value& queue : Items("/v1/admin/queues", sample)) AddQueue(queue, shows);
    const auto ranking = Get("/v1/admin/rankings?by=revenue&window=all&limit=200", sample);
    if (const json::array* rows = ItemsOf(ranking)) AddRevenue(*rows, shows);
    for (auto& [id, show] : shows) sample.shows.push_back(std::move(show));
    std::ranges::stable_sort(sample.shows, [](const top::ShowLine& a, const top::ShowLine& b) {
      return a.waiting + a.active + a.held > b.waiting + b.active + b.held;
    });
    if (sample.shows.size() > kMaxShows) sample.shows.resize(kMaxShows);
    AddOperations(sample);
    AddAllMetrics(sample);
    return sample;
  }

 private:
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
  static void AddQueue(const json::value& queue, std::map<std::string, top::ShowLine>& shows) {
    const auto found = shows.find(TextOf(queue, "show_id"));
    if (found == shows.end()) return;
    found->second.queue = TextOf(queue, "state");
    found->second.waiting = Number(queue, "waiting");
    found->second.active = Number(queue, "active");
    found->second.cap = Number(queue, "active_cap");
    found->second.admitted_per_s = Real(queue, "admitted_per_s");
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
    for (const json::value& row : Items("/v1/admin/outbox", sample)) {
      sample.outboxes.push_back({TextOf(row, "service"), Number(row, "pending"), Real(row, "oldest_age_s"),
                                 TextOf(row, "problem")});
    }
    const auto breakers = Get("/v1/admin/breakers", sample);
    if (const json::array* rows = ItemsOf(breakers)) top::AddBreakers(*rows, sample);
    sample.sagas_running = CountOf("/v1/admin/sagas?status=running&limit=200", sample);
    sample.sagas_parked = CountOf("/v1/admin/sagas?status=parked&limit=200", sample);
    if (const auto audit = Get("/v1/admin/audit", sample); audit && audit->is_object()) {
      const json::value* ok = audit->as_object().if_contains("ok");
      if (ok != nullptr && ok->is_bool()) sample.audit_ok = ok->as_bool();
      sample.audited_at = TextOf(*audit, "at");
    }
  }

  // nullopt: noted, or there is none (404, or 204: not yet).
  std::optional<json::value> Get(const std::string& path, Sample& sample) {
    const auto response = client_->Send("GET", path, {}, {}, kAnswerLimit);
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

  json::array Items(const std::string& path, Sample& sample) {
    json::array all;
    std::string next = path + "?limit=200";
    for (size_t pages = 0; pages < kMaxPages && !next.empty(); ++pages) {
      const auto page = Get(next, sample);
      next.clear();
      const json::array* items = ItemsOf(page);
      if (items == nullptr) break;
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
    const std::vector<std::string> urls = MetricsUrls();
    for (const std::string& url : urls) AddMetricsOf(url, FetchMetrics(url), sample);
    const std::string path = "/v1/admin/metrics";
    if (urls.empty()) AddMetricsOf(path, client_->Send("GET", path, {}, {}, kAnswerLimit), sample);
  }
  std::vector<std::string> MetricsUrls() const {
    if (!options_.metrics.empty()) return options_.metrics;
    std::vector<std::string> urls;
    if (const auto described = DescribeCluster(options_.api.data); described && options_.api.token.empty()) {
      const json::value state = json::parse(*described);
      for (const json::value& process : state.at("processes").as_array()) {
        if (process.at("running").as_bool())
          urls.push_back(fmt::format("http://{}/metrics", TextOf(process, "admin")));
      }
    }
    return urls;
  }
  static Result<http::ClientResponse> FetchMetrics(const std::string& url) {
    http::ClientRequest request;
    request.url = url;
    request.timeout = kAnswerLimit;
    request.max_response = size_t{16} << 20;
    return http::FetchBlocking(std::move(request));
  }
  static void AddMetricsOf(const std::string& url, const Result<http::ClientResponse>& response,
                           Sample& sample) {
    if (response && response->status == 200) {
      top::AddMetrics(response->body, sample);
    } else {
      sample.problems.push_back(response ? fmt::format("{}: {}", url, response->status)
                                         : fmt::format("{}: {}", url, response.error().detail));
    }
  }

  const TopOptions& options_;
  std::optional<ApiClient> client_;
};

size_t TerminalWidth() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 120;
  return size.ws_col;
}

void Show(const TopOptions& options, const Sample& now, const Sample* before, bool terminal) {
  if (options.json) {
    fmt::print("{}\n", json::serialize(top::ToJson(now, before)));
  } else if (!terminal) {
    fmt::print("{}\n", top::Render(now, before, /*color=*/false));
  } else {
    const bool color = std::getenv("NO_COLOR") == nullptr;
    // Over what was there, so that nothing flickers; then whatever is below goes.
    std::string page = top::Render(now, before, color, TerminalWidth());
    for (size_t at = page.find('\n'); at != std::string::npos; at = page.find('\n', at + 4))
      page.insert(at, "\x1b[K");
    fmt::print("\x1b[H{}\x1b[J", page);
  }
}

void Run(const TopOptions& options) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1 && !options.json;
  const int64_t count = options.count >= 0 ? options.count : (terminal ? 0 : 1);
  Watcher watcher(options);
  std::optional<Sample> before;
  if (terminal) fmt::print("\x1b[2J");
  for (int64_t i = 0; count == 0 || i < count; ++i) {
    if (i > 0) Pause(std::chrono::milliseconds(static_cast<int64_t>(options.interval_s * 1'000)));
    Sample now = watcher.Look();
    Show(options, now, before ? &*before : nullptr, terminal);
    if (std::fflush(stdout) != 0) return;  // nobody reads any more
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
      ->capture_default_str();
  command
      ->add_option("--count", options->count,
                   "Looks; 0: until Ctrl-C. Without it: until Ctrl-C on a terminal, else one")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json, "One line of JSON for each look");
  command->footer(
      "The shows with most people are on top, up to 20. Rates are since the look before, so the first has "
      "none; sizes "
      "of\n"
      "batches are then since the processes began. What needs attention is red, unless NO_COLOR is set.\n"
      "Exit codes: 0 done; 2 called the wrong way, or not an operator. A system that can't be asked is shown "
      "as "
      "such.");
  command->callback([options] { Run(*options); });
}

}  // namespace boxoffice::cli
