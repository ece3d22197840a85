// openapi/boxoffice.yaml, as it was when this was built.
#pragma once

#include <string_view>

namespace boxoffice::gateway {

[[nodiscard]] std::string_view OpenApiYaml();

}  // namespace boxoffice::gateway
