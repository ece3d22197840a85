// The contract, and the page that shows it, as they were when this was built.
#pragma once

#include <string_view>

namespace boxoffice::gateway {

[[nodiscard]] std::string_view OpenApiYaml();  // openapi/boxoffice.yaml
[[nodiscard]] std::string_view OpenApiJson();  // the same document as JSON
[[nodiscard]] std::string_view DocsHtml();     // openapi/docs.html
[[nodiscard]] std::string_view DocsScript();   // openapi/docs.js

}  // namespace boxoffice::gateway
