// To the identity provider and back. The browser is led by redirections alone, also to what went wrong: the
// app's page for signing in says it in words.
#include "gateway/edge.h"
#include "gateway/refusals.h"
#include "gateway/routes.h"
#include "gateway/sign_in.h"
#include "platform/http/url.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

Response LeadTo(std::string_view location) {
  Response response;
  response.status = 302;
  response.headers.Add("Location", location);
  response.headers.Add("Cache-Control", "no-store");
  // The provider's code is in the address, which is nobody else's business.
  response.headers.Add("Referrer-Policy", "no-referrer");
  return response;
}

Response LeadToProblem(const Error& error, std::string_view next) {
  return LeadTo("/sign-in?problem=" + http::PercentEncode(error.reason) +
                "&next=" + http::PercentEncode(next));
}

asio::awaitable<Response> Begin(Edge& edge, Request& request) {
  if (edge.sign_in == nullptr) co_return RefusalResponse("sign_in_not_offered");
  std::string next(request.query("next").value_or("/"));
  const std::string wanted = next;
  Result<SignIn::Begun> begun = co_await edge.sign_in->Begin(std::move(next));
  if (!begun) co_return LeadToProblem(begun.error(), wanted);
  Response response = LeadTo(begun->location);
  response.headers.Add("Set-Cookie", begun->cookie);
  co_return response;
}

asio::awaitable<Response> Finish(Edge& edge, Request& request) {
  if (edge.sign_in == nullptr) co_return RefusalResponse("sign_in_not_offered");
  const SignIn::Finished finished = co_await edge.sign_in->Finish(request);
  if (!finished.who) {
    Response response = LeadToProblem(finished.who.error(), finished.next);
    response.headers.Add("Set-Cookie", edge.sign_in->Forget());
    co_return response;
  }
  const Result<std::string> cookie = edge.sessions.Cookie(*finished.who);
  if (!cookie) co_return FailureResponse(cookie.error());
  Response response = LeadTo(finished.next);
  response.headers.Add("Set-Cookie", *cookie);
  response.headers.Add("Set-Cookie", edge.sign_in->Forget());
  co_return response;
}

}  // namespace

void AddSignInRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, SignIn::kPath, [&edge](Request& request) { return Begin(edge, request); });
  routes.Public(Method::kGet, SignIn::kCallbackPath,
                [&edge](Request& request) { return Finish(edge, request); });
}

}  // namespace boxoffice::gateway
