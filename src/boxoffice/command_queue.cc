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

struct QueueOptions {
  std::string show;
  std::optional<double> rate;
  std::optional<int64_t> cap;
  std::optional<std::string> opens_at;
  bool yes = false;
};

std::string PathOf(const QueueOptions& queue) {
  return fmt::format("/v1/admin/shows/{}/queue", http::PercentEncode(queue.show));
}

void PrintQueue(const RestOptions& options, const json::value& queue) {
  PrintObject(
      options, queue,
      {"show_id", "state", "opens_at", "rate_per_s", "admitted_per_s", "active_cap", "active", "waiting",
       "joined", "admitted", "left", "expired", "completed", "head_sequence", "last_sequence"});
}

void Change(const RestOptions& options, const QueueOptions& queue, const json::object& change) {
  PrintQueue(options, Ask(options, "PATCH", PathOf(queue), json::serialize(change)));
}

void Enter(const RestOptions& options, const QueueOptions& queue, const char* state) {
  if (std::string_view(state) != "PREQUEUE" &&
      TextOf(Ask(options, "GET", PathOf(queue)), "state") == "PREQUEUE") {
    Confirm(queue.yes, "This ends the pre-queue, and draws the places now, which");
  }
  json::object change{{"state", state}};
  if (queue.opens_at) change["opens_at"] = *queue.opens_at;
  Change(options, queue, change);
}

// As the queue itself says it: what everybody may see of it is a gateway's copy, and may be older than the
// change that has just been made.
void PrintDraw(const RestOptions& options, const QueueOptions& queue) {
  const json::value answer = Ask(options, "GET", PathOf(queue));
  const json::value* draw = answer.is_object() ? answer.as_object().if_contains("draw") : nullptr;
  if (options.json) {
    fmt::print("{}\n", json::serialize(answer));
  } else if (draw == nullptr || draw->is_null()) {
    fmt::print("show {} has no draw: its queue never was a PREQUEUE\n", queue.show);
  } else {
    PrintObject(options, *draw, {"algorithm", "commitment", "first", "entrants", "seed", "drawn_at"});
  }
}

void Set(const RestOptions& options, const QueueOptions& queue) {
  json::object change;
  if (queue.rate) change["rate_per_s"] = *queue.rate;
  if (queue.cap) change["active_cap"] = *queue.cap;
  if (change.empty()) ExitCant({Code::kInvalidArgument, "usage", "give --rate, --cap or both"});
  Change(options, queue, change);
}

}  // namespace

void AddQueueCommands(CLI::App& app) {
  CLI::App* group =
      app.add_subcommand("queue", "Waiting rooms: list, get, set, pause, resume, close, prequeue, off, draw");
  group->require_subcommand(1);
  const auto queue = std::make_shared<QueueOptions>();
  AddRestCommand(*group, "list", "The queues of all shows", [](const RestOptions& options) {
    PrintList(options, AskAll(options, "/v1/admin/queues"),
              {"SHOW=show_id", "STATE=state", "WAITING=waiting", "ACTIVE=active", "CAP=active_cap",
               "RATE/S=rate_per_s", "ADMITTED/S=admitted_per_s", "JOINED=joined", "ADMITTED=admitted",
               "LEFT=left", "EXPIRED=expired", "SERVED=completed", "OPENS=opens_at"});
  });
  AddRestCommand(
      *group, "get", "One show's queue",
      [queue](const RestOptions& options) { PrintQueue(options, Ask(options, "GET", PathOf(*queue))); })
      ->add_option("SHOW", queue->show, "The show")
      ->required();
  CLI::App* set = AddRestCommand(*group, "set", "Change how many are admitted; what is not given stays",
                                 [queue](const RestOptions& options) { Set(options, *queue); });
  set->add_option("SHOW", queue->show, "The show")->required();
  set->add_option("--rate", queue->rate, "Admissions per second, 0.1 to 100000")->check(Finite());
  set->add_option("--cap", queue->cap, "Active sessions at most, 1 to 1000000");

  struct Switch {
    const char* name;
    const char* state;
    const char* description;
  };
  for (const Switch& change :
       {Switch{"pause", "PAUSED", "Admit nobody; people may still join. Ends a pre-queue with its draw"},
        Switch{"resume", "OPEN", "Admit again. Ends a pre-queue with its draw"},
        Switch{"close", "CLOSED",
               "Take nobody and admit nobody; who is active stays. Ends a pre-queue with its draw"},
        Switch{"prequeue", "PREQUEUE", "Let people join, and draw their places when it opens"},
        Switch{"off", "OFF", "Have no queue: reservations need no token. Ends a pre-queue with its draw"}}) {
    CLI::App* command =
        AddRestCommand(*group, change.name, change.description,
                       [queue, change](const RestOptions& options) { Enter(options, *queue, change.state); });
    command->add_option("SHOW", queue->show, "The show")->required();
    if (std::string_view(change.state) != "PREQUEUE")
      command->add_flag("--yes", queue->yes, "Don't ask before a draw");
    if (std::string_view(change.state) == "OPEN") continue;
    command->add_option(
        "--opens-at", queue->opens_at,
        "When it opens by itself, like 2026-11-22T10:00:00Z; otherwise it waits for `resume`");
  }
  AddRestCommand(*group, "draw", "The draw of a show's places: its commitment, and the seed once it is drawn",
                 [queue](const RestOptions& options) { PrintDraw(options, *queue); })
      ->add_option("SHOW", queue->show, "The show")
      ->required();
}

}  // namespace boxoffice::cli
