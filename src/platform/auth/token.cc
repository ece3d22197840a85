#include "platform/auth/token.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "platform/auth/base64url.h"
#include "platform/auth/claims.h"
#include "platform/auth/hmac.h"
#include "platform/auth/keys.h"
#include "platform/auth/signature_cache.h"
#include "platform/auth/token_key.h"

namespace boxoffice::auth {

namespace {

namespace json = boost::json;

constexpr size_t kMaxTokenText = 4096;  // characters; a header line of the server holds twice as much
constexpr size_t kMinHs256Secret = 32;  // bytes; RFC 7518, section 3.2
constexpr size_t kMaxUser = 64;         // characters
constexpr size_t kMaxChannel = 50;      // characters
constexpr int kMinRsaBits = 2048;       // RFC 7518, section 3.3
constexpr size_t kCoordinate = 32;      // bytes of r and of s in an ES256 signature; RFC 7518, section 3.4

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using EcdsaPtr = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

std::unexpected<Error> Refuse(std::string_view reason, std::string detail = {}) {
  return Fail(Code::kUnauthenticated, reason, std::move(detail));
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A key from PEM that fits, or nullptr.
PkeyPtr ReadKey(std::string_view pem, Algorithm algorithm, bool is_private) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  PkeyPtr key(is_private ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)
                         : PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr),
              &EVP_PKEY_free);
  if (!key || !Fits(key.get(), algorithm)) return {nullptr, &EVP_PKEY_free};
  return key;
}

// The signature of an ES256 token as OpenSSL wants it, or "": JWS has r and s side by side.
std::string EcdsaAsDer(std::string_view signature) {
  if (signature.size() != 2 * kCoordinate) return {};
  const EcdsaPtr ecdsa(ECDSA_SIG_new(), &ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(Bytes(signature), kCoordinate, nullptr);
  BIGNUM* s = BN_bin2bn(Bytes(signature) + kCoordinate, kCoordinate, nullptr);
  if (!ecdsa || ECDSA_SIG_set0(ecdsa.get(), r, s) != 1) return {};
  std::array<unsigned char, 80> der;  // at most 72
  unsigned char* end = der.data();
  const int size = i2d_ECDSA_SIG(ecdsa.get(), &end);
  return {reinterpret_cast<const char*>(der.data()), static_cast<size_t>(std::max(size, 0))};
}

// The other way round.
std::optional<std::string> EcdsaAsJws(std::string_view der) {
  const unsigned char* in = Bytes(der);
  const EcdsaPtr ecdsa(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size())), &ECDSA_SIG_free);
  if (!ecdsa) return std::nullopt;
  std::string raw(2 * kCoordinate, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(ecdsa.get()), out, kCoordinate);
  BN_bn2binpad(ECDSA_SIG_get0_s(ecdsa.get()), out + kCoordinate, kCoordinate);
  return raw;
}

bool VerifyWithPublicKey(EVP_PKEY* key, Algorithm algorithm, std::string_view text,
                         std::string_view signature) {
  const std::string der = algorithm == Algorithm::kEs256 ? EcdsaAsDer(signature) : std::string(signature);
  const DigestPtr digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  return !der.empty() && EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(digest.get(), Bytes(der), der.size(), Bytes(text), text.size()) == 1;
}

std::optional<std::string> SignWithPrivateKey(EVP_PKEY* key, Algorithm algorithm, std::string_view text) {
  std::string signature(static_cast<size_t>(EVP_PKEY_get_size(key)), '\0');
  size_t size = signature.size();
  const DigestPtr digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, Bytes(text),
                     text.size()) != 1) {
    return std::nullopt;
  }
  signature.resize(size);
  return algorithm == Algorithm::kEs256 ? EcdsaAsJws(signature) : std::optional(std::move(signature));
}

bool IsGenuine(const TokenKey& key, Algorithm algorithm, std::string_view text, std::string_view signature) {
  if (key.secret) return signature.size() == sizeof(HmacKey::Mac) && key.secret->Verify(text, signature);
  return VerifyWithPublicKey(key.pkey.get(), algorithm, text, signature);
}

// The JSON object that is base64url in `part`; lives in `memory`.
std::optional<json::object> DecodeObject(std::string_view part, json::monotonic_resource& memory) {
  const std::optional<std::string> text = DecodeBase64Url(part);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  json::value value = json::parse(*text, error, &memory);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

std::optional<std::string_view> StringClaim(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string_view(value->get_string().data(), value->get_string().size());
}

// A NumericDate in milliseconds since 1970; it may have a fraction.
std::optional<double> TimeClaim(const Claim& claim) {
  // The parser makes of 0e999 what is no number, and later than no moment.
  if (claim.kind != Claim::Kind::kNumber || !std::isfinite(claim.number)) return std::nullopt;
  return claim.number * 1000.0;
}

std::optional<Role> RoleClaim(const Claim& claim) {
  if (!claim.given() || claim.Is(RoleName(Role::kBuyer))) return Role::kBuyer;
  if (claim.Is(RoleName(Role::kOperator))) return Role::kOperator;
  return std::nullopt;
}

bool AreChannels(const Claim& claim) {
  return claim.kind == Claim::Kind::kArray && claim.strings_only && claim.items.size() <= kMaxChannels &&
         std::ranges::all_of(claim.items, IsChannel);
}

// The id of the key that signed, "" where none is named.
Result<std::string> CheckHeader(std::string_view part, Algorithm algorithm) {
  std::array<unsigned char, 1024> buffer;
  json::monotonic_resource memory(buffer.data(), buffer.size());
  const std::optional<json::object> header = DecodeObject(part, memory);
  if (!header) return Refuse("token_malformed", "header");
  if (StringClaim(*header, "alg") != AlgorithmName(algorithm)) return Refuse("token_algorithm");
  // RFC 7515, section 4.1.11: an extension that we don't know and must understand.
  if (header->contains("crit")) return Refuse("token_malformed", "crit");
  return std::string(StringClaim(*header, "kid").value_or(""));
}

// The tokens of one key have one header: what was good a moment ago is, byte by byte.
Result<std::string> CheckHeaderOnce(std::string_view part, Algorithm algorithm) {
  struct Good {
    std::string part;
    Algorithm algorithm{};
    std::string key_id;
  };
  thread_local Good last;
  if (!last.part.empty() && last.part == part && last.algorithm == algorithm) return last.key_id;
  BOXOFFICE_ASSIGN(std::string key_id, CheckHeader(part, algorithm));
  last = {std::string(part), algorithm, key_id};
  return key_id;
}

Result<Principal> CheckClaims(std::string_view part, const TokenConfig& config, Timestamp now) {
  const std::optional<std::string> text = DecodeBase64Url(part);
  std::optional<Claims> claims = text ? ReadClaims(*text) : std::nullopt;
  if (!claims) return Refuse("token_malformed", "claims");
  const auto now_ms = static_cast<double>(ToUnixMs(now));
  const auto skew_ms = static_cast<double>(milliseconds(config.clock_skew).count());

  const std::optional<double> expiry_ms = TimeClaim(claims->expiry);
  if (!expiry_ms) return Refuse("token_malformed", "exp");
  if (*expiry_ms + skew_ms <= now_ms) return Refuse("token_expired");
  if (claims->not_before.given()) {
    const std::optional<double> not_before_ms = TimeClaim(claims->not_before);
    if (!not_before_ms) return Refuse("token_malformed", "nbf");
    if (*not_before_ms - skew_ms > now_ms) return Refuse("token_not_yet_valid");
  }
  if (!claims->issuer.Is(config.issuer)) return Refuse("token_issuer");
  const Claim& audience = claims->audience;
  if (!audience.Is(config.audience) &&
      std::ranges::find(audience.items, config.audience) == audience.items.end())
    return Refuse("token_audience");
  Claim& user = claims->user;
  if (user.kind != Claim::Kind::kString || !IsUserName(user.text)) return Refuse("token_subject");
  const std::optional<Role> role = RoleClaim(claims->role);
  if (!role) return Refuse("token_malformed", "role is buyer or operator; without one it is a buyer's");
  Claim& channels = claims->channels;
  if (channels.given() && !AreChannels(channels)) return Refuse("token_malformed", "channels");
  return Principal{std::move(user.text), *role, std::move(channels.items)};
}

// The key that `text` is, or nullptr.
std::shared_ptr<const TokenKey> MakeKey(Algorithm algorithm, const std::string& text, bool is_private) {
  if (algorithm == Algorithm::kHs256)
    return text.size() < kMinHs256Secret ? nullptr : std::make_shared<const TokenKey>(text);
  PkeyPtr key = ReadKey(text, algorithm, is_private);
  return key ? std::make_shared<const TokenKey>(std::move(key)) : nullptr;
}

std::unexpected<Error> BadKey(Algorithm algorithm) {
  const auto needs = [](std::string what) {
    return Fail(Code::kInvalidArgument, "token_key", std::move(what));
  };
  switch (algorithm) {
    case Algorithm::kEs256:
      return needs("ES256 needs a P-256 key as PEM");
    case Algorithm::kRs256:
      return needs(fmt::format("RS256 needs an RSA key of at least {} bits as PEM", kMinRsaBits));
    case Algorithm::kHs256:
      break;
  }
  return needs(fmt::format("HS256 needs a secret of {} bytes", kMinHs256Secret));
}

}  // namespace

HmacKey MarkOf(const EVP_PKEY* key) {
  static const Result<std::string> kSalt = NewSecret();
  CHECK(kSalt, "no random numbers");
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  CHECK(size > 0, "a key that can't be written");
  std::string salted = *kSalt;
  salted.append(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return HmacKey(salted);
}

bool Fits(const EVP_PKEY* key, Algorithm algorithm) {
  if (algorithm == Algorithm::kRs256)
    return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) >= kMinRsaBits;
  std::array<char, 64> group{};
  size_t length = 0;
  return algorithm == Algorithm::kEs256 &&
         EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
         std::string_view(group.data(), length) == "prime256v1";
}

std::string_view RoleName(Role role) { return role == Role::kOperator ? "operator" : "buyer"; }

bool IsChannel(std::string_view name) {
  return !name.empty() && name.size() <= kMaxChannel && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool IsUserName(std::string_view user) {
  // In the path of a URL these two mean another path.
  if (user == "." || user == "..") return false;
  return !user.empty() && user.size() <= kMaxUser && std::ranges::all_of(user, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '@' || c == '-';
  });
}

std::string_view AlgorithmName(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kEs256:
      return "ES256";
    case Algorithm::kRs256:
      return "RS256";
    case Algorithm::kHs256:
      break;
  }
  return "HS256";
}

Result<Algorithm> ParseAlgorithm(std::string_view name) {
  for (const Algorithm algorithm : {Algorithm::kEs256, Algorithm::kRs256, Algorithm::kHs256}) {
    if (name == AlgorithmName(algorithm)) return algorithm;
  }
  return Fail(Code::kInvalidArgument, "token_algorithm", std::string(name));
}

TokenVerifier::TokenVerifier(TokenConfig config, const Clock& clock,
                             std::vector<std::shared_ptr<const TokenKey>> own, TokenKeys* keys)
    : config_(std::move(config)),
      clock_(&clock),
      own_(std::move(own)),
      keys_(keys),
      signatures_(config_.algorithm == Algorithm::kHs256
                      ? nullptr
                      : std::make_unique<SignatureCache>(config_.remembered_signatures)),
      computed_(std::make_shared<std::atomic<uint64_t>>(0)) {
  config_.key.clear();
  config_.other_keys.clear();
}
TokenVerifier::TokenVerifier(TokenVerifier&&) noexcept = default;
TokenVerifier& TokenVerifier::operator=(TokenVerifier&&) noexcept = default;
TokenVerifier::~TokenVerifier() = default;

Result<TokenVerifier> TokenVerifier::Make(const TokenConfig& config, const Clock& clock) {
  std::vector<std::shared_ptr<const TokenKey>> own = {
      MakeKey(config.algorithm, config.key, /*is_private=*/false)};
  for (const std::string& other : config.other_keys)
    own.push_back(MakeKey(config.algorithm, other, /*is_private=*/false));
  if (std::ranges::find(own, nullptr) != own.end()) return BadKey(config.algorithm);
  return TokenVerifier(config, clock, std::move(own), nullptr);
}

TokenVerifier TokenVerifier::With(TokenKeys& keys, TokenConfig config, const Clock& clock) {
  return {std::move(config), clock, {}, &keys};
}

Result<Principal> TokenVerifier::Verify(std::string_view jwt) const {
  if (jwt.empty()) return Refuse("token_missing");
  if (jwt.size() > kMaxTokenText) return Refuse("token_malformed", "too long");
  const size_t header_end = jwt.find('.');
  const size_t claims_end = jwt.rfind('.');
  if (header_end == std::string_view::npos || header_end == claims_end)
    return Refuse("token_malformed", "parts");
  const std::string_view claims = jwt.substr(header_end + 1, claims_end - header_end - 1);
  if (claims.contains('.')) return Refuse("token_malformed", "parts");
  BOXOFFICE_ASSIGN(const std::string key_id, CheckHeaderOnce(jwt.substr(0, header_end), config_.algorithm));

  const std::optional<std::string> signature = DecodeBase64Url(jwt.substr(claims_end + 1));
  const std::string_view text = jwt.substr(0, claims_end);
  if (!signature) return Refuse("token_malformed", "signature");
  if (keys_ != nullptr) {
    BOXOFFICE_ASSIGN(const std::shared_ptr<const TokenKey> key, keys_->Find(key_id));
    if (!IsSigned(jwt, text, *signature, {&key, 1})) return Refuse("token_signature");
  } else if (!IsSigned(jwt, text, *signature, own_)) {
    return Refuse("token_signature");
  }
  return CheckClaims(claims, config_, clock_->Now());
}

// By one of the keys. What is remembered of any of them comes before the work of the first: while keys are
// exchanged, it would fail for each token of the old one.
bool TokenVerifier::IsSigned(std::string_view jwt, std::string_view text, std::string_view signature,
                             std::span<const std::shared_ptr<const TokenKey>> keys) const {
  const auto genuine = [&](const auto& key) { return IsGenuine(*key, config_.algorithm, text, signature); };
  if (signatures_ == nullptr) return std::ranges::any_of(keys, genuine);
  for (const auto& key : keys) {
    if (signatures_->Contains(key->mark->Sign(jwt))) return true;
  }
  for (const auto& key : keys) {
    computed_->fetch_add(1, std::memory_order_relaxed);
    if (!genuine(key)) continue;
    signatures_->Add(key->mark->Sign(jwt));
    return true;
  }
  return false;
}

TokenIssuer::TokenIssuer(TokenConfig config, const Clock& clock, std::shared_ptr<const TokenKey> key)
    : config_(std::move(config)), clock_(&clock), key_(std::move(key)) {
  config_.key.clear();
}
TokenIssuer::TokenIssuer(TokenIssuer&&) noexcept = default;
TokenIssuer& TokenIssuer::operator=(TokenIssuer&&) noexcept = default;
TokenIssuer::~TokenIssuer() = default;

Result<TokenIssuer> TokenIssuer::Make(const TokenConfig& config, const Clock& clock) {
  auto key = MakeKey(config.algorithm, config.key, /*is_private=*/true);
  if (!key) return BadKey(config.algorithm);
  return TokenIssuer(config, clock, std::move(key));
}

Result<std::string> TokenIssuer::Issue(std::string_view user, Role role, std::chrono::seconds ttl,
                                       const std::vector<std::string>& channels) const {
  if (!IsUserName(user)) {
    return Fail(Code::kInvalidArgument, "token_subject",
                fmt::format("a user is 1 to {} of A-Z a-z 0-9 . _ @ -, and not . or ..", kMaxUser));
  }
  if (channels.size() > kMaxChannels || !std::ranges::all_of(channels, IsChannel)) {
    return Fail(Code::kInvalidArgument, "token_channels",
                fmt::format("at most {}, each of 1 to {} of a-z 0-9 _ -", kMaxChannels, kMaxChannel));
  }
  const int64_t now_s = ToUnixMs(clock_->Now()) / 1000;
  json::object header{{"alg", AlgorithmName(config_.algorithm)}, {"typ", "JWT"}};
  if (!config_.key_id.empty()) header["kid"] = config_.key_id;
  json::object claims{{"iss", config_.issuer}, {"aud", config_.audience},
                      {"sub", user},           {"role", RoleName(role)},
                      {"iat", now_s},          {"exp", now_s + ttl.count()}};
  if (!channels.empty()) claims["channels"] = json::array(channels.begin(), channels.end());
  std::string text = EncodeBase64Url(json::serialize(header));
  text.push_back('.');
  AppendBase64Url(json::serialize(claims), text);
  std::optional<std::string> signature;
  if (key_->secret) {
    const HmacKey::Mac mac = key_->secret->Sign(text);
    signature.emplace(reinterpret_cast<const char*>(mac.data()), mac.size());
  } else {
    signature = SignWithPrivateKey(key_->pkey.get(), config_.algorithm, text);
  }
  if (!signature) return Fail(Code::kInternal, "token_signing");
  text.push_back('.');
  AppendBase64Url(*signature, text);
  return text;
}

}  // namespace boxoffice::auth
