#include "chaos/probe.h"

#include <fmt/format.h>

#include "chaos/answer.h"

namespace boxoffice::chaos {
namespace {

constexpr size_t kMaxTold = 1'000;  // characters of the last answer

bool IsDone(const Reply& reply) { return reply.status == 200 || reply.status == 201; }

class Probe {
 public:
  explicit Probe(const std::string& show) : show_(show), name_(ProbeName(show)) {}

  [[nodiscard]] Question Next() const {
    if (!is_in_ && token_.empty()) return {"POST", fmt::format("/v1/shows/{}/queue", show_)};
    if (!is_in_) return {"GET", "/v1/queue", "", "", token_};
    if (!has_money_)
      return {"POST", "/v1/wallet/charges", R"({"amount":100000,"currency":"KRW"})", name_ + "-charge"};
    return {"POST", "/v1/reservations",
            fmt::format(R"({{"show_id":"{}","best_available":{{"count":1}},"pay":true,)"
                        R"("payment_method":"internal"}})",
                        show_),
            name_ + "-buy", token_};
  }

  // True: there is nothing more to ask.
  bool Take(const Reply& reply) {
    if (!is_in_) {
      TakePlace(reply);
    } else if (!has_money_) {
      has_money_ = IsDone(reply);
    } else {
      return (IsDone(reply) && TextOf(reply.body, "state") == "CONFIRMED") ||
             TextOf(reply.body, "code") == "not_enough_seats";
    }
    return false;
  }

 private:
  void TakePlace(const Reply& reply) {
    if (reply.status == 0 || reply.status >= 500) return;
    const std::string state = TextOf(reply.body, "state");
    if (IsDone(reply) && !TextOf(reply.body, "token").empty()) token_ = TextOf(reply.body, "token");
    if (state != "ACTIVE") {
      if (state != "WAITING") token_.clear();  // her place is lost: again
      return;
    }
    if (const std::string in = TextOf(reply.body, "admission"); !in.empty()) token_ = in;
    is_in_ = true;
  }

  const std::string show_;
  const std::string name_;
  std::string token_;
  bool is_in_ = false;
  bool has_money_ = false;
};

}  // namespace

std::string ProbeName(const std::string& show) { return "probe-" + show; }

std::optional<std::string> TryToBuy(const std::string& show, const std::function<Reply(const Question&)>& ask,
                                    const std::function<bool(const std::function<bool()>&)>& await) {
  Probe probe(show);
  Question question;
  Reply reply;
  const bool bought = await([&] {
    question = probe.Next();
    reply = ask(question);
    return probe.Take(reply);
  });
  if (bought) return std::nullopt;
  return fmt::format("a new buyer can't buy: {} {} was answered {} {}", question.method, question.path,
                     reply.status, reply.text.substr(0, kMaxTold));
}

}  // namespace boxoffice::chaos
