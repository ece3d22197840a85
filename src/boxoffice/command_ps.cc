#include <filesystem>
#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/cluster.h"
#include "boxoffice/commands.h"

namespace boxoffice::cli {

void AddPsCommand(CLI::App& app) {
  const auto data = std::make_shared<std::filesystem::path>(".data");
  CLI::App* command = app.add_subcommand("ps", "List the processes of `up --scaled`, as JSON");
  command->add_option("--data", *data, "Its data folder")->capture_default_str();
  command->footer(
      "{\"pid\", \"url\", \"replicas\", \"servers\": [{\"name\", \"pid\", \"running\", \"listen\"}], "
      "\"processes\": [{\"service\", \"replica\", \"pid\", \"running\", "
      "\"restarts\", \"listen\", \"admin\", \"log\", \"command\"}]}\n"
      "Exit codes: 0 printed; 2 no such system runs there.");
  command->callback([data] {
    const auto described = DescribeCluster(*data);
    if (!described) ExitCant(described.error());
    fmt::print("{}\n", boost::json::serialize(*described));
  });
}

}  // namespace boxoffice::cli
