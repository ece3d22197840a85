#include "gateway/sessions.h"

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "gateway/sign_in.h"

namespace boxoffice::gateway {
namespace {

constexpr std::string_view kCookie = "boxoffice_session";

// The part of an origin or of the header Host that both have: "https://a.example:8443" → "a.example:8443".
std::string_view HostOf(std::string_view origin) {
  const size_t slashes = origin.find("://");
  return slashes == std::string_view::npos ? std::string_view() : origin.substr(slashes + 3);
}

}  // namespace

std::string_view CookieNamed(const http::Request& request, std::string_view name) {
  std::string_view left = request.header("Cookie").value_or("");
  while (!left.empty()) {
    std::string_view one = left.substr(0, left.find(';'));
    left.remove_prefix(std::min(one.size() + 1, left.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
      return one.substr(name.size() + 1);
  }
  return {};
}

std::string_view SessionCookie(const http::Request& request) { return CookieNamed(request, kCookie); }

bool MayBeCrossSite(const http::Request& request) {
  if (const auto site = request.header("Sec-Fetch-Site")) return *site != "same-origin" && *site != "none";
  if (const auto origin = request.header("Origin"))
    return HostOf(*origin) != request.header("Host").value_or("");
  return request.method() != http::Method::kGet && request.method() != http::Method::kHead;
}

Result<Sessions> Sessions::Make(const auth::TokenConfig* development, std::string_view address,
                                const Clock& clock) {
  Sessions sessions;
  boost::system::error_code error;
  const auto listens = boost::asio::ip::make_address(std::string(address), error);
  const bool local = !error && listens.is_loopback();
  sessions.secure_ = !local;
  if (development != nullptr && local) {
    BOXOFFICE_ASSIGN(sessions.issuer_, auth::TokenIssuer::Make(*development, clock));
  }
  return sessions;
}

Result<Sessions> Sessions::ForProvider(std::string_view session_key, const std::vector<std::string>& others,
                                       bool secure, const Clock& clock) {
  // Of this issuer no bearer token is believed, so a cookie's token counts as a cookie alone.
  auth::TokenConfig tokens{.algorithm = auth::Algorithm::kHs256,
                           .key = DeriveSecret(session_key, "session"),
                           .issuer = "boxoffice-gateway",
                           .audience = "boxoffice-session"};
  for (const std::string& other : others) tokens.other_keys.push_back(DeriveSecret(other, "session"));
  Sessions sessions;
  sessions.secure_ = secure;
  BOXOFFICE_ASSIGN(sessions.issuer_, auth::TokenIssuer::Make(tokens, clock));
  BOXOFFICE_ASSIGN(sessions.verifier_, auth::TokenVerifier::Make(tokens, clock));
  return sessions;
}

std::string_view Sessions::way() const {
  if (provider()) return "oidc";
  return development() ? "development" : "none";
}

Result<std::string> Sessions::SignIn(std::string_view user, auth::Role role) const {
  if (!development()) return Fail(Code::kNotFound, "sign_in_not_offered");
  if (!auth::IsUserName(user))
    return Fail(Code::kInvalidArgument, "user_invalid",
                "field `user` is 1 to 64 of A-Z a-z 0-9 . _ @ -, and not . or ..");
  return Cookie({std::string(user), role});
}

Result<std::string> Sessions::Cookie(const auth::Principal& who) const {
  if (!issuer_) return Fail(Code::kNotFound, "sign_in_not_offered");
  constexpr auto kSeconds = std::chrono::duration_cast<std::chrono::seconds>(kLifetime);
  BOXOFFICE_ASSIGN(const std::string token, issuer_->Issue(who.user, who.role, kSeconds, who.channels));
  return fmt::format("{}={}; Path=/v1; HttpOnly; SameSite=Strict; Max-Age={}{}", kCookie, token,
                     kSeconds.count(), secure_ ? "; Secure" : "");
}

std::string Sessions::SignOut() const {
  return fmt::format("{}=; Path=/v1; HttpOnly; SameSite=Strict; Max-Age=0{}", kCookie,
                     secure_ ? "; Secure" : "");
}

}  // namespace boxoffice::gateway
