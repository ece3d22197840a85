#include "platform/sql/postgres_url.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/text.h"

namespace boxoffice::sql::pg {
namespace {

// Connection::Connect gives these to libpq, which asks no variable then; in a URL they would go before its
// own.
constexpr std::array<std::string_view, 3> kSaidByConnection = {"client_encoding", "connect_timeout",
                                                               "target_session_attrs"};

}  // namespace

std::string WithVariables(const std::string& url, const Variables& variables) {
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(url.c_str(), /*errmsg=*/nullptr), &PQconninfoFree);
  if (options == nullptr) return url;
  std::string complete = "postgresql://?";
  bool has_more = false;
  // Every option that libpq knows, up to one without a name.
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const char* value = option->val;
    if (value == nullptr && option->envvar != nullptr &&
        std::ranges::find(kSaidByConnection, option->keyword) == kSaidByConnection.end()) {
      value = variables(option->envvar);
      has_more = has_more || value != nullptr;
    }
    if (value != nullptr) complete += fmt::format("{}={}&", option->keyword, PercentEncode(value));
  }
  complete.pop_back();
  return has_more ? complete : url;
}

}  // namespace boxoffice::sql::pg
