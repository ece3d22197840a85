// Signing in by a cookie, for web pages. docs/web-security.md says what keeps other sites out.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "platform/auth/token.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

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

  // `development`: the development issuer's key, null where other tokens are believed. It is offered only
  // where `address`, at which the gateway listens, is of the loopback network: nobody from outside becomes an
  // operator by asking. `clock` must outlive it. Error: token_key.
  [[nodiscard]] static Result<Sessions> Make(const auth::TokenConfig* development, std::string_view address,
                                             const Clock& clock);

  [[nodiscard]] bool development() const { return issuer_.has_value(); }
  // Set-Cookie of a new session. Errors: kNotFound sign_in_not_offered; kInvalidArgument user_invalid.
  [[nodiscard]] Result<std::string> SignIn(std::string_view user, auth::Role role) const;
  // Set-Cookie that ends it.
  [[nodiscard]] std::string SignOut() const;

 private:
  std::optional<auth::TokenIssuer> issuer_;
  bool secure_ = true;  // the cookie travels over TLS only
};

}  // namespace boxoffice::gateway
