#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/doctor.h"
#include "boxoffice/system_commands.h"
#include "platform/module/version.h"
#include "platform/obs/log.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;
using doctor::Finding;
using doctor::Status;

struct DoctorOptions {
  doctor::Options examine;
  bool json = false;
};

void PrintJson(const std::vector<Finding>& findings, bool ok) {
  json::array rows;
  for (const Finding& finding : findings) {
    rows.push_back(json::object{{"check", finding.check},
                                {"subject", finding.subject},
                                {"status", doctor::StatusName(finding.status)},
                                {"detail", finding.detail},
                                {"advice", finding.advice}});
  }
  fmt::print("{}\n", json::serialize(json::object{{"ok", ok}, {"findings", std::move(rows)}}));
}

void PrintForPeople(const std::vector<Finding>& findings) {
  size_t problems = 0;
  size_t warnings = 0;
  for (const Finding& finding : findings) {
    fmt::print("{:<8} {:<14} {}: {}\n", doctor::StatusName(finding.status), finding.check, finding.subject,
               finding.detail);
    if (!finding.advice.empty()) fmt::print("{:<8} {:<14} → {}\n", "", "", finding.advice);
    problems += finding.status == Status::kProblem ? 1 : 0;
    warnings += finding.status == Status::kWarning ? 1 : 0;
  }
  fmt::print("{} {}, {} {}\n", problems, problems == 1 ? "problem" : "problems", warnings,
             warnings == 1 ? "warning" : "warnings");
}

int Examine(DoctorOptions& options) {
  obs::SetLogLevel(obs::Level::kError);
  options.examine.version = module::Version();
  PlacesOptions& places = options.examine.places;
  if (places.config.empty() && places.data.empty()) {
    options.examine.places_assumed = !places.own_servers;
    places.data = ".data";
  }
  if (!places.data.empty()) options.examine.api.data = places.data;
  options.examine.api.data_named = !places.data.empty() && !options.examine.places_assumed;
  const auto url = GatewayUrl(options.examine.api);
  if (!url) ExitCant(url.error());
  options.examine.api.url = *url;
  const std::vector<Finding> findings = doctor::Examine(options.examine);
  const bool ok = std::ranges::none_of(
      findings, [](const Finding& finding) { return finding.status == Status::kProblem; });
  if (options.json) {
    PrintJson(findings, ok);
  } else {
    PrintForPeople(findings);
  }
  return ok ? kExitOk : kExitNo;
}

}  // namespace

void AddDoctorCommand(CLI::App& app) {
  const auto options = std::make_shared<DoctorOptions>();
  PlacesOptions& places = options->examine.places;
  CLI::App* command = app.add_subcommand(
      "doctor", "Look for what is wrong with a system that runs, or should, and say what to do about it");
  CLI::Option* config = command->add_option("--config", places.config,
                                            "A folder with the configuration of each service: SERVICE.toml, "
                                            "and services.env and SERVICE.env with variables");
  command->add_option("--data", places.data,
                      "The data folder, where no configuration is given; .data if it is not");
  command->add_flag("--scaled", places.own_servers, "The data folder is that of `up --scaled`")
      ->excludes(config);
  AddUrlFlag(*command, options->examine.api);
  command->add_option(
      "--token", options->examine.api.token,
      "An operator's token; without it one is made with the development key of the data folder");
  command->add_flag("--json", options->json, "Print the findings as JSON");
  command->footer(
      "Checks configuration, stores and their schemas, clocks, the bus and its consumers, disks, "
      "certificates, "
      "keys,\n"
      "replicas and their versions, outboxes, breakers, parked sagas and the last audit. Reads only.\n"
      "What is not on this machine is skipped: without --config, --data and a .data all that the gateway "
      "does not\n"
      "tell; certificates in folders that are not there; and what only the gateway tells, where none "
      "answers.\n"
      "{\"ok\", \"findings\": [{\"check\", \"subject\", \"status\": \"ok\", \"skipped\", \"warning\" or "
      "\"problem\", \"detail\", \"advice\"}]}\n"
      "Exit codes: 0 no problem, though there may be warnings; 1 there is a problem; 2 called the wrong "
      "way.");
  command->callback([options] { Exit(Examine(*options)); });
}

}  // namespace boxoffice::cli
