// tests/checks/edges.golden, embedded by the build.
#pragma once

#include <string_view>

namespace boxoffice::rpc {

[[nodiscard]] std::string_view DeclaredEdges();

}  // namespace boxoffice::rpc
