// boxoffice-test-acquirer: the acquirer as a program, to try the adapter `http` by hand. Prints what it keeps
// at the end.
#include <csignal>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "acquirer/acquirer.h"

int main(int argc, char** argv) {
  boxoffice::acquirer::Options options;
  CLI::App app("An acquirer that misbehaves as the instrument of a payment says.", "boxoffice-test-acquirer");
  app.add_option("--port", options.port, "Where it listens on 127.0.0.1; 0: a free port");
  app.add_option("--webhook-url", options.webhook_url,
                 "Where its webhooks go, like http://127.0.0.1:8080/v1/payments/webhooks/http");
  app.add_option("--webhook-secret", options.webhook_secret, "What they are signed with")
      ->capture_default_str();
  app.add_option("--api-key", options.api_key, "What callers must send")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);  // also of its thread
  const boxoffice::acquirer::Acquirer acquirer(options);
  fmt::print("ready {}\n", acquirer.url());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  for (const auto& account : acquirer.Accounts()) {
    fmt::print("{} {} captured {} refunded {} {}\n", account.key, account.instrument, account.captured,
               account.refunded, account.currency);
  }
  return 0;
}
