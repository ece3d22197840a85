#include "gateway/routes.h"

#include <chrono>
#include <expected>

#include <fmt/format.h>

#include "gateway/gate.h"
#include "gateway/refusals.h"
#include "gateway/sessions.h"
#include "platform/http/problem.h"

namespace boxoffice::gateway {
namespace {

constexpr std::string_view kBearer = "Bearer ";

void Finish(const http::Request& request, bool personal, http::Response& response) {
  // To the head of an error the server adds it itself. To a problem it does, too, but not to one that is
  // compressed by then.
  if (response.status < 400) {
    response.headers.Add("X-Request-Id", request.request_id());
  } else {
    http::AddRequestId(request.request_id(), response);
  }
  if (personal && !response.stream) response.headers.Add("Cache-Control", "no-store");
}

// Whoever watches the process is never refused.
bool IsLimited(std::string_view pattern) { return pattern.starts_with("/v1/"); }
// What changes with every look is not worth a tag.
bool IsTagged(std::string_view pattern) {
  return pattern != "/healthz" && pattern != "/readyz" && pattern != "/metrics";
}

bool SameScheme(std::string_view header) {
  if (header.size() < kBearer.size()) return false;
  for (size_t i = 0; i < kBearer.size(); ++i) {
    const char c = header[i] >= 'A' && header[i] <= 'Z' ? static_cast<char>(header[i] + 32) : header[i];
    const char wanted = kBearer[i] == 'B' ? 'b' : kBearer[i];
    if (c != wanted) return false;
  }
  return true;
}

// Who asks, where these may; else what they are told. `pass` has what was counted.
std::expected<auth::Principal, http::Response> Admit(const Routes::Verifiers& verifiers, Gate& gate,
                                                     std::optional<auth::Role> role,
                                                     const http::Request& request, Gate::Pass& pass) {
  // Before the signature is verified, which costs more than counting.
  if (!gate.AdmitAddress(request, pass)) return std::unexpected(Gate::TooMany(pass));
  Result<auth::Principal> principal = Authenticate(verifiers, request);
  if (!principal) return std::unexpected(FailureResponse(principal.error()));
  if (!gate.AdmitUser(principal->user, pass)) return std::unexpected(Gate::TooMany(pass));
  if (role && principal->role != *role) return std::unexpected(RefusalResponse("operator_required"));
  return *std::move(principal);
}

// What the handler would refuse by the head alone; nullopt: nothing. A request that goes on to the handler is
// counted there.
std::optional<http::Response> RefusalByHead(const Routes::Verifiers& verifiers, Gate& gate, auth::Role role,
                                            const http::Request& request) {
  Gate::Pass pass;
  std::expected<auth::Principal, http::Response> who = Admit(verifiers, gate, role, request, pass);
  if (who) {
    gate.GiveBack(request, who->user, pass);
    return std::nullopt;
  }
  http::Response response = std::move(who).error();
  gate.Describe(pass, response);
  Finish(request, /*personal=*/true, response);
  return response;
}

}  // namespace

Result<auth::Principal> Authenticate(const Routes::Verifiers& verifiers, const http::Request& request) {
  const std::optional<std::string_view> header = request.header("Authorization");
  const std::string_view cookie = header ? std::string_view() : SessionCookie(request);
  if (cookie.empty() && (!header || !SameScheme(*header))) {
    return Fail(Code::kUnauthenticated, "jwt_missing", "send `Authorization: Bearer TOKEN`");
  }
  if (!cookie.empty() && MayBeCrossSite(request)) {
    return Fail(Code::kUnauthenticated, "cross_site", "a cookie counts only for our own pages");
  }
  Result<auth::Principal> principal =
      header ? verifiers.bearer.Verify(header->substr(kBearer.size())) : verifiers.cookie.Verify(cookie);
  if (principal) return principal;
  // "token_expired" is said of queue tokens as well.
  constexpr std::string_view kToken = "token_";
  Error error = std::move(principal).error();
  if (error.reason.starts_with(kToken)) error.reason = "jwt_" + error.reason.substr(kToken.size());
  return std::unexpected(std::move(error));
}

Routes::Handler Limited(RateLimiter& limiter, Routes::Handler handler) {
  return [&limiter, handler = std::move(handler)](
             http::Request& request, const auth::Principal& caller) -> http::asio::awaitable<http::Response> {
    const RateVerdict verdict = limiter.Take(caller.user, std::chrono::steady_clock::now());
    if (!verdict.allowed) co_return Gate::TooMany({.user = verdict});
    http::Response response = co_await handler(request, caller);
    co_return response;
  };
}

void Routes::Public(http::Method method, std::string_view pattern, http::Handler handler) {
  auto finished = [gate = &gate_, handler = std::move(handler), limited = IsLimited(pattern),
                   tagged =
                       IsTagged(pattern)](http::Request& request) -> http::asio::awaitable<http::Response> {
    Gate::Pass pass;
    http::Response response;
    if (limited && !gate->AdmitAddress(request, pass)) {
      response = Gate::TooMany(pass);
    } else {
      response = co_await handler(request);
      gate->Hold(request, {}, response);
    }
    gate->Describe(pass, response);
    const bool compresses = gate->Compresses(response);
    if (tagged) AddTag(request, response);
    Finish(request, /*personal=*/false, response);
    if (gate->Compresses(response)) {
      co_await gate->Compress(request, response);
    } else if (compresses) {  // a 304 says what the whole answer would (RFC 9110, section 15.4.5)
      response.headers.Add("Vary", "Accept-Encoding");
    }
    co_return response;
  };
  Add(method, pattern, std::move(finished), {});
}

void Routes::Buyer(http::Method method, std::string_view pattern, Handler handler) {
  Guarded(method, pattern, std::move(handler), std::nullopt, {});
}

void Routes::Operator(http::Method method, std::string_view pattern, Handler handler,
                      http::RouteOptions options) {
  options.admit = [verifiers = verifiers_, gate = &gate_](const http::Request& request) {
    return RefusalByHead(verifiers, *gate, auth::Role::kOperator, request);
  };
  Guarded(method, pattern, std::move(handler), auth::Role::kOperator, std::move(options));
}

void Routes::Guarded(http::Method method, std::string_view pattern, Handler handler,
                     std::optional<auth::Role> role, http::RouteOptions options) {
  auto guarded = [verifiers = verifiers_, gate = &gate_, handler = std::move(handler),
                  role](http::Request& request) -> http::asio::awaitable<http::Response> {
    Gate::Pass pass;
    http::Response response;
    std::expected<auth::Principal, http::Response> who = Admit(verifiers, *gate, role, request, pass);
    if (who) {
      response = co_await handler(request, *who);
      gate->Hold(request, who->user, response);
    } else {
      response = std::move(who).error();
    }
    gate->Describe(pass, response);
    Finish(request, /*personal=*/true, response);
    if (gate->Compresses(response)) co_await gate->Compress(request, response);
    co_return response;
  };
  Add(method, pattern, std::move(guarded), std::move(options));
}

// Neither counted nor compressed here: a page is a dozen files, which are compressed already.
void Routes::Page(std::string_view pattern, http::Handler handler) {
  auto finished = [handler =
                       std::move(handler)](http::Request& request) -> http::asio::awaitable<http::Response> {
    http::Response response = co_await handler(request);
    Finish(request, /*personal=*/false, response);
    co_return response;
  };
  router_.Add(http::Method::kGet, pattern, std::move(finished));
}

void Routes::Add(http::Method method, std::string_view pattern, http::Handler handler,
                 http::RouteOptions options) {
  router_.Add(method, pattern, std::move(handler), std::move(options));
  if (gate_.answers_preflights() && preflights_.emplace(pattern).second) {
    router_.Add(http::Method::kOptions, pattern,
                [](http::Request& request) -> http::asio::awaitable<http::Response> {
                  http::Response response = CrossOrigin::Preflight();
                  Finish(request, /*personal=*/false, response);
                  co_return response;
                });
  }
  names_.push_back(fmt::format("{} {}", http::MethodName(method), pattern));
}

void AddRoutes(Routes& routes, Edge& edge) {
  AddQueueRoutes(routes, edge);
  AddCatalogueRoutes(routes, edge);
  AddReservationRoutes(routes, edge);
  AddWalletRoutes(routes, edge);
  AddPaymentRoutes(routes, edge);
  AddAdminWalletRoutes(routes, edge);
  AddAdminCatalogueRoutes(routes, edge);
  AddAdminSeatRoutes(routes, edge);
  AddAdminShowRoutes(routes, edge);
  AddWaitlistRoutes(routes, edge);
  AddAdminPriceRoutes(routes, edge);
  AddContingentRoutes(routes, edge);
  AddAdminQueueRoutes(routes, edge);
  AddAdminReservationRoutes(routes, edge);
  AddAdminSagaRoutes(routes, edge);
  AddAdminRelayRoutes(routes, edge);
  AddAdminOperationsRoutes(routes, edge);
  AddOperationsRoutes(routes, edge);
  AddSessionRoutes(routes, edge);
  AddSignInRoutes(routes, edge);
  AddWebRoutes(routes, edge);
}

}  // namespace boxoffice::gateway
