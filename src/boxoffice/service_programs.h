// Every service as a program.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "platform/module/program.h"

namespace boxoffice {

// In the order in which they are started: what a service calls comes before it; the gateway is the last.
[[nodiscard]] std::vector<module::ServiceProgram> ServicePrograms();
// nullopt: there is no service of this name.
[[nodiscard]] std::optional<module::ServiceProgram> FindServiceProgram(std::string_view service);

}  // namespace boxoffice
