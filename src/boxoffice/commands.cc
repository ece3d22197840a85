#include "boxoffice/commands.h"

#include <cstdio>

#include <fmt/format.h>

namespace boxoffice::cli {

void ExitCant(const Error& error) {
  fmt::print(stderr, "boxoffice: {} ({})\n", error.detail.empty() ? "failed" : error.detail, error.reason);
  throw CLI::RuntimeError(kExitCant);
}

}  // namespace boxoffice::cli
