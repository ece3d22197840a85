#include "platform/rpc/certificates.h"

#include <array>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "platform/rpc/tls_files.h"

namespace boxoffice::rpc {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr mode_t kOwnerOnly = 0600;
constexpr mode_t kEverybodyReads = 0644;

std::unexpected<Error> OpenSslFailure() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return Fail(Code::kInternal, "certificate_failed", text.data());
}

struct Extension {
  int nid;
  std::string value;
};

// Everything of a certificate but its signature.
Result<Certificate> Draft(EVP_PKEY& key, const std::string& name, std::chrono::sys_seconds from,
                          std::chrono::seconds lifetime) {
  Certificate certificate(X509_new(), &X509_free);
  std::array<unsigned char, 16> serial{};
  if (certificate == nullptr || RAND_bytes(serial.data(), serial.size()) != 1) return OpenSslFailure();
  serial[0] &= 0x7f;  // a serial number is positive
  BIGNUM* number = BN_bin2bn(serial.data(), serial.size(), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  const auto begin = static_cast<time_t>(from.time_since_epoch().count());
  const auto end = static_cast<time_t>((from + lifetime).time_since_epoch().count());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const bool ok =
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), begin) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), end) != nullptr &&
      X509_set_pubkey(certificate.get(), &key) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>("Boxoffice development"), -1, -1,
                                 0) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1;
  if (!ok) return OpenSslFailure();
  return certificate;
}

Result<void> Extend(X509& certificate, X509& issuer, const std::vector<Extension>& extensions) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  for (const Extension& extension : extensions) {
    X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value.c_str());
    if (made == nullptr) return OpenSslFailure();
    const int added = X509_add_ext(&certificate, made, -1);
    X509_EXTENSION_free(made);
    if (added != 1) return OpenSslFailure();
  }
  return {};
}

std::string Text(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return {data, static_cast<size_t>(size)};
}

Result<PemPair> ToPem(X509& certificate, EVP_PKEY& key) {
  const Bio certificate_text(BIO_new(BIO_s_mem()), &BIO_free);
  const Bio key_text(BIO_new(BIO_s_mem()), &BIO_free);
  if (PEM_write_bio_X509(certificate_text.get(), &certificate) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslFailure();
  }
  return PemPair{Text(*certificate_text), Text(*key_text)};
}

// Replaces the file as a whole, so that nobody reads half of it, and a key is never readable by others.
Result<void> WriteFile(const std::filesystem::path& path, const std::string& text, mode_t mode) {
  const std::filesystem::path temporary = path.string() + ".new";
  const auto failed = [&] {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return Fail(Code::kUnavailable, "certificates_unwritable",
                fmt::format("{} can't be written", path.string()));
  };
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return failed();
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool synced = fsync(file) == 0;
  const bool closed = close(file) == 0;
  if (!written || !synced || !closed) return failed();
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return failed();
  return {};
}

Result<void> WritePair(const std::filesystem::path& dir, const std::string& name, const PemPair& pair) {
  BOXOFFICE_TRY(WriteFile(dir / (name + ".key"), pair.key, kOwnerOnly));
  return WriteFile(dir / (name + ".crt"), pair.certificate, kEverybodyReads);
}

}  // namespace

struct CertificateAuthority::Parts {
  Certificate certificate{nullptr, &X509_free};
  Key key{nullptr, &EVP_PKEY_free};
  PemPair pem;
};

CertificateAuthority::CertificateAuthority(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;

const PemPair& CertificateAuthority::pem() const { return parts_->pem; }

Result<CertificateAuthority> CertificateAuthority::Make() {
  auto parts = std::make_unique<Parts>();
  parts->key.reset(EVP_EC_gen("P-256"));
  if (parts->key == nullptr) return OpenSslFailure();
  BOXOFFICE_ASSIGN(parts->certificate, Draft(*parts->key, "Boxoffice development authority",
                                             Now() - kClockSkew, kAuthorityLifetime));
  X509& certificate = *parts->certificate;
  if (X509_set_issuer_name(&certificate, X509_get_subject_name(&certificate)) != 1) return OpenSslFailure();
  BOXOFFICE_TRY(Extend(certificate, certificate,
                       {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                        {NID_key_usage, "critical,keyCertSign,cRLSign"},
                        {NID_subject_key_identifier, "hash"}}));
  if (X509_sign(&certificate, parts->key.get(), EVP_sha256()) == 0) return OpenSslFailure();
  BOXOFFICE_ASSIGN(parts->pem, ToPem(certificate, *parts->key));
  return CertificateAuthority(std::move(parts));
}

Result<PemPair> CertificateAuthority::Issue(std::string_view service, std::chrono::sys_seconds from,
                                            std::chrono::seconds lifetime) const {
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  if (key == nullptr) return OpenSslFailure();
  BOXOFFICE_ASSIGN(const Certificate certificate, Draft(*key, ServerName(service), from, lifetime));
  X509& issuer = *parts_->certificate;
  if (X509_set_issuer_name(certificate.get(), X509_get_subject_name(&issuer)) != 1) return OpenSslFailure();
  BOXOFFICE_TRY(
      Extend(*certificate, issuer,
             {{NID_basic_constraints, "critical,CA:FALSE"},
              {NID_key_usage, "critical,digitalSignature"},
              {NID_ext_key_usage, "serverAuth,clientAuth"},
              {NID_subject_alt_name, fmt::format("DNS:{},URI:{}", ServerName(service), IdentityOf(service))},
              {NID_subject_key_identifier, "hash"},
              {NID_authority_key_identifier, "keyid"}}));
  if (X509_sign(certificate.get(), parts_->key.get(), EVP_sha256()) == 0) return OpenSslFailure();
  return ToPem(*certificate, *key);
}

Result<void> MakeDevelopmentCertificates(const std::filesystem::path& dir,
                                         std::span<const std::string> services, bool overwrite) {
  std::vector<std::string> names = {"ca"};
  names.insert(names.end(), services.begin(), services.end());
  for (const std::string& name : names) {
    for (const char* suffix : {".key", ".crt"}) {
      std::error_code error;
      const std::filesystem::path path = dir / (name + suffix);
      if (!overwrite && std::filesystem::exists(path, error))
        return Fail(Code::kConflict, "certificates_exist", fmt::format("{} exists", path.string()));
    }
  }
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error)
    return Fail(Code::kUnavailable, "certificates_unwritable",
                fmt::format("{} can't be made: {}", dir.string(), error.message()));
  BOXOFFICE_ASSIGN(const CertificateAuthority authority, CertificateAuthority::Make());
  BOXOFFICE_TRY(WritePair(dir, "ca", authority.pem()));
  for (const std::string& service : services) {
    BOXOFFICE_ASSIGN(const PemPair pair, authority.Issue(service));
    BOXOFFICE_TRY(WritePair(dir, service, pair));
  }
  return {};
}

}  // namespace boxoffice::rpc
