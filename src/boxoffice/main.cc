// boxoffice: the whole system in one process, its services one by one, and the commands of those who run it.
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/system_commands.h"
#include "platform/module/version.h"

int main(int argc, char** argv) {
  namespace cli = boxoffice::cli;
  CLI::App app("Boxoffice sells concert seats through an on-sale.", "boxoffice");
  app.set_version_flag("--version", std::string(boxoffice::module::Version()));
  app.footer(
      "Exit codes: 0 done; 1 done, and the answer is no (refused, a violation); 2 called the wrong way, or "
      "something\n"
      "outside is missing (a server, a file, a port). `boxoffice COMMAND --help` tells more.");
  app.require_subcommand(1);
  cli::AddUpCommand(app);
  cli::AddServeCommand(app, argv[0]);
  cli::AddMigrateCommand(app);
  cli::AddExportCommand(app);
  cli::AddImportCommand(app);
  cli::AddBackupCommand(app);
  cli::AddRestoreCommand(app);
  cli::AddPsCommand(app);
  cli::AddTokenCommand(app);
  cli::AddCertsCommand(app);
  cli::AddAuditCommand(app);
  cli::AddRehearseCommand(app);
  cli::AddDoctorCommand(app);
  cli::AddTopCommand(app);
  cli::AddReferenceCommands(app);
  cli::AddOperatorCommands(app);
  cli::AddOperationsCommands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& end) {
    return end.get_exit_code();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? cli::kExitOk : cli::kExitCant;  // 0: --help and --version
  }
  return cli::kExitOk;
}
