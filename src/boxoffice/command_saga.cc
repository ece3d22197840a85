#include <algorithm>
#include <chrono>
#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/rest_command.h"
#include "platform/http/url.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct SagaOptions {
  std::string reservation;
  std::string status;
  std::string reason;
  bool all_parked = false;
  std::string last_error;  // of these alone; empty: any
  bool yes = false;
};

// A reservation with its saga's members beside its own: what a table shows of it.
json::object Flat(const json::value& reservation) {
  json::object flat = reservation.as_object();
  for (const auto& [name, value] : reservation.at("saga").as_object()) {
    if (name != "id") flat[name] = value;
  }
  flat["saga_id"] = reservation.at("saga").at("id");
  flat["failure"] = TextOf(reservation.at("failure"), "code");
  return flat;
}

void PrintSaga(const RestOptions& options, const json::value& reservation) {
  if (options.json) {
    PrintObject(options, reservation, {});
    return;
  }
  PrintObject(
      options, Flat(reservation),
      {"id", "user_id", "show_id", "amount", "currency", "state", "failure", "saga_id", "kind", "status",
       "attempt", "tries", "last_error", "next_retry_at", "owner", "lease_until", "epoch", "started_at"});
  fmt::print("\n");
  PrintRows(options, reservation.at("saga").at("timeline"),
            {"AT=at", "STEP=step", "UNDO=undo", "OUTCOME=outcome", "US=duration_us", "DETAIL=detail"});
}

void List(const RestOptions& options, const SagaOptions& saga) {
  const std::string query = saga.status.empty() ? "" : "?status=" + saga.status;
  json::object sagas = AskAll(options, "/v1/admin/sagas" + query);
  if (!options.json) {
    for (json::value& reservation : sagas["items"].as_array()) reservation = Flat(reservation);
  }
  PrintList(options, sagas,
            {"RESERVATION=id", "USER=user_id", "STATE=state", "SAGA=kind", "STATUS=status", "TRIES=tries",
             "NEXT RETRY=next_retry_at", "LAST ERROR=last_error"});
}

void Resolve(const RestOptions& options, const SagaOptions& saga, std::string_view action) {
  const std::string path =
      fmt::format("/v1/admin/sagas/{}/{}", http::PercentEncode(saga.reservation), action);
  const json::object body{{"reason", saga.reason}};
  PrintSaga(options, Ask(options, "POST", path, json::serialize(body)));
}

// One of many requests: waits where they come too fast. What would befall all the others too ends the
// command.
http::ClientResponse SendPatiently(const RestOptions& options, std::string_view method,
                                   const std::string& path, const std::string& body = {}) {
  while (true) {
    http::ClientResponse response = Send(options, method, path, body);
    if (IsOutside(response)) Refused(options, response);
    if (response.status != 429) return response;
    const int64_t wait_s = ParseNumber<int64_t>(response.header("Retry-After").value_or("")).value_or(1);
    Pause(std::chrono::seconds(std::clamp<int64_t>(wait_s, 1, 60)));
  }
}

json::value JsonOf(const http::ClientResponse& response) {
  boost::system::error_code error;
  json::value answer = json::parse(response.body, error);
  return error ? json::value(json::object()) : answer;
}

// Each once, page by page. Which parks again meanwhile stays so.
void RetryAllParked(const RestOptions& options, const SagaOptions& saga) {
  Confirm(saga.yes, "Retrying all parked sagas");
  const std::string body = json::serialize(json::object{{"reason", saga.reason}});
  const std::string first = "/v1/admin/sagas?status=parked&limit=200";
  int64_t retried = 0;
  json::array refused;
  for (std::string next = first; !next.empty();) {
    const http::ClientResponse listed = SendPatiently(options, "GET", next);
    if (!IsDone(listed)) Refused(options, listed);
    const json::value page = JsonOf(listed);
    for (const json::value& reservation : page.at("items").as_array()) {
      if (!TextOf(reservation.at("saga"), "last_error").contains(saga.last_error)) continue;
      const std::string id = TextOf(reservation, "id");
      const auto answer = SendPatiently(
          options, "POST", fmt::format("/v1/admin/sagas/{}/retry", http::PercentEncode(id)), body);
      if (IsDone(answer)) {
        ++retried;
      } else {  // somebody else has resolved it meanwhile, say
        refused.push_back({{"id", id}, {"code", TextOf(JsonOf(answer), "code")}});
      }
    }
    const std::string cursor = TextOf(page, "next_cursor");
    next = cursor.empty() ? "" : fmt::format("{}&cursor={}", first, cursor);
    if (!next.empty() && !options.json) fmt::print(stderr, "{} retried\n", retried);
  }
  PrintObject(options, {{"retried", retried}, {"refused", refused}}, {"retried"});
  PrintRefused(options, refused);
}

void Retry(const RestOptions& options, const SagaOptions& saga) {
  if (saga.all_parked) return RetryAllParked(options, saga);
  if (saga.reservation.empty())
    ExitCant({Code::kInvalidArgument, "usage", "name a RESERVATION, or give --all-parked"});
  Resolve(options, saga, "retry");
}

void AddRetryCommand(CLI::App& group, const std::shared_ptr<SagaOptions>& saga) {
  CLI::App* retry =
      AddRestCommand(group, "retry", "Run a waiting or parked saga again, now; or all parked ones",
                     [saga](const RestOptions& options) { Retry(options, *saga); });
  CLI::Option* named = retry->add_option("RESERVATION", saga->reservation, "The reservation's id");
  CLI::Option* all = retry->add_flag("--all-parked", saga->all_parked, "Each that is parked, once");
  all->excludes(named);
  retry->add_option("--last-error", saga->last_error, "Those alone whose last error has this text in it")
      ->needs(all);
  retry->add_option("--reason", saga->reason, "Why; recorded in the timeline")->required();
  retry->add_flag("--yes", saga->yes, "Don't ask before all are retried");
}

}  // namespace

void AddSagaCommands(CLI::App& app) {
  CLI::App* group = app.add_subcommand("saga", "Sagas that have not ended: list, show, retry, undo, park");
  group->require_subcommand(1);
  const auto saga = std::make_shared<SagaOptions>();
  AddRestCommand(*group, "list", "Reservations whose saga runs, waits or is parked",
                 [saga](const RestOptions& options) { List(options, *saga); })
      ->add_option("--status", saga->status, "running or parked; both if left out")
      ->check(CLI::IsMember({"running", "parked"}));
  AddRestCommand(
      *group, "show", "All that is known of one reservation's saga",
      [saga](const RestOptions& options) {
        PrintSaga(options,
                  Ask(options, "GET", "/v1/admin/reservations/" + http::PercentEncode(saga->reservation)));
      })
      ->add_option("RESERVATION", saga->reservation, "The reservation's id")
      ->required();

  struct Action {
    const char* name;
    const char* description;
  };
  AddRetryCommand(*group, saga);
  for (const Action& action : {Action{"undo", "Decide that a saga is undone: money back, seats free"},
                               Action{"park", "Stop a saga's retries until somebody decides"}}) {
    CLI::App* command =
        AddRestCommand(*group, action.name, action.description,
                       [saga, action](const RestOptions& options) { Resolve(options, *saga, action.name); });
    command->add_option("RESERVATION", saga->reservation, "The reservation's id")->required();
    command->add_option("--reason", saga->reason, "Why; recorded in the timeline")->required();
  }
}

void AddOperatorCommands(CLI::App& app) {
  AddConcertCommands(app);
  AddShowCommands(app);
  AddSeatsCommands(app);
  AddWaitlistCommands(app);
  AddQueueCommands(app);
  AddReservationCommands(app);
  AddSagaCommands(app);
  AddWalletCommands(app);
  AddPaymentCommands(app);
  AddRelayCommands(app);
  AddRankingCommands(app);
}

}  // namespace boxoffice::cli
