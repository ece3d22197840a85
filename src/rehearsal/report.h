// What a rehearsal came to, for people and as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <boost/json/object.hpp>

#include "rehearsal/on_sale.h"

namespace boxoffice::rehearsal {

struct Report {
  std::string target;  // the first gateway's URL
  std::string show;
  OnSaleOptions options;
  OnSaleFigures figures;
  bool audited = false;
  bool audit_clean = false;
  std::string audit_json;  // as the system gave it; empty: not audited, see audit_failure
  std::string audit_failure;
};

// {"code": count, …}
[[nodiscard]] boost::json::object CountsOf(const std::map<std::string, uint64_t>& counts);
[[nodiscard]] std::string RenderTable(const Report& report);
[[nodiscard]] std::string RenderJson(const Report& report);
// "12 s  arrived 800  waiting 410 …", for while it runs.
[[nodiscard]] std::string RenderProgress(const Second& second, size_t buyers);

}  // namespace boxoffice::rehearsal
