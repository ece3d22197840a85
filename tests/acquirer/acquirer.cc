#include "acquirer/acquirer.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/check.h"
#include "platform/auth/webhook_signature.h"
#include "platform/http/client.h"

namespace boxoffice::acquirer {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using http::Request;
using http::Response;

// Longer than anybody waits.
constexpr std::chrono::seconds kSilence{60};
constexpr int kWebhookTries = 20;
constexpr milliseconds kWebhookPause{250};
constexpr std::chrono::minutes kReplayAge{10};

json::object Parse(std::string_view body) {
  boost::system::error_code error;
  const json::value value = json::parse(body, error);
  return error || !value.is_object() ? json::object() : value.as_object();
}
std::string Text(const json::object& body, std::string_view name) {
  const json::value* value = body.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}
int64_t Number(const json::object& body, std::string_view name) {
  const json::value* value = body.if_contains(name);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}
Response Json(const json::object& body, int status) {
  return http::JsonResponse(json::serialize(body), status);
}
constexpr std::string_view kRefundRefused = "refund_refused";
constexpr std::string_view kFirstRefundRefused = "first_refund_refused";
// Nothing moves, for certain: a cancellation or a refund, by its key.
Response Refused(const std::string& key) {
  return Json({{"key", key}, {"status", "refused"}, {"code", "charge_disputed"}}, 409);
}
// What it says that it took, in every answer and webhook.
int64_t SaidAmount(const Account& account) {
  return account.instrument == "other_money" ? account.amount + 1 : account.amount;
}

}  // namespace

Acquirer::Acquirer(Options options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : system_clock_),
      secret_(auth::ParseWebhookSecret(options_.webhook_secret).value()),
      work_(io_.get_executor()) {
  http::ServerOptions server;
  server.port = options_.port;
  server.single_threaded = true;
  auto listening = http::Server::Listen(io_, Routes(), server);
  CHECK(listening.has_value(), "{}", listening.error().detail);
  server_ = *std::move(listening);
  thread_ = std::thread([this] { io_.run(); });
}

Acquirer::~Acquirer() {
  server_->Stop();
  work_.reset();
  io_.stop();
  thread_.join();
}

uint16_t Acquirer::port() const { return server_->port(); }
std::string Acquirer::url() const { return fmt::format("http://127.0.0.1:{}/v1", port()); }

void Acquirer::SetWebhookUrl(std::string url) {
  const std::scoped_lock lock(mutex_);
  options_.webhook_url = std::move(url);
}

std::vector<Account> Acquirer::Accounts() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Account> accounts;
  for (const auto& [key, payment] : payments_) accounts.push_back(payment.account);
  return accounts;
}

int64_t Acquirer::KeptOf(const std::string& reservation) const {
  int64_t kept = 0;
  for (const Account& account : Accounts()) {
    if (account.key.starts_with(reservation + "/")) kept += account.kept();
  }
  return kept;
}

std::vector<Delivered> Acquirer::Deliveries() const {
  const std::scoped_lock lock(mutex_);
  return deliveries_;
}

std::string Acquirer::Settlement() const {
  const std::scoped_lock lock(mutex_);
  std::string csv = "settled_at,operation,key,amount,currency\r\n";
  const std::string at = ToRfc3339(clock_.Now());
  const auto line = [&](std::string_view operation, std::string_view key, int64_t amount,
                        std::string_view currency) {
    csv += fmt::format("{},{},\"{}\",{},{}\r\n", at, operation, key, amount, currency);
  };
  for (const auto& [key, payment] : payments_) {
    const Account& account = payment.account;
    if (account.captured == 0) continue;
    line("capture", key, account.captured, account.currency);
    int64_t rest = account.refunded;
    for (const auto& [refund, amount] : payment.refunds) {
      line("refund", refund, amount, account.currency);
      rest -= amount;
    }
    if (rest > 0) line("refund", key, rest, account.currency);
  }
  return csv;
}

http::Router Acquirer::Routes() {
  http::Router router;
  const auto add = [&](http::Method method, std::string_view path, Answer (Acquirer::*answer)(Request&)) {
    router.Add(method, path, [this, answer](Request& request) -> Answer {
      if (!Knows(request)) co_return Json({{"error", "who are you?"}}, 401);
      if (hangs_) co_return co_await Silence();
      co_return co_await (this->*answer)(request);
    });
  };
  add(http::Method::kPost, "/v1/payments", &Acquirer::Approve);
  add(http::Method::kGet, "/v1/payments", &Acquirer::Find);
  add(http::Method::kPost, "/v1/cancellations", &Acquirer::Cancel);
  add(http::Method::kPost, "/v1/refunds", &Acquirer::Refund);
  return router;
}

bool Acquirer::Knows(const Request& request) const {
  return request.header("Authorization") == "Bearer " + options_.api_key;
}

asio::awaitable<void> Acquirer::Wait(milliseconds time) {
  asio::steady_timer timer(io_, time);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Acquirer::Answer Acquirer::Silence() {
  co_await Wait(kSilence);
  co_return Json({{"error", "too late"}}, 504);
}

Response Acquirer::StateOf(const Payment& payment) const {
  const Account& account = payment.account;
  json::object body{{"id", payment.id},
                    {"key", account.key},
                    {"amount", SaidAmount(account)},
                    {"currency", account.currency}};
  switch (payment.state) {
    case State::kPending:
      body["status"] = "pending";
      break;
    case State::kCaptured:
      body["status"] = "captured";
      break;
    case State::kDeclined:
      body["status"] = "declined";
      body["code"] = "card_declined";
      return Json(body, 402);
    case State::kCancelled:
      body["status"] = "cancelled";
      return Json(body, 402);
    case State::kVoided:
      body["status"] = "voided";
      return Json(body, 402);
    case State::kRefunded:
      body["status"] = "refunded";
      break;
  }
  return Json(body, 200);
}

void Acquirer::Capture(Payment& payment) {
  payment.state = State::kCaptured;
  payment.account.captured += payment.account.amount;
  Tell(payment, "payment.captured");
}

void Acquirer::CaptureLater(std::string key) {
  const auto capture = [](Acquirer& self, std::string key) -> asio::awaitable<void> {
    co_await self.Wait(self.options_.late);
    const std::scoped_lock lock(self.mutex_);
    Payment& payment = self.payments_.at(key);
    const bool regardless = payment.account.instrument == "capture_after_cancel";
    if (payment.state == State::kPending || regardless) self.Capture(payment);
  };
  asio::co_spawn(io_, capture(*this, std::move(key)), asio::detached);
}

Acquirer::Answer Acquirer::Approve(Request& request) {
  const json::object body = Parse(request.body());
  const std::string key = Text(body, "key");
  if (key.empty() || request.header("Idempotency-Key") != key) co_return Json({{"error", "key"}}, 400);
  const std::string script = Text(body, "instrument");
  enum class Way { kAnswer, kSilence, kError, kGarbage, kSlow } way = Way::kAnswer;
  {
    const std::scoped_lock lock(mutex_);
    const auto [it, is_new] = payments_.try_emplace(key);
    Payment& payment = it->second;
    if (is_new) {
      payment.id = fmt::format("acq-{}", ++next_id_);
      payment.account = {key, script, Text(body, "currency"), Number(body, "amount"), 0, 0};
    }
    const bool first = ++payment.tries == 1;
    const bool lost = first && (script == "timeout_before_capture" || script == "error_before_capture");
    const bool waits = script == "late_approval" || script == "capture_after_cancel" || script == "slow";
    if (lost) {
      way = script == "error_before_capture" ? Way::kError : Way::kSilence;
    } else if (payment.state == State::kPending && !waits) {
      if (script == "decline" || script == "webhook_forged") {
        payment.state = State::kDeclined;
        Tell(payment, "payment.declined");
      } else {
        Capture(payment);
      }
      if (script == "timeout_after_capture") way = Way::kSilence;
      if (script == "error_after_capture") way = Way::kError;
      if (script == "garbage_after_capture") way = Way::kGarbage;
    } else if (first && waits) {
      way = script == "slow" ? Way::kSlow : Way::kSilence;
      if (script == "late_approval") CaptureLater(key);
    }
  }
  if (way == Way::kSilence) co_return co_await Silence();
  if (way == Way::kError) co_return Json({{"error", "internal"}}, 500);
  if (way == Way::kGarbage) co_return http::JsonResponse("<html>thank you</html>", 200);
  if (way == Way::kSlow) {
    co_await Wait(options_.slow);
    const std::scoped_lock lock(mutex_);
    Payment& payment = payments_.at(key);
    if (payment.state == State::kPending) Capture(payment);
    co_return StateOf(payment);
  }
  const std::scoped_lock lock(mutex_);
  co_return StateOf(payments_.at(key));
}

Acquirer::Answer Acquirer::Find(Request& request) {
  const std::string key(request.query("key").value_or(""));
  const std::scoped_lock lock(mutex_);
  const auto it = payments_.find(key);
  // What was lost on its way is not known here.
  const bool lost = it != payments_.end() && it->second.state == State::kPending &&
                    it->second.account.instrument.ends_with("_before_capture");
  if (it == payments_.end() || lost) co_return Json({{"error", "unknown"}}, 404);
  co_return StateOf(it->second);
}

Acquirer::Answer Acquirer::Cancel(Request& request) {
  const std::string key = Text(Parse(request.body()), "key");
  const std::scoped_lock lock(mutex_);
  const auto [it, is_new] = payments_.try_emplace(key);
  Payment& payment = it->second;
  payment.account.key = key;
  const bool lost = payment.account.instrument.ends_with("_before_capture");
  if (payment.state == State::kCaptured && payment.account.instrument == kRefundRefused) {
    co_return Refused(key);
  }
  switch (payment.state) {
    case State::kPending:
      payment.state = is_new || lost ? State::kCancelled : State::kVoided;
      if (payment.account.instrument == "capture_after_cancel") CaptureLater(key);
      break;
    case State::kDeclined:
      payment.state = State::kCancelled;
      break;
    case State::kCaptured:
      payment.state = State::kRefunded;
      payment.account.refunded = payment.account.captured;
      break;
    default:
      break;
  }
  const char* status = payment.state == State::kRefunded ? "refunded"
                       : payment.state == State::kVoided ? "voided"
                                                         : "cancelled";
  co_return Json({{"key", key}, {"status", status}}, 200);
}

Acquirer::Answer Acquirer::Refund(Request& request) {
  const json::object body = Parse(request.body());
  const std::string key = Text(body, "key");
  const int64_t amount = Number(body, "amount");
  const std::scoped_lock lock(mutex_);
  const auto it = payments_.find(Text(body, "payment_key"));
  if (it == payments_.end() || key.empty() || request.header("Idempotency-Key") != key) {
    co_return Json({{"error", "unknown"}}, 404);
  }
  Payment& payment = it->second;
  if (payment.first_refund.empty()) payment.first_refund = key;
  const bool first = payment.first_refund == key;
  if (payment.account.instrument == kRefundRefused) co_return Refused(key);
  if (payment.account.instrument == kFirstRefundRefused && first) co_return Refused(key);
  const bool known = payment.refunds.contains(key);
  if (!known && (payment.state != State::kCaptured || amount < 1 || amount > payment.account.kept())) {
    co_return Json({{"error", "refused"}}, 409);
  }
  if (!known) {
    payment.refunds[key] = amount;
    payment.account.refunded += amount;
    if (payment.account.instrument == "refund_error") co_return Json({{"error", "internal"}}, 500);
  }
  co_return Json({{"key", key},
                  {"status", "refunded"},
                  {"amount", payment.refunds[key]},
                  {"currency", payment.account.currency}},
                 200);
}

Message Acquirer::Sign(const std::string& body, const std::string& secret, milliseconds ago) {
  Message message;
  message.id = fmt::format("msg-{}-{}", port(), ++next_id_);
  const int64_t at_s = ToUnixMs(clock_.Now() - ago) / 1'000;
  message.timestamp = std::to_string(at_s);
  message.signature = auth::SignWebhook(secret, message.id, at_s, body);
  message.body = body;
  return message;
}

void Acquirer::Tell(const Payment& payment, const std::string& type) {
  const Account& account = payment.account;
  const auto body_of = [&](const std::string& what) {
    json::object data{{"key", account.key},
                      {"id", payment.id},
                      {"amount", SaidAmount(account)},
                      {"currency", account.currency}};
    return json::serialize(
        json::object{{"type", what}, {"timestamp", ToRfc3339(clock_.Now())}, {"data", data}});
  };
  const std::string body = body_of(type);
  if (account.instrument == "webhook_forged") {
    Send("forged", Sign(body_of("payment.captured"), std::string(24, 'x')));
  } else if (account.instrument == "webhook_replayed") {
    Send("replayed", Sign(body, secret_, kReplayAge));
  } else {
    const Message message = Sign(body, secret_);
    Send(type, message);
    if (account.instrument == "webhook_twice") Send(type, message, milliseconds(300));
  }
}

void Acquirer::Send(const std::string& kind, Message message, milliseconds after) {
  asio::co_spawn(io_, Deliver(kind, std::move(message), after), asio::detached);
}

asio::awaitable<void> Acquirer::Deliver(std::string kind, Message message, milliseconds after) {
  co_await Wait(after);
  int status = 0;
  for (int n = 0; n < kWebhookTries && (status == 0 || status >= 500); ++n) {
    if (n > 0) co_await Wait(kWebhookPause);
    std::string url;
    {
      const std::scoped_lock lock(mutex_);
      url = options_.webhook_url;
    }
    if (options_.deliver) {
      status = options_.deliver(message);
      continue;
    }
    if (url.empty()) co_return;
    http::ClientRequest request;
    request.method = "POST";
    request.url = url;
    request.timeout = std::chrono::seconds(5);
    request.headers = {{"Content-Type", "application/json"},
                       {"webhook-id", message.id},
                       {"webhook-timestamp", message.timestamp},
                       {"webhook-signature", message.signature}};
    request.body = message.body;
    http::TlsOptions trust;  // a local: GCC 12 destroys a temporary twice here
    const Result<http::ClientResponse> response = co_await http::Fetch(std::move(request), std::move(trust));
    status = response ? response->status : 0;
  }
  const std::scoped_lock lock(mutex_);
  deliveries_.push_back({std::move(message), std::move(kind), status});
}

}  // namespace boxoffice::acquirer
