#include <memory>
#include <string>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/rest_command.h"
#include "boxoffice/system_commands.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

void ListLetters(const RestOptions& options) {
  json::object letters = AskAll(options, "/v1/admin/dead-letters");
  if (!options.json) {
    for (json::value& letter : letters["items"].as_array()) {
      json::object& row = letter.as_object();
      row["code"] = TextOf(row["error"], "code");
      row["detail"] = TextOf(row["error"], "detail");
    }
  }
  PrintList(options, letters,
            {"ID=id", "GROUP=group", "TOPIC=topic", "KEY=key", "EVENT=event_type", "TRIES=attempts",
             "PARKED=parked_at", "ERROR=code", "DETAIL=detail"});
}

void ReplayLetter(const RestOptions& options, const std::string& letter) {
  (void)Ask(options, "POST", fmt::format("/v1/admin/dead-letters/{}/replay", http::PercentEncode(letter)));
  fmt::print("{}\n", options.json ? "{}" : "it is tried again now, and what waits behind it");
}

}  // namespace

void AddOperationsCommands(CLI::App& app) {
  AddRestCommand(
      app, "outbox", "Events that wait to be published, by service", [](const RestOptions& options) {
        PrintList(options, AskAll(options, "/v1/admin/outbox"),
                  {"SERVICE=service", "PENDING=pending", "OLDEST S=oldest_age_s", "PROBLEM=problem"});
      });
  AddRestCommand(
      app, "breakers", "The circuit breakers of the gateway that is asked", [](const RestOptions& options) {
        PrintList(
            options, AskAll(options, "/v1/admin/breakers"),
            {"CLIENT=client", "SERVICE=service", "REPLICA=replica", "REACHABLE=reachable", "LEAVING=leaving",
             "STATE=state", "CALLS=calls", "FAILED=failed", "REFUSED=refused", "OPENED=opened"});
      });
  CLI::App* letters =
      app.add_subcommand("dead-letter", "Events that a consumer could not consume: list, replay");
  letters->require_subcommand(1);
  AddRestCommand(*letters, "list", "The first event of each key that is set aside", ListLetters);
  const auto letter = std::make_shared<std::string>();
  AddRestCommand(*letters, "replay", "Try one again, and what waits behind it",
                 [letter](const RestOptions& options) { ReplayLetter(options, *letter); })
      ->add_option("LETTER", *letter, "Its id")
      ->required();
}

}  // namespace boxoffice::cli
