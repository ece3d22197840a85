#include "platform/config/parse_error.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

namespace boxoffice::config {
namespace {

// As CLI11 2 words them.
constexpr std::string_view kCommandMissing = "A subcommand is required";
constexpr std::string_view kNotConverted = "Could not convert: ";

bool IsWhole(std::string_view value) {
  if (value.starts_with('-')) value.remove_prefix(1);
  return !value.empty() && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
}

// Why an option of this type could not take a value; nullopt: the type says too little.
std::optional<std::string_view> WhyNot(std::string_view type, std::string_view value) {
  if (type.starts_with("INT") || type.starts_with("UINT"))
    return IsWhole(value) ? "is out of range" : "is not a whole number";
  if (type.starts_with("FLOAT")) return "is not a number";
  return std::nullopt;
}

// `failed` is NAME = VALUE, of an option of `app` or of a command below it that was given.
std::optional<std::string> DescribeValue(const CLI::App& app, std::string_view failed) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string begin = fmt::format("{} = ", option->get_name());
    if (option->count() == 0 || !failed.starts_with(begin)) continue;
    const std::string_view value = failed.substr(begin.size());
    const auto why = WhyNot(option->get_type_name(), value);
    if (why) return fmt::format("{}: {} {}", option->get_name(), value, *why);
  }
  for (const CLI::App* command : app.get_subcommands()) {
    if (auto described = DescribeValue(*command, failed)) return described;
  }
  return std::nullopt;
}

}  // namespace

std::string DescribeParseError(const CLI::App& app, const CLI::Error& error) {
  const std::string said = error.what();
  if (said == kCommandMissing) {
    const std::vector<std::string> words = app.remaining(/*recurse=*/true);
    if (words.empty()) return said;
    return fmt::format("{} is not {} here", words.front(),
                       words.front().starts_with('-') ? "an option" : "a command");
  }
  if (said.starts_with(kNotConverted))
    return DescribeValue(app, std::string_view(said).substr(kNotConverted.size())).value_or(said);
  return said;
}

}  // namespace boxoffice::config
