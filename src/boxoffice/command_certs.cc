#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "boxoffice/commands.h"
#include "platform/rpc/callers.h"
#include "platform/rpc/certificates.h"

namespace boxoffice::cli {
namespace {

struct CertsOptions {
  std::filesystem::path out;
  bool force = false;
};

}  // namespace

void AddCertsCommand(CLI::App& app) {
  const auto options = std::make_shared<CertsOptions>();
  CLI::App* command =
      app.add_subcommand("certs", "Make certificates for development, for mutual TLS between services");
  command->add_option("--out", options->out, "The folder for them; made if it is missing")->required();
  command->add_flag("--force", options->force,
                    "Replace what is there: old certificates are worth nothing then");
  command->footer(
      "Writes ca.crt, ca.key, and SERVICE.crt and SERVICE.key for every service; keys are readable by their "
      "owner "
      "only.\n"
      "Exit codes: 0 written; 1 some exist already, and nothing was written; 2 can't be written.");
  command->callback([options] {
    const std::vector<std::string> services = rpc::CallerTable::Declared().Services();
    const auto made = rpc::MakeDevelopmentCertificates(options->out, services, options->force);
    if (!made && made.error().reason == "certificates_exist") {
      fmt::print(stderr, "boxoffice: {}; --force replaces it ({})\n", made.error().detail,
                 made.error().reason);
      Exit(kExitNo);
    }
    if (!made) ExitCant(made.error());
    fmt::print("{}\n", options->out.string());
  });
}

}  // namespace boxoffice::cli
