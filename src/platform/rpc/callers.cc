#include "platform/rpc/callers.h"

#include <algorithm>
#include <cctype>
#include <mutex>

#include <grpc/grpc_security_constants.h>
#include <grpc/support/log.h>

#include "platform/obs/log.h"
#include "platform/rpc/declared_edges.h"
#include "platform/rpc/tls_files.h"

namespace boxoffice::rpc {
namespace {

constexpr std::string_view kCalls = " calls ";
constexpr std::string_view kService = "Service";
constexpr std::string_view kOurs = "boxoffice.";

class CallerCheck final : public grpc::AuthMetadataProcessor {
 public:
  explicit CallerCheck(const CallerTable& table) : table_(table) {}
  [[nodiscard]] bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* /*consumed*/, OutputMetadata* /*answer*/) override {
    // "/boxoffice.seat.v1.SeatService/Execute"
    const auto found = metadata.find(":path");
    const std::string_view path = found != metadata.end()
                                      ? std::string_view(found->second.data(), found->second.size())
                                      : std::string_view();
    const std::string_view full = path.empty() ? path : path.substr(1, path.rfind('/') - 1);
    std::string identity;
    for (const grpc::string_ref& value : context->FindPropertyValues(GRPC_PEER_SPIFFE_ID_PROPERTY_NAME))
      identity.assign(value.data(), value.size());
    if (!full.empty() && !full.starts_with(kOurs)) return grpc::Status::OK;
    if (table_.Allows(ServiceOf(identity), full.substr(full.rfind('.') + 1))) return grpc::Status::OK;
    obs::Log(obs::Level::kWarning, "rpc_refused",
             {{"caller", identity.empty() ? "nobody of ours" : identity}, {"method", path}});
    return {grpc::StatusCode::PERMISSION_DENIED, "caller_refused: the caller may not call this service"};
  }

 private:
  const CallerTable& table_;
};

void LogFromGrpc(gpr_log_func_args* arguments) {
  const std::string_view message = arguments->message;
  if (message.find("andshake failed") != std::string_view::npos) {
    obs::Log(obs::Level::kWarning, "tls_refused", {{"detail", message}});
  } else {
    const auto level =
        arguments->severity == GPR_LOG_SEVERITY_ERROR ? obs::Level::kWarning : obs::Level::kDebug;
    obs::Log(level, "grpc", {{"detail", message}});
  }
}

}  // namespace

CallerTable CallerTable::Parse(std::string_view edges) {
  CallerTable table;
  while (!edges.empty()) {
    const size_t end = std::min(edges.find('\n'), edges.size());
    const std::string_view line = edges.substr(0, end);
    edges.remove_prefix(std::min(end + 1, edges.size()));
    const size_t calls = line.find(kCalls);
    if (line.starts_with('#') || calls == std::string_view::npos) continue;
    const std::string_view room = line.substr(0, calls);
    table.edges_.emplace(room.substr(room.rfind('/') + 1), line.substr(calls + kCalls.size()));
  }
  return table;
}

const CallerTable& CallerTable::Declared() {
  static const CallerTable table = Parse(DeclaredEdges());
  return table;
}

bool CallerTable::Allows(std::string_view caller, std::string_view callee) const {
  return edges_.contains(std::pair(std::string(caller), std::string(callee)));
}

std::vector<std::string> CallerTable::Services() const {
  std::set<std::string> services;
  for (const auto& [caller, callee] : edges_) {
    services.insert(caller);
    if (!callee.ends_with(kService)) continue;
    std::string name = callee.substr(0, callee.size() - kService.size());  // "SeatService" → "seat"
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    services.insert(std::move(name));
  }
  return {services.begin(), services.end()};
}

std::shared_ptr<grpc::AuthMetadataProcessor> CheckCallers(const CallerTable& table) {
  return std::make_shared<CallerCheck>(table);
}

void RouteGrpcLog() {
  static std::once_flag once;
  std::call_once(once, [] { gpr_set_log_function(&LogFromGrpc); });
}

}  // namespace boxoffice::rpc
