#include <memory>
#include <string>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "boxoffice/command_tree.h"
#include "boxoffice/commands.h"
#include "boxoffice/system_commands.h"
#include "platform/module/version.h"

namespace boxoffice::cli {

void AddReferenceCommands(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand("completion", "Print what makes a shell complete these commands");
  completion->add_option("SHELL", *shell, "Which shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer(
      "bash: boxoffice completion bash > /etc/bash_completion.d/boxoffice\n"
      "zsh:  boxoffice completion zsh > /usr/local/share/zsh/site-functions/_boxoffice\n"
      "fish: boxoffice completion fish > ~/.config/fish/completions/boxoffice.fish\n"
      "Exit codes: 0 printed; 2 no such shell.");
  completion->callback([shell, &app] { fmt::print("{}", CompletionFor(*shell, TreeOf(app))); });
  CLI::App* man = app.add_subcommand("man", "Print the man page of all commands");
  man->footer("To read it: boxoffice man | man -l -\nExit codes: 0 printed.");
  man->callback([&app] { fmt::print("{}", ManPage(TreeOf(app), module::Version())); });
}

}  // namespace boxoffice::cli
