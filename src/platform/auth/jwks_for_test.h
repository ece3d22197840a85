// For tests: key pairs as whoever signs has them, and as an identity provider publishes them.
#pragma once

#include <initializer_list>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "platform/auth/base64url.h"
#include "platform/auth/key_pair_for_test.h"

namespace boxoffice::auth {

// The document of these keys.
inline std::string Jwks(std::initializer_list<std::string> keys) {
  std::string text = R"({"keys":[)";
  for (const std::string& key : keys) text += (text.ends_with('[') ? "" : ",") + key;
  return text + "]}";
}

inline std::string Number(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key, name, &number), 1) << name;
  std::string bytes(static_cast<size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(number);
  return EncodeBase64Url(bytes);
}

// A new key pair: as whoever signs has it, and as the provider publishes it.
struct JwkPair {
  std::string private_pem;
  std::string jwk;
};

inline JwkPair Export(EVP_PKEY* key, const std::string& jwk) {
  JwkPair pair{PrivatePem(key), jwk};
  EVP_PKEY_free(key);
  return pair;
}

inline std::string Padded(std::string number) {  // a coordinate may begin with zeros
  const std::string bytes = *DecodeBase64Url(number);
  return EncodeBase64Url(std::string(32 - bytes.size(), '\0') + bytes);
}

inline JwkPair EcJwk(const std::string& id) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  return Export(key, fmt::format(R"({{"kty":"EC","crv":"P-256","kid":"{}","use":"sig","x":"{}","y":"{}"}})",
                                 id, Padded(Number(key, OSSL_PKEY_PARAM_EC_PUB_X)),
                                 Padded(Number(key, OSSL_PKEY_PARAM_EC_PUB_Y))));
}

inline JwkPair RsaJwk(const std::string& id, unsigned bits = 2048) {
  EVP_PKEY* key = EVP_RSA_gen(bits);
  return Export(key, fmt::format(R"({{"kty":"RSA","alg":"RS256","kid":"{}","n":"{}","e":"{}"}})", id,
                                 Number(key, OSSL_PKEY_PARAM_RSA_N), Number(key, OSSL_PKEY_PARAM_RSA_E)));
}

}  // namespace boxoffice::auth
