// Commands about a system as a whole, besides those of commands.h. Each function adds what its comment says.
#pragma once

#include <CLI/App.hpp>

namespace boxoffice::cli {

void AddBackupCommand(CLI::App& app);
void AddRestoreCommand(CLI::App& app);
void AddDoctorCommand(CLI::App& app);
void AddTopCommand(CLI::App& app);
void AddOperationsCommands(CLI::App& app);  // outbox, breakers, dead-letter list and replay
void AddReferenceCommands(CLI::App& app);   // completion, man

}  // namespace boxoffice::cli
