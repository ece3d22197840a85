// Who is calling: JSON Web Tokens (RFC 7519) signed with one pinned algorithm.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice::auth {

enum class Role { kBuyer, kOperator };
[[nodiscard]] std::string_view RoleName(Role role);  // "buyer", "operator"

struct Principal {
  std::string user;  // the claim `sub`: 1..64 of [A-Za-z0-9._@-], but "." and ".."
  Role role = Role::kBuyer;
  // The claim `channels`: sales channels that the user may buy from besides the open sale; none without it.
  std::vector<std::string> channels{};

  bool operator==(const Principal&) const = default;
};

inline constexpr size_t kMaxChannels = 20;  // of one user

// Whether `name` may be a channel's: 1..50 of [a-z0-9_-].
[[nodiscard]] bool IsChannel(std::string_view name);

// Whether `user` may be a Principal's.
[[nodiscard]] bool IsUserName(std::string_view user);

enum class Algorithm { kEs256, kRs256, kHs256 };
[[nodiscard]] std::string_view AlgorithmName(Algorithm algorithm);  // "ES256", as RFC 7518 has it
// From such a name. Error: kInvalidArgument token_algorithm.
[[nodiscard]] Result<Algorithm> ParseAlgorithm(std::string_view name);

struct TokenConfig {
  Algorithm algorithm = Algorithm::kEs256;
  // HS256: the secret, at least 32 bytes. ES256: a P-256 key as PEM, RS256: an RSA key of 2048 bits or more;
  // public to verify, private to issue.
  std::string key;
  std::string issuer;    // must equal `iss`
  std::string audience;  // must be `aud`, or one of them
  std::chrono::seconds clock_skew{30};
  std::string key_id{};  // `kid` of what is issued; empty: none
  // Keys of the same form that tokens may be signed by as well, while `key` is exchanged; nothing is issued
  // by them.
  std::vector<std::string> other_keys{};
  // Tokens whose signature by a public key is not computed again when they come again; 16 bytes each.
  size_t remembered_signatures = 0;
};

struct TokenKey;  // a parsed key; its types stay out of this header
class SignatureCache;

// Where the keys of an issuer are that has several, and changes them. Thread-safe.
class TokenKeys {
 public:
  virtual ~TokenKeys() = default;
  // The key that a token names (`kid`; empty: it names none). Errors: kUnauthenticated token_key_unknown;
  // kUnavailable token_keys_unavailable (not known yet: ask again in a moment).
  [[nodiscard]] virtual Result<std::shared_ptr<const TokenKey>> Find(std::string_view key_id) = 0;
};

// Verifies tokens. Thread-safe; takes no lock. HS256 costs about 1 µs a token, RS256 25 µs and ES256 100 µs
// (docs/performance.md); the last two about 2 µs while the signature is remembered. Of a remembered token,
// too, all claims are checked, and its key must still be one of those in force.
class TokenVerifier {
 public:
  // With `keys` instead of config.key; they and `clock` must outlive the verifier.
  [[nodiscard]] static TokenVerifier With(TokenKeys& keys, TokenConfig config, const Clock& clock);
  // `clock` must outlive the verifier. Error: kInvalidArgument token_key (not a key for this algorithm).
  [[nodiscard]] static Result<TokenVerifier> Make(const TokenConfig& config, const Clock& clock);
  TokenVerifier(TokenVerifier&&) noexcept;
  TokenVerifier& operator=(TokenVerifier&&) noexcept;
  ~TokenVerifier();

  // The caller named by `jwt` (the compact form, without "Bearer "). The role is the claim `role`, a buyer
  // without it. All errors but the one of TokenKeys are kUnauthenticated, checked in this order:
  //   token_missing (empty), token_malformed (not a JWT, over 4 KiB, a claim of the wrong type, no `exp`),
  //   token_algorithm (another `alg` than the configured one, "none" included), those of TokenKeys,
  //   token_signature,
  //   token_expired (`exp` + skew has passed), token_not_yet_valid (`nbf` − skew is to come), token_issuer,
  //   token_audience, token_subject (`sub` is missing or not a user name).
  [[nodiscard]] Result<Principal> Verify(std::string_view jwt) const;

  // How often a public key was used so far, which is what tokens cost that were not remembered; none with a
  // secret. It may be read after the verifier has gone.
  [[nodiscard]] std::shared_ptr<const std::atomic<uint64_t>> signatures_computed() const { return computed_; }

 private:
  TokenVerifier(TokenConfig config, const Clock& clock, std::vector<std::shared_ptr<const TokenKey>> own,
                TokenKeys* keys);
  bool IsSigned(std::string_view jwt, std::string_view text, std::string_view signature,
                std::span<const std::shared_ptr<const TokenKey>> keys) const;
  TokenConfig config_;  // without keys
  const Clock* clock_;
  std::vector<std::shared_ptr<const TokenKey>> own_;  // none where there are `keys_`
  TokenKeys* keys_ = nullptr;
  std::unique_ptr<SignatureCache> signatures_;  // null: a secret's cost nothing
  std::shared_ptr<std::atomic<uint64_t>> computed_;
};

// Issues tokens: for development and tests. Thread-safe.
class TokenIssuer {
 public:
  // `clock` must outlive the issuer. Error: kInvalidArgument token_key.
  [[nodiscard]] static Result<TokenIssuer> Make(const TokenConfig& config, const Clock& clock);
  TokenIssuer(TokenIssuer&&) noexcept;
  TokenIssuer& operator=(TokenIssuer&&) noexcept;
  ~TokenIssuer();

  // A token of `user` that is valid from now on for `ttl`. Errors: kInvalidArgument token_subject (not a user
  // name), token_channels (not channels, or too many); kInternal token_signing.
  [[nodiscard]] Result<std::string> Issue(std::string_view user, Role role, std::chrono::seconds ttl,
                                          const std::vector<std::string>& channels = {}) const;

 private:
  TokenIssuer(TokenConfig config, const Clock& clock, std::shared_ptr<const TokenKey> key);
  TokenConfig config_;  // without the key
  const Clock* clock_;
  std::shared_ptr<const TokenKey> key_;
};

}  // namespace boxoffice::auth
