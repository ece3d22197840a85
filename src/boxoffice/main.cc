// boxoffice: the whole system in one process, its services one by one, and the commands of those who run it.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/operator_commands.h"
#include "boxoffice/system_commands.h"
#include "platform/config/parse_error.h"
#include "platform/module/version.h"

namespace {

namespace cli = boxoffice::cli;

// A command whose answer did not arrive, as on a disk that is full, has not done what it was asked for. One
// who reads no further has what he wanted, and who serves does not serve stdout.
int AfterPrinting(const CLI::App& app, int code) {
  if (code != cli::kExitOk || app.got_subcommand("up") || app.got_subcommand("serve")) return code;
  errno = 0;
  if ((std::fflush(stdout) == 0 && std::ferror(stdout) == 0) || errno == EPIPE) return code;
  const char* why = errno != 0 ? std::strerror(errno) : "it was not written whole";
  fmt::print(stderr, "boxoffice: stdout: {} (output_lost)\n", why);
  return cli::kExitCant;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Boxoffice sells concert seats through an on-sale.", "boxoffice");
  app.set_version_flag("--version", std::string(boxoffice::module::Version()));
  app.footer(
      "Exit codes: 0 done; 1 done, and the answer is no (refused, a violation); 2 called the wrong way, or "
      "something\n"
      "outside is missing (a server, a file, a port). `boxoffice COMMAND --help` tells more.");
  app.require_subcommand(1);
  app.failure_message([](const CLI::App* refused, const CLI::Error& error) {
    return fmt::format("{}\nRun with --help for more information.\n",
                       boxoffice::config::DescribeParseError(*refused, error));
  });
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
    const int code = app.exit(error) == 0 ? cli::kExitOk : cli::kExitCant;  // 0: --help and --version
    return AfterPrinting(app, code);
  } catch (const std::exception& error) {  // of a library: an answer of another form, no memory, no room
    fmt::print(stderr, "boxoffice: {} (failed)\n", error.what());
    return cli::kExitCant;
  }
  return AfterPrinting(app, cli::kExitOk);
}
