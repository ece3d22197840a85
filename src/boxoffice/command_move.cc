#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "boxoffice/commands.h"
#include "boxoffice/move.h"
#include "boxoffice/move_flags.h"
#include "boxoffice/places.h"
#include "platform/archive/archive.h"
#include "platform/obs/log.h"

namespace boxoffice::cli {
namespace {

Result<std::vector<Moved>> Move(MoveOptions& options) {
  BOXOFFICE_TRY(ChoosePlaces(options));
  // Before a server is started, or a folder made, for what can't be imported.
  if (options.places.make) BOXOFFICE_TRY(CheckExport(options.file));
  BOXOFFICE_ASSIGN(const std::unique_ptr<Places> places, Places::Open(options.places));
  return options.places.make ? Import(*places, options.file) : Export(*places, options.file);
}

void Run(MoveOptions& options, std::string_view done) {
  obs::SetLogLevel(obs::Level::kWarning);  // what people want to know is printed
  if (!options.places.make) LeaveNoFileAtSignal(archive::UnfinishedOf(options.file));
  const auto moved = Move(options);
  if (!moved) ExitCant(moved.error());
  PrintMoved(options, done, *moved);
}

}  // namespace

void AddExportCommand(CLI::App& app) {
  const auto options = std::make_shared<MoveOptions>();
  CLI::App* command = app.add_subcommand("export", "Write all data of a stopped system into one file");
  AddPlacesFlags(*command, *options);
  command->add_option("--out", options->file, "The file; it must not be there yet")->required();
  command->footer(
      "Every service must have stopped: a data folder that is in use, or a PostgreSQL database that a "
      "service is\n"
      "connected to, is refused. Sagas and events that are on the way are exported as they are. The file "
      "holds\n"
      "secrets (of relay targets), so only its owner may read it. Not in it: keys/ (copy it), the ranking "
      "(it is\n"
      "counted anew from the events), payment-sandbox.db (it plays a provider; copy it if it is used).\n"
      "{\"file\", \"moved\": {SERVICE or \"bus\": {\"rows\"}}}\n"
      "Exit codes: 0 done; 2 not, with one line on stderr, and there is no file, nor is there where a signal "
      "ends it.");
  command->callback([options] { Run(*options, "exported to"); });
}

void AddImportCommand(CLI::App& app) {
  const auto options = std::make_shared<MoveOptions>();
  options->places.make = true;
  CLI::App* command =
      app.add_subcommand("import", "Put what export wrote into the empty stores of another system");
  AddPlacesFlags(*command, *options);
  command->add_option("--in", options->file, "The file")->required();
  AddNoKafkaFlag(*command, *options);
  command->footer(
      "No service may run. Makes schemas and topics as `migrate` does, checks the whole file and all stores "
      "before it\n"
      "writes anything, and reads what it wrote again. A store that holds something else is refused. One "
      "that was\n"
      "broken off is repeated: it goes on where it was.\n"
      "{\"file\", \"moved\": {SERVICE or \"bus\": {\"rows\", \"was_there\"}}}\n"
      "Exit codes: 0 done; 2 not, with one line on stderr.");
  command->callback([options] { Run(*options, "imported"); });
}

}  // namespace boxoffice::cli
