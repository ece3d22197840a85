#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "boxoffice/commands.h"
#include "boxoffice/places.h"
#include "boxoffice/service_programs.h"
#include "platform/module/serve.h"

namespace boxoffice::cli {

void AddServeCommand(CLI::App& app, char* argv0) {
  CLI::App* command = app.add_subcommand("serve", "Serve one service alone, as boxoffice-SERVICE does");
  command->prefix_command();  // what follows the service's name is for module::ServeMain
  command->footer(
      "SERVICE is queue, seat, reservation, wallet, payment, ranking, relay or gateway. What follows is as "
      "for "
      "boxoffice-SERVICE:\n"
      "[--config FILE] [KEY …] [migrate | config print]; `boxoffice serve SERVICE --help` lists it all.\n"
      "Services on one data folder find each other by sockets there.");
  command->callback([command, argv0] {
    std::vector<std::string> words = command->remaining();
    const auto program = words.empty() ? std::nullopt : FindServiceProgram(words.front());
    if (!program) {
      ExitCant(
          {Code::kInvalidArgument, "usage",
           "serve needs a service: queue, seat, reservation, wallet, payment, ranking, relay or gateway"});
    }
    std::vector<char*> arguments = {argv0};
    for (size_t i = 1; i < words.size(); ++i) arguments.push_back(words[i].data());
    Exit(module::ServeMain(static_cast<int>(arguments.size()), arguments.data(), *program,
                           CheckStoreOfFolder));
  });
}

}  // namespace boxoffice::cli
