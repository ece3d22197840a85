// What `export`, `import`, `backup` and `restore` are told alike, and how they say what they did.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>

#include "base/result.h"
#include "boxoffice/move.h"
#include "boxoffice/places.h"

namespace boxoffice::cli {

struct MoveOptions {
  PlacesOptions places;
  std::string command;   // "restore"
  bool running = false;  // it is for a system that runs: nothing of it is started
  std::string kafka_class_path;
  bool no_kafka = false;
  bool json = false;
  std::filesystem::path file;
};

// What all are told of the system. `options` lives until the command has run; its `running` is set before.
void AddPlacesFlags(CLI::App& command, MoveOptions& options);
// What a command that writes into a system's own servers is told besides.
void AddNoKafkaFlag(CLI::App& command, MoveOptions& options);

// Completes what the flags left open, for a system that is stopped. Error: kafka_missing (kInvalidArgument).
[[nodiscard]] Result<void> ChoosePlaces(MoveOptions& options);

// From now on SIGINT, SIGTERM and SIGHUP end the process with 128 and their number, and `files`, which it has
// not finished, are removed. Once in a process.
void LeaveNoFileAtSignal(std::span<const std::filesystem::path> files);

// A line for each part and one for the whole, or with --json {"file", "moved": {NAME: {"rows",
// "was_there"}}}.
void PrintMoved(const MoveOptions& options, std::string_view done, const std::vector<Moved>& moved);

}  // namespace boxoffice::cli
