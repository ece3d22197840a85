// The routes of the public interface: who may use each, and what every answer carries.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/auth/token.h"
#include "platform/http/router.h"

namespace boxoffice::gateway {

struct Edge;
class Gate;
class RateLimiter;

// Collects the handlers. Each request under /v1/ counts for its address and, with a JWT, for its user (429).
// Each answer gets X-Request-Id and the headers that keep browsers from guessing, and is compressed if that
// pays; answers that everybody may read have an ETag, those that belong to somebody are not to be cached. A
// handler's argument is who asks.
class Routes {
 public:
  using Handler =
      std::function<http::asio::awaitable<http::Response>(http::Request&, const auth::Principal&)>;

  // Of bearer tokens, and of those in session cookies. They outlive the router.
  struct Verifiers {
    const auth::TokenVerifier& bearer;
    const auth::TokenVerifier& cookie;
  };

  // `gate` must outlive the router.
  Routes(Verifiers verifiers, Gate& gate) : verifiers_(verifiers), gate_(gate) {}

  // Open to everybody.
  void Public(http::Method method, std::string_view pattern, http::Handler handler);
  // With a JWT, of whatever role: an operator can buy a ticket too. 401 otherwise.
  void Buyer(http::Method method, std::string_view pattern, Handler handler);
  // With a JWT of the role operator: 401, 403; before a body is read that is longer than other routes take.
  void Operator(http::Method method, std::string_view pattern, Handler handler,
                http::RouteOptions options = {});

  // A page or a part of one, for browsers; not in the contract, hence not among the names.
  void Page(std::string_view pattern, http::Handler handler);

  [[nodiscard]] const Verifiers& verifiers() const { return verifiers_; }
  [[nodiscard]] http::Router TakeRouter() { return std::move(router_); }
  // "GET /v1/concerts", for the test that compares them with the OpenAPI file.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  void Guarded(http::Method method, std::string_view pattern, Handler handler, std::optional<auth::Role> role,
               http::RouteOptions options);
  void Add(http::Method method, std::string_view pattern, http::Handler handler, http::RouteOptions options);

  const Verifiers verifiers_;
  Gate& gate_;
  std::set<std::string, std::less<>> preflights_;  // patterns that have one
  http::Router router_;
  std::vector<std::string> names_;
};

// The handler, for each user as often as `limiter` allows; past it 429 rate_limited. `limiter` must outlive
// it.
[[nodiscard]] Routes::Handler Limited(RateLimiter& limiter, Routes::Handler handler);

// Who asks, by the header Authorization or, without one, by the session cookie (sessions.h). Errors:
// kUnauthenticated jwt_missing (neither), cross_site (a cookie, where another site may have made the
// request), jwt_… as auth::TokenVerifier has them (jwt_expired, jwt_signature, …).
[[nodiscard]] Result<auth::Principal> Authenticate(const Routes::Verifiers& verifiers,
                                                   const http::Request& request);

// Each adds the routes of one part of the interface. `edge` must outlive the router.
void AddQueueRoutes(Routes& routes, Edge& edge);
void AddCatalogueRoutes(Routes& routes, Edge& edge);
void AddRankingRoutes(Routes& routes, Edge& edge);
void AddReservationRoutes(Routes& routes, Edge& edge);
void AddWalletRoutes(Routes& routes, Edge& edge);
void AddPaymentRoutes(Routes& routes, Edge& edge);
void AddAdminWalletRoutes(Routes& routes, Edge& edge);
void AddAdminCatalogueRoutes(Routes& routes, Edge& edge);
void AddAdminSeatRoutes(Routes& routes, Edge& edge);
void AddAdminShowRoutes(Routes& routes, Edge& edge);
void AddWaitlistRoutes(Routes& routes, Edge& edge);
void AddAdminPriceRoutes(Routes& routes, Edge& edge);
void AddContingentRoutes(Routes& routes, Edge& edge);
void AddAdminQueueRoutes(Routes& routes, Edge& edge);
void AddAdminReservationRoutes(Routes& routes, Edge& edge);
void AddAdminSagaRoutes(Routes& routes, Edge& edge);
void AddAdminRelayRoutes(Routes& routes, Edge& edge);
void AddAdminRelayDeliveryRoutes(Routes& routes, Edge& edge);
void AddAdminOperationsRoutes(Routes& routes, Edge& edge);
void AddOperationsRoutes(Routes& routes, Edge& edge);
void AddSessionRoutes(Routes& routes, Edge& edge);
void AddSignInRoutes(Routes& routes, Edge& edge);
void AddWebRoutes(Routes& routes, Edge& edge);
// All of them.
void AddRoutes(Routes& routes, Edge& edge);

}  // namespace boxoffice::gateway
