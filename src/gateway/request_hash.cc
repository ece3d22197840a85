#include "gateway/request_hash.h"

#include <memory>

#include <openssl/evp.h>

#include "base/check.h"

namespace boxoffice::gateway {

std::string HashRequest(std::string_view method, std::string_view path, std::string_view canonical_body) {
  // Looked up once: OpenSSL 3 spends more on finding the algorithm than on a body of ours.
  static const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> kSha256(
      EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                                     &EVP_MD_CTX_free);
  std::string hash(32, '\0');
  bool hashed = EVP_DigestInit_ex2(context.get(), kSha256.get(), nullptr) == 1;
  const auto add = [&hashed](std::string_view bytes) {
    hashed = hashed && EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1;
  };
  add(method);
  add(" ");
  add(path);
  add("\n");
  add(canonical_body);
  hashed = hashed &&
           EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(hash.data()), nullptr) == 1;
  CHECK(hashed, "SHA-256");
  return hash;
}

}  // namespace boxoffice::gateway
