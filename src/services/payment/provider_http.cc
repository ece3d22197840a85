#include "services/payment/provider_http.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"
#include "platform/auth/webhook_signature.h"
#include "platform/http/client_span.h"
#include "platform/http/json_writer.h"
#include "platform/http/url.h"
#include "platform/obs/log.h"
#include "platform/rpc/breaker_metrics.h"

namespace boxoffice::payment {

struct Reading {
  Reading(ProviderAnswer said) : answer(std::move(said)) {}
  ProviderAnswer answer;
  std::string_view odd;  // what is wrong with an answer that says nothing
};

namespace {

namespace json = boost::json;

constexpr size_t kMaxAnswerBytes = 64 << 10;
constexpr size_t kMaxInstrumentBytes = 48;
constexpr size_t kMaxCodeBytes = 64;
constexpr size_t kMaxReferenceBytes = 255;
constexpr int kFirstFault = 500;  // of HTTP's statuses
// Meant as seconds, what is less would have every payment in doubt.
constexpr std::chrono::milliseconds kLeastTimeout{100};
// Who calls whom, as breakers are told of.
constexpr const char* kClient = "payment-acquirer";
constexpr const char* kReplica = "http";

using resilience::Breaker;

Breaker::Moment Now() { return std::chrono::steady_clock::now(); }

// It may take its time: only what is not answered within the time-out counts against it.
resilience::BreakerConfig BreakerOf(const AcquirerConfig& config) {
  resilience::BreakerConfig breaker = config.breaker;
  breaker.slow_after = std::max(breaker.slow_after, config.timeout);
  return breaker;
}

// The members of a JSON object that the protocol knows; others are the acquirer's affair.
class Answer {
 public:
  explicit Answer(std::string_view body) {
    boost::system::error_code error;
    value_ = json::parse(body, error);
    if (error || !value_.is_object()) value_ = json::object();
  }
  explicit Answer(json::value value) : value_(std::move(value)) {
    if (!value_.is_object()) value_ = json::object();
  }
  [[nodiscard]] std::string Text(std::string_view name) const {
    const json::value* member = value_.as_object().if_contains(name);
    return member != nullptr && member->is_string() ? std::string(member->as_string()) : std::string();
  }
  [[nodiscard]] std::optional<Money> MoneyOf() const {
    const json::value* amount = value_.as_object().if_contains("amount");
    const auto currency = Currency::Parse(Text("currency"));
    if (amount == nullptr || !amount->is_int64() || !currency) return std::nullopt;
    return Money{amount->as_int64(), *currency};
  }
  [[nodiscard]] Answer Object(std::string_view name) const {
    const json::value* member = value_.as_object().if_contains(name);
    return Answer(member != nullptr ? *member : json::value(nullptr));
  }

 private:
  json::value value_;
};

// A text of the acquirer's as it may be kept: a half character could never be read again from a protobuf, and
// PostgreSQL takes neither that nor a NUL.
std::string Kept(std::string text, size_t max_bytes) {
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

// What was taken has a reference: without an id of the acquirer's it is the key that we gave it.
std::string ReferenceOf(const Answer& answer, std::string key) {
  std::string id = Kept(answer.Text("id"), kMaxReferenceBytes);
  return id.empty() ? Kept(std::move(key), kMaxReferenceBytes) : id;
}

ProviderAnswer Said(Verdict verdict) {
  return {.verdict = verdict, .reference = {}, .code = {}, .refund = {}};
}

Reading Odd(std::string_view why) {
  Reading reading = Said(Verdict::kUnknown);
  reading.odd = why;
  return reading;
}

// Of an approval and of a query: what the acquirer has under the key.
Reading ReadState(const ProviderRequest& request, const http::ClientResponse& response) {
  if (response.status == 404) return Said(Verdict::kNotFound);
  if (response.status != 200 && response.status != 201 && response.status != 402) {
    return Odd("status");
  }
  const Answer answer(response.body);
  if (answer.Text("key") != request.IdempotencyKey()) return Odd("key");
  const std::string status = answer.Text("status");
  if (status == "captured") {
    if (answer.MoneyOf() != request.money) return Odd("money");
    ProviderAnswer captured = Said(Verdict::kApproved);
    captured.reference = ReferenceOf(answer, request.IdempotencyKey());
    return captured;
  }
  if (status == "declined" || status == "cancelled" || status == "voided" || status == "refunded") {
    ProviderAnswer declined = Said(Verdict::kDeclined);
    declined.code = Kept(status == "declined" ? answer.Text("code") : status, kMaxCodeBytes);
    return declined;
  }
  return status == "pending" ? Said(Verdict::kUnknown) : Odd("status of the payment");
}

// An approval that the acquirer does not know of after it was sent there proves nothing.
Reading ReadApproval(const ProviderRequest& request, const http::ClientResponse& response) {
  if (response.status == 404) return Odd("status");
  return ReadState(request, response);
}

// Of a cancellation and of a refund, under its key: for certain nothing has moved, and the code says why.
// Without it, such a status may be of whatever stands between us and the acquirer.
std::optional<ProviderAnswer> ReadRefusal(std::string_view key, const http::ClientResponse& response) {
  if (response.status != 402 && response.status != 409 && response.status != 422) return std::nullopt;
  const Answer answer(response.body);
  std::string code = Kept(answer.Text("code"), kMaxCodeBytes);
  if (answer.Text("key") != key || answer.Text("status") != "refused" || code.empty()) return std::nullopt;
  return ProviderAnswer{.verdict = Verdict::kRefused, .reference = {}, .code = std::move(code), .refund = {}};
}

Reading ReadCancellation(const ProviderRequest& request, const http::ClientResponse& response) {
  if (auto refused = ReadRefusal(request.IdempotencyKey(), response)) return *std::move(refused);
  if (response.status != 200) return Odd("status");
  const Answer answer(response.body);
  if (answer.Text("key") != request.IdempotencyKey()) return Odd("key");
  const std::string status = answer.Text("status");
  if (status == "cancelled") return Said(Verdict::kNeverSeen);
  if (status == "voided") return Said(Verdict::kVoided);
  if (status == "refunded") return Said(Verdict::kRefunded);
  return Odd("status of the cancellation");
}

Reading ReadRefund(const ProviderRequest& request, const http::ClientResponse& response) {
  if (auto refused = ReadRefusal(request.RefundKey(), response)) return *std::move(refused);
  if (response.status != 200 && response.status != 201) return Odd("status");
  const Answer answer(response.body);
  if (answer.Text("key") != request.RefundKey()) return Odd("key");
  if (answer.Text("status") != "refunded" || answer.MoneyOf() != request.money) {
    return Odd("status of the refund, or its money");
  }
  return Said(Verdict::kRefundDone);
}

// "<reservation>/<attempt>".
std::optional<std::pair<ReservationId, uint32_t>> ParseKey(std::string_view key) {
  const size_t slash = key.find('/');
  const auto reservation = ReservationId::Parse(key.substr(0, slash));
  if (slash == std::string_view::npos || !reservation) return std::nullopt;
  const uint32_t attempt = ParseNumber<uint32_t>(key.substr(slash + 1)).value_or(0);
  if (attempt == 0) return std::nullopt;
  return std::pair(*reservation, attempt);
}

Error Malformed(std::string detail) {
  return {Code::kInvalidArgument, "webhook_malformed", std::move(detail)};
}

void WarnOfAnswer(WarningPaces& paces, const ProviderRequest& request, const http::ClientResponse& response,
                  std::string_view why) {
  const auto [level, others] = paces[std::string(why)].Next(Now().time_since_epoch());
  if (!obs::Logs(level)) return;
  obs::Log(
      level, "payment_acquirer_answer_unusable",
      {{"key", request.IdempotencyKey()}, {"status", response.status}, {"why", why}, {"others", others}});
}

void WarnOfSilence(WarningPaces& paces, const ProviderRequest& request, const Error& error) {
  const auto [level, others] = paces[error.reason].Next(Now().time_since_epoch());
  if (!obs::Logs(level)) return;
  obs::Log(level, "payment_acquirer_unreachable",
           {{"key", request.IdempotencyKey()},
            {"reason", error.reason},
            {"detail", error.detail},
            {"others", others}});
}

boost::asio::awaitable<void> Exchange(ProviderRequest request, http::ClientRequest call, http::TlsOptions tls,
                                      Reading (*read)(const ProviderRequest&, const http::ClientResponse&),
                                      Provider::Callback callback,
                                      std::move_only_function<void(bool)> answered, WarningPaces& paces) {
  http::ClientSpan span("payment", call);
  const Result<http::ClientResponse> response = co_await http::Fetch(std::move(call), std::move(tls));
  span.End(response);
  if (answered) answered(response && response->status < kFirstFault);
  if (!response) {
    WarnOfSilence(paces, request, response.error());
    callback(Said(Verdict::kUnknown));
    co_return;
  }
  Reading reading = read(request, *response);
  if (!reading.odd.empty()) WarnOfAnswer(paces, request, *response, reading.odd);
  callback(std::move(reading.answer));
}

}  // namespace

Result<std::unique_ptr<HttpProvider>> HttpProvider::Make(AcquirerConfig config, obs::Registry& metrics) {
  // What may be a password in it is not repeated.
  if (!http::IsUrl(config.url) || config.url.find_first_of("?#") != std::string::npos) {
    return Fail(
        Code::kInvalidArgument, "config",
        "acquirer.url: must be https://HOST[:PORT][/PATH], or http://…, without a user, a query and a "
        "fragment");
  }
  if (!IsVisible(config.api_key)) {
    return Fail(
        Code::kInvalidArgument, "config",
        "acquirer.api_key: has a blank, a line break at its end say, or another character that is not "
        "visible ASCII");
  }
  while (config.url.ends_with('/')) config.url.pop_back();
  std::vector<std::string> secrets;
  for (const std::string& text : config.webhook_secrets) {
    auto secret = auth::ParseWebhookSecret(text);
    if (!secret) {
      return Fail(Code::kInvalidArgument, "config",
                  "acquirer.webhook_secrets: each is whsec_ and the base64 of 16 to 64 bytes");
    }
    secrets.push_back(*std::move(secret));
  }
  if (config.timeout > std::chrono::milliseconds(0) && config.timeout < kLeastTimeout) {
    return Fail(Code::kInvalidArgument, "config",
                fmt::format("acquirer.timeout_ms: at least {}, or 0", kLeastTimeout.count()));
  }
  return std::unique_ptr<HttpProvider>(new HttpProvider(std::move(config), std::move(secrets), metrics));
}

HttpProvider::HttpProvider(AcquirerConfig config, std::vector<std::string> secrets, obs::Registry& metrics)
    : config_(std::move(config)),
      secrets_(std::move(secrets)),
      breaker_(std::make_shared<Breaker>(BreakerOf(config_), rpc::ChangesTold(metrics, kClient, kReplica))),
      work_(io_.get_executor()),
      thread_([this] { io_.run(); }) {
  rpc::ShowBreaker(metrics, kClient, kReplica, breaker_);
}

HttpProvider::~HttpProvider() {
  work_.reset();
  io_.stop();
}

bool HttpProvider::Accepts(std::string_view instrument) const {
  return !instrument.empty() && instrument.size() <= kMaxInstrumentBytes && IsVisible(instrument);
}

bool HttpProvider::IsAway() const { return !breaker_->WouldAdmit(Now()); }

http::ClientRequest HttpProvider::Prepare(const ProviderRequest& request, std::string method,
                                          std::string_view path, std::string_view key,
                                          std::string body) const {
  http::ClientRequest call;
  call.method = std::move(method);
  call.url = fmt::format("{}{}", config_.url, path);
  call.timeout = config_.timeout;
  call.max_response = kMaxAnswerBytes;
  call.headers = {{"User-Agent", "Boxoffice-Payment/1"}, {"Accept", "application/json"}};
  if (!config_.api_key.empty()) call.headers.emplace_back("Authorization", "Bearer " + config_.api_key);
  if (!key.empty()) call.headers.emplace_back("Idempotency-Key", std::string(key));
  if (!request.traceparent.empty()) call.headers.emplace_back("traceparent", request.traceparent);
  if (!body.empty()) call.headers.emplace_back("Content-Type", "application/json");
  call.body = std::move(body);
  return call;
}

void HttpProvider::Send(const ProviderRequest& request, http::ClientRequest call, Read read,
                        Callback callback, Answered answered) {
  boost::asio::co_spawn(
      io_,
      Exchange(request, std::move(call), config_.tls, read, std::move(callback), std::move(answered), paces_),
      boost::asio::detached);
}

void HttpProvider::Approve(const ProviderRequest& request, Callback callback) {
  Breaker::Permit permit;
  if (!breaker_->Admit(Now(), permit)) {
    boost::asio::post(io_, [callback = std::move(callback)]() mutable { callback(Said(Verdict::kUnknown)); });
    return;
  }
  http::JsonWriter body;
  body.BeginObject().Field("key", request.IdempotencyKey()).Field("amount", request.money.amount);
  body.Field("currency", request.money.currency.code()).Field("user_id", request.user_id);
  body.Field("instrument", request.instrument).EndObject();
  Send(request, Prepare(request, "POST", "/payments", request.IdempotencyKey(), body.Take()), ReadApproval,
       std::move(callback), [breaker = breaker_, permit](bool answered) {
         breaker->Report(permit, answered ? Breaker::Outcome::kAnswered : Breaker::Outcome::kFailed, Now());
       });
}

void HttpProvider::Query(const ProviderRequest& request, Callback callback) {
  const std::string path = "/payments?key=" + http::PercentEncode(request.IdempotencyKey());
  Send(request, Prepare(request, "GET", path, {}, {}), ReadState, std::move(callback));
}

void HttpProvider::Cancel(const ProviderRequest& request, Callback callback) {
  http::JsonWriter body;
  body.BeginObject().Field("key", request.IdempotencyKey()).EndObject();
  // An acquirer may repeat under the same key what it said before it took the money.
  const std::string key = request.IdempotencyKey() + (request.cancelled_before ? "/cancel/again" : "/cancel");
  Send(request, Prepare(request, "POST", "/cancellations", key, body.Take()), ReadCancellation,
       std::move(callback));
}

void HttpProvider::Refund(const ProviderRequest& request, Callback callback) {
  http::JsonWriter body;
  body.BeginObject().Field("key", request.RefundKey()).Field("payment_key", request.IdempotencyKey());
  body.Field("amount", request.money.amount).Field("currency", request.money.currency.code()).EndObject();
  Send(request, Prepare(request, "POST", "/refunds", request.RefundKey(), body.Take()), ReadRefund,
       std::move(callback));
}

Result<Notice> HttpProvider::ReadWebhook(const WebhookRequest& request, Timestamp now) const {
  BOXOFFICE_TRY(
      auth::VerifyWebhook(secrets_, request.id, request.timestamp, request.signature, request.body, now));
  boost::system::error_code error;
  const json::value body = json::parse(request.body, error);
  if (error || !body.is_object()) return std::unexpected(Malformed("body: must be a JSON object"));
  const Answer event(body);
  const std::string type = event.Text("type");
  if (type.empty()) return std::unexpected(Malformed("type: must be a string"));
  Notice notice;
  if (type != "payment.captured" && type != "payment.declined") return notice;
  const Answer data = event.Object("data");
  const auto key = ParseKey(data.Text("key"));
  if (!key) return std::unexpected(Malformed("data.key: must be a key of ours, <reservation>/<attempt>"));
  notice.relevant = true;
  std::tie(notice.reservation, notice.attempt) = *key;
  if (type == "payment.declined") {
    notice.answer = Said(Verdict::kDeclined);
    notice.answer.code = Kept(data.Text("code"), kMaxCodeBytes);
    return notice;
  }
  const auto money = data.MoneyOf();
  if (!money)
    return std::unexpected(Malformed("data.amount, data.currency: must be the money that was taken"));
  notice.money = *money;
  notice.answer = Said(Verdict::kApproved);
  notice.answer.reference = ReferenceOf(data, data.Text("key"));
  return notice;
}

}  // namespace boxoffice::payment
