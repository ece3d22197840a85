// Which version of Boxoffice this program is.
#pragma once

#include <string_view>

namespace boxoffice::module {

// "0.1.0"
[[nodiscard]] std::string_view Version();

}  // namespace boxoffice::module
