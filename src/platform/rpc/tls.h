// Mutual TLS between services: both ends show a certificate, and its names say which service they are.
//
// A service's certificate has two names: the DNS name "<service>.boxoffice", by which a caller knows that it
// has reached the service that it asked for, and the URI "spiffe://boxoffice/<service>" (the form of SPIFFE's
// X.509-SVID), by which a server knows who calls.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include "base/result.h"

namespace boxoffice::rpc {

// PEM files: the authority that all services trust, this service's certificate, and its private key.
struct TlsConfig {
  std::filesystem::path ca;
  std::filesystem::path certificate;
  std::filesystem::path key;
};

// What the files hold, read and checked once.
class Tls {
 public:
  // Errors: tls_file (a file can't be read, or is no PEM of its kind; detail: which), tls_key_mismatch (the
  // key is not that of the certificate), tls_expired (or not valid yet).
  [[nodiscard]] static Result<std::shared_ptr<const Tls>> Load(const TlsConfig& config);

  // The same at each call, so that channels to one address share their connection.
  [[nodiscard]] std::shared_ptr<grpc::ChannelCredentials> ForChannel() const { return for_channel_; }
  // Whoever shows no certificate of the authority's is refused at the handshake.
  [[nodiscard]] std::shared_ptr<grpc::ServerCredentials> ForServer() const;

  // What its files are.
  [[nodiscard]] const TlsConfig& config() const { return config_; }

 private:
  Tls() = default;
  TlsConfig config_;
  std::string ca_;
  std::string certificate_;
  std::string key_;
  std::shared_ptr<grpc::ChannelCredentials> for_channel_;
};

[[nodiscard]] std::string ServerName(std::string_view service);  // "seat.boxoffice"
[[nodiscard]] std::string IdentityOf(std::string_view service);  // "spiffe://boxoffice/seat"
// The service of an identity; empty: it is none of ours.
[[nodiscard]] std::string_view ServiceOf(std::string_view identity);

}  // namespace boxoffice::rpc
