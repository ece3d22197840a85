// A buyer who comes once the faults are over: a system that answers nobody keeps every other promise.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <boost/json/value.hpp>

namespace boxoffice::chaos {

namespace json = boost::json;

struct Question {
  std::string method;
  std::string path;
  std::string body{};         // JSON; empty: none
  std::string key{};          // Idempotency-Key; empty: none
  std::string queue_token{};  // empty: none
};
struct Reply {
  int status = 0;  // 0: nobody answered
  json::value body;
  std::string text;
};

// Who buys by that name on `show`; no other buyer has it.
[[nodiscard]] std::string ProbeName(const std::string& show);
// Joins the queue of `show`, and once she is in, tops up and buys a seat; what was not done is asked again,
// with the same key. `ask` asks once, as her; `await` calls what it is given until that says true, or it is
// too late, which is false. What kept her from it, in words; nullopt: her purchase is CONFIRMED, or no seat
// is left.
[[nodiscard]] std::optional<std::string> TryToBuy(
    const std::string& show, const std::function<Reply(const Question&)>& ask,
    const std::function<bool(const std::function<bool()>&)>& await);

}  // namespace boxoffice::chaos
