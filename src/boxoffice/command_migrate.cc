#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/environment_file.h"
#include "boxoffice/places.h"
#include "boxoffice/service_programs.h"
#include "platform/module/serve.h"

namespace boxoffice::cli {
namespace {

struct MigrateOptions {
  std::filesystem::path config;
  std::filesystem::path data;
};

// As boxoffice-SERVICE migrate would, and the unit of that service.
int MigrateOne(const module::ServiceProgram& program, const MigrateOptions& options) {
  std::vector<std::filesystem::path> variables;
  if (!options.config.empty())
    variables = {SharedVariables(options.config), VariablesOf(options.config, program.service)};
  const auto entered = EnvironmentFiles::Enter(variables);
  if (!entered) ExitCant(entered.error());
  std::vector<std::string> words{"boxoffice", "migrate"};
  if (!options.config.empty())
    words.insert(words.end(), {"--config", options.config / (program.service + ".toml")});
  if (!options.data.empty()) words.insert(words.end(), {"--data", options.data});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  return module::ServeMain(static_cast<int>(arguments.size()), arguments.data(), program, CheckStoreOfFolder);
}

}  // namespace

void AddMigrateCommand(CLI::App& app) {
  const auto options = std::make_shared<MigrateOptions>();
  CLI::App* command =
      app.add_subcommand("migrate", "Bring every service's store up to date, create the topics, and end");
  command->add_option("--config", options->config,
                      "A folder with the configuration of each service: SERVICE.toml, and services.env and "
                      "SERVICE.env with variables");
  command->add_option("--data", options->data, "The data folder, where the configuration names no stores");
  command->footer(
      "A repeat has no effect, and services may run meanwhile. Whoever keeps a table for long, as a backup "
      "does, is\nwaited for, 10 minutes at most, and no service fails for it; but while an index of a large "
      "table is built, what\nis written there waits. Stops at the first failure. One service alone: "
      "boxoffice-SERVICE migrate. Exit codes:\n0 done; 2 not, with one line on stderr.");
  command->callback([options] {
    for (const module::ServiceProgram& program : ServicePrograms()) Exit(MigrateOne(program, *options));
  });
}

}  // namespace boxoffice::cli
