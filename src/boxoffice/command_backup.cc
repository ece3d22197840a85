#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "boxoffice/backup.h"
#include "boxoffice/commands.h"
#include "boxoffice/move_flags.h"
#include "boxoffice/places.h"
#include "boxoffice/system_commands.h"
#include "platform/archive/archive.h"
#include "platform/module/version.h"
#include "platform/obs/log.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

// The data folder whose own files travel too; a configured deployment has its keys from elsewhere.
std::optional<std::filesystem::path> FolderOf(const MoveOptions& options) {
  if (!options.places.config.empty()) return std::nullopt;
  return options.places.data;
}

Result<BackedUp> BackUp(MoveOptions& options, const std::string& version) {
  if (options.places.config.empty() && options.places.data.empty()) options.places.data = ".data";
  BOXOFFICE_ASSIGN(const std::unique_ptr<Places> places, Places::OpenRunning(options.places));
  return Backup(*places, FolderOf(options), version, options.file);
}

void RunBackup(MoveOptions& options, const std::string& version) {
  obs::SetLogLevel(obs::Level::kWarning);
  std::vector<std::filesystem::path> unfinished = archive::UnfinishedOf(options.file);
  for (const char* suffix : {"", "-journal"})  // which SQLite has while it writes the copy
    unfinished.emplace_back(SandboxScratchOf(options.file).string() + suffix);
  LeaveNoFileAtSignal(unfinished);
  const auto done = BackUp(options, version);
  if (!done) ExitCant(done.error());
  if (!options.json) {
    PrintMoved(options, "backed up to", done->parts);
    fmt::print("as of {}; services waited {} ms\n", ToRfc3339(done->taken_at), done->held.count());
    return;
  }
  json::object parts;
  for (const Moved& part : done->parts) parts[part.name] = json::object{{"rows", part.rows}};
  fmt::print("{}\n", json::serialize(json::object{{"file", options.file.string()},
                                                  {"taken_at", ToRfc3339(done->taken_at)},
                                                  {"held_ms", done->held.count()},
                                                  {"moved", parts}}));
}

Result<std::vector<Moved>> RestoreInto(MoveOptions& options) {
  // Before a server is started, or a lock taken, for what can't be restored.
  BOXOFFICE_TRY(CheckBackup(options.file));
  BOXOFFICE_TRY(ChoosePlaces(options));
  BOXOFFICE_ASSIGN(const std::unique_ptr<Places> places, Places::Open(options.places));
  return Restore(*places, FolderOf(options), options.file);
}

void RunCheck(const MoveOptions& options) {
  const auto record = CheckBackup(options.file);
  if (!record) ExitCant(record.error());
  const std::string taken_at = ToRfc3339(record->taken_at);
  if (options.json) {
    fmt::print("{}\n", json::serialize(json::object{{"file", options.file.string()},
                                                    {"taken_at", taken_at},
                                                    {"written_by", record->written_by}}));
  } else {
    fmt::print("{} is whole: as of {}, by version {}\n", options.file.string(), taken_at, record->written_by);
  }
}

void RunRestore(MoveOptions& options, bool check) {
  obs::SetLogLevel(obs::Level::kWarning);
  if (check) return RunCheck(options);
  const auto moved = RestoreInto(options);
  if (!moved) ExitCant(moved.error());
  PrintMoved(options, "restored", *moved);
}

}  // namespace

void AddBackupCommand(CLI::App& app) {
  const auto options = std::make_shared<MoveOptions>();
  CLI::App* command =
      app.add_subcommand("backup", "Write all data of a running system, as of one moment, into one file");
  options->running = true;
  AddPlacesFlags(*command, *options);
  command->add_option("--out", options->file, "The file; it must not be there yet")->required();
  command->footer(
      "Sales go on: services wait some milliseconds while the moment is chosen. A restored system is one "
      "that "
      "lost its\n"
      "power at that moment: it finishes what was under way. The file holds secrets, so only its owner may "
      "read "
      "it. Without\n"
      "--config the keys of the data folder are in it, and the provider that the sandbox plays; with it, "
      "back "
      "the secrets\n"
      "up where you keep them. Not in it: the ranking, which is counted anew.\n"
      "{\"file\", \"taken_at\", \"held_ms\", \"moved\": {SERVICE, \"bus\" or \"files\": {\"rows\"}}}\n"
      "Exit codes: 0 done; 2 not, with one line on stderr, and there is no file, nor is there where a signal "
      "ends it.");
  command->callback([options] { RunBackup(*options, std::string(module::Version())); });
}

void AddRestoreCommand(CLI::App& app) {
  const auto options = std::make_shared<MoveOptions>();
  const auto check = std::make_shared<bool>(false);
  options->places.make = true;
  CLI::App* command = app.add_subcommand("restore", "Put a backup into a fresh system, which is not running");
  AddPlacesFlags(*command, *options);
  command->add_option("--in", options->file, "The backup")->required();
  AddNoKafkaFlag(*command, *options);
  command->add_flag("--check", *check, "Only read the whole file, and say whether it could be restored");
  command->footer(
      "Makes schemas and topics as `migrate` does, checks the whole file and all stores before it writes "
      "anything, and\n"
      "reads what it wrote again. A file that is damaged, or no backup, or of another version, is refused, "
      "and so "
      "is a\n"
      "store that holds something else. One that was broken off is repeated: it goes on where it was.\n"
      "{\"file\", \"moved\": {SERVICE or \"bus\": {\"rows\", \"was_there\"}}}; with --check {\"file\", "
      "\"taken_at\", \"written_by\"}\n"
      "Exit codes: 0 done; 2 not, with one line on stderr.");
  command->callback([options, check] { RunRestore(*options, *check); });
}

}  // namespace boxoffice::cli
