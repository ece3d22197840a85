#include "platform/auth/jwks.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "platform/auth/base64url.h"
#include "platform/auth/token_key.h"

namespace boxoffice::auth {
namespace {

namespace json = boost::json;

constexpr size_t kMaxKeys = 64;
constexpr size_t kCoordinate = 32;  // bytes of x and of y on P-256; RFC 7518, section 6.2.1

using BigPtr = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)>;
using ContextPtr = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

std::unexpected<Error> Malformed(std::string detail) {
  return Fail(Code::kInvalidArgument, "jwks_malformed", std::move(detail));
}

std::string_view Member(const json::object& key, std::string_view name) {
  const json::value* value = key.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

// Absent, or this.
bool Allows(const json::object& key, std::string_view name, std::string_view wanted) {
  return !key.contains(name) || Member(key, name) == wanted;
}

PkeyPtr PublicKey(const char* type, OSSL_PARAM_BLD* builder) {
  PkeyPtr none{nullptr, &EVP_PKEY_free};
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder), &OSSL_PARAM_free);
  const ContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), &EVP_PKEY_CTX_free);
  EVP_PKEY* made = nullptr;
  if (!params || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return none;
  }
  PkeyPtr key(made, &EVP_PKEY_free);
  // A point that is not on the curve is refused here.
  const ContextPtr check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr), &EVP_PKEY_CTX_free);
  return EVP_PKEY_public_check(check.get()) == 1 ? std::move(key) : std::move(none);
}

PkeyPtr EcKey(const json::object& jwk) {
  const auto x = DecodeBase64Url(Member(jwk, "x"));
  const auto y = DecodeBase64Url(Member(jwk, "y"));
  if (!x || !y || x->size() != kCoordinate || y->size() != kCoordinate) return {nullptr, &EVP_PKEY_free};
  const std::string point = "\x04" + *x + *y;
  const BuilderPtr builder(OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return PublicKey("EC", builder.get());
}

PkeyPtr RsaKey(const json::object& jwk) {
  const auto number = [&jwk](std::string_view name) {
    const std::string bytes = DecodeBase64Url(Member(jwk, name)).value_or("");
    return BigPtr(bytes.empty() ? nullptr
                                : BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                                            static_cast<int>(bytes.size()), nullptr),
                  &BN_free);
  };
  const BigPtr modulus = number("n");
  const BigPtr exponent = number("e");
  if (!modulus || !exponent) return {nullptr, &EVP_PKEY_free};
  const BuilderPtr builder(OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return PublicKey("RSA", builder.get());
}

// Whether it is for us at all; whether it is a good one is seen later.
bool IsFor(const json::object& jwk, Algorithm algorithm) {
  const bool type = algorithm == Algorithm::kEs256
                        ? Member(jwk, "kty") == "EC" && Member(jwk, "crv") == "P-256"
                        : Member(jwk, "kty") == "RSA";
  return type && Allows(jwk, "use", "sig") && Allows(jwk, "alg", AlgorithmName(algorithm));
}

// Null: it is not there. `keys` may be null.
std::shared_ptr<const TokenKey> KeyIn(const KeysById* keys, std::string_view key_id) {
  if (keys == nullptr) return nullptr;
  const auto found = key_id.empty() && keys->size() == 1 ? keys->begin() : keys->find(key_id);
  return found == keys->end() ? nullptr : found->second;
}

}  // namespace

Result<KeysById> ParseJwks(std::string_view text, Algorithm algorithm) {
  boost::system::error_code error;
  const json::value set = json::parse(text, error);
  const json::value* keys = !error && set.is_object() ? set.get_object().if_contains("keys") : nullptr;
  if (keys == nullptr || !keys->is_array()) return Malformed("it is no JSON object with an array \"keys\"");
  if (keys->get_array().size() > kMaxKeys) return Malformed(fmt::format("over {} keys", kMaxKeys));
  KeysById found;
  std::string bad;  // the first of those for us that are none
  for (const json::value& value : keys->get_array()) {
    if (!value.is_object()) return Malformed("a key is no object");
    const json::object& jwk = value.get_object();
    if (!IsFor(jwk, algorithm)) continue;
    const std::string id(Member(jwk, "kid"));
    PkeyPtr key = algorithm == Algorithm::kEs256 ? EcKey(jwk) : RsaKey(jwk);
    if (!key || !Fits(key.get(), algorithm)) {
      if (bad.empty()) bad = fmt::format("the key \"{}\" is none for {}", id, AlgorithmName(algorithm));
      continue;  // RFC 7517, section 5: one that can't be used must not keep us from the others
    }
    if (!found.emplace(id, std::make_shared<const TokenKey>(std::move(key))).second)
      return Malformed(fmt::format("the key \"{}\" is there twice", id));
  }
  if (found.empty() && !bad.empty()) return Malformed(std::move(bad));
  if (found.empty()) {
    return Fail(Code::kInvalidArgument, "jwks_empty",
                fmt::format("no key is for {}", AlgorithmName(algorithm)));
  }
  return found;
}

Result<std::shared_ptr<const TokenKey>> JwksCache::Find(std::string_view key_id) {
  if (std::shared_ptr<const TokenKey> key = KeyIn(keys_.load().get(), key_id)) return key;
  const std::scoped_lock lock(mutex_);
  // Once more: what follows judges by the last answer, which may have come while this thread waited.
  const std::shared_ptr<const KeysById> keys = keys_.load();
  if (std::shared_ptr<const TokenKey> key = KeyIn(keys.get(), key_id)) return key;
  const Timestamp now = clock_.Now();
  if (keys != nullptr && next_ > now) {
    // By a clock that was set back, the last question is still to come.
    const bool lately = now >= last_ && now - last_ < policy_.for_unknown;
    // One that failed tells nothing of the key: the provider may have begun to sign by it meanwhile.
    const bool answered = retry_ == milliseconds(0);
    if (lately && answered) return Fail(Code::kUnauthenticated, "token_key_unknown");
    if (!lately) {
      next_ = now;
      changed_.notify_all();
    }
  }
  return Fail(Code::kUnavailable, "token_keys_unavailable");
}

Result<void> JwksCache::Load(std::string_view text) {
  auto keys = ParseJwks(text, algorithm_);
  if (!keys) {
    Failed();
    return std::unexpected(std::move(keys).error());
  }
  // Before the lock: whoever sees the time of this answer sees its keys, too.
  keys_.store(std::make_shared<const KeysById>(*std::move(keys)));
  const std::scoped_lock lock(mutex_);
  last_ = clock_.Now();
  next_ = last_ + policy_.refresh;
  retry_ = milliseconds(0);
  return {};
}

void JwksCache::Failed() {
  const std::scoped_lock lock(mutex_);
  retry_ = retry_ == milliseconds(0) ? policy_.first_retry : std::min(retry_ * 2, policy_.longest_retry);
  last_ = clock_.Now();
  next_ = last_ + retry_;
}

// By a clock that was set back, the last question is still to come. The next is due then: a key that was
// withdrawn would be believed for as long as the clock has to catch up.
milliseconds JwksCache::Left() const {
  const Timestamp now = clock_.Now();
  return now < last_ ? milliseconds(0) : std::max(next_ - now, milliseconds(0));
}

milliseconds JwksCache::UntilDue() const {
  const std::scoped_lock lock(mutex_);
  return Left();
}

bool JwksCache::AwaitDue(const std::stop_token& stop) const {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const milliseconds left = Left();
    if (left == milliseconds(0)) return true;
    const Timestamp seen = next_;
    changed_.wait_for(lock, stop, left, [&] { return next_ != seen; });
  }
  return false;
}

}  // namespace boxoffice::auth
