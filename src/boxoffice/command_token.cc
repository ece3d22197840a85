#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "boxoffice/api_client.h"
#include "boxoffice/commands.h"
#include "platform/auth/token.h"

namespace boxoffice::cli {
namespace {

struct TokenOptions {
  std::string user;
  std::string role = "buyer";
  std::filesystem::path data = ".data";
  int64_t ttl_s = 12 * 3600;
  std::vector<std::string> channels;
};

Result<std::string> MakeToken(const TokenOptions& options) {
  BOXOFFICE_ASSIGN(const auth::TokenIssuer issuer, DevelopmentIssuer(options.data, "--data"));
  const auth::Role role = options.role == "operator" ? auth::Role::kOperator : auth::Role::kBuyer;
  return issuer.Issue(options.user, role, std::chrono::seconds(options.ttl_s), options.channels);
}

}  // namespace

void AddTokenCommand(CLI::App& app) {
  const auto options = std::make_shared<TokenOptions>();
  CLI::App* command = app.add_subcommand("token", "Print a development token (JWT) for a user");
  command->add_option("--user", options->user, "Who: 1 to 64 of A-Z a-z 0-9 . _ @ -")->required();
  command->add_option("--role", options->role, "buyer or operator")
      ->check(CLI::IsMember({"buyer", "operator"}))
      ->capture_default_str();
  command->add_option("--channel", options->channels,
                      "A sales channel whose contingents the user may buy from; may be repeated");
  command->add_option("--data", options->data, "The data folder of the system that shall believe it")
      ->capture_default_str();
  command->add_option("--ttl", options->ttl_s, "Seconds until it expires")
      ->check(CLI::Range(int64_t{1}, int64_t{366} * 24 * 3600))
      ->capture_default_str();
  command->footer(
      "The key is DIR/keys/jwt.key, which the system makes when it first starts. Exit codes: 0 printed; 2 "
      "not.");
  command->callback([options] {
    const auto token = MakeToken(*options);
    if (!token) ExitCant(token.error());
    fmt::print("{}\n", *token);
  });
}

}  // namespace boxoffice::cli
