#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct WaitlistOptions {
  std::string show;
  bool all = false;
  int64_t count = 0;
  std::optional<std::string> section;
  std::optional<std::string> category;
  std::optional<int64_t> max_price;
};

const std::vector<std::string> kColumns = {"PLACE=place",
                                           "COUNT=count",
                                           "SECTION=section",
                                           "CATEGORY=category",
                                           "MAX PRICE=max_price",
                                           "STATE=state",
                                           "OFFERED UNTIL=offered_until",
                                           "RESERVATION=reservation_id",
                                           "BEFORE=before",
                                           "ENDED=ended_because"};

std::vector<std::string> ColumnsWith(std::string first) {
  std::vector<std::string> columns{std::move(first)};
  columns.insert(columns.end(), kColumns.begin(), kColumns.end());
  return columns;
}

std::string PathOf(const WaitlistOptions& waitlist) {
  return fmt::format("/v1/shows/{}/waitlist", http::PercentEncode(waitlist.show));
}

void PrintEntry(const RestOptions& options, const json::value& entry) {
  PrintObject(options, entry,
              {"show_id", "place", "count", "section", "category", "max_price", "state", "before",
               "reservation_id", "offered_until", "ended_because", "joined_at"});
}

void Join(const RestOptions& options, const WaitlistOptions& waitlist) {
  json::object body{{"count", waitlist.count}};
  if (waitlist.section) body["section"] = *waitlist.section;
  if (waitlist.category) body["category"] = *waitlist.category;
  if (waitlist.max_price) body["max_price"] = *waitlist.max_price;
  PrintEntry(options, Ask(options, "POST", PathOf(waitlist), json::serialize(body)));
}

}  // namespace

void AddWaitlistCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand(
      "waitlist", "Waitlists of shows that are sold out: list; as a buyer: join, show, leave, mine");
  group->require_subcommand(1);
  const auto waitlist = std::make_shared<WaitlistOptions>();
  CLI::App* list =
      AddRestCommand(*group, "list", "Who waits for a show, in the order of joining",
                     [waitlist](const RestOptions& options) {
                       const std::string path =
                           fmt::format("/v1/admin/shows/{}/waitlist", http::PercentEncode(waitlist->show));
                       PrintList(options, AskAll(options, path + (waitlist->all ? "?state=all" : "")),
                                 ColumnsWith("USER=user_id"));
                     });
  list->add_option("SHOW", waitlist->show, "The show")->required();
  list->add_flag("--all", waitlist->all, "Also who bought, let the offer lapse, or left");
  CLI::App* join = AddRestCommand(*group, "join", "Wait for seats, as the user of the token",
                                  [waitlist](const RestOptions& options) { Join(options, *waitlist); });
  join->add_option("SHOW", waitlist->show, "The show")->required();
  join->add_option("--count", waitlist->count, "Seats, 1 to 8")->required()->check(CLI::Range(1, 8));
  join->add_option("--section", waitlist->section, "Of this section only");
  join->add_option("--category", waitlist->category, "Of this category only");
  join->add_option("--max-price", waitlist->max_price, "Of each seat, at most, minor units");
  AddRestCommand(
      *group, "show", "One's place for a show, or the offer",
      [waitlist](const RestOptions& options) { PrintEntry(options, Ask(options, "GET", PathOf(*waitlist))); })
      ->add_option("SHOW", waitlist->show, "The show")
      ->required();
  AddRestCommand(*group, "leave", "Give one's place up",
                 [waitlist](const RestOptions& options) {
                   PrintEntry(options, Ask(options, "DELETE", PathOf(*waitlist)));
                 })
      ->add_option("SHOW", waitlist->show, "The show")
      ->required();
  AddRestCommand(*group, "mine", "One's places on all waitlists, and the offers",
                 [](const RestOptions& options) {
                   PrintList(options, AskAll(options, "/v1/waitlist"), ColumnsWith("SHOW=show_id"));
                 });
}

}  // namespace boxoffice::cli
