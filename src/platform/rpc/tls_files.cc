#include "platform/rpc/tls_files.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace boxoffice::rpc {
namespace {

constexpr std::string_view kDomain = ".boxoffice";
constexpr std::string_view kIdentity = "spiffe://boxoffice/";

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Store = std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)>;
using Check = std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)>;

std::unexpected<Error> Refuse(std::string reason, std::string detail) {
  ERR_clear_error();
  return Fail(Code::kUnavailable, std::move(reason), std::move(detail));
}

Result<std::string> ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && !file.eof()) text.clear();
  if (text.empty()) return Refuse("tls_file", fmt::format("{} can't be read", path.string()));
  return text;
}

Bio BioOf(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

// All of a file, of which one is not enough where an authority is exchanged for another.
Result<std::vector<Certificate>> ParseCertificates(const std::string& pem,
                                                   const std::filesystem::path& path) {
  const Bio bio = BioOf(pem);
  std::vector<Certificate> found;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    found.emplace_back(next, &X509_free);
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return Refuse("tls_file", fmt::format("{} holds a certificate that is not whole", path.string()));
  ERR_clear_error();  // there is no other one: the end of the file
  if (found.empty()) return Refuse("tls_file", fmt::format("{} holds no certificate", path.string()));
  return found;
}

Result<Key> ParseKey(const std::string& pem, const std::filesystem::path& path) {
  const Bio bio = BioOf(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (key == nullptr) return Refuse("tls_file", fmt::format("{} holds no private key", path.string()));
  return key;
}

std::chrono::sys_seconds EndOf(const X509& certificate) {
  tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &end) != 1) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&end)));
}

std::string ServiceIn(const X509& certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const std::string_view uri(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier)),
        static_cast<size_t>(ASN1_STRING_length(name->d.uniformResourceIdentifier)));
    if (const auto service = ServiceOf(uri); !service.empty()) return std::string(service);
  }
  return {};
}

// As a peer that trusts the same authorities would judge it: when what it depends on ends.
Result<std::chrono::sys_seconds> Verify(const std::vector<Certificate>& own,
                                        const std::vector<Certificate>& authorities,
                                        const TlsConfig& config) {
  const X509& leaf = *own.front();
  if (X509_cmp_current_time(X509_get0_notAfter(&leaf)) < 0 ||
      X509_cmp_current_time(X509_get0_notBefore(&leaf)) > 0)
    return Refuse("tls_expired", fmt::format("{} is not valid now", config.certificate.string()));
  const Store store(X509_STORE_new(), &X509_STORE_free);
  for (const Certificate& authority : authorities) X509_STORE_add_cert(store.get(), authority.get());
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);  // gRPC, too, trusts what is no root
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> between(
      sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (size_t i = 1; i < own.size(); ++i) sk_X509_push(between.get(), own[i].get());
  const Check check(X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  X509_STORE_CTX_init(check.get(), store.get(), own.front().get(), between.get());
  if (X509_verify_cert(check.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(check.get());
    if (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID)
      return Refuse("tls_expired", fmt::format("the authority of {} in {} is not valid now",
                                               config.certificate.string(), config.ca.string()));
    return Refuse("tls_untrusted", fmt::format("{} is of no authority in {}: {}", config.certificate.string(),
                                               config.ca.string(), X509_verify_cert_error_string(error)));
  }
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(check.get());
  auto end = EndOf(leaf);
  for (int i = 0; i < sk_X509_num(chain); ++i) end = std::min(end, EndOf(*sk_X509_value(chain, i)));
  return end;
}

}  // namespace

Result<TlsTexts> ReadTls(const TlsConfig& config) {
  TlsTexts texts;
  BOXOFFICE_ASSIGN(texts.ca, ReadFile(config.ca));
  BOXOFFICE_ASSIGN(texts.certificate, ReadFile(config.certificate));
  BOXOFFICE_ASSIGN(texts.key, ReadFile(config.key));
  return texts;
}

Result<std::chrono::sys_seconds> CheckTls(const TlsTexts& texts, const TlsConfig& config) {
  BOXOFFICE_ASSIGN(const auto authorities, ParseCertificates(texts.ca, config.ca));
  BOXOFFICE_ASSIGN(const auto own, ParseCertificates(texts.certificate, config.certificate));
  BOXOFFICE_ASSIGN(const Key key, ParseKey(texts.key, config.key));
  if (X509_check_private_key(own.front().get(), key.get()) != 1)
    return Refuse("tls_key_mismatch",
                  fmt::format("{} is not the key of {}", config.key.string(), config.certificate.string()));
  BOXOFFICE_ASSIGN(const std::chrono::sys_seconds end, Verify(own, authorities, config));
  if (const std::string service = ServiceIn(*own.front()); service != config.service)
    return Refuse(
        "tls_other_service",
        fmt::format("{} is of {}, this is \"{}\"", config.certificate.string(),
                    service.empty() ? "no service of ours" : fmt::format("the service \"{}\"", service),
                    config.service));
  return end;
}

std::string ServerName(std::string_view service) { return fmt::format("{}{}", service, kDomain); }
std::string IdentityOf(std::string_view service) { return fmt::format("{}{}", kIdentity, service); }

std::string_view ServiceOf(std::string_view identity) {
  return identity.starts_with(kIdentity) ? identity.substr(kIdentity.size()) : std::string_view();
}

}  // namespace boxoffice::rpc
