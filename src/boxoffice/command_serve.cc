#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "boxoffice/commands.h"
#include "gateway/process.h"
#include "platform/module/serve.h"
#include "services/payment/module.h"
#include "services/queue/module.h"
#include "services/ranking/module.h"
#include "services/relay/module.h"
#include "services/reservation/module.h"
#include "services/seat/module.h"
#include "services/wallet/module.h"

namespace boxoffice::cli {
namespace {

template <typename Module, typename Config>
module::MakeModule Maker() {
  return [](const module::Runtime& runtime) { return std::make_unique<Module>(runtime, Config{}); };
}

const std::map<std::string, module::MakeModule, std::less<>>& Services() {
  static const std::map<std::string, module::MakeModule, std::less<>> services = {
      {"queue", Maker<queue::QueueModule, queue::QueueConfig>()},
      {"seat", Maker<seat::SeatModule, seat::SeatConfig>()},
      {"reservation", Maker<reservation::ReservationModule, reservation::ReservationConfig>()},
      {"wallet", Maker<wallet::WalletModule, wallet::WalletConfig>()},
      {"payment", Maker<payment::PaymentModule, payment::PaymentConfig>()},
      {"ranking", Maker<ranking::RankingModule, ranking::RankingConfig>()},
      {"relay", Maker<relay::RelayModule, relay::RelayConfig>()},
      {"gateway",
       [](const module::Runtime& runtime) { return std::make_unique<gateway::GatewayProcess>(runtime); }},
  };
  return services;
}

int Serve(const std::string& service, const std::vector<std::string>& flags, char* argv0) {
  std::vector<std::string> words = flags;
  std::vector<char*> arguments = {argv0};
  for (std::string& word : words) arguments.push_back(word.data());
  return module::ServeMain(static_cast<int>(arguments.size()), arguments.data(), service,
                           Services().at(service));
}

}  // namespace

void AddServeCommand(CLI::App& app, char* argv0) {
  CLI::App* command = app.add_subcommand("serve", "Serve one service alone, as boxoffice-SERVICE does");
  command->prefix_command();  // what follows the service's name is for module::ServeMain
  command->footer(
      "SERVICE is queue, seat, reservation, wallet, payment, ranking, relay or gateway; its flags:\n"
      "  [--data DIR] [--listen ADDRESS]… [--peer SERVICE=ADDRESS]… [--log-level LEVEL]\n"
      "Services on one data folder find each other by sockets there.");
  command->callback([command, argv0] {
    std::vector<std::string> words = command->remaining();
    if (words.empty() || !Services().contains(words.front())) {
      ExitCant(
          {Code::kInvalidArgument, "usage",
           "serve needs a service: queue, seat, reservation, wallet, payment, ranking, relay or gateway"});
    }
    const std::string service = words.front();
    words.erase(words.begin());
    Exit(Serve(service, words, argv0));
  });
}

}  // namespace boxoffice::cli
