// Who may call what. The table is the golden list of edges, tests/checks/edges.golden, as it was when this
// was built: an edge that the source has and the list has not fails ./dev check, and at run time is refused.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <grpcpp/security/auth_metadata_processor.h>

namespace boxoffice::rpc {

// Immutable, so thread-safe.
class CallerTable {
 public:
  // Of lines "ROOM calls SERVICE"; others are skipped. The caller is the last part of its room's path.
  [[nodiscard]] static CallerTable Parse(std::string_view edges);
  // The one that was built in.
  [[nodiscard]] static const CallerTable& Declared();

  // Whether the service `caller` ("gateway") may call the RPC service `callee` ("SeatService").
  [[nodiscard]] bool Allows(std::string_view caller, std::string_view callee) const;
  // Every service that calls or is called, in the order of the alphabet: who needs a certificate.
  [[nodiscard]] std::vector<std::string> Services() const;

 private:
  std::set<std::pair<std::string, std::string>, std::less<>> edges_;
};

// Asked by gRPC before each call: the caller's certificate must name a service that may call this one.
// Refused calls get PERMISSION_DENIED, and are logged as rpc_refused. Services of gRPC's own (health,
// reflection) are open to whoever has a certificate. `table` outlives it.
[[nodiscard]] std::shared_ptr<grpc::AuthMetadataProcessor> CheckCallers(const CallerTable& table);

// Sends what gRPC's own library logs to our log, so that stderr has one form; in particular tls_refused, when
// a peer's certificate was not accepted, which no call ever sees. Again: no effect.
void RouteGrpcLog();

}  // namespace boxoffice::rpc
