#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "boxoffice/move.h"
#include "boxoffice/places.h"
#include "platform/obs/log.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct MoveOptions {
  PlacesOptions places;
  std::string kafka_class_path;
  bool no_kafka = false;
  bool json = false;
  std::filesystem::path file;
};

// What both commands are told of the system.
void AddPlacesFlags(CLI::App& command, MoveOptions& options) {
  PlacesOptions& places = options.places;
  CLI::Option* config = command.add_option(
      "--config", places.config,
      "A folder with the configuration of each service: SERVICE.toml. It names the stores and the bus");
  command.add_option("--data", places.data,
                     "The data folder, where no configuration is given; .data if it is not");
  command
      .add_flag("--scaled", places.own_servers,
                "The data folder is that of `up --scaled`: its servers are started for this, and stopped")
      ->excludes(config);
  command
      .add_option(
          "--kafka-class-path", options.kafka_class_path,
          "With --scaled: where Kafka's jars are, as java's -cp takes it; ./dev export and import give it")
      ->envname("BOXOFFICE_KAFKA_CLASS_PATH");
  command.add_flag("--json", options.json, "Print what was moved as JSON");
}

// Whether the own servers have a Kafka: as they were started before, or at first as they are asked for.
Result<void> ChooseKafka(MoveOptions& options) {
  PlacesOptions& places = options.places;
  std::error_code ignored;
  const bool has_one = std::filesystem::exists(places.data / "kafka", ignored);
  if (!places.own_servers || (places.make ? options.no_kafka : !has_one)) return {};
  if (options.kafka_class_path.empty()) {
    return Fail(
        Code::kInvalidArgument, "kafka_missing",
        "--kafka-class-path is missing; `./dev export` and `./dev import` fetch Kafka's jars and give it");
  }
  places.kafka_class_path = options.kafka_class_path;
  return {};
}

void Print(const MoveOptions& options, std::string_view done, const std::vector<Moved>& moved) {
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

Result<std::vector<Moved>> Move(MoveOptions& options) {
  if (options.places.config.empty() && options.places.data.empty()) options.places.data = ".data";
  BOXOFFICE_TRY(ChooseKafka(options));
  BOXOFFICE_ASSIGN(const std::unique_ptr<Places> places, Places::Open(options.places));
  return options.places.make ? Import(*places, options.file) : Export(*places, options.file);
}

void Run(MoveOptions& options, std::string_view done) {
  obs::SetLogLevel(obs::Level::kWarning);  // what people want to know is printed
  const auto moved = Move(options);
  if (!moved) ExitCant(moved.error());
  Print(options, done, *moved);
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
      "Exit codes: 0 done; 2 not, with one line on stderr, and there is no file.");
  command->callback([options] { Run(*options, "exported to"); });
}

void AddImportCommand(CLI::App& app) {
  const auto options = std::make_shared<MoveOptions>();
  options->places.make = true;
  CLI::App* command =
      app.add_subcommand("import", "Put what export wrote into the empty stores of another system");
  AddPlacesFlags(*command, *options);
  command->add_option("--in", options->file, "The file")->required();
  command->add_flag("--no-kafka", options->no_kafka, "With --scaled: the event bus is a SQLite file");
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
