// What the files of mutual TLS (tls.h) hold, and whether one can work with it.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boxoffice::rpc {

// A service, and PEM files: the authorities that all services trust, this service's certificate (and what it
// takes to get from it to one of the authorities), and its private key.
struct TlsConfig {
  std::string service;  // "seat": whose certificate it has to be
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

// Error: tls_file (detail: which file can't be read).
[[nodiscard]] Result<TlsTexts> ReadTls(const TlsConfig& config);

// Errors: tls_file (a text is no whole PEM of its kind), tls_key_mismatch (the key is not that of the
// certificate), tls_untrusted (no authority in `ca` issued it, so that nobody would believe it), tls_expired
// (it or its authority has ended, or has not begun), tls_other_service (it is not that of `config`'s
// service). The detail names the file of `config`. Otherwise: when the certificate, or an authority that it
// depends on, ends.
[[nodiscard]] Result<std::chrono::sys_seconds> CheckTls(const TlsTexts& texts, const TlsConfig& config);

[[nodiscard]] std::string ServerName(std::string_view service);  // "seat.boxoffice"
[[nodiscard]] std::string IdentityOf(std::string_view service);  // "spiffe://boxoffice/seat"
// The service of an identity; empty: it is none of ours.
[[nodiscard]] std::string_view ServiceOf(std::string_view identity);

}  // namespace boxoffice::rpc
