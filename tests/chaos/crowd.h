// Buyers who come as they like, and write down what they asked and were told.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>

#include "base/clock.h"
#include "base/random.h"
#include "platform/auth/token.h"
#include "platform/http/client.h"
#include "sim/history.h"

namespace boxoffice::chaos {

namespace asio = boost::asio;
namespace json = boost::json;
using sim::Operation;

struct CrowdOptions {
  std::vector<uint16_t> gateways;  // who is refused by one goes to the next
  std::string show;
  uint32_t seats = 0;  // of the show
  milliseconds hold_ttl{120'000};
  double rate_per_s = 25;  // who come, in an open loop: nobody waits for the system before he comes
  uint64_t seed = 1;
  std::string name;  // begins the name of every buyer: each comes once
};

// What one request met.
struct Asked {
  Timestamp begin{};
  Timestamp end{};
  bool trouble = false;  // no answer, one that says that it does not work now, or one later than a second
};

// Comes from the constructor on, on a thread of its own, until Leave.
class Crowd {
 public:
  // `issuer` outlives it.
  Crowd(CrowdOptions options, const auth::TokenIssuer& issuer);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Nobody comes any more; those who are here go on, and give up what nobody has answered after `patience`.
  void Close(milliseconds patience);
  // Everybody has gone, since Close.
  [[nodiscard]] bool gone() const { return closed_ && open_ == 0; }
  // After `gone`; what follows comes after it.
  void Join();
  [[nodiscard]] const std::vector<Operation>& history() const { return history_; }
  [[nodiscard]] const std::deque<Asked>& asked() const { return asked_; }
  // By status and code, how often: "503 unavailable".
  [[nodiscard]] const std::map<std::string, uint64_t>& answers() const { return answers_; }
  // What no buyer may be told, whatever is broken: each with its answer, some dozens at most.
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  struct Answer {
    int status = 0;  // 0: none
    json::value body;
    int retry_after_s = -1;
  };
  struct Buyer;
  struct Wish;
  asio::awaitable<void> Arrive();
  asio::awaitable<void> Live(int number);
  asio::awaitable<void> Buy(Buyer& buyer);
  asio::awaitable<void> AskAgain(Buyer& buyer);
  asio::awaitable<bool> Enter(Buyer& buyer);
  asio::awaitable<Operation> Do(Buyer& buyer, Wish wish);
  asio::awaitable<Answer> Ask(Buyer& buyer, std::string method, std::string path, std::string body,
                              std::string key);
  asio::awaitable<Result<http::ClientResponse>> Send(Buyer& buyer, const http::ClientRequest& request);
  void Note(const Buyer& buyer, Timestamp begin, const Answer& answer, const std::string& what);

  const CrowdOptions options_;
  const auth::TokenIssuer& issuer_;
  const SystemClock clock_;
  SeededRandom random_;
  std::atomic<bool> closed_ = false;
  std::atomic<int64_t> give_up_ms_ = INT64_MAX;  // what is unanswered then
  std::atomic<int> open_ = 0;                    // buyers
  std::vector<Operation> history_;
  std::deque<Asked> asked_;
  std::map<std::string, uint64_t> answers_;
  std::vector<std::string> complaints_;
  asio::io_context io_{1};
  std::jthread thread_;
};

}  // namespace boxoffice::chaos
