#include <chrono>
#include <cstdio>
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

constexpr std::chrono::milliseconds kPoll{200};

struct ReservationOptions {
  std::string reservation;
  std::string user;
  std::string show;
  std::string state;
  std::string from;
  std::string until;
  std::vector<uint32_t> seats;
  std::vector<uint32_t> to;
  std::string reason;
  std::string key;
  bool yes = false;
  int64_t timeout_s = 30;
};

std::string PathOf(const ReservationOptions& reservation, std::string_view what = {}) {
  return fmt::format("/v1/admin/reservations/{}{}", http::PercentEncode(reservation.reservation), what);
}

// The seats as one word of a table.
std::string SeatsOf(const json::value& reservation) {
  std::string seats;
  for (const json::value& seat : reservation.at("seats").as_array()) {
    seats += fmt::format("{}{}", seats.empty() ? "" : ", ", TextOf(seat, "label"));
  }
  return seats;
}

void Print(const RestOptions& options, json::value reservation) {
  if (options.json) return PrintObject(options, reservation, {});
  json::object& flat = reservation.as_object();
  const json::value returned = flat["returned"];
  if (returned.is_object()) {
    flat["returned_seats"] = SeatsOf(returned);
    flat["returned_amount"] = returned.at("amount");
    flat["fee"] = returned.at("fee");
  }
  flat["seats"] = SeatsOf(reservation);
  const json::value saga = flat["saga"];
  flat["saga"] = fmt::format("{} {}", TextOf(saga, "kind"), TextOf(saga, "status"));
  flat["failure"] = TextOf(flat["failure"], "code");
  PrintObject(
      options, reservation,
      {"id", "user_id", "show_id", "state", "saga", "seats", "amount", "currency", "fees", "returned_seats",
       "returned_amount", "fee", "failure", "hold_expires_at", "created_at", "updated_at"});
}

void List(const RestOptions& options, const ReservationOptions& wanted) {
  std::string query;
  const std::pair<const char*, const std::string*> parts[] = {{"user_id", &wanted.user},
                                                              {"show_id", &wanted.show},
                                                              {"state", &wanted.state},
                                                              {"from", &wanted.from},
                                                              {"until", &wanted.until}};
  for (const auto& [name, value] : parts) {
    if (value->empty()) continue;
    query += fmt::format("{}{}={}", query.empty() ? '?' : '&', name, http::PercentEncode(*value));
  }
  json::object found = AskAll(options, "/v1/admin/reservations" + query);
  if (!options.json) {
    for (json::value& reservation : found["items"].as_array()) {
      reservation.as_object()["seats"] = SeatsOf(reservation);
    }
  }
  PrintList(options, found,
            {"RESERVATION=id", "USER=user_id", "SHOW=show_id", "STATE=state", "SEATS=seats", "AMOUNT=amount",
             "CURRENCY=currency", "CREATED=created_at"});
}

std::optional<std::string> KeyOf(const ReservationOptions& reservation) {
  return reservation.key.empty() ? std::nullopt : std::optional(reservation.key);
}

void Cancel(const RestOptions& options, const ReservationOptions& wanted) {
  const std::string what = wanted.seats.empty() ? "Cancelling" : "Cancelling these seats of";
  Confirm(wanted.yes, fmt::format("{} the reservation {}", what, wanted.reservation));
  json::object body{{"reason", wanted.reason}};
  if (!wanted.seats.empty()) body["seats"] = json::value_from(wanted.seats);
  Print(options, Ask(options, "POST", PathOf(wanted, "/cancel"), json::serialize(body), KeyOf(wanted)));
}

// Moves, and waits until that is decided: the reservation is CONFIRMED before and after, whichever seats it
// gets.
void Move(const RestOptions& options, const ReservationOptions& wanted) {
  const json::object body{{"from", json::value_from(wanted.seats)},
                          {"to", json::value_from(wanted.to)},
                          {"reason", wanted.reason}};
  json::value moved = Ask(options, "POST", PathOf(wanted, "/move"), json::serialize(body), KeyOf(wanted));
  const std::string saga = TextOf(moved.at("saga"), "id");
  const auto status = [&] {  // "" once another saga has begun, which says nothing of this one
    return TextOf(moved.at("saga"), "id") == saga ? TextOf(moved.at("saga"), "status") : std::string();
  };
  if (status() == "running") fmt::print(stderr, "the move has begun, and may still be refused: waiting\n");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(wanted.timeout_s);
  while (status() == "running" && std::chrono::steady_clock::now() < end) {
    Pause(kPoll);
    const http::ClientResponse response = Send(options, "GET", PathOf(wanted));
    if (IsDone(response)) moved = json::parse(response.body);  // a refusal to tell is none of the move
  }
  if (status() != "done") {
    ExitCant({Code::kUnknown, "not_decided",
              fmt::format("the move is not decided yet, or something else has begun since: "
                          "`boxoffice saga show {}` tells",
                          wanted.reservation)});
  }
  Print(options, moved);
  const json::value& failure = moved.at("failure");
  if (failure.is_null()) return;
  const std::string detail = TextOf(failure, "detail");
  fmt::print(stderr, "boxoffice: {}: {}\n", TextOf(failure, "code"),
             detail.empty() ? "the seats stay as they were" : detail);
  Exit(kExitNo);
}

void AddSearch(CLI::App& group, const std::shared_ptr<ReservationOptions>& wanted) {
  CLI::App* list = AddRestCommand(group, "list", "Reservations, newest first",
                                  [wanted](const RestOptions& options) { List(options, *wanted); });
  list->add_option("--user", wanted->user, "Of this user");
  list->add_option("--show", wanted->show, "Of this show");
  list->add_option("--state", wanted->state, "HELD, CONFIRMED, CANCELLED, …");
  list->add_option("--from", wanted->from, "Made at or after this time, like 2026-11-22T10:00:00Z");
  list->add_option("--until", wanted->until, "Made before this time");
}

void AddChange(CLI::App& command, const std::shared_ptr<ReservationOptions>& wanted) {
  command.add_option("RESERVATION", wanted->reservation, "The reservation's id")->required();
  command.add_option("--reason", wanted->reason, "Why; recorded in the timeline")->required();
  command.add_option("--key", wanted->key, "The same for a repeat of the same request; left out: a new one");
}

}  // namespace

void AddReservationCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("reservation", "Reservations: list, get, cancel, move");
  group->require_subcommand(1);
  const auto wanted = std::make_shared<ReservationOptions>();
  AddSearch(*group, wanted);
  AddRestCommand(
      *group, "get", "One reservation",
      [wanted](const RestOptions& options) { Print(options, Ask(options, "GET", PathOf(*wanted))); })
      ->add_option("RESERVATION", wanted->reservation, "The reservation's id")
      ->required();
  CLI::App* cancel = AddRestCommand(*group, "cancel",
                                    "Cancel it, or some of its seats: after the deadline too, without a fee",
                                    [wanted](const RestOptions& options) { Cancel(options, *wanted); });
  AddChange(*cancel, wanted);
  cancel->add_option("--seats", wanted->seats, "Only these, by number: 3,4")->delimiter(',');
  cancel->add_flag("--yes", wanted->yes, "Don't ask");
  CLI::App* move = AddRestCommand(*group, "move", "Give it other seats; what costs less is given back",
                                  [wanted](const RestOptions& options) { Move(options, *wanted); });
  move->footer(
      "Exit codes: 0 moved; 1 refused, with the code on stderr: the seats stay as they were; 2 called the "
      "wrong way,\nnot an operator, the system can't be reached, or it is not decided yet: `boxoffice saga "
      "show` tells.");
  AddChange(*move, wanted);
  move->add_option("--timeout-s", wanted->timeout_s, "How long to wait for what comes of it")
      ->check(CLI::Range(0, 3'600))
      ->capture_default_str();
  move->add_option("--from", wanted->seats, "Seats that it has, by number: 3,4")->delimiter(',')->required();
  move->add_option("--to", wanted->to, "Those that it gets in their place, in the same order")
      ->delimiter(',')
      ->required();
}

}  // namespace boxoffice::cli
