#include <memory>
#include <string>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "boxoffice/api_client.h"
#include "boxoffice/commands.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

struct AuditOptions {
  ApiOptions api;
  bool json = false;
};

std::string Text(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

void PrintForPeople(const json::object& report, bool ok) {
  const json::value* checked = report.if_contains("checked");
  std::string counts;
  if (checked != nullptr && checked->is_object()) {
    for (const auto& [name, count] : checked->as_object())
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", Text(count),
                            std::string_view(name.data(), name.size()));
  }
  fmt::print("{}: {}\n", ok ? "clean" : "NOT CLEAN", counts.empty() ? "nothing checked" : counts);
  const auto print_each = [&](std::string_view name, std::string_view before) {
    const json::value* list = report.if_contains(name);
    if (list == nullptr || !list->is_array()) return;
    for (const json::value& one : list->as_array()) fmt::print("  {}{}\n", before, Text(one));
  };
  print_each("violations", "");
  print_each("unread", "could not be read, so not judged: ");
}

// The exit code.
int Audit(const AuditOptions& options) {
  const auto client = ApiClient::Make(options.api);
  if (!client) ExitCant(client.error());
  const auto response = client->Send("POST", "/v1/admin/audit", {}, {}, kAuditLimit);
  if (!response) ExitCant(response.error());
  if (response->status != 200) ExitCant({Code::kUnavailable, "audit_not_done", DescribeProblem(*response)});
  boost::system::error_code error;
  const json::value report = json::parse(response->body, error);
  const json::value* ok = error || !report.is_object() ? nullptr : report.as_object().if_contains("ok");
  if (ok == nullptr || !ok->is_bool())
    ExitCant({Code::kUnknown, "audit_not_done", "the answer is no audit report"});
  if (options.json) {
    fmt::print("{}\n", response->body);
  } else {
    PrintForPeople(report.as_object(), ok->as_bool());
  }
  return ok->as_bool() ? kExitOk : kExitNo;
}

}  // namespace

void AddAuditCommand(CLI::App& app) {
  const auto options = std::make_shared<AuditOptions>();
  CLI::App* command =
      app.add_subcommand("audit", "Check a running system's invariants across its services, now");
  AddApiFlags(*command, options->api);
  command->add_flag("--json", options->json,
                    "Print the report as JSON: {\"ok\", \"checked\", \"violations\", \"unread\"}");
  command->footer(
      "Exit codes: 0 clean; 1 a violation was found, also where not all could be read; 2 the audit could not "
      "be done.");
  command->callback([options] { Exit(Audit(*options)); });
}

}  // namespace boxoffice::cli
