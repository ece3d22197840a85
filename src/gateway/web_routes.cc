// The web app: its files, and the paths that its pages have.
#include "gateway/edge.h"
#include "gateway/routes.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

http::Handler FileNamed(const Edge& edge, std::string name) {
  return [&edge, name = std::move(name)](Request& request) -> asio::awaitable<Response> {
    co_return edge.web.Answer(request, name);
  };
}

asio::awaitable<Response> Asset(const Edge& edge, Request& request) {
  co_return edge.web.Answer(request, "assets/" + request.parameter("file"));
}

}  // namespace

// web/src/app.tsx draws the pages under these paths; the waiting room is a page of its own, as everybody
// loads it. Anything else stays the interface's 404.
void AddWebRoutes(Routes& routes, Edge& edge) {
  for (const char* pattern : {"/", "/concerts/{page...}", "/shows/{page...}", "/my/{page...}", "/operator",
                              "/operator/{page...}", "/sign-in"}) {
    routes.Page(pattern, FileNamed(edge, "index.html"));
  }
  routes.Page("/waiting/{show}", FileNamed(edge, "waiting.html"));
  routes.Page("/start.js", FileNamed(edge, "start.js"));
  routes.Page("/assets/{file}", [&edge](Request& request) { return Asset(edge, request); });
}

}  // namespace boxoffice::gateway
