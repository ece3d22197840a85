// Which web pages of other origins may use the interface (CORS,
// https://fetch.spec.whatwg.org/#http-cors-protocol).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

// A value. Callers show who they are by a header that the page sets itself, never by cookies: so nothing is
// allowed "with credentials", and an origin that is allowed gains nothing but to read answers.
class CrossOrigin {
 public:
  CrossOrigin() = default;  // none: browsers keep other origins out
  // "https://tickets.example", with a port where it is not the scheme's; or "*" alone: any. Error: config
  // (kInvalidArgument), naming the one that can't be read.
  [[nodiscard]] static Result<CrossOrigin> Make(const std::vector<std::string>& origins);

  [[nodiscard]] bool on() const { return any_ || !origins_.empty(); }
  // Adds to an answer what lets the page that asked read it, if it may.
  void AddTo(const http::Request& request, http::Response& response) const;
  // The answer to a preflight; AddTo says whether it is allowed.
  [[nodiscard]] static http::Response Preflight();

 private:
  bool any_ = false;
  std::vector<std::string> origins_;  // sorted
};

}  // namespace boxoffice::gateway
