#include <charconv>
#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
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

void Block(const RestOptions& options, const SeatsOptions& seats, std::string_view path) {
  if (seats.seats.empty() == seats.section.empty()) {
    ExitCant(
        {Code::kInvalidArgument, "usage", "say either --seats or --section, and with that --row if wanted"});
  }
  json::object body{{"reason", seats.reason}};
  if (!seats.seats.empty()) body["seats"] = ReadSeats(seats.seats);
  if (!seats.section.empty()) body["section"] = seats.section;
  if (!seats.row.empty()) body["row"] = seats.row;
  PrintObject(options, Ask(options, "POST", PathOf(seats, path), json::serialize(body)),
              {"id", "state", "capacity", "free", "held", "sold", "blocked"});
}

}  // namespace

void AddSeatsCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("seats", "The seats of a show: list, block, release, blocks");
  group->require_subcommand(1);
  const auto seats = std::make_shared<SeatsOptions>();
  AddRestCommand(*group, "list", "All seats with their states",
                 [seats](const RestOptions& options) { List(options, *seats); })
      ->add_option("SHOW", seats->show, "The show")
      ->required();
  AddRestCommand(*group, "blocks", "What operators blocked and gave back, newest first",
                 [seats](const RestOptions& options) {
                   PrintList(
                       options, AskAll(options, PathOf(*seats, "blocks")),
                       {"AT=at", "ACTION=action", "OPERATOR=operator_id", "REASON=reason", "SEATS=seats"});
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
    command->add_option("SHOW", seats->show, "The show")->required();
    command->add_option("--seats", seats->seats, "Their numbers, like 12,20-29");
    command->add_option("--section", seats->section, "All of this section");
    command->add_option("--row", seats->row, "All of this row of the section");
    command->add_option("--reason", seats->reason, "Why; recorded")->required();
  }
}

}  // namespace boxoffice::cli
