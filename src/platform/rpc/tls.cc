#include "platform/rpc/tls.h"

#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace boxoffice::rpc {
namespace {

constexpr std::string_view kDomain = ".boxoffice";
constexpr std::string_view kIdentity = "spiffe://boxoffice/";

Result<std::string> ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && !file.eof()) text.clear();
  if (text.empty())
    return Fail(Code::kUnavailable, "tls_file", fmt::format("{} can't be read", path.string()));
  return text;
}

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Bio BioOf(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

Result<Certificate> ParseCertificate(const std::string& pem, const std::filesystem::path& path) {
  const Bio bio = BioOf(pem);
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  if (certificate == nullptr)
    return Fail(Code::kUnavailable, "tls_file", fmt::format("{} holds no certificate", path.string()));
  return certificate;
}

Result<void> CheckTime(const X509& certificate, const std::filesystem::path& path) {
  if (X509_cmp_current_time(X509_get0_notAfter(&certificate)) < 0 ||
      X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0) {
    return Fail(Code::kUnavailable, "tls_expired", fmt::format("{} is not valid now", path.string()));
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Tls>> Tls::Load(const TlsConfig& config) {
  auto tls = std::shared_ptr<Tls>(new Tls);
  tls->config_ = config;
  BOXOFFICE_ASSIGN(tls->ca_, ReadFile(config.ca));
  BOXOFFICE_ASSIGN(tls->certificate_, ReadFile(config.certificate));
  BOXOFFICE_ASSIGN(tls->key_, ReadFile(config.key));
  BOXOFFICE_ASSIGN(const Certificate ca, ParseCertificate(tls->ca_, config.ca));
  BOXOFFICE_ASSIGN(const Certificate own, ParseCertificate(tls->certificate_, config.certificate));
  BOXOFFICE_TRY(CheckTime(*ca, config.ca));
  BOXOFFICE_TRY(CheckTime(*own, config.certificate));
  const Bio bio = BioOf(tls->key_);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (key == nullptr)
    return Fail(Code::kUnavailable, "tls_file", fmt::format("{} holds no private key", config.key.string()));
  if (X509_check_private_key(own.get(), key.get()) != 1)
    return Fail(Code::kUnavailable, "tls_key_mismatch",
                fmt::format("{} is not the key of {}", config.key.string(), config.certificate.string()));
  tls->for_channel_ = grpc::SslCredentials({tls->ca_, tls->key_, tls->certificate_});
  return std::shared_ptr<const Tls>(std::move(tls));
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForServer() const {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = ca_;
  options.pem_key_cert_pairs.push_back({key_, certificate_});
  return grpc::SslServerCredentials(options);
}

std::string ServerName(std::string_view service) { return fmt::format("{}{}", service, kDomain); }
std::string IdentityOf(std::string_view service) { return fmt::format("{}{}", kIdentity, service); }

std::string_view ServiceOf(std::string_view identity) {
  return identity.starts_with(kIdentity) ? identity.substr(kIdentity.size()) : std::string_view();
}

}  // namespace boxoffice::rpc
