// Completions for shells. Each shell finds out which command the words before the cursor name, then looks up
// what that command has: the tables are all that differs between versions of the program.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "boxoffice/command_tree.h"

namespace boxoffice::cli {
namespace {

void Visit(const CommandNode& node, const auto& visit) {
  visit(node);
  for (const CommandNode& child : node.children) Visit(child, visit);
}

std::vector<const OptionNode*> Flags(const CommandNode& node) {
  std::vector<const OptionNode*> flags;
  for (const OptionNode& option : node.options) {
    if (!option.positional) flags.push_back(&option);
  }
  return flags;
}

// "a b" in single quotes, for bash and zsh.
std::string Quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c == '\n' ? ' ' : c;
    }
  }
  return quoted + "'";
}

std::string QuoteForFish(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "'";
}

// "path word" of every command but the program itself, as patterns of `case`.
std::string ChildPatterns(const CommandNode& tree, std::string_view separator, const auto& quote) {
  std::vector<std::string> patterns;
  Visit(tree, [&](const CommandNode& node) {
    for (const CommandNode& child : node.children)
      patterns.push_back(quote(fmt::format("{}:{}", node.path, child.name)));
  });
  return fmt::format("{}", fmt::join(patterns, separator));
}

// "path option" of every option that a value follows.
std::string ValuePatterns(const CommandNode& tree, std::string_view separator, const auto& quote) {
  std::vector<std::string> patterns;
  Visit(tree, [&](const CommandNode& node) {
    for (const OptionNode* option : Flags(node)) {
      for (const std::string& name : option->names) {
        if (option->takes_value) patterns.push_back(quote(fmt::format("{}:{}", node.path, name)));
      }
    }
  });
  return fmt::format("{}", fmt::join(patterns, separator));
}

// The walk over the words that both shells share; `words` and `last` are how each names them.
std::string Walk(const CommandNode& tree, std::string_view words, std::string_view first,
                 std::string_view last) {
  return fmt::format(R"(  local cpath='' skip='' word='' before='' i
  for ((i = {1}; i < {2}; i++)); do
    word="{0}"
    before="$word"
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$cpath:$word" in
      {3}) skip=1 ;;
      {4})
        cpath="${{cpath:+$cpath }}$word" ;;
    esac
  done
)",
                     words, first, last, ValuePatterns(tree, "|", Quote), ChildPatterns(tree, "|", Quote));
}

std::string Bash(const CommandNode& tree) {
  std::string script =
      "# bash completion for boxoffice; made by `boxoffice completion bash`\n_boxoffice() {\n";
  script += "  local cur=\"${COMP_WORDS[COMP_CWORD]}\"\n";
  script += Walk(tree, "${COMP_WORDS[i]}", "1", "COMP_CWORD");
  script += "  COMPREPLY=()\n  if [[ -n $skip ]]; then\n    case \"$cpath:$before\" in\n";
  Visit(tree, [&](const CommandNode& node) {
    for (const OptionNode* option : Flags(node)) {
      for (const std::string& name : option->names) {
        if (option->choices.empty()) continue;
        script += fmt::format("      {}) mapfile -t COMPREPLY < <(compgen -W {} -- \"$cur\") ;;\n",
                              Quote(fmt::format("{}:{}", node.path, name)),
                              Quote(fmt::format("{}", fmt::join(option->choices, " "))));
      }
    }
  });
  script += "    esac\n    return\n  fi\n  local words=''\n  case \"$cpath\" in\n";
  Visit(tree, [&](const CommandNode& node) {
    std::vector<std::string> words;
    for (const CommandNode& child : node.children) words.push_back(child.name);
    for (const OptionNode* option : Flags(node))
      words.insert(words.end(), option->names.begin(), option->names.end());
    for (const OptionNode& option : node.options) {
      if (option.positional) words.insert(words.end(), option.choices.begin(), option.choices.end());
    }
    script += fmt::format("    {}) words={} ;;\n", Quote(node.path),
                          Quote(fmt::format("{}", fmt::join(words, " "))));
  });
  script +=
      "  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
      "complete -o default -F _boxoffice boxoffice\n";
  return script;
}

// "word:what it is" for _describe, where a colon stands for itself with a backslash.
std::string Described(std::string_view word, std::string_view description) {
  std::string text;
  for (const char c : word) {
    if (c == ':') text += '\\';
    text += c;
  }
  return Quote(fmt::format("{}:{}", text, description));
}

std::string Zsh(const CommandNode& tree) {
  std::string script =
      "#compdef boxoffice\n# zsh completion for boxoffice; made by `boxoffice completion zsh`\n";
  script += "_boxoffice() {\n  emulate -L zsh\n";
  script += Walk(tree, "${words[i]}", "2", "CURRENT");
  script += "  local -a items\n  if [[ -n $skip ]]; then\n    case \"$cpath:$before\" in\n";
  Visit(tree, [&](const CommandNode& node) {
    for (const OptionNode* option : Flags(node)) {
      for (const std::string& name : option->names) {
        if (option->choices.empty()) continue;
        std::vector<std::string> quoted;
        std::ranges::transform(option->choices, std::back_inserter(quoted), Quote);
        script += fmt::format("      {}) compadd -- {}; return ;;\n",
                              Quote(fmt::format("{}:{}", node.path, name)), fmt::join(quoted, " "));
      }
    }
  });
  script += "    esac\n    _files\n    return\n  fi\n  case \"$cpath\" in\n";
  Visit(tree, [&](const CommandNode& node) {
    std::vector<std::string> items;
    for (const CommandNode& child : node.children) items.push_back(Described(child.name, child.description));
    for (const OptionNode* option : Flags(node)) {
      for (const std::string& name : option->names) items.push_back(Described(name, option->description));
    }
    for (const OptionNode& option : node.options) {
      for (const std::string& choice : option.choices) {
        if (option.positional) items.push_back(Described(choice, option.description));
      }
    }
    script += fmt::format("    {}) items=({}) ;;\n", Quote(node.path), fmt::join(items, " "));
  });
  script +=
      "  esac\n  _describe -t words boxoffice items || _files\n}\n"
      "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _boxoffice \"$@\"; else compdef _boxoffice "
      "boxoffice; "
      "fi\n";
  return script;
}

std::string Fish(const CommandNode& tree) {
  std::string script =
      "# fish completion for boxoffice; made by `boxoffice completion fish`\n"
      "function __boxoffice_at --description 'Whether the words before the cursor name this command'\n"
      "  set -l path ''\n  set -l skip ''\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    if test -n \"$skip\"; set skip ''; continue; end\n"
      "    switch \"$path:$word\"\n";
  script += fmt::format("      case {}\n        set skip 1\n", ValuePatterns(tree, " ", QuoteForFish));
  script += fmt::format("      case {}\n        set path (string trim -- \"$path $word\")\n    end\n  end\n",
                        ChildPatterns(tree, " ", QuoteForFish));
  script += "  test \"$path\" = \"$argv[1]\"\nend\n";
  Visit(tree, [&](const CommandNode& node) {
    const std::string at = fmt::format("complete -c boxoffice -n {}",
                                       QuoteForFish(fmt::format("__boxoffice_at \"{}\"", node.path)));
    for (const CommandNode& child : node.children)
      script +=
          fmt::format("{} -f -a {} -d {}\n", at, QuoteForFish(child.name), QuoteForFish(child.description));
    for (const OptionNode& option : node.options) {
      if (option.positional) {
        if (!option.choices.empty()) {
          script += fmt::format("{} -f -a {} -d {}\n", at,
                                QuoteForFish(fmt::format("{}", fmt::join(option.choices, " "))),
                                QuoteForFish(option.description));
        }
        continue;
      }
      script += at;
      for (const std::string& name : option.names) {
        const bool is_long = name.starts_with("--");
        script += fmt::format(" {} {}", is_long ? "-l" : "-s", QuoteForFish(name.substr(is_long ? 2 : 1)));
      }
      if (option.takes_value) script += " -r";
      if (!option.choices.empty())
        script += fmt::format(" -f -a {}", QuoteForFish(fmt::format("{}", fmt::join(option.choices, " "))));
      script += fmt::format(" -d {}\n", QuoteForFish(option.description));
    }
  });
  return script;
}

}  // namespace

std::string CompletionFor(std::string_view shell, const CommandNode& tree) {
  if (shell == "bash") return Bash(tree);
  if (shell == "zsh") return Zsh(tree);
  CHECK(shell == "fish", "there is no completion for {}", shell);
  return Fish(tree);
}

}  // namespace boxoffice::cli
