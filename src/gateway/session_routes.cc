// Who is signed in at a web page, and how one gets to be.
#include <algorithm>
#include <string>

#include <boost/asio/ip/address.hpp>

#include "gateway/edge.h"
#include "gateway/refusals.h"
#include "gateway/routes.h"
#include "platform/http/json_reader.h"
#include "platform/http/json_writer.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

// A proxy passes on who called it in one of these; not each does, so session.development is there as well.
bool CameThroughAProxy(const Request& request) {
  constexpr std::string_view kTold[] = {"Forwarded",         "X-Forwarded-For", "X-Forwarded-Host",
                                        "X-Forwarded-Proto", "X-Real-IP",       "Via"};
  const auto has = [&request](std::string_view name) { return request.header(name).has_value(); };
  return std::ranges::any_of(kTold, has);
}

// Anybody may become an operator by it, so nobody from outside.
bool OffersDevelopment(const Edge& edge, const Request& request) {
  return edge.sessions.development() && !CameThroughAProxy(request);
}

Response SessionResponse(const Edge& edge, const Request& request, const auth::Principal* who) {
  http::JsonWriter writer;
  writer.BeginObject();
  if (who != nullptr) {
    writer.Field("user", who->user).Field("role", auth::RoleName(who->role));
  } else {
    writer.Key("user").Null().Key("role").Null();
  }
  const bool offered = !edge.sessions.development() || OffersDevelopment(edge, request);
  writer.Field("sign_in", offered ? edge.sessions.way() : "none");
  writer.Field("self_service", edge.self_service).EndObject();
  Response response = http::JsonResponse(writer.Take());
  response.headers.Add("Cache-Control", "no-store");
  return response;
}

asio::awaitable<Response> GetSession(Edge& edge, const Routes::Verifiers verifiers, Request& request) {
  const Result<auth::Principal> who = Authenticate(verifiers, request);
  co_return SessionResponse(edge, request, who ? &*who : nullptr);
}

// A name that leads to this machine by whatever way an address is looked up: a page of another site that has
// its own name point here still sends its own.
bool IsLocalName(std::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) host = host.substr(0, colon);
  if (host == "localhost") return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  // A whole address: a name may begin like one.
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

struct DevelopmentUser {
  std::string user;
  auth::Role role;
};

Result<DevelopmentUser> ReadDevelopmentUser(const Request& request) {
  http::ObjectReader reader(request.body());
  DevelopmentUser sign_in{reader.Required<std::string>("user"), auth::Role::kBuyer};
  const auto role = reader.Required<std::string>("role");
  if (role != "buyer" && role != "operator")
    reader.Refuse("role", "field_invalid", "must be buyer or operator");
  BOXOFFICE_TRY(reader.Finish());
  if (role == "operator") sign_in.role = auth::Role::kOperator;
  return sign_in;
}

asio::awaitable<Response> DevelopmentSignIn(Edge& edge, Request& request) {
  if (!OffersDevelopment(edge, request)) co_return RefusalResponse("sign_in_not_offered");
  // Only pages of ours, and programs that are no browsers.
  const bool browser = request.header("Origin") || request.header("Sec-Fetch-Site");
  if (!IsLocalName(request.header("Host").value_or("")) || (browser && MayBeCrossSite(request)))
    co_return RefusalResponse("cross_site");
  const Result<DevelopmentUser> sign_in = ReadDevelopmentUser(request);
  if (!sign_in) co_return FailureResponse(sign_in.error());
  const Result<std::string> cookie = edge.sessions.SignIn(sign_in->user, sign_in->role);
  if (!cookie) co_return FailureResponse(cookie.error());
  const auth::Principal who{sign_in->user, sign_in->role};
  Response response = SessionResponse(edge, request, &who);
  response.headers.Add("Set-Cookie", *cookie);
  co_return response;
}

asio::awaitable<Response> SignOut(Edge& edge, Request& request) {
  if (!SessionCookie(request).empty() && MayBeCrossSite(request)) co_return RefusalResponse("cross_site");
  Response response = SessionResponse(edge, request, nullptr);
  response.headers.Add("Set-Cookie", edge.sessions.SignOut());
  co_return response;
}

}  // namespace

void AddSessionRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, "/v1/session", [&edge, verifiers = routes.verifiers()](Request& request) {
    return GetSession(edge, verifiers, request);
  });
  routes.Public(Method::kDelete, "/v1/session", [&edge](Request& request) { return SignOut(edge, request); });
  routes.Public(Method::kPost, "/v1/session/development",
                [&edge](Request& request) { return DevelopmentSignIn(edge, request); });
}

}  // namespace boxoffice::gateway
