#include "boxoffice/environment_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace boxoffice {
namespace {

constexpr std::string_view kBlank = " \t\r";

// A line with those that it goes on with, and how many lines that were.
std::pair<std::string, int> TakeLine(std::string_view& text) {
  std::string line;
  for (int lines = 1;; ++lines) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool goes_on = part.ends_with('\\');
    if (goes_on) part.remove_suffix(1);
    line += part;
    if (!goes_on || text.empty()) return {std::move(line), lines};
  }
}

bool IsName(std::string_view name) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  return !name.empty() && kLetters.contains(name.front()) &&
         name.find_first_not_of(std::string(kLetters) + "0123456789") == std::string_view::npos;
}

// Without its quotes and what escapes; nullopt: the quotes are not closed, or something follows them.
std::optional<std::string> Unquoted(std::string_view value) {
  const bool quoted = value.starts_with('"') || value.starts_with('\'');
  const char quote = quoted ? value.front() : '\0';
  std::string text;
  for (size_t i = quoted ? 1 : 0; i < value.size(); ++i) {
    if (quoted && value[i] == quote) return i + 1 == value.size() ? std::optional(text) : std::nullopt;
    if (value[i] == '\\' && quote != '\'' && i + 1 < value.size()) {
      if (!quoted || std::string_view("\"\\`$").contains(value[i + 1])) ++i;
    }
    text += value[i];
  }
  return quoted ? std::nullopt : std::optional(text);
}

}  // namespace

Result<std::map<std::string, std::string>> ReadVariables(std::string_view text, std::string_view file) {
  std::map<std::string, std::string> variables;
  for (int number = 1; !text.empty();) {
    const auto [whole, lines] = TakeLine(text);
    const int at = std::exchange(number, number + lines);
    const std::string_view line = Trim(whole, kBlank);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const size_t equals = line.find('=');
    const std::string_view name = Trim(line.substr(0, equals), kBlank);
    std::optional<std::string> value;
    if (equals != std::string_view::npos && IsName(name))
      value = Unquoted(Trim(line.substr(equals + 1), kBlank));
    // The line may be a secret, so it is not told.
    if (!value) return Fail(Code::kInvalidArgument, "config", fmt::format("{}:{}: not NAME=VALUE", file, at));
    variables[std::string(name)] = *std::move(value);
  }
  return variables;
}

Result<EnvironmentFiles> EnvironmentFiles::Enter(const std::vector<std::filesystem::path>& files) {
  EnvironmentFiles entered;
  for (const std::filesystem::path& file : files) BOXOFFICE_TRY(entered.Add(file));
  return entered;
}

Result<void> EnvironmentFiles::Add(const std::filesystem::path& file) {
  errno = 0;
  std::ifstream in(file);
  if (!in && errno == ENOENT) return {};
  std::string text;
  for (std::string line; std::getline(in, line);) text += line + '\n';
  if (!in.eof()) {
    return Fail(
        Code::kInvalidArgument, "config",
        fmt::format("{}: can't be read, and may say where the data is; run this as root", file.string()));
  }
  BOXOFFICE_ASSIGN(const auto variables, ReadVariables(text, file.string()));
  for (const auto& [name, value] : variables) {
    const char* was = std::getenv(name.c_str());
    before_.push_back({name, was != nullptr ? std::optional<std::string>(was) : std::nullopt});
    ::setenv(name.c_str(), value.c_str(), /*overwrite=*/1);
  }
  return {};
}

EnvironmentFiles::~EnvironmentFiles() {
  for (; !before_.empty(); before_.pop_back()) {
    const Was& was = before_.back();
    if (was.value) {
      ::setenv(was.name.c_str(), was.value->c_str(), /*overwrite=*/1);
    } else {
      ::unsetenv(was.name.c_str());
    }
  }
}

}  // namespace boxoffice
