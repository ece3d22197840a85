// The man page, in the macros of man(7).
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "base/clock.h"
#include "boxoffice/command_tree.h"

namespace boxoffice::cli {
namespace {

// Text as roff reads it: no character of its own, and no line that begins as a request would.
std::string Roff(std::string_view text) {
  std::string escaped;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
    at_start = c == '\n';
  }
  return escaped;
}

// The day that the page is of: that of its sources where a build says so (SOURCE_DATE_EPOCH), so that each
// build makes the same page.
std::string Day() {
  Timestamp time = SystemClock().Now();
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH"); epoch != nullptr) {
    int64_t seconds = 0;
    if (std::from_chars(epoch, epoch + std::strlen(epoch), seconds).ec == std::errc())
      time = FromUnixMs(seconds * 1'000);
  }
  return ToRfc3339(time).substr(0, std::string_view("2026-11-22").size());
}

// An argument of a macro.
std::string Argument(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : Roff(text)) {
    if (c == '"')
      quoted += "\\(dq";
    else
      quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "\"";
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

std::string ValueName(const OptionNode& option) {
  if (!option.choices.empty()) {
    std::string choices;
    for (const std::string& choice : option.choices) choices += (choices.empty() ? "" : "|") + choice;
    return choices;
  }
  const size_t end = option.type.find_first_of(": ");
  return option.type.substr(0, end);
}

void AddOption(std::string& page, const OptionNode& option) {
  std::string head;
  for (const std::string& name : option.names) {
    head += fmt::format("{}\\fB{}\\fR", head.empty() ? "" : ", ", Roff(name));
  }
  if (option.takes_value && !option.positional) head += fmt::format(" \\fI{}\\fR", Roff(ValueName(option)));
  page += fmt::format(".TP\n{}\n{}", head,
                      Roff(option.description.empty() ? option.names[0] : option.description));
  if (!option.default_value.empty()) page += fmt::format("\n(default: {})", Roff(option.default_value));
  if (!option.variable.empty()) page += fmt::format("\n(environment: {})", Roff(option.variable));
  if (option.required) page += "\n(required)";
  page += "\n";
}

void AddCommand(std::string& page, const CommandNode& node) {
  if (!node.path.empty()) {
    std::string usage = node.path;
    for (const OptionNode& option : node.options) {
      if (option.positional) usage += fmt::format(" {}{}", option.names[0], option.repeats ? " ..." : "");
    }
    page += fmt::format(".SS {}\n{}.\n", Argument("boxoffice " + usage), Roff(node.description));
    for (const OptionNode& option : node.options) {
      if (option.names.back() != "--help") AddOption(page, option);
    }
    if (!node.footer.empty() && node.children.empty()) {
      // As it stands: some lines are forms of JSON.
      page += fmt::format(".PP\n.nf\n{}\n.fi\n", Roff(node.footer));
    }
  }
  for (const CommandNode& child : node.children) AddCommand(page, child);
}

}  // namespace

std::string ManPage(const CommandNode& tree, std::string_view version) {
  std::string page =
      fmt::format(".\\\" Made by `boxoffice man`.\n.TH {} 1 {} \"boxoffice {}\" \"Boxoffice\"\n",
                  Upper(tree.name), Day(), Roff(version));
  page += fmt::format(".SH NAME\nboxoffice \\- sells concert seats through an on\\-sale\n");
  page +=
      ".SH SYNOPSIS\n.B boxoffice\n.I COMMAND\n.RI [ OPTION \" ...]\"\n.br\n.B boxoffice\n.RI [ COMMAND "
      "]\n.B "
      "\\-\\-help\n";
  page += fmt::format(".SH DESCRIPTION\n{}\n", Roff(tree.description));
  page +=
      "Commands that ask a running system take an operator\\(aqs token, or make one with the development key "
      "of a "
      "data folder.\n";
  page += ".SH COMMANDS\n";
  AddCommand(page, tree);
  page +=
      ".SH EXIT STATUS\n.TP\n.B 0\nDone.\n.TP\n.B 1\nIt was done, and the answer is no: a refusal, a "
      "violation, a "
      "problem that was found, an unclean stop.\n.TP\n.B 2\nCalled the wrong way, not an operator, or "
      "something outside "
      "is missing: a server, a file, a port.\nOne line on stderr says what, and ends with a stable reason in "
      "parentheses.\n";
  page +=
      ".SH ENVIRONMENT\n.TP\n.B BOXOFFICE_\\fITABLE\\fB_\\fINAME\\fR\nA key of the configuration, where a "
      "command "
      "runs services; \\fBboxoffice serve\\fR \\fISERVICE\\fR \\fB\\-\\-help\\fR lists them.\n.TP\n.B "
      "NO_COLOR\nSet: "
      "\\fBboxoffice top\\fR shows no colours.\n";
  return page;
}

}  // namespace boxoffice::cli
