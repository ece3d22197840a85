#include <charconv>
#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
#include "platform/auth/base64url.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct SeatsOptions {
  std::string show;
  std::string seats;
  std::string section;
  std::string row;
  std::string reason;
  std::vector<std::string> categories;
  std::optional<int64_t> price;
  std::string channel;
  std::string until;
};

constexpr int64_t kMaxRange = 5'000;  // seats that one request may name

std::string PathOf(const SeatsOptions& seats, std::string_view rest) {
  return fmt::format("/v1/admin/shows/{}/{}", http::PercentEncode(seats.show), rest);
}

// From "12,20-29".
json::array ReadSeats(const std::string& given) {
  const auto refuse = [&given] {
    ExitCant({Code::kInvalidArgument, "usage",
              fmt::format("--seats is a list like 12,20-29 of at most {}, not \"{}\"", kMaxRange, given)});
  };
  json::array seats;
  const char* at = given.data();
  const char* const end = at + given.size();
  const auto number = [&]() -> int64_t {
    int64_t value = 0;
    const auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 1) refuse();
    at = stop;
    return value;
  };
  while (true) {
    const int64_t first = number();
    int64_t last = first;
    if (at != end && *at == '-') {
      ++at;
      last = number();
    }
    if (last < first || last - first >= kMaxRange) refuse();
    for (int64_t seat = first; seat <= last; ++seat) seats.push_back(seat);
    if (at == end) return seats;
    if (*at++ != ',') refuse();
  }
}

void List(const RestOptions& options, const SeatsOptions& seats) {
  const json::value map = Ask(options, "GET", PathOf(seats, "seats"));
  PrintList(options, map.as_object(),
            {"SEAT=seat_no", "LABEL=label", "CATEGORY=category", "PRICE=price", "STATE=state"});
}

// The rows of a SeatMap, each with a sign for the state of each of its seats: the system numbers them from 1,
// row after row, and tells two bits of each.
json::array Drawn(const json::value& map) {
  constexpr std::string_view kSigns = ".o#x";  // free, held, sold, blocked
  const std::string states = auth::DecodeBase64Url(std::string(map.at("states").as_string())).value_or("");
  const json::object& rows = map.at("rows").as_object();
  const json::array& names = rows.at("name").as_array();
  json::array drawn;
  size_t seat = 0;
  for (size_t row = 0; row < names.size(); ++row) {
    const auto section = rows.at("section").as_array().at(row).to_number<size_t>();
    const auto seats = rows.at("seats").as_array().at(row).to_number<size_t>();
    if (seats > states.size() * 4 - seat) break;  // fewer states than seats: not ours
    std::string signs;
    int64_t free = 0;
    for (const size_t end = seat + seats; seat < end; ++seat) {
      const unsigned state = static_cast<unsigned char>(states[seat / 4]) >> (seat % 4 * 2) & 3U;
      signs += kSigns[state];
      free += state == 0 ? 1 : 0;
    }
    drawn.push_back({{"section", map.at("sections").as_array().at(section)},
                     {"row", names[row]},
                     {"free", free},
                     {"seats", signs}});
  }
  return drawn;
}

void Map(const RestOptions& options, const SeatsOptions& seats) {
  const json::value map = Ask(options, "GET", PathOf(seats, "seat-map"));
  if (options.json) return PrintObject(options, map, {});
  PrintRows(options, Drawn(map), {"SECTION=section", "ROW=row", "FREE=free", "SEATS=seats"});
  fmt::print(". {} free, o {} held, # {} sold, x {} blocked\n", TextOf(map, "free"), TextOf(map, "held"),
             TextOf(map, "sold"), TextOf(map, "blocked"));
}

// The members that say which seats, and why.
json::object Which(const SeatsOptions& seats) {
  if (seats.seats.empty() == seats.section.empty()) {
    ExitCant(
        {Code::kInvalidArgument, "usage", "say either --seats or --section, and with that --row if wanted"});
  }
  json::object body{{"reason", seats.reason}};
  if (!seats.seats.empty()) body["seats"] = ReadSeats(seats.seats);
  if (!seats.section.empty()) body["section"] = seats.section;
  if (!seats.row.empty()) body["row"] = seats.row;
  return body;
}

void Price(const RestOptions& options, const SeatsOptions& seats) {
  if (seats.categories.empty() != seats.price.has_value()) {
    ExitCant({Code::kInvalidArgument, "usage",
              "say either --category NAME=AMOUNT, or --price AMOUNT and --seats or --section"});
  }
  json::object body{{"reason", seats.reason}};
  if (seats.price) {
    body = Which(seats);
    body["price"] = *seats.price;
  } else {
    body["categories"] = ReadAmounts("--category", "NAME=AMOUNT", seats.categories);
  }
  const json::value show = Ask(options, "POST", PathOf(seats, "prices"), json::serialize(body));
  if (options.json) return PrintObject(options, show, {});
  PrintRows(options, show.at("price_categories"),
            {"CATEGORY=name", "PRICE=price", "LOWEST=lowest_price", "HIGHEST=highest_price", "SEATS=seats"});
}

void PrintCounts(const RestOptions& options, const json::value& show) {
  PrintObject(
      options, show,
      {"id", "state", "capacity", "free", "held", "sold", "blocked", "kept_for_channels", "changed_seats"});
}

void Block(const RestOptions& options, const SeatsOptions& seats, std::string_view path) {
  PrintCounts(options, Ask(options, "POST", PathOf(seats, path), json::serialize(Which(seats))));
}

void Channel(const RestOptions& options, const SeatsOptions& seats) {
  json::object body = Which(seats);
  body["channel"] = seats.channel;
  if (!seats.until.empty()) body["until"] = seats.until;
  PrintCounts(options, Ask(options, "POST", PathOf(seats, "contingents"), json::serialize(body)));
}

void Open(const RestOptions& options, const SeatsOptions& seats) {
  const bool all =
      seats.seats.empty() && seats.section.empty() && seats.row.empty() && !seats.channel.empty();
  json::object body = all ? json::object{{"reason", seats.reason}} : Which(seats);
  if (!seats.channel.empty()) body["channel"] = seats.channel;
  PrintCounts(options, Ask(options, "POST", PathOf(seats, "contingents/release"), json::serialize(body)));
}

void AddWhich(CLI::App& command, SeatsOptions& seats) {
  command.add_option("SHOW", seats.show, "The show")->required();
  command.add_option("--seats", seats.seats, "Their numbers, like 12,20-29");
  command.add_option("--section", seats.section, "All of this section");
  command.add_option("--row", seats.row, "All of this row of the section");
  command.add_option("--reason", seats.reason, "Why; recorded")->required();
}

}  // namespace

void AddSeatsCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand(
      "seats",
      "The seats of a show: list, map, block, release, blocks, price, prices, channel, open, channels");
  group->require_subcommand(1);
  const auto seats = std::make_shared<SeatsOptions>();
  AddRestCommand(*group, "list", "All seats with their states",
                 [seats](const RestOptions& options) { List(options, *seats); })
      ->add_option("SHOW", seats->show, "The show")
      ->required();
  AddRestCommand(*group, "map", "The seats row by row, a sign for the state of each",
                 [seats](const RestOptions& options) { Map(options, *seats); })
      ->add_option("SHOW", seats->show, "The show")
      ->required();
  AddRestCommand(*group, "blocks", "What operators blocked and gave back, newest first",
                 [seats](const RestOptions& options) {
                   PrintList(options, AskAll(options, PathOf(*seats, "blocks")),
                             {"AT=at", "ACTION=action", "CHANNEL=channel", "OPERATOR=operator_id",
                              "REASON=reason", "SEATS=seats"});
                 })
      ->add_option("SHOW", seats->show, "The show")
      ->required();
  AddRestCommand(*group, "prices", "What operators changed of the prices, newest first",
                 [seats](const RestOptions& options) {
                   PrintList(options, AskAll(options, PathOf(*seats, "prices")),
                             {"AT=at", "CATEGORY=category", "SEATS=seats", "PRICE=price",
                              "OPERATOR=operator_id", "REASON=reason"});
                 })
      ->add_option("SHOW", seats->show, "The show")
      ->required();
  CLI::App* price = AddRestCommand(*group, "price", "Change what seats cost that nobody has",
                                   [seats](const RestOptions& options) { Price(options, *seats); });
  price->add_option("--category", seats->categories,
                    "NAME=AMOUNT in minor units, once for each category to be changed");
  price->add_option("--price", seats->price, "AMOUNT in minor units, of some seats");
  AddWhich(*price, *seats);
  CLI::App* channel = AddRestCommand(*group, "channel", "Keep seats for the buyers of a channel, all or none",
                                     [seats](const RestOptions& options) { Channel(options, *seats); });
  AddWhich(*channel, *seats);
  channel->add_option("--channel", seats->channel, "1 to 50 of a-z 0-9 _ -")->required();
  channel->add_option("--until", seats->until,
                      "When they become everybody's by themselves, like 2026-11-22T10:00:00Z");
  CLI::App* open = AddRestCommand(*group, "open", "Give the seats of channels to everybody again",
                                  [seats](const RestOptions& options) { Open(options, *seats); });
  AddWhich(*open, *seats);
  open->add_option("--channel", seats->channel, "Those of this channel alone; without seats: all of them");
  AddRestCommand(*group, "channels", "The seats that are kept for channels",
                 [seats](const RestOptions& options) {
                   PrintList(options, Ask(options, "GET", PathOf(*seats, "contingents")).as_object(),
                             {"CHANNEL=channel", "SEATS=capacity", "FREE=free", "UNTIL=next_until"});
                 })
      ->add_option("SHOW", seats->show, "The show")
      ->required();
  struct Action {
    const char* name;
    const char* path;
    const char* description;
  };
  for (const Action& action : {Action{"block", "blocks", "Keep free seats back from buyers, all or none"},
                               Action{"release", "blocks/release", "Give blocked seats to buyers again"}}) {
    CLI::App* command =
        AddRestCommand(*group, action.name, action.description,
                       [seats, action](const RestOptions& options) { Block(options, *seats, action.path); });
    AddWhich(*command, *seats);
  }
}

}  // namespace boxoffice::cli
