// Signing in at an identity provider: OpenID Connect's authorization code flow with PKCE (RFC 7636), where
// this gateway is the client and the browser sees no token. docs/web-security.md says what keeps others out.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "platform/auth/signed_token.h"
#include "platform/auth/token.h"
#include "platform/http/client.h"
#include "platform/obs/warning_pace.h"

namespace boxoffice::gateway {

struct SignInConfig {
  std::string issuer;  // whose discovery document names the other addresses
  std::string client_id;
  std::string client_secret;  // empty: a public client, which PKCE alone protects
  std::string redirect_url;   // of kCallbackPath here, as it is registered at the provider
  std::string scope = "openid";
  std::string session_key;  // what session cookies are signed with: the same for every gateway
  std::vector<std::string> other_session_keys;  // and what they may be signed with, while it is exchanged
  http::TlsOptions trust;
  std::chrono::milliseconds timeout{5'000};  // for one answer of the provider
};

// How many attempts the threads of one gateway redeem at a time. Anybody can begin one and come back with a
// code of their own making, and each is a request of ours to the provider. Thread-safe.
class Redemptions {
 public:
  static constexpr size_t kMaxInFlight = 64;
  // A place among those in flight, held as long as any copy is kept; null: there is none left. This outlives
  // it.
  [[nodiscard]] std::shared_ptr<const void> Take();

 private:
  std::atomic<size_t> in_flight_{0};
};

// For one thread of the edge: what an attempt needs is in its cookie, so that any other may end it.
class SignIn {
 public:
  static constexpr std::string_view kPath = "/v1/session/oidc";
  static constexpr std::string_view kCallbackPath = "/v1/session/oidc/callback";
  static constexpr std::chrono::seconds kAttempt{600};    // from leaving for the provider to coming back
  static constexpr std::chrono::seconds kRefresh{3'600};  // the discovery document counts for so long

  // `id_tokens` verifies tokens that are made out to client_id; it, `clock` and `redemptions`, which is the
  // same for all threads of a gateway, outlive this. Error: kInvalidArgument config (redirect_url, a session
  // key under 32 bytes).
  [[nodiscard]] static Result<SignIn> Make(SignInConfig config, const auth::TokenVerifier& id_tokens,
                                           const Clock& clock, Redemptions& redemptions);

  struct Begun {
    std::string location;  // at the provider
    std::string cookie;    // Set-Cookie: what the attempt is recognised by
  };
  // An attempt that ends at the page `next`, a path of ours; any other becomes "/". Again: another attempt.
  // Errors: kUnavailable sign_in_unavailable (the provider does not answer, or not with what is needed).
  [[nodiscard]] http::asio::awaitable<Result<Begun>> Begin(std::string next);

  struct Finished {
    Result<auth::Principal> who;
    std::string next = "/";
  };
  // What came of it, when the provider sends the browser back. A code counts once, which the provider sees
  // to. Errors: kUnauthenticated sign_in_expired (no cookie of ours, another state, or kAttempt has passed),
  // sign_in_refused (the provider says so, or the code does not count), sign_in_invalid (the ID token is not
  // the provider's, not for us, not of this attempt, or names nobody); kUnavailable sign_in_unavailable
  // (also: as many as may be are in flight).
  [[nodiscard]] http::asio::awaitable<Finished> Finish(const http::Request& request);

  // Set-Cookie that forgets the attempt.
  [[nodiscard]] std::string Forget() const;
  [[nodiscard]] const SignInConfig& config() const { return config_; }

 private:
  struct Endpoints {
    std::string authorization, token;
    Timestamp at;
  };
  struct Attempt {
    std::string state, nonce, verifier, next;
  };
  struct Discovery;  // one that is under way, which all wait for

  SignIn(SignInConfig config, const auth::TokenVerifier& id_tokens, const Clock& clock,
         Redemptions& redemptions, auth::KeyRing tickets)
      : config_(std::move(config)),
        id_tokens_(&id_tokens),
        clock_(&clock),
        redemptions_(&redemptions),
        tickets_(std::move(tickets)) {}

  http::asio::awaitable<Result<Endpoints>> Discover();
  http::asio::awaitable<Result<Endpoints>> AskForEndpoints();
  http::asio::awaitable<Result<std::string>> Redeem(std::string code, std::string verifier);
  http::asio::awaitable<Result<auth::Principal>> Identify(std::string id_token, std::string nonce);
  Result<Attempt> ReadAttempt(const http::Request& request);
  Error Refused(const std::string& reason, std::string detail);
  [[nodiscard]] std::string Cookie(std::string_view value, std::chrono::seconds age) const;

  SignInConfig config_;
  const auth::TokenVerifier* id_tokens_;
  const Clock* clock_;
  Redemptions* redemptions_;
  auth::KeyRing tickets_;
  std::optional<Endpoints> endpoints_;
  std::shared_ptr<Discovery> discovery_;             // null: none is under way
  std::map<std::string, obs::WarningPace> refused_;  // by reason
};

// A secret of its own for one purpose, from one that serves several.
[[nodiscard]] std::string DeriveSecret(std::string_view secret, std::string_view purpose);

}  // namespace boxoffice::gateway
