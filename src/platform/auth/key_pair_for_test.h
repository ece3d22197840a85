// For tests and benchmarks: keys as whoever signs has them, and whoever verifies.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/check.h"

namespace boxoffice::auth {

// What `write` writes into a BIO.
template <typename Write>
std::string Pem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  CHECK(write(out.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

// PKCS #8.
inline std::string PrivatePem(EVP_PKEY* key) {
  return Pem(
      [key](BIO* out) { return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

struct EcKeyPair {
  std::string private_pem;
  std::string public_pem;  // SubjectPublicKeyInfo
};

// A new P-256 key pair, for ES256.
inline EcKeyPair GenerateEcKeyPair() {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  return {PrivatePem(key.get()), Pem([&](BIO* out) { return PEM_write_bio_PUBKEY(out, key.get()); })};
}

}  // namespace boxoffice::auth
