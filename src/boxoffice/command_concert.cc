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

struct ConcertOptions {
  std::string id;
  std::optional<std::string> title;
  std::optional<std::string> artist;
  std::optional<std::string> venue;
  std::string key;
};

void PrintConcert(const RestOptions& options, const json::value& concert) {
  PrintObject(options, concert, {"id", "title", "artist", "venue"});
  const json::value* shows = concert.is_object() ? concert.as_object().if_contains("shows") : nullptr;
  if (options.json || shows == nullptr || shows->as_array().empty()) return;
  fmt::print("\n");
  PrintRows(options, *shows,
            {"SHOW=id", "STARTS=starts_at", "STATE=state", "CAPACITY=capacity", "FREE=free", "SOLD=sold"});
}

json::object Names(const ConcertOptions& concert) {
  json::object body;
  if (concert.title) body["title"] = *concert.title;
  if (concert.artist) body["artist"] = *concert.artist;
  if (concert.venue) body["venue"] = *concert.venue;
  return body;
}

void Set(const RestOptions& options, const ConcertOptions& concert) {
  const json::object body = Names(concert);
  if (body.empty()) ExitCant({Code::kInvalidArgument, "usage", "say what to change; --help lists it"});
  PrintConcert(options, Ask(options, "PATCH", "/v1/admin/concerts/" + http::PercentEncode(concert.id),
                            json::serialize(body)));
}

void Create(const RestOptions& options, const ConcertOptions& concert) {
  const json::object body = Names(concert);
  const std::optional<std::string> key = concert.key.empty() ? std::nullopt : std::optional(concert.key);
  PrintConcert(options, Ask(options, "POST", "/v1/admin/concerts", json::serialize(body), key));
}

}  // namespace

void AddConcertCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("concert", "Concerts: list, get, create, set");
  group->require_subcommand(1);
  const auto concert = std::make_shared<ConcertOptions>();
  AddRestCommand(*group, "list", "All concerts", [](const RestOptions& options) {
    PrintList(options, AskAll(options, "/v1/admin/concerts"),
              {"ID=id", "TITLE=title", "ARTIST=artist", "VENUE=venue"});
  });
  AddRestCommand(
      *group, "get", "One concert and its shows",
      [concert](const RestOptions& options) {
        PrintConcert(options, Ask(options, "GET", "/v1/admin/concerts/" + http::PercentEncode(concert->id)));
      })
      ->add_option("ID", concert->id, "The concert")
      ->required();
  CLI::App* create = AddRestCommand(*group, "create", "Create a concert",
                                    [concert](const RestOptions& options) { Create(options, *concert); });
  create->add_option("--title", concert->title, "Its title")->required();
  create->add_option("--artist", concert->artist, "Who plays")->required();
  create->add_option("--venue", concert->venue, "Where")->required();
  create->add_option("--key", concert->key,
                     "Idempotency-Key: the same key creates it once, however often it is sent");
  CLI::App* set = AddRestCommand(*group, "set", "Change what a concert is called; what is not given stays",
                                 [concert](const RestOptions& options) { Set(options, *concert); });
  set->add_option("ID", concert->id, "The concert")->required();
  set->add_option("--title", concert->title, "Its title");
  set->add_option("--artist", concert->artist, "Who plays");
  set->add_option("--venue", concert->venue, "Where");
}

}  // namespace boxoffice::cli
