#include <cstdio>
#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kLook{1'000};

struct CancelOptions {
  std::string id;
  std::string reason;
  bool yes = false;
  bool wait = false;
};

void Print(const RestOptions& options, const json::value& cancellation) {
  if (options.json) {
    PrintObject(options, cancellation, {});
    return;
  }
  json::object flat = cancellation.as_object();
  std::string amounts;
  for (const json::value& amount : cancellation.at("refunded_amounts").as_array()) {
    amounts += fmt::format("{}{} {}", amounts.empty() ? "" : ", ", TextOf(amount, "amount"),
                           TextOf(amount, "currency"));
  }
  flat["refunded_amount"] = amounts;
  // What has just begun has counted nothing yet.
  if (TextOf(cancellation, "state") == "running" && TextOf(cancellation, "total") == "0") {
    PrintObject(options, flat, {"show_id", "state", "reason", "operator_id", "started_at", "last_error"});
    return;
  }
  PrintObject(options, flat,
              {"show_id", "state", "reason", "operator_id", "started_at", "finished_at", "total", "refunded",
               "refunded_amount", "released", "waiting", "parked", "last_error"});
}

// Looks again until it is over; on a terminal with one line that moves.
json::value Follow(const RestOptions& options, json::value cancellation, const std::string& path) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  while (TextOf(cancellation, "state") == "running") {
    if (terminal) {
      fmt::print(stderr, "\r{} of {} refunded, {} released, {} waiting, {} parked  ",
                 TextOf(cancellation, "refunded"), TextOf(cancellation, "total"),
                 TextOf(cancellation, "released"), TextOf(cancellation, "waiting"),
                 TextOf(cancellation, "parked"));
      std::fflush(stderr);
    }
    Pause(kLook);
    cancellation = Ask(options, "GET", path);
  }
  if (terminal) fmt::print(stderr, "\n");
  return cancellation;
}

void Show(const RestOptions& options, const CancelOptions& cancel, json::value cancellation, bool wait) {
  const std::string path = fmt::format("/v1/admin/shows/{}/cancellation", http::PercentEncode(cancel.id));
  if (wait) cancellation = Follow(options, std::move(cancellation), path);
  Print(options, cancellation);
  Exit(TextOf(cancellation, "state") == "refused" ? kExitNo : kExitOk);
}

void Cancel(const RestOptions& options, const CancelOptions& cancel) {
  if (!cancel.yes) {
    ExitCant({Code::kInvalidArgument, "usage",
              "a show is cancelled for good, and all its reservations with it; say --yes if that is meant"});
  }
  const std::string path = fmt::format("/v1/admin/shows/{}/cancel", http::PercentEncode(cancel.id));
  json::object body;
  if (!cancel.reason.empty()) body["reason"] = cancel.reason;
  const bool wait = cancel.wait || (!options.json && ::isatty(STDOUT_FILENO) != 0);
  Show(options, cancel, Ask(options, "POST", path, json::serialize(body)), wait);
}

void Look(const RestOptions& options, const CancelOptions& cancel) {
  const std::string path = fmt::format("/v1/admin/shows/{}/cancellation", http::PercentEncode(cancel.id));
  Show(options, cancel, Ask(options, "GET", path), cancel.wait);
}

}  // namespace

void AddShowCancelCommands(CLI::App& group) {
  const auto cancel = std::make_shared<CancelOptions>();
  CLI::App* command = AddRestCommand(
      group, "cancel",
      "Cancel a show and all its reservations, with all money back; on a terminal, until it is done",
      [cancel](const RestOptions& options) { Cancel(options, *cancel); });
  command->add_option("ID", cancel->id, "The show")->required();
  command->add_option("--reason", cancel->reason, "Why; for people");
  command->add_flag("--yes", cancel->yes, "That is meant: it can't be undone");
  command->add_flag("--wait", cancel->wait, "Until it is done, also without a terminal");

  CLI::App* look = AddRestCommand(group, "cancellation", "How far the cancellation of a show is",
                                  [cancel](const RestOptions& options) { Look(options, *cancel); });
  look->add_option("ID", cancel->id, "The show")->required();
  look->add_flag("--wait", cancel->wait, "Until it is done");
}

}  // namespace boxoffice::cli
