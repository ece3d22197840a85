// Signing in by a cookie, for web pages. docs/web-security.md says what keeps other sites out.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/auth/token.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

// The value of a cookie; "" if there is none.
[[nodiscard]] std::string_view CookieNamed(const http::Request& request, std::string_view name);
// The JWT in the session cookie; "" if there is none.
[[nodiscard]] std::string_view SessionCookie(const http::Request& request);

// Whether another site's page may have made the request, so that a cookie that came with it says nothing
// about whose wish it is: by Sec-Fetch-Site where the browser sends it, else by Origin; a request that would
// change something and has neither may be anybody's.
[[nodiscard]] bool MayBeCrossSite(const http::Request& request);

// How one signs in here. Immutable, hence thread-safe.
class Sessions {
 public:
  static constexpr std::chrono::hours kLifetime{12};

  // `development`: the development issuer's key, null where other tokens are believed, or it is not to be
  // offered: behind proxies (limit.trusted_proxies), and where session.development is off. It is offered only
  // where `address`, at which the gateway listens, is of the loopback network: nobody from outside becomes an
  // operator by asking. `clock` must outlive it. Error: token_key.
  [[nodiscard]] static Result<Sessions> Make(const auth::TokenConfig* development, std::string_view address,
                                             const Clock& clock);
  // Of whoever signs in at an identity provider (sign_in.h): its cookies hold tokens of the gateway's own, as
  // the provider's may end within minutes. `session_key` signs them, and is the same for every gateway;
  // those that one of `others` signed count too. 32 bytes or more each. `secure`: they travel over TLS only.
  // Error: token_key.
  [[nodiscard]] static Result<Sessions> ForProvider(std::string_view session_key,
                                                    const std::vector<std::string>& others, bool secure,
                                                    const Clock& clock);

  [[nodiscard]] bool development() const { return issuer_.has_value() && !verifier_; }
  [[nodiscard]] bool provider() const { return verifier_.has_value(); }
  // "development", "oidc" or "none".
  [[nodiscard]] std::string_view way() const;
  // Of the tokens in cookies; null: bearer tokens' verifier is theirs too.
  [[nodiscard]] const auth::TokenVerifier* verifier() const { return verifier_ ? &*verifier_ : nullptr; }

  // Set-Cookie of a new session for the development issuer's user. Errors: kNotFound sign_in_not_offered;
  // kInvalidArgument user_invalid.
  [[nodiscard]] Result<std::string> SignIn(std::string_view user, auth::Role role) const;
  // Set-Cookie of a new session for whom the provider named. Error: kNotFound sign_in_not_offered.
  [[nodiscard]] Result<std::string> Cookie(const auth::Principal& who) const;
  // Set-Cookie that ends it.
  [[nodiscard]] std::string SignOut() const;

 private:
  std::optional<auth::TokenIssuer> issuer_;
  std::optional<auth::TokenVerifier> verifier_;  // of what issuer_ issues, where that is no bearer token
  bool secure_ = true;                           // the cookie travels over TLS only
};

}  // namespace boxoffice::gateway
