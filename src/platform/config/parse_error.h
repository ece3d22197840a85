// What is said of a command line that can't be taken.
#pragma once

#include <string>

namespace CLI {
class App;
class Error;
}  // namespace CLI

namespace boxoffice::config {

// One line that names what is wrong in the command line that `app` has just refused: the word that is no
// command, where CLI11 misses one, and why an option can't take a value, where it says that it could not
// convert it. Anything else as CLI11 has it.
[[nodiscard]] std::string DescribeParseError(const CLI::App& app, const CLI::Error& error);

}  // namespace boxoffice::config
