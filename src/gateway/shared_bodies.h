// How much memory the long bodies take that a thread has made and that somebody still has.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace boxoffice::gateway {

// Keeps none of them alive. Not thread-safe: each thread of a gateway's has one.
class SharedBodies {
 public:
  // Counts a body, which stays as it is, until its last owner is gone. Once for each.
  void Add(const std::shared_ptr<const std::string>& body) {
    Forget();
    bodies_.push_back({body, body->size()});
  }

  // Of all that are alive.
  [[nodiscard]] size_t Bytes() {
    Forget();
    size_t bytes = 0;
    for (const Body& body : bodies_) bytes += body.size;
    return bytes;
  }

 private:
  struct Body {
    std::weak_ptr<const std::string> text;
    size_t size;
  };
  void Forget() {
    std::erase_if(bodies_, [](const Body& body) { return body.text.expired(); });
  }

  std::vector<Body> bodies_;
};

}  // namespace boxoffice::gateway
