// What the program `boxoffice` can be told to do. Each function adds one subcommand; when that is given,
// parsing runs it, and it ends by Exit.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Error.hpp>
#include <CLI/Validators.hpp>

#include "base/result.h"

namespace boxoffice::cli {

// The exit codes of all commands.
inline constexpr int kExitOk = 0;
inline constexpr int kExitNo =
    1;  // it was done, and the answer is no: a refusal, a violation, an unclean stop
inline constexpr int kExitCant =
    2;  // called the wrong way, or something outside is missing: a server, its answer, a file, a port

// Ends the command that runs, with this exit code. Does not return unless the code is kExitOk.
inline void Exit(int code) {
  if (code != kExitOk) throw CLI::RuntimeError(code);
}
// Prints "boxoffice: <detail> (<reason>)" on stderr and ends the command with kExitCant.
[[noreturn]] void ExitCant(const Error& error);

// For an option that is a double: "nan" and "inf" are read as such, pass every range, and are no number in
// JSON.
[[nodiscard]] CLI::Validator Finite();

void AddUpCommand(CLI::App& app);
// `argv0` names the program in its own messages.
void AddServeCommand(CLI::App& app, char* argv0);
void AddMigrateCommand(CLI::App& app);
void AddExportCommand(CLI::App& app);
void AddImportCommand(CLI::App& app);
void AddPsCommand(CLI::App& app);
void AddTokenCommand(CLI::App& app);
void AddCertsCommand(CLI::App& app);
void AddAuditCommand(CLI::App& app);
void AddRehearseCommand(CLI::App& app);

}  // namespace boxoffice::cli
