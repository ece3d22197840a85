// Certificates for development and tests: an authority, and what it issues to services. Elsewhere an
// authority of the operator's does this (cert-manager, SPIRE, …), with the same names (tls.h).
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boxoffice::rpc {

inline constexpr std::chrono::days kAuthorityLifetime{3650};
inline constexpr std::chrono::days kCertificateLifetime{365};

struct PemPair {
  std::string certificate;
  std::string key;  // EC P-256, PKCS #8, not encrypted
};

// A new authority with a key of its own. Not thread-safe.
class CertificateAuthority {
 public:
  // Errors: certificate_failed (detail: OpenSSL's words).
  [[nodiscard]] static Result<CertificateAuthority> Make();
  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;
  ~CertificateAuthority();

  [[nodiscard]] const PemPair& pem() const;
  // A certificate with the names of `service`, for servers and clients, valid from `from` on. Error:
  // certificate_failed.
  [[nodiscard]] Result<PemPair> Issue(std::string_view service,
                                      std::chrono::sys_seconds from = Now() - kClockSkew,
                                      std::chrono::seconds lifetime = kCertificateLifetime) const;

 private:
  struct Parts;
  static constexpr std::chrono::minutes kClockSkew{5};
  static std::chrono::sys_seconds Now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  explicit CertificateAuthority(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Makes an authority in `dir` (ca.crt, ca.key) and a certificate for each of `services` (seat.crt, seat.key,
// …); keys are readable by their owner only. Makes `dir` if it is missing. With `overwrite`, what is there is
// replaced, and nobody who has the old ones is believed any more. Errors: certificates_exist (detail: a file
// that is there; nothing was written), certificates_unwritable, certificate_failed.
[[nodiscard]] Result<void> MakeDevelopmentCertificates(const std::filesystem::path& dir,
                                                       std::span<const std::string> services,
                                                       bool overwrite = false);

}  // namespace boxoffice::rpc
