#include <algorithm>
#include <chrono>
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
constexpr std::chrono::seconds kTestWait{40};  // an attempt takes 30 s at most

struct RelayOptions {
  std::string target;
  std::string url;
  std::optional<std::string> event_types;  // with commas in between, or "all"
  std::optional<std::string> show_ids;
  std::optional<std::string> payload;
  std::optional<double> rate_per_s;
  bool enable = false;
  bool disable = false;
  int64_t keep_old_s = 86'400;
  std::string key;
  std::string delivery;
  std::vector<std::string> deliveries;
  std::string state;
  std::string from;
  std::string until;
  bool yes = false;
};

std::string TargetPath(const RelayOptions& relay) {
  return "/v1/admin/relay/targets/" + http::PercentEncode(relay.target);
}

std::string DeliveryPath(std::string_view delivery) {
  return "/v1/admin/relay/deliveries/" + http::PercentEncode(delivery);
}

// "all" or the texts with commas between them: how a list is shown in a table.
std::string Joined(const json::value& list) {
  std::string text;
  for (const json::value& item : list.as_array()) {
    text += (text.empty() ? "" : ",") + std::string(item.as_string());
  }
  return text.empty() ? "all" : text;
}

json::object Flat(const json::value& target) {
  json::object flat = target.as_object();
  for (const char* list : {"event_types", "show_ids"}) flat[list] = Joined(target.at(list));
  return flat;
}

void PrintTarget(const RestOptions& options, const json::value& target) {
  if (options.json) {
    PrintObject(options, target, {});
    return;
  }
  std::vector<std::string> members = {
      "id",         "url",     "event_types",     "show_ids",         "payload",
      "rate_per_s", "enabled", "disabled_reason", "old_secret_until", "paused_until",
      "created_at"};
  if (target.as_object().contains("secret")) members.emplace_back("secret");
  PrintObject(options, Flat(target), members);
}

void PrintDelivery(const RestOptions& options, const json::value& delivery) {
  PrintObject(options, delivery,
              {"id", "target_id", "event_id", "event_type", "state", "attempts", "next_attempt_at",
               "last_status", "last_error", "created_at", "delivered_at", "body"});
}

void Delete(const RestOptions& options, const RelayOptions& relay) {
  Confirm(relay.yes, "Deleting the platform " + relay.target);
  (void)Ask(options, "DELETE", TargetPath(relay));
  if (options.json) fmt::print("{{}}\n");
}

// What was given of a target's choices. "all" in the place of a list: no bound.
json::object Choices(const RelayOptions& relay) {
  json::object body;
  const auto list = [&body](const char* name, const std::optional<std::string>& text) {
    if (!text) return;
    json::array values;
    for (std::string_view left = *text == "all" ? std::string_view() : std::string_view(*text);
         !left.empty();) {
      const std::string_view one = left.substr(0, left.find(','));
      left.remove_prefix(std::min(one.size() + 1, left.size()));
      values.emplace_back(one);
    }
    body[name] = std::move(values);
  };
  list("event_types", relay.event_types);
  list("show_ids", relay.show_ids);
  if (!relay.url.empty()) body["url"] = relay.url;
  if (relay.payload) body["payload"] = *relay.payload;
  if (relay.rate_per_s) body["rate_per_s"] = *relay.rate_per_s;
  return body;
}

void AddChoices(CLI::App& command, RelayOptions& relay) {
  // A shell's variable that is not set would name all.
  const CLI::Validator not_empty(
      [](std::string& text) {
        return text.empty() ? std::string("is empty; all: every one") : std::string();
      },
      "");
  command.add_option("--types", relay.event_types, "Event types, with commas between them; all: every one")
      ->check(not_empty);
  command.add_option("--shows", relay.show_ids, "Ids of shows, with commas between them; all: every one")
      ->check(not_empty);
  command.add_option("--payload", relay.payload, "thin (ids alone) or full")
      ->check(CLI::IsMember({"thin", "full"}));
  command.add_option("--rate", relay.rate_per_s, "Deliveries per second at most, 0.1 to 1000; 0: no bound")
      ->check(Finite());
}

std::optional<std::string> KeyOf(const RelayOptions& relay) {
  return relay.key.empty() ? std::nullopt : std::optional(relay.key);
}

void Set(const RestOptions& options, const RelayOptions& relay) {
  json::object body = Choices(relay);
  if (relay.enable || relay.disable) body["enabled"] = relay.enable;
  if (body.empty()) {
    ExitCant({Code::kInvalidArgument, "usage",
              "give at least one of --target-url, --types, --shows, --payload, --rate, --enable, --disable"});
  }
  PrintTarget(options, Ask(options, "PATCH", TargetPath(relay), json::serialize(body)));
}

// It would be due when it is made, but for a pause.
bool WaitsForPause(const json::value& test) {
  return TextOf(test, "next_attempt_at") > TextOf(test, "created_at");
}

std::string WhyItWaits(const json::value& test) {
  if (WaitsForPause(test)) {
    return fmt::format("the platform has asked to be left alone until {}: the test is sent then",
                       TextOf(test, "next_attempt_at"));
  }
  return "the test still waits: `boxoffice relay list` says whether the platform has a rate, or a pause";
}

// Sends a test, and waits until it is known what came of it, unless it is sent only after a pause.
void Test(const RestOptions& options, const RelayOptions& relay) {
  json::value delivery = Ask(options, "POST", TargetPath(relay) + "/test");
  const std::string path = DeliveryPath(TextOf(delivery, "id"));
  const auto end =
      std::chrono::steady_clock::now() + (WaitsForPause(delivery) ? std::chrono::seconds(0) : kTestWait);
  while (TextOf(delivery, "state") == "pending" && std::chrono::steady_clock::now() < end) {
    Pause(kPoll);
    delivery = Ask(options, "GET", path);
  }
  PrintDelivery(options, delivery);
  if (TextOf(delivery, "state") == "pending") fmt::print(stderr, "boxoffice: {}\n", WhyItWaits(delivery));
  if (TextOf(delivery, "state") != "delivered") Exit(kExitNo);
}

void ListDeliveries(const RestOptions& options, const RelayOptions& relay) {
  std::string query;
  const auto add = [&query](std::string_view name, const std::string& value) {
    if (!value.empty())
      query += fmt::format("{}{}={}", query.empty() ? "?" : "&", name, http::PercentEncode(value));
  };
  add("target_id", relay.target);
  add("state", relay.state);
  PrintList(
      options, AskAll(options, "/v1/admin/relay/deliveries" + query),
      {"ID=id", "TARGET=target_id", "TYPE=event_type", "STATE=state", "ATTEMPTS=attempts",
       "NEXT ATTEMPT=next_attempt_at", "STATUS=last_status", "LAST ERROR=last_error", "CREATED=created_at"});
}

json::object ReplayOf(const RelayOptions& relay) {
  json::object body;
  if (!relay.deliveries.empty()) body["ids"] = json::value_from(relay.deliveries);
  if (!relay.target.empty()) body["target_id"] = relay.target;
  if (!relay.from.empty()) body["from"] = relay.from;
  if (!relay.until.empty()) body["until"] = relay.until;
  if (body.empty()) {
    ExitCant({Code::kInvalidArgument, "usage", "name deliveries, or give --target, --from or --until"});
  }
  return body;
}

// Of a range, page by page.
void Replay(const RestOptions& options, const RelayOptions& relay) {
  const std::string body = json::serialize(ReplayOf(relay));
  int64_t replayed = 0;  // that were dead
  int64_t sent = 0;      // with those that waited, so far
  json::value answer;
  while (true) {
    answer = Ask(options, "POST", "/v1/admin/relay/deliveries/replay", body);
    replayed += answer.at("replayed").to_number<int64_t>();
    if (!answer.at("more").as_bool()) break;
    sent += answer.at("pending").to_number<int64_t>();
    if (!options.json) fmt::print(stderr, "{} on their way\n", sent);
  }
  answer.as_object()["replayed"] = replayed;
  PrintObject(options, answer, {"replayed", "pending"});
  PrintRefused(options, answer.at("refused").as_array());
}

void AddTargetCommands(CLI::App& group, const std::shared_ptr<RelayOptions>& relay) {
  AddRestCommand(group, "list", "Who gets our events", [](const RestOptions& options) {
    json::object targets = AskAll(options, "/v1/admin/relay/targets");
    if (!options.json) {
      for (json::value& target : targets["items"].as_array()) target = Flat(target);
    }
    PrintList(
        options, targets,
        {"ID=id", "URL=url", "TYPES=event_types", "SHOWS=show_ids", "PAYLOAD=payload", "RATE/S=rate_per_s",
         "ENABLED=enabled", "WHY NOT=disabled_reason", "PAUSED UNTIL=paused_until"});
  });
  CLI::App* add = AddRestCommand(group, "add", "Send events to a platform; prints the secret that signs them",
                                 [relay](const RestOptions& options) {
                                   PrintTarget(options, Ask(options, "POST", "/v1/admin/relay/targets",
                                                            json::serialize(Choices(*relay)), KeyOf(*relay)));
                                 });
  add->add_option("TARGET_URL", relay->url, "Where to: http or https")->required();
  add->add_option("--key", relay->key, "Idempotency-Key; a new one if left out");
  AddChoices(*add, *relay);
  CLI::App* set = AddRestCommand(group, "set", "Change what a platform gets; what is not given stays",
                                 [relay](const RestOptions& options) { Set(options, *relay); });
  set->add_option("TARGET", relay->target, "Its id")->required();
  set->add_option("--target-url", relay->url, "Where to");
  AddChoices(*set, *relay);
  CLI::Option* enable = set->add_flag("--enable", relay->enable, "Send to it again");
  set->add_flag("--disable", relay->disable,
                "Send nothing; what is pending becomes dead, and what happens until --enable is never sent")
      ->excludes(enable);
  CLI::App* rotate = AddRestCommand(
      group, "rotate", "Give a platform a new secret, and print it", [relay](const RestOptions& options) {
        const json::object body{{"keep_old_s", relay->keep_old_s}};
        PrintTarget(options, Ask(options, "POST", TargetPath(*relay) + "/secret", json::serialize(body),
                                 KeyOf(*relay)));
      });
  rotate->add_option("TARGET", relay->target, "Its id")->required();
  rotate
      ->add_option("--keep-old-s", relay->keep_old_s,
                   "Seconds for which the secret before signs as well; 0: none. Until that is over, only a "
                   "rotation with 0 is taken")
      ->capture_default_str();
  rotate->add_option("--key", relay->key, "Idempotency-Key; a new one if left out");
  AddRestCommand(group, "test", "Send an event of type relay.test, and say what came of it",
                 [relay](const RestOptions& options) { Test(options, *relay); })
      ->add_option("TARGET", relay->target, "Its id")
      ->required();
  CLI::App* remove = AddRestCommand(
      group, "delete", "Send no more to a platform, and forget it; what is pending is never sent",
      [relay](const RestOptions& options) { Delete(options, *relay); });
  remove->add_option("TARGET", relay->target, "Its id")->required();
  remove->add_flag("--yes", relay->yes, "Don't ask");
}

}  // namespace

void AddRelayCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand(
      "relay", "Webhooks: list, add, set, rotate, test, delete; deliveries, delivery, replay");
  group->require_subcommand(1);
  const auto relay = std::make_shared<RelayOptions>();
  AddTargetCommands(*group, relay);
  CLI::App* deliveries =
      AddRestCommand(*group, "deliveries", "What was sent and what was not, newest first",
                     [relay](const RestOptions& options) { ListDeliveries(options, *relay); });
  deliveries->add_option("--target", relay->target, "To this target alone");
  deliveries->add_option("--state", relay->state, "pending, delivered or dead")
      ->check(CLI::IsMember({"pending", "delivered", "dead"}));
  AddRestCommand(*group, "delivery", "All that is known of one delivery",
                 [relay](const RestOptions& options) {
                   PrintDelivery(options, Ask(options, "GET", DeliveryPath(relay->delivery)));
                 })
      ->add_option("DELIVERY", relay->delivery, "Its id")
      ->required();
  CLI::App* replay =
      AddRestCommand(*group, "replay", "Send what is dead again, and what waits now: those named, or a range",
                     [relay](const RestOptions& options) { Replay(options, *relay); });
  CLI::Option* named = replay->add_option("DELIVERY", relay->deliveries, "Ids, up to 200");
  replay->add_option("--target", relay->target, "Those to this target")->excludes(named);
  replay->add_option("--from", relay->from, "Those made at this time (RFC 3339) or later")->excludes(named);
  replay->add_option("--until", relay->until, "Those made before this time")->excludes(named);
}

}  // namespace boxoffice::cli
