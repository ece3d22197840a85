#include <chrono>
#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kPoll{250};
constexpr std::string_view kPath = "/v1/admin/rankings";

struct RankingOptions {
  std::string by = "bookings";
  std::string window;
  std::string currency;
  int64_t limit = 20;
  bool no_wait = false;
  int64_t timeout_s = 3'600;
};

void PrintStatus(const RestOptions& options, const json::value& status) {
  PrintObject(options, status, {"rebuilding", "processed_events", "as_of", "rebuilt_at"});
}

void Show(const RestOptions& options, const RankingOptions& ranking) {
  std::string path = fmt::format("{}?by={}&limit={}", kPath, ranking.by, ranking.limit);
  if (!ranking.window.empty()) path += "&window=" + ranking.window;
  if (!ranking.currency.empty()) path += "&currency=" + ranking.currency;
  PrintList(options, Ask(options, "GET", path).as_object(),
            {"RANK=rank", "SHOW=show_id", "BOOKINGS=bookings", "SEATS=seats", "REVENUE=revenue",
             "CURRENCY=currency", "SELLOUT/S=sellout_s", "SCORE=score"});
}

// Times are RFC 3339 in UTC with the same number of digits: their order is that of the texts.
bool HasEnded(const json::value& status, const std::string& asked) {
  return TextOf(status, "rebuilding") == "false" && TextOf(status, "rebuilt_at") >= asked;
}

void Rebuild(const RestOptions& options, const RankingOptions& ranking) {
  json::value status = Ask(options, "POST", fmt::format("{}/rebuild", kPath));
  const std::string asked = TextOf(status, "now");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(ranking.timeout_s);
  std::string told;
  while (!ranking.no_wait && !HasEnded(status, asked)) {
    if (std::chrono::steady_clock::now() > end) {
      ExitCant(
          {Code::kUnavailable, "not_ended", fmt::format("it has not ended within {} s", ranking.timeout_s)});
    }
    Pause(kPoll);
    status = Ask(options, "GET", fmt::format("{}/status", kPath));
    if (std::string counted = TextOf(status, "processed_events"); !options.json && counted != told) {
      told = std::move(counted);
      fmt::print(stderr, "{} events counted\n", told);
    }
  }
  PrintStatus(options, status);
}

}  // namespace

void AddRankingCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("ranking", "Popular shows: show, status, rebuild");
  group->require_subcommand(1);
  const auto ranking = std::make_shared<RankingOptions>();
  CLI::App* show = AddRestCommand(*group, "show", "The best shows, the best first",
                                  [ranking](const RestOptions& options) { Show(options, *ranking); });
  show->add_option("--by", ranking->by, "bookings, revenue, sellout or trending")
      ->check(CLI::IsMember({"bookings", "revenue", "sellout", "trending"}))
      ->capture_default_str();
  show->add_option("--window", ranking->window, "hour, day, week or all; left out: all, by trending day")
      ->check(CLI::IsMember({"hour", "day", "week", "all"}));
  show->add_option("--currency", ranking->currency, "Shows that are sold in this currency alone");
  show->add_option("--limit", ranking->limit, "Rows at most, 1 to 200")->capture_default_str();
  AddRestCommand(*group, "status", "How much has been counted", [](const RestOptions& options) {
    PrintStatus(options, Ask(options, "GET", fmt::format("{}/status", kPath)));
  });
  CLI::App* rebuild = AddRestCommand(
      *group, "rebuild",
      "Count all events anew, and wait until that is done; rankings are of what is counted so far meanwhile",
      [ranking](const RestOptions& options) { Rebuild(options, *ranking); });
  rebuild->add_flag("--no-wait", ranking->no_wait, "Return once it is asked for");
  rebuild->add_option("--timeout-s", ranking->timeout_s, "How long to wait")->capture_default_str();
}

}  // namespace boxoffice::cli
