#include "boxoffice/move_flags.h"

#include <cstdlib>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "boxoffice/signals.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

// Whether the own servers have a Kafka: as they were started before, or at first as they are asked for.
Result<void> ChooseKafka(MoveOptions& options) {
  PlacesOptions& places = options.places;
  if (!places.own_servers || (places.make ? options.no_kafka : !HasKafka(places.data))) return {};
  if (options.kafka_class_path.empty()) {
    return Fail(
        Code::kInvalidArgument, "kafka_missing",
        fmt::format("--kafka-class-path is missing; `./dev {}` fetches Kafka's jars and gives it{}",
                    options.command, places.make ? ", and with --no-kafka the bus is a SQLite file" : ""));
  }
  places.kafka_class_path = options.kafka_class_path;
  return {};
}

// Filled before the handler is there, and left alone from then on.
std::vector<std::string>& Unfinished() {
  static std::vector<std::string> files;
  return files;
}

void RemoveAndEnd(int signal) {
  for (const std::string& file : Unfinished()) (void)::unlink(file.c_str());
  std::_Exit(128 + signal);
}

}  // namespace

void AddPlacesFlags(CLI::App& command, MoveOptions& options) {
  PlacesOptions& places = options.places;
  options.command = command.get_name();
  const std::string whose = "The data folder is that of an `up --scaled`";
  const std::string jars = "With --scaled: where Kafka's jars are";
  CLI::Option* config = command.add_option(
      "--config", places.config,
      "A folder with the configuration of each service: SERVICE.toml, and services.env and SERVICE.env with "
      "variables. It names the stores and the bus");
  command.add_option("--data", places.data,
                     "The data folder, where no configuration is given; .data if it is not");
  command
      .add_flag("--scaled", places.own_servers,
                whose + (options.running ? " that runs" : ": its servers are started for this, and stopped"))
      ->excludes(config);
  command
      .add_option(
          "--kafka-class-path", options.kafka_class_path,
          jars + (options.running ? "; not needed, as its Kafka runs"
                                  : ", as java's -cp takes it; ./dev " + options.command + " gives it"))
      ->envname("BOXOFFICE_KAFKA_CLASS_PATH");
  command.add_flag("--json", options.json, "Print what was moved as JSON");
}

void AddNoKafkaFlag(CLI::App& command, MoveOptions& options) {
  command.add_flag("--no-kafka", options.no_kafka, "With --scaled: the event bus is a SQLite file");
}

Result<void> ChoosePlaces(MoveOptions& options) {
  if (options.places.config.empty() && options.places.data.empty()) options.places.data = ".data";
  return ChooseKafka(options);
}

void LeaveNoFileAtSignal(std::span<const std::filesystem::path> files) {
  for (const std::filesystem::path& file : files) Unfinished().push_back(file.string());
  for (const int signal : kEndingSignals) HandleUnlessIgnored(signal, RemoveAndEnd);
}

void PrintMoved(const MoveOptions& options, std::string_view done, const std::vector<Moved>& moved) {
  json::object sections;
  int64_t rows = 0;
  for (const Moved& part : moved) {
    sections[part.name] = json::object{{"rows", part.rows}};
    if (options.places.make) sections[part.name].as_object()["was_there"] = part.was_there;
    rows += part.rows;
    if (options.json) continue;
    fmt::print("{}: {} {}{}\n", part.name, part.rows, part.name == "bus" ? "events" : "rows",
               part.was_there ? ", there already" : "");
  }
  if (options.json) {
    fmt::print("{}\n", json::serialize(json::object{{"file", options.file.string()}, {"moved", sections}}));
  } else {
    fmt::print("{} {} ({} rows)\n", done, options.file.string(), rows);
  }
}

}  // namespace boxoffice::cli
