// The public keys of an identity provider: a JSON Web Key Set (RFC 7517), which it exchanges now and then.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "platform/auth/token.h"

namespace boxoffice::auth {

using KeysById = std::map<std::string, std::shared_ptr<const TokenKey>, std::less<>>;

// Those keys of a set that verify signatures of this algorithm, ES256 or RS256, by `kid` ("" where it is
// missing). Keys for something else (`kty`, `crv`, `alg`, `use`) are left out, as RFC 7517 wants it, and so
// are, beside a good one, those that are none: without their numbers, a point that is not on the curve, an
// RSA key under 2048 bits. Errors: kInvalidArgument jwks_malformed (no JSON with `keys`, all that are for
// this algorithm are none, an id twice, over 64 keys); jwks_empty (none is for this algorithm).
[[nodiscard]] Result<KeysById> ParseJwks(std::string_view text, Algorithm algorithm);

// The set as it was seen last, and when to ask for it again. It does not ask by itself. Thread-safe; finding
// a key waits for nobody who asks.
class JwksCache final : public TokenKeys {
 public:
  struct Policy {
    std::chrono::seconds refresh{600};     // from one answer to the next question
    std::chrono::seconds for_unknown{30};  // not sooner after the last one, if a token names an unknown key
    milliseconds first_retry{1'000};       // after a failure; doubles up to
    milliseconds longest_retry{60'000};
  };
  // `clock` outlives it.
  JwksCache(Algorithm algorithm, Policy policy, const Clock& clock)
      : algorithm_(algorithm), policy_(policy), clock_(clock), next_(clock.Now()) {}

  // A key that is not known makes the next question due, at most every `for_unknown`; until one is answered
  // (a question that failed is not), and before the first answer, token_keys_unavailable. A token that names
  // no key is of the only one.
  [[nodiscard]] Result<std::shared_ptr<const TokenKey>> Find(std::string_view key_id) override;

  // The provider's answer. Errors: as ParseJwks; what was known stays, and it counts as Failed.
  [[nodiscard]] Result<void> Load(std::string_view text);
  // There was none. What was known stays.
  void Failed();

  // Whether there has been an answer.
  [[nodiscard]] bool loaded() const { return keys_.load() != nullptr; }
  // Until the next question is due, `refresh` or `longest_retry` at most; 0: it is.
  [[nodiscard]] milliseconds UntilDue() const;
  // Blocks until it is; false: it was stopped before.
  [[nodiscard]] bool AwaitDue(const std::stop_token& stop) const;

 private:
  // Until the next question is due. The mutex is held.
  [[nodiscard]] milliseconds Left() const;

  const Algorithm algorithm_;
  const Policy policy_;
  const Clock& clock_;
  std::atomic<std::shared_ptr<const KeysById>> keys_;
  mutable std::mutex mutex_;  // of what follows
  mutable std::condition_variable_any changed_;
  Timestamp next_;
  Timestamp last_;  // of questions that ended
  milliseconds retry_{0};
};

}  // namespace boxoffice::auth
