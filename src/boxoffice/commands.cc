#include "boxoffice/commands.h"

#include <cmath>
#include <cstdio>
#include <string>

#include <CLI/TypeTools.hpp>
#include <fmt/format.h>

namespace boxoffice::cli {

void ExitCant(const Error& error) {
  fmt::print(stderr, "boxoffice: {} ({})\n", error.detail.empty() ? "failed" : error.detail, error.reason);
  throw CLI::RuntimeError(kExitCant);
}

CLI::Validator Finite() {
  const auto why_not = [](std::string& text) {
    double number = 0;
    const bool is_number = CLI::detail::lexical_cast(text, number) && std::isfinite(number);
    return is_number ? std::string() : fmt::format("{} is not a number", text);
  };
  return {why_not, ""};
}

}  // namespace boxoffice::cli
