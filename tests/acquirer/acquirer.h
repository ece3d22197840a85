// An acquirer to run against, which speaks the protocol of the adapter `http`
// (src/services/payment/README.md) and misbehaves as the instrument of a payment says:
// - approve: takes the money
// - decline: declines, code card_declined
// - timeout_before_capture: never answers the first request and takes nothing; takes the money at the next
// - timeout_after_capture: takes the money, and never answers
// - error_before_capture: answers the first request by 500 and takes nothing; takes the money at the next
// - error_after_capture: takes the money, and answers by 500
// - garbage_after_capture: takes the money, and answers something that is no answer
// - other_money: takes the money, and says that it was more
// - slow: takes the money and answers after `slow`
// - late_approval: gives no answer; takes the money after `late` unless it was cancelled
// - capture_after_cancel: gives no answer and takes nothing, until `late` after it has confirmed a
// cancellation
// - webhook_twice: takes the money, and sends its webhook twice
// - webhook_forged: declines, and somebody else sends a webhook that says captured
// - webhook_replayed: takes the money, and its webhook comes with a signature of ten minutes ago
// - refund_error: takes the money, and answers the first refund by 500 after having done it
// - refund_refused: takes the money, and refuses to give anything back, code charge_disputed
// - first_refund_refused: takes the money, and refuses the first refund that it is asked for, however often
// it is; gives back by any other, and by a cancellation all that it has
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/clock.h"
#include "platform/http/server.h"

namespace boxoffice::acquirer {

using std::chrono::milliseconds;

// A webhook as it goes out.
struct Message {
  std::string id;
  std::string timestamp;
  std::string signature;
  std::string body;
};

struct Options {
  uint16_t port = 0;        // 0: a free one
  std::string webhook_url;  // empty: no webhooks, unless there is `deliver`
  std::string webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  std::string api_key = "test-key";  // what callers must send as a bearer token
  milliseconds slow{500};
  milliseconds late{1'500};
  // Instead of sending to webhook_url: called on the acquirer's thread; the HTTP status that the receiver
  // answers.
  std::function<int(const Message&)> deliver;
  const Clock* clock = nullptr;  // of timestamps; null: the system's
};

// What it has under a key.
struct Account {
  std::string key;
  std::string instrument;
  std::string currency;
  int64_t amount = 0;    // that was asked for
  int64_t captured = 0;  // that was taken
  int64_t refunded = 0;  // that was given back
  [[nodiscard]] int64_t kept() const { return captured - refunded; }
};
struct Delivered {
  Message message;
  std::string kind;  // payment.captured, payment.declined; forged
  int status = 0;    // that the receiver answered; 0: none
};

// Serves from its constructor to its destructor, on a thread of its own. Thread-safe.
class Acquirer {
 public:
  explicit Acquirer(Options options = {});
  ~Acquirer();

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] std::string url() const;
  void SetWebhookUrl(std::string url);
  // From now on it takes every call and answers none, and nothing comes of them; or it answers again.
  void Hang(bool hangs) { hangs_ = hangs; }
  // By key.
  [[nodiscard]] std::vector<Account> Accounts() const;
  // What it keeps under keys of this reservation ("<reservation>/…").
  [[nodiscard]] int64_t KeptOf(const std::string& reservation) const;
  [[nodiscard]] std::vector<Delivered> Deliveries() const;
  // Its settlement file: all that was taken and given back, as CSV.
  [[nodiscard]] std::string Settlement() const;

 private:
  enum class State { kPending, kCaptured, kDeclined, kCancelled, kVoided, kRefunded };
  struct Payment {
    Account account;
    std::string id;
    State state = State::kPending;
    std::map<std::string, int64_t> refunds;  // by key
    std::string first_refund;                // that it was asked for; its key
    int tries = 0;
  };
  using Answer = boost::asio::awaitable<http::Response>;

  http::Router Routes();
  Answer Approve(http::Request& request);
  Answer Find(http::Request& request);
  Answer Cancel(http::Request& request);
  Answer Refund(http::Request& request);
  Answer Silence();
  boost::asio::awaitable<void> Wait(milliseconds time);
  void CaptureLater(std::string key);
  void Capture(Payment& payment);                              // with mutex_
  http::Response StateOf(const Payment& payment) const;        // with mutex_
  void Tell(const Payment& payment, const std::string& type);  // with mutex_
  void Send(const std::string& kind, Message message, milliseconds after = {});
  Message Sign(const std::string& body, const std::string& secret, milliseconds ago = {});
  boost::asio::awaitable<void> Deliver(std::string kind, Message message, milliseconds after);
  [[nodiscard]] bool Knows(const http::Request& request) const;

  Options options_;
  const SystemClock system_clock_;
  const Clock& clock_;
  const std::string secret_;  // its bytes
  std::atomic<bool> hangs_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, Payment> payments_;
  std::vector<Delivered> deliveries_;
  int next_id_ = 0;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

}  // namespace boxoffice::acquirer
