// Mutual TLS between services: both ends show a certificate, and its names say which service they are.
//
// A service's certificate has two names: the DNS name "<service>.boxoffice", by which a caller knows that it
// has reached the service that it asked for, and the URI "spiffe://boxoffice/<service>" (the form of SPIFFE's
// X.509-SVID), by which a server knows who calls.
//
// The files may be replaced at any time: connections that are made from then on show and trust what is new,
// those that there are go on. What is not whole, or would not work, changes nothing.
#pragma once

#include <memory>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include "base/result.h"
#include "platform/rpc/tls_files.h"

namespace boxoffice::obs {
class Registry;
}

namespace boxoffice::rpc {

// Thread-safe. Looks at its files until it is destroyed; channels and servers may outlive it, with what it
// had taken last.
class Tls {
 public:
  // From then on the files are looked at every second, and taken when they have changed, are the same at two
  // looks, and pass CheckTls: connections show them within three seconds. Others are logged, once for each
  // reason (tls_files_refused), and what there was stays. `metrics`, which outlives it, shows when the
  // certificate ends, what was taken and what was refused; null: nobody sees it. Errors: those of ReadTls and
  // CheckTls; tls_unsupported (the system gives no file in memory, or no /proc).
  [[nodiscard]] static Result<std::shared_ptr<const Tls>> Load(const TlsConfig& config,
                                                               obs::Registry* metrics = nullptr);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // The same at each call, so that channels to one address share their connection.
  [[nodiscard]] std::shared_ptr<grpc::ChannelCredentials> ForChannel() const;
  // Whoever shows no certificate of the authorities' is refused at the handshake.
  [[nodiscard]] std::shared_ptr<grpc::ServerCredentials> ForServer() const;

  // What its files are.
  [[nodiscard]] const TlsConfig& config() const;
  // Another one, of these files, which is shown by the same metrics. Errors: those of Load.
  [[nodiscard]] Result<std::shared_ptr<const Tls>> With(const TlsConfig& config) const;

 private:
  struct Parts;
  explicit Tls(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace boxoffice::rpc
