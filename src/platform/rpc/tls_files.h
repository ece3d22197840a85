// What the files of mutual TLS (tls.h) hold, and whether one can work with it.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boxoffice::rpc {

// PEM files: the authorities that all services trust, this service's certificate (and what it takes to get
// from it to one of the authorities), and its private key.
struct TlsConfig {
  std::filesystem::path ca;
  std::filesystem::path certificate;
  std::filesystem::path key;
};

struct TlsTexts {
  std::string ca;
  std::string certificate;
  std::string key;

  [[nodiscard]] bool operator==(const TlsTexts&) const = default;
};

// What a certificate is good for.
struct TlsIdentity {
  std::string service;           // by its identity; empty: it is none of ours
  std::chrono::sys_seconds end;  // when it, or an authority that it depends on, ends
};

// Error: tls_file (detail: which file can't be read).
[[nodiscard]] Result<TlsTexts> ReadTls(const TlsConfig& config);

// Errors: tls_file (a text is no whole PEM of its kind), tls_key_mismatch (the key is not that of the
// certificate), tls_untrusted (no authority in `ca` issued it, so that nobody would believe it), tls_expired
// (it or its authority has ended, or has not begun). The detail names the file of `config`.
[[nodiscard]] Result<TlsIdentity> CheckTls(const TlsTexts& texts, const TlsConfig& config);

[[nodiscard]] std::string ServerName(std::string_view service);  // "seat.boxoffice"
[[nodiscard]] std::string IdentityOf(std::string_view service);  // "spiffe://boxoffice/seat"
// The service of an identity; empty: it is none of ours.
[[nodiscard]] std::string_view ServiceOf(std::string_view identity);

}  // namespace boxoffice::rpc
