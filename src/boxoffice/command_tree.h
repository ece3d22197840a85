// The commands of this program as data: what completions and man pages are made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>

namespace boxoffice::cli {

struct OptionNode {
  std::vector<std::string> names;  // "--json", "-h"; of what is given by its place one: "SHOW"
  bool positional = false;
  bool takes_value = false;
  bool required = false;
  bool repeats = false;              // several values
  std::vector<std::string> choices;  // the only values; empty: any
  std::string type;                  // "TEXT", "INT"; empty for flags
  std::string description;
  std::string default_value;  // empty: none
  std::string variable;       // of the environment; empty: none
};

struct CommandNode {
  std::string name;  // "list"
  std::string path;  // "queue list"; "" is the program
  std::string description;
  std::string footer;
  std::vector<OptionNode> options;
  std::vector<CommandNode> children;
};

// In the order in which commands were added.
[[nodiscard]] CommandNode TreeOf(const CLI::App& app);

// What a shell is to read: "bash", "zsh" or "fish".
[[nodiscard]] std::string CompletionFor(std::string_view shell, const CommandNode& tree);

// A page for man(1), in the macros of man(7): all commands, with their options and exit codes.
[[nodiscard]] std::string ManPage(const CommandNode& tree, std::string_view version);

}  // namespace boxoffice::cli
