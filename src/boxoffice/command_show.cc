#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
#include "platform/http/url.h"
#include "platform/http/utf8.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct ShowOptions {
  std::string id;
  std::string concert;
  std::string starts_at;
  std::string currency = "KRW";
  std::string plan;
  std::string csv;
  std::vector<std::string> grid;
  std::vector<std::string> accessible;
  std::vector<double> stage;
  bool draft = false;
  std::optional<bool> orphan_rule;
  std::vector<std::string> prices;
  std::optional<std::string> on_sale_at;
  std::optional<std::string> sale_ends_at;
  std::optional<std::string> cancel_deadline;
  std::optional<int64_t> seat_limit;
  std::optional<int64_t> hold_ttl_s;
  std::optional<int64_t> cancel_fee_per_seat;
  std::optional<int64_t> cancel_fee_percent;
  std::optional<int64_t> grace_s;
  std::string key;
};

const std::vector<std::string> kMembers = {"id",
                                           "concert_id",
                                           "state",
                                           "starts_at",
                                           "on_sale_at",
                                           "sale_ends_at",
                                           "cancel_deadline",
                                           "currency",
                                           "capacity",
                                           "seat_limit",
                                           "hold_ttl_s",
                                           "free",
                                           "held",
                                           "sold",
                                           "blocked",
                                           "orphan_rule",
                                           "cancel_fee_per_seat",
                                           "cancel_fee_percent",
                                           "grace_s",
                                           "waitlist_first",
                                           "next_release_at"};

std::string PathOf(const ShowOptions& show) { return http::PercentEncode(show.id); }

void PrintShow(const RestOptions& options, const json::value& show) {
  PrintObject(options, show, kMembers);
  if (options.json) return;
  fmt::print("\n");
  PrintRows(options, show.at("price_categories"), {"CATEGORY=name", "PRICE=price", "SEATS=seats"});
}

void List(const RestOptions& options, const ShowOptions& show) {
  json::array shows;
  const json::object concerts = AskAll(options, "/v1/admin/concerts");
  for (const json::value& concert : concerts.at("items").as_array()) {
    if (!show.concert.empty() && TextOf(concert, "id") != show.concert) continue;
    for (const json::value& row : concert.at("shows").as_array()) {
      json::object named = row.as_object();
      if (!options.json) named["title"] = concert.at("title");
      shows.push_back(std::move(named));
    }
  }
  PrintRows(options, std::move(shows),
            {"ID=id", "CONCERT=title", "STARTS=starts_at", "STATE=state", "CAPACITY=capacity", "FREE=free",
             "HELD=held", "SOLD=sold"});
}

// The members that `create` and `set` have in common.
json::object Terms(const ShowOptions& show) {
  json::object body;
  if (show.on_sale_at) body["on_sale_at"] = *show.on_sale_at;
  if (show.sale_ends_at) body["sale_ends_at"] = *show.sale_ends_at;
  if (show.cancel_deadline) {
    const bool none = *show.cancel_deadline == "none";
    body["cancel_deadline"] = none ? json::value(nullptr) : json::value(*show.cancel_deadline);
  }
  if (show.seat_limit) body["seat_limit"] = *show.seat_limit;
  if (show.hold_ttl_s) body["hold_ttl_s"] = *show.hold_ttl_s;
  if (show.orphan_rule) body["orphan_rule"] = *show.orphan_rule;
  if (show.cancel_fee_per_seat) body["cancel_fee_per_seat"] = *show.cancel_fee_per_seat;
  if (show.cancel_fee_percent) body["cancel_fee_percent"] = *show.cancel_fee_percent;
  if (show.grace_s) body["grace_s"] = *show.grace_s;
  return body;
}

void AddTerms(CLI::App& command, ShowOptions& show) {
  command.add_option("--on-sale-at", show.on_sale_at, "When the sale opens, like 2026-11-22T10:00:00Z");
  command.add_option("--sale-ends-at", show.sale_ends_at, "When it ends");
  command.add_option("--cancel-deadline", show.cancel_deadline,
                     "Until when buyers may cancel; none: until the show begins");
  command.add_option("--seat-limit", show.seat_limit, "Seats per buyer, 1 to 1000");
  command.add_option("--orphan-rule", show.orphan_rule,
                     "true: a choice of seats may leave none over alone where the party can sit otherwise");
  command.add_option("--cancel-fee-per-seat", show.cancel_fee_per_seat,
                     "Kept of each seat that its buyer cancels, minor units");
  command.add_option("--cancel-fee-percent", show.cancel_fee_percent, "And this part of its price, 0 to 100");
  command.add_option("--grace", show.grace_s,
                     "Seconds that seats stay held after a refused payment, 0 to 1800");
  command.add_option("--hold-ttl", show.hold_ttl_s, "Seconds that seats are held for a buyer, 60 to 1800");
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file.good() || text.view().empty()) {
    ExitCant({Code::kInvalidArgument, "file_unreadable", fmt::format("can't read {}, or it is empty", path)});
  }
  std::string plan = text.str();
  std::string_view rest = plan;
  for (size_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    const std::string_view one = rest.substr(0, end);
    if (!http::IsUtf8(one) || one.contains('\0')) {  // which UTF-16 is full of
      ExitCant({Code::kInvalidArgument, "file_not_utf8",
                fmt::format("{} is not UTF-8: line {}; save it as UTF-8 (in a spreadsheet: CSV UTF-8)", path,
                            line)});
    }
    rest.remove_prefix(end);
  }
  return plan;
}

// From "Floor=20x30=A", …
json::array Grid(const std::vector<std::string>& given, const std::vector<std::string>& accessible) {
  json::object marks = ReadAmounts("--accessible", "SECTION=SEATS", accessible);
  json::array grid;
  for (const std::string& text : given) {
    const size_t category = text.rfind('=');
    const size_t size =
        category == std::string::npos || category == 0 ? category : text.rfind('=', category - 1);
    const char* const end = text.data() + (category == std::string::npos ? 0 : category);
    int64_t rows = 0;
    std::optional<int64_t> seats;
    if (category != std::string::npos && size != std::string::npos && size > 0 &&
        category + 1 < text.size()) {
      const auto [times, error] = std::from_chars(text.data() + size + 1, end, rows);
      if (error == std::errc() && times != end && *times == 'x')
        seats = ParseNumber<int64_t>(std::string_view(times + 1, end));
    }
    if (!seats) {
      ExitCant({Code::kInvalidArgument, "usage",
                fmt::format("--grid is SECTION=ROWSxSEATS=CATEGORY, like Floor=20x30=A, not \"{}\"", text)});
    }
    grid.push_back({{"name", text.substr(0, size)},
                    {"rows", rows},
                    {"seats_per_row", *seats},
                    {"category", text.substr(category + 1)}});
    const auto mark = marks.find(text.substr(0, size));
    if (mark == marks.end()) continue;
    grid.back().as_object()["accessible"] = mark->value();
    marks.erase(mark);
  }
  if (!marks.empty()) {
    ExitCant({Code::kInvalidArgument, "usage",
              fmt::format("--accessible names \"{}\", which is no section of --grid",
                          std::string_view(marks.begin()->key()))});
  }
  return grid;
}

void Create(const RestOptions& options, const ShowOptions& show) {
  const int given = static_cast<int>(!show.plan.empty()) + static_cast<int>(!show.csv.empty()) +
                    static_cast<int>(!show.grid.empty());
  if (given != 1) {
    ExitCant(
        {Code::kInvalidArgument, "usage", "say where the seats come from: one of --plan, --csv and --grid"});
  }
  json::object body = Terms(show);
  body["concert_id"] = show.concert;
  body["starts_at"] = show.starts_at;
  body["currency"] = show.currency;
  body["prices"] = ReadAmounts("--price", "CATEGORY=AMOUNT", show.prices);
  // As text, so that the system tells the line of the file that is wrong.
  if (!show.plan.empty()) body["seating_plan"] = ReadFile(show.plan);
  if (!show.csv.empty()) body["seating_csv"] = ReadFile(show.csv);
  if (!show.grid.empty()) body["grid"] = Grid(show.grid, show.accessible);
  if (!show.stage.empty()) body["stage"] = {{"x", show.stage[0]}, {"y", show.stage[1]}};
  if (show.draft) body["draft"] = true;
  const std::optional<std::string> key = show.key.empty() ? std::nullopt : std::optional(show.key);
  PrintShow(options, Ask(options, "POST", "/v1/admin/shows", json::serialize(body), key));
}

void Set(const RestOptions& options, const ShowOptions& show) {
  const json::object body = Terms(show);
  if (body.empty()) ExitCant({Code::kInvalidArgument, "usage", "say what to change; --help lists it"});
  PrintShow(options, Ask(options, "PATCH", "/v1/admin/shows/" + PathOf(show), json::serialize(body)));
}

void Publish(const RestOptions& options, const ShowOptions& show) {
  PrintShow(options, Ask(options, "POST", fmt::format("/v1/admin/shows/{}/publish", PathOf(show))));
}

}  // namespace

void AddShowCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand(
      "show", "Shows: list, get, create from a seating plan, set, publish, cancel, cancellation");
  group->require_subcommand(1);
  const auto show = std::make_shared<ShowOptions>();
  AddRestCommand(*group, "list", "All shows", [show](const RestOptions& options) {
    List(options, *show);
  })->add_option("--concert", show->concert, "Of this concert only");
  AddRestCommand(*group, "get", "One show",
                 [show](const RestOptions& options) {
                   PrintShow(options, Ask(options, "GET", "/v1/admin/shows/" + PathOf(*show)));
                 })
      ->add_option("ID", show->id, "The show")
      ->required();
  AddRestCommand(*group, "publish", "Announce a draft to buyers",
                 [show](const RestOptions& options) { Publish(options, *show); })
      ->add_option("ID", show->id, "The show")
      ->required();
  AddShowCancelCommands(*group);

  CLI::App* create =
      AddRestCommand(*group, "create", "Create a show; its seats are imported from a seating plan",
                     [show](const RestOptions& options) { Create(options, *show); });
  create->add_option("--concert", show->concert, "The concert's id")->required();
  create->add_option("--starts-at", show->starts_at, "When it begins, like 2026-11-22T10:00:00Z")->required();
  create->add_option("--plan", show->plan, "A file with pretix's seating-plan JSON");
  create->add_option(
      "--csv", show->csv,
      "A file with CSV: a header section,row,number,category and if wanted x,y; then a seat a line");
  create->add_option("--grid", show->grid, "SECTION=ROWSxSEATS=CATEGORY, like Floor=20x30=A; once a section");
  create->add_option(
      "--accessible", show->accessible,
      "SECTION=SEATS: so many accessible seats in the first row of a --grid section, each with its "
      "companion's beside it");
  create->add_option("--stage", show->stage, "X Y of the stage in the plan: the nearest seats are the best")
      ->expected(2)
      ->check(Finite());
  create->add_flag("--draft", show->draft, "Known to operators alone until `show publish`");
  create
      ->add_option("--price", show->prices,
                   "CATEGORY=AMOUNT in minor units, once for each category of the plan")
      ->required();
  create->add_option("--currency", show->currency, "Three capital letters")->capture_default_str();
  create->add_option("--key", show->key,
                     "Idempotency-Key: the same key creates it once, however often it is sent");
  AddTerms(*create, *show);

  CLI::App* set = AddRestCommand(*group, "set", "Change a show's terms; what is not given stays",
                                 [show](const RestOptions& options) { Set(options, *show); });
  set->add_option("ID", show->id, "The show")->required();
  AddTerms(*set, *show);
}

}  // namespace boxoffice::cli
