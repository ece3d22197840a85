#include "gateway/sign_in.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "base/text.h"
#include "gateway/sessions.h"
#include "platform/auth/base64.h"
#include "platform/auth/base64url.h"
#include "platform/auth/hmac.h"
#include "platform/http/url.h"
#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

namespace json = boost::json;

constexpr std::string_view kCookie = "boxoffice_sign_in";
constexpr auto kAwait = boost::asio::as_tuple(boost::asio::use_awaitable);
constexpr size_t kMaxAnswer = 128 * 1024;  // bytes of what the provider says
constexpr size_t kMaxNext = 150;           // bytes: an attempt is a ticket, and those are small
constexpr size_t kMinSessionKey = 32;
// A key that the provider has just begun to sign with is being asked for: so often it is looked at again.
constexpr int kKeyLooks = 30;
constexpr std::chrono::milliseconds kKeyPause{100};

std::string RandomText(size_t bytes) {
  std::array<unsigned char, 32> random{};
  CHECK(bytes <= random.size() && RAND_bytes(random.data(), static_cast<int>(bytes)) == 1, "RAND_bytes");
  return auth::EncodeBase64Url({reinterpret_cast<const char*>(random.data()), bytes});
}

// PKCE's S256.
std::string Challenge(std::string_view verifier) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(verifier.data(), verifier.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1,
        "SHA-256");
  return auth::EncodeBase64Url({reinterpret_cast<const char*>(digest.data()), size});
}

// A page of ours: a link can't lead anywhere else after signing in.
std::string OwnPath(std::string next) {
  const bool path = next.starts_with('/') && next.size() <= kMaxNext &&
                    (next.size() == 1 || (next[1] != '/' && next[1] != '\\'));
  return path && IsVisible(next) ? next : "/";
}

std::string Form(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  std::string text;
  for (const auto& [name, value] : fields)
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, http::PercentEncode(value));
  return text;
}

Error Unavailable(std::string detail) {
  obs::Log(obs::Level::kWarning, "sign_in_unavailable", {{"detail", detail}});
  return {Code::kUnavailable, "sign_in_unavailable", std::move(detail)};
}

// "" if it is missing or no text.
std::string TextIn(const json::value& object, std::string_view name) {
  if (!object.is_object()) return {};
  const json::value* field = object.as_object().if_contains(name);
  return field != nullptr && field->is_string() ? std::string(field->as_string()) : std::string();
}

bool IsForSeveral(const json::value& claims) {
  const json::value* audience = claims.is_object() ? claims.as_object().if_contains("aud") : nullptr;
  return audience != nullptr && audience->is_array() && audience->as_array().size() > 1;
}

json::value ParseOrNull(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value() : value;
}

bool SameText(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::shared_ptr<const void> Redemptions::Take() {
  if (in_flight_.fetch_add(1) >= kMaxInFlight) {
    in_flight_.fetch_sub(1);
    return nullptr;
  }
  return std::shared_ptr<const void>(this, [this](const void*) { in_flight_.fetch_sub(1); });
}

// For whoever comes while the provider is being asked.
struct SignIn::Discovery {
  explicit Discovery(const boost::asio::any_io_executor& executor)
      : over(executor, std::chrono::steady_clock::time_point::max()) {}
  boost::asio::steady_timer over;  // never fires; is cancelled when `found` is there
  Result<Endpoints> found = Fail(Code::kUnavailable, "sign_in_unavailable", "discovery: it was broken off");
};

std::string DeriveSecret(std::string_view secret, std::string_view purpose) {
  const auth::HmacKey::Mac mac = auth::HmacKey(secret).Sign(purpose);
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

Result<SignIn> SignIn::Make(SignInConfig config, const auth::TokenVerifier& id_tokens, const Clock& clock,
                            Redemptions& redemptions) {
  if (!http::IsUrl(config.redirect_url) || !config.redirect_url.ends_with(kCallbackPath)) {
    return Fail(Code::kInvalidArgument, "config",
                fmt::format("sign_in.redirect_url is http(s)://HOST{}", kCallbackPath));
  }
  std::vector<auth::SigningKey> keys;
  const auto add = [&keys](const std::string& session_key) {
    // Its name must be the same at a gateway that has the keys in another order.
    const std::string name = auth::EncodeBase64Url(DeriveSecret(session_key, "sign-in name")).substr(0, 8);
    keys.push_back({name, DeriveSecret(session_key, "sign-in")});
    return session_key.size() >= kMinSessionKey;
  };
  if (!add(config.session_key))
    return Fail(Code::kInvalidArgument, "config", "sign_in.session_key has 32 bytes or more");
  if (!std::ranges::all_of(config.other_session_keys, add))
    return Fail(Code::kInvalidArgument, "config", "each of sign_in.other_session_keys has 32 bytes or more");
  auto tickets = auth::KeyRing::Make(keys);
  if (!tickets)
    return Fail(Code::kInvalidArgument, "config", "sign_in.other_session_keys: " + tickets.error().detail);
  return SignIn(std::move(config), id_tokens, clock, redemptions, *std::move(tickets));
}

std::string SignIn::Cookie(std::string_view value, std::chrono::seconds age) const {
  // Lax, as it is the provider's page that leads back here.
  return fmt::format("{}={}; Path={}; HttpOnly; SameSite=Lax; Max-Age={}{}", kCookie, value, kPath,
                     age.count(), config_.redirect_url.starts_with("https:") ? "; Secure" : "");
}

std::string SignIn::Forget() const { return Cookie("", std::chrono::seconds(0)); }

// Anybody may come back from nowhere: a line a second for each reason.
Error SignIn::Refused(const std::string& reason, std::string detail) {
  const auto [level, others] = refused_[reason].Next(clock_->Now().time_since_epoch());
  obs::Log(level == obs::Level::kWarning ? obs::Level::kInfo : level, "sign_in_failed",
           {{"reason", reason}, {"detail", detail}, {"others", others}});
  return {Code::kUnauthenticated, reason, std::move(detail)};
}

http::asio::awaitable<Result<SignIn::Begun>> SignIn::Begin(std::string next) {
  const Result<Endpoints> endpoints = co_await Discover();
  if (!endpoints) co_return std::unexpected(endpoints.error());
  const std::string state = RandomText(16);
  const std::string nonce = RandomText(16);
  const std::string verifier = RandomText(32);
  const int64_t until = ToUnixMs(clock_->Now() + kAttempt);
  Begun begun;
  begun.cookie = Cookie(
      tickets_.Sign(fmt::format("{} {} {} {} {}", state, nonce, verifier, until, OwnPath(std::move(next)))),
      kAttempt);
  begun.location = endpoints->authorization;
  begun.location += begun.location.contains('?') ? '&' : '?';
  begun.location += Form({{"response_type", "code"},
                          {"client_id", config_.client_id},
                          {"redirect_uri", config_.redirect_url},
                          {"scope", config_.scope},
                          {"state", state},
                          {"nonce", nonce},
                          {"code_challenge", Challenge(verifier)},
                          {"code_challenge_method", "S256"}});
  co_return begun;
}

http::asio::awaitable<SignIn::Finished> SignIn::Finish(const http::Request& request) {
  Finished finished{Fail(Code::kUnauthenticated, "sign_in_expired")};
  Result<Attempt> attempt = ReadAttempt(request);
  if (!attempt) {
    finished.who = std::unexpected(std::move(attempt).error());
    co_return finished;
  }
  finished.next = attempt->next;
  if (!SameText(request.query("state").value_or(""), attempt->state)) {
    finished.who = std::unexpected(Refused("sign_in_expired", "the state is another"));
    co_return finished;
  }
  std::string code(request.query("code").value_or(""));
  if (code.empty()) {
    finished.who = std::unexpected(
        Refused("sign_in_refused", "the provider says " + std::string(request.query("error").value_or(""))));
    co_return finished;
  }
  const std::shared_ptr<const void> place = redemptions_->Take();
  if (place == nullptr) {
    finished.who = std::unexpected(Unavailable("as many sign-ins as may be are in flight"));
    co_return finished;
  }
  Result<std::string> id_token = co_await Redeem(std::move(code), std::move(attempt->verifier));
  if (!id_token) {
    finished.who = std::unexpected(std::move(id_token).error());
    co_return finished;
  }
  std::string token = *std::move(id_token);
  Result<auth::Principal> who = co_await Identify(std::move(token), std::move(attempt->nonce));
  finished.who = std::move(who);
  co_return finished;
}

Result<SignIn::Attempt> SignIn::ReadAttempt(const http::Request& request) {
  const auto expired = [this](std::string detail) {
    return std::unexpected(Refused("sign_in_expired", std::move(detail)));
  };
  const Result<std::string> ticket = tickets_.Verify(CookieNamed(request, kCookie));
  if (!ticket) return expired(ticket.error().reason);
  std::array<std::string_view, 5> parts;
  std::string_view left = *ticket;
  for (std::string_view& part : parts) {
    part = left.substr(0, left.find(' '));
    left.remove_prefix(std::min(part.size() + 1, left.size()));
  }
  int64_t until = 0;
  const auto read = std::from_chars(parts[3].data(), parts[3].data() + parts[3].size(), until);
  if (read.ec != std::errc() || ToUnixMs(clock_->Now()) > until) return expired("it took too long");
  return Attempt{std::string(parts[0]), std::string(parts[1]), std::string(parts[2]), std::string(parts[4])};
}

// While the provider does not answer, all who come wait for one answer.
http::asio::awaitable<Result<SignIn::Endpoints>> SignIn::Discover() {
  if (endpoints_ && clock_->Now() - endpoints_->at < kRefresh) co_return *endpoints_;
  const std::shared_ptr<Discovery> other = discovery_;
  if (other != nullptr) {
    (void)co_await other->over.async_wait(kAwait);
    co_return other->found;
  }
  const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
  // Ends also where whoever asks first is gone before the answer is there.
  struct Asking {
    explicit Asking(SignIn& asks, const boost::asio::any_io_executor& on)
        : sign_in(asks), discovery(std::make_shared<Discovery>(on)) {
      sign_in.discovery_ = discovery;
    }
    ~Asking() {
      sign_in.discovery_ = nullptr;
      discovery->over.cancel();
    }
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    SignIn& sign_in;
    const std::shared_ptr<Discovery> discovery;
  };
  const Asking asking(*this, executor);
  Result<Endpoints> found = co_await AskForEndpoints();
  asking.discovery->found = found;
  co_return found;
}

// OpenID Connect Discovery 1.0, section 4.
http::asio::awaitable<Result<SignIn::Endpoints>> SignIn::AskForEndpoints() {
  http::ClientRequest request;
  request.url = config_.issuer;
  if (request.url.ends_with('/')) request.url.pop_back();
  request.url += "/.well-known/openid-configuration";
  request.headers = {{"Accept", "application/json"}};
  request.timeout = config_.timeout;
  request.max_response = kMaxAnswer;
  http::TlsOptions trust = config_.trust;
  const Result<http::ClientResponse> answer = co_await http::Fetch(std::move(request), std::move(trust));
  if (!answer) co_return std::unexpected(Unavailable("discovery: " + answer.error().reason));
  if (answer->status != 200)
    co_return std::unexpected(Unavailable(fmt::format("discovery: {}", answer->status)));
  const json::value said = ParseOrNull(answer->body);
  Endpoints found{TextIn(said, "authorization_endpoint"), TextIn(said, "token_endpoint"), clock_->Now()};
  if (TextIn(said, "issuer") != config_.issuer)
    co_return std::unexpected(Unavailable("discovery: the document is of another issuer"));
  if (!http::IsUrl(found.authorization) || !http::IsUrl(found.token))
    co_return std::unexpected(Unavailable("discovery: it names no endpoints"));
  endpoints_ = found;
  co_return found;
}

// RFC 6749, section 4.1.3. The ID token.
http::asio::awaitable<Result<std::string>> SignIn::Redeem(std::string code, std::string verifier) {
  const Result<Endpoints> endpoints = co_await Discover();
  if (!endpoints) co_return std::unexpected(endpoints.error());
  http::ClientRequest request;
  request.method = "POST";
  request.url = endpoints->token;
  request.headers = {{"Accept", "application/json"}, {"Content-Type", "application/x-www-form-urlencoded"}};
  if (!config_.client_secret.empty()) {
    const std::string pair =
        http::PercentEncode(config_.client_id) + ":" + http::PercentEncode(config_.client_secret);
    request.headers.emplace_back("Authorization", "Basic " + auth::EncodeBase64(pair));
  }
  request.body = Form({{"grant_type", "authorization_code"},
                       {"code", code},
                       {"redirect_uri", config_.redirect_url},
                       {"client_id", config_.client_id},
                       {"code_verifier", verifier}});
  request.timeout = config_.timeout;
  request.max_response = kMaxAnswer;
  http::TlsOptions trust = config_.trust;
  const Result<http::ClientResponse> answer = co_await http::Fetch(std::move(request), std::move(trust));
  if (!answer) {
    endpoints_.reset();  // whoever comes next asks anew
    co_return std::unexpected(Unavailable("token endpoint: " + answer.error().reason));
  }
  const json::value said = ParseOrNull(answer->body);
  const std::string problem = TextIn(said, "error");
  if (problem == "invalid_grant")
    co_return std::unexpected(Refused("sign_in_refused", "token endpoint: " + problem));
  std::string id_token = TextIn(said, "id_token");
  if (answer->status != 200 || id_token.empty())
    co_return std::unexpected(Unavailable(fmt::format("token endpoint: {} {}", answer->status, problem)));
  co_return id_token;
}

// OpenID Connect Core 1.0, section 3.1.3.7: signature, issuer, audience and times are the verifier's.
http::asio::awaitable<Result<auth::Principal>> SignIn::Identify(std::string id_token, std::string nonce) {
  const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor);
  Result<auth::Principal> who = id_tokens_->Verify(id_token);
  for (int look = 0; !who && who.error().code == Code::kUnavailable && look < kKeyLooks; ++look) {
    timer.expires_after(kKeyPause);
    (void)co_await timer.async_wait(kAwait);
    who = id_tokens_->Verify(id_token);
  }
  if (!who && who.error().code == Code::kUnavailable)
    co_return std::unexpected(Unavailable("the provider's keys are not known yet"));
  if (!who) co_return std::unexpected(Refused("sign_in_invalid", who.error().reason));
  const size_t begin = id_token.find('.') + 1;  // it is verified, so it has three parts
  const auto payload =
      auth::DecodeBase64Url(std::string_view(id_token).substr(begin, id_token.rfind('.') - begin));
  const json::value claims = ParseOrNull(payload.value_or(""));
  if (!SameText(TextIn(claims, "nonce"), nonce))
    co_return std::unexpected(Refused("sign_in_invalid", "the nonce is another"));
  // Of a token for several it says which of them has asked for it.
  const std::string party = TextIn(claims, "azp");
  if ((!party.empty() || IsForSeveral(claims)) && party != config_.client_id)
    co_return std::unexpected(Refused("sign_in_invalid", "it was made for " + party));
  co_return who;
}

}  // namespace boxoffice::gateway
