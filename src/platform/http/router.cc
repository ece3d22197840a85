#include "platform/http/router.h"

#include <algorithm>

#include "base/check.h"

namespace boxoffice::http {

struct Router::Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;  // a few, most of different lengths
  std::unique_ptr<Node> parameter;
  std::unique_ptr<Node> rest;
  std::array<std::unique_ptr<Route>, kMethods> routes;

  [[nodiscard]] const Node* Literal(std::string_view segment) const {
    for (const auto& [text, node] : literals) {
      if (text == segment) return node.get();
    }
    return nullptr;
  }
  std::unique_ptr<Node>& MakeLiteral(std::string_view segment) {
    const auto found = std::ranges::find(
        literals, segment, [](const auto& literal) -> std::string_view { return literal.first; });
    if (found != literals.end()) return found->second;
    return literals.emplace_back(segment, nullptr).second;
  }
  [[nodiscard]] bool HasRoute() const {
    return std::ranges::any_of(routes, [](const auto& route) { return route != nullptr; });
  }
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

void Router::Add(Method method, std::string_view pattern, Handler handler, RouteOptions options) {
  CHECK(pattern.starts_with('/'), "route {}", pattern);
  auto route =
      std::make_unique<Route>(Route{std::string(pattern), {}, std::move(handler), std::move(options)});
  Node* node = root_.get();
  std::string_view left = pattern;
  while (!left.empty()) {
    left.remove_prefix(1);
    const std::string_view segment = left.substr(0, left.find('/'));
    left.remove_prefix(segment.size());
    std::unique_ptr<Node>* next = nullptr;
    if (segment.starts_with('{')) {
      CHECK(segment.ends_with('}') && segment.size() > 2, "route {}", pattern);
      std::string_view name = segment.substr(1, segment.size() - 2);
      const bool rest = name.ends_with("...");
      CHECK(!rest || left.empty(), "route {}: the rest comes last", pattern);
      if (rest) name.remove_suffix(3);
      CHECK(!name.empty() && std::ranges::find(route->names, name) == route->names.end(), "route {}",
            pattern);
      route->names.emplace_back(name);
      next = rest ? &node->rest : &node->parameter;
    } else {
      next = &node->MakeLiteral(segment);
    }
    if (*next == nullptr) *next = std::make_unique<Node>();
    node = next->get();
  }
  std::unique_ptr<Route>& slot = node->routes[static_cast<size_t>(method)];
  CHECK(slot == nullptr, "route {} {} is there twice", MethodName(method), pattern);
  slot = std::move(route);
}

const Router::Node* Router::Walk(const Node& node, std::string_view path, std::vector<std::string>& values,
                                 bool& malformed) {
  if (path.empty()) return node.HasRoute() ? &node : nullptr;
  const std::string_view left = path.substr(1);
  const std::string_view raw = left.substr(0, left.find('/'));
  // Of nearly all paths nothing is encoded. The server has seen that they are UTF-8.
  std::optional<std::string> decoded;
  if (raw.contains('%')) {
    decoded = PercentDecode(raw);
    malformed = !decoded;
  }
  const std::string_view segment = decoded ? std::string_view(*decoded) : raw;
  malformed = malformed || segment == "." || segment == ".." || segment.contains('\0');
  if (malformed) return nullptr;
  const std::string_view after = left.substr(raw.size());
  if (const Node* literal = node.Literal(segment)) {
    if (const Node* found = Walk(*literal, after, values, malformed)) return found;
  }
  const size_t kept = values.size();
  if (node.parameter && !segment.empty() && !malformed) {
    values.emplace_back(segment);
    if (const Node* found = Walk(*node.parameter, after, values, malformed)) return found;
    values.resize(kept);
  }
  if (node.rest && !malformed) {
    std::string rest;
    bool first = true;
    for (std::string_view more = path; !more.empty();) {
      more.remove_prefix(1);
      const std::string_view part = more.substr(0, more.find('/'));
      more.remove_prefix(part.size());
      const std::optional<std::string> whole = PercentDecode(part);
      malformed = malformed || !whole || *whole == "." || *whole == ".." || whole->contains('/');
      if (malformed) return nullptr;
      if (!first) rest.push_back('/');
      first = false;
      rest += *whole;
    }
    values.push_back(std::move(rest));
    return node.rest.get();
  }
  return nullptr;
}

Router::Match Router::Find(Method method, std::string_view path) const {
  Match match;
  bool malformed = !path.starts_with('/');
  const Node* node = malformed ? nullptr : Walk(*root_, path, match.values, malformed);
  if (node == nullptr) {
    match.status = malformed ? 400 : 404;
    return match;
  }
  match.route = node->routes[static_cast<size_t>(method)].get();
  if (match.route == nullptr && method == Method::kHead) {
    match.route = node->routes[static_cast<size_t>(Method::kGet)].get();
  }
  match.status = match.route != nullptr ? 200 : 405;
  if (match.route != nullptr) return match;
  for (size_t i = 0; i < kMethods; ++i) {
    if (node->routes[i] == nullptr) continue;
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += MethodName(static_cast<Method>(i));
    if (static_cast<Method>(i) == Method::kGet && !node->routes[static_cast<size_t>(Method::kHead)])
      match.allow += ", HEAD";
  }
  return match;
}

}  // namespace boxoffice::http
