#include "platform/module/health_response.h"

#include <algorithm>

#include "platform/http/json_writer.h"
#include "platform/module/version.h"

namespace boxoffice::module {

http::Response HealthResponse(const std::vector<Health>& modules, bool judge) {
  const bool ok =
      !judge || std::ranges::all_of(modules, [](const Health& module) { return module.problem.empty(); });
  http::JsonWriter writer;
  writer.BeginObject().Field("status", ok ? "ok" : "unavailable").Field("version", Version());
  writer.Key("modules").BeginArray();
  for (const Health& module : modules) {
    writer.BeginObject().Field("name", module.module).Key("problem");
    if (module.problem.empty()) {
      writer.Null();
    } else {
      writer.Value(module.problem);
    }
    if (!module.role.empty()) writer.Field("role", module.role);
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  return http::JsonResponse(writer.Take(), ok ? 200 : 503);
}

}  // namespace boxoffice::module
