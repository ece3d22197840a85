// Which handler answers a path and a method.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/http/message.h"

namespace boxoffice::http {

struct RouteOptions {
  size_t max_body = 0;  // bytes; 0: the server's
  // Asked once the head is there, where a body longer than the server's max_body may follow: what is answered
  // without reading it; nullopt: go on. On the handler's executor; it does not throw. The handler judges all
  // the same: shorter bodies come without it.
  std::function<std::optional<Response>(const Request&)> admit{};
};

struct Route {
  std::string pattern;  // as added: a label of few values for metrics
  std::vector<std::string> names;
  Handler handler;
  RouteOptions options;
};

// Routes by exact segments, `{name}` for any one segment and, at the end only, `{name...}` for the rest (also
// empty); an exact segment wins over `{name}`, and that over the rest. Built at the start, read-only
// afterwards, hence thread-safe then.
class Router {
 public:
  Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();

  // A GET route answers HEAD as well. A malformed pattern or a second handler for the same is a bug.
  void Add(Method method, std::string_view pattern, Handler handler, RouteOptions options = {});

  struct Match {
    const Route* route = nullptr;
    // 200: `route` is set. 404: no such path. 405: the path has other methods only, which `allow` lists. 400:
    // the path is badly encoded or has a "." or ".." segment.
    int status = 404;
    std::string allow;
    std::vector<std::string> values;  // decoded, as many as the route has names
  };
  [[nodiscard]] Match Find(Method method, std::string_view path) const;

 private:
  struct Node;
  static const Node* Walk(const Node& node, std::string_view path, std::vector<std::string>& values,
                          bool& malformed);
  std::unique_ptr<Node> root_;
};

}  // namespace boxoffice::http
