#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

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
  PrintList(options, {{"items", reservation.at("saga").at("timeline")}, {"next_cursor", nullptr}},
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
  for (const Action& action : {Action{"retry", "Run a waiting or parked saga again, now"},
                               Action{"undo", "Decide that a saga is undone: money back, seats free"},
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
