#include "services/relay/webhook_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <span>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "platform/auth/webhook_signature.h"
#include "platform/http/client_span.h"

namespace boxoffice::relay {
namespace {

bool Allows(const AddressPolicy& addresses, std::span<const uint8_t> bytes) {
  Address address{};
  std::array<uint8_t, 4> ipv4{};
  if (bytes.size() == ipv4.size()) {
    std::ranges::copy(bytes, ipv4.begin());
    return addresses.Allows(FromIpv4(ipv4));
  }
  std::ranges::copy(bytes, address.begin());
  return addresses.Allows(address);
}

boost::asio::awaitable<void> SendOne(http::ClientRequest request, http::TlsOptions tls, Timestamp now,
                                     Sender::Done done) {
  http::ClientSpan span("relay", request);
  Result<http::ClientResponse> response = co_await http::Fetch(std::move(request), std::move(tls));
  span.End(response);
  Answer answer;
  if (response) {
    answer.status = response->status;
    if (const auto field = response->header("Retry-After")) answer.retry_after = ParseRetryAfter(*field, now);
  } else {
    answer.error = fmt::format("{}: {}", response.error().reason, response.error().detail);
  }
  done(std::move(answer));
}

}  // namespace

std::string RandomSecret() {
  std::string secret(kSecretBytes, '\0');
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), static_cast<int>(secret.size())) == 1);
  return secret;
}

std::string FormatSecret(std::string_view secret) { return auth::FormatWebhookSecret(secret); }

std::string Sign(std::string_view secret, std::string_view id, int64_t timestamp_s, std::string_view body) {
  return auth::SignWebhook(secret, id, timestamp_s, body);
}

std::string ThinBody(std::string_view body) {
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(body, error);
  boost::json::object* object = error ? nullptr : value.if_object();
  boost::json::value* data = object == nullptr ? nullptr : object->if_contains("data");
  CHECK(data != nullptr && data->is_object(), "bodies are our own");
  boost::json::object thin;
  for (const auto& [name, member] : data->as_object()) {
    if (name.ends_with("_id") || name == "version") thin[name] = member;
  }
  *data = std::move(thin);
  return boost::json::serialize(value);
}

std::string BodyFor(Payload payload, std::string_view body) {
  return payload == Payload::kThin ? ThinBody(body) : std::string(body);
}

http::ClientRequest MakeRequest(const Attempt& attempt, Timestamp now, std::chrono::milliseconds timeout) {
  const InboxEvent& event = attempt.event;
  const std::string id = event.id.ToString();
  const int64_t timestamp_s = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::string body = BodyFor(attempt.payload, event.body);
  std::string signatures = Sign(attempt.secret, id, timestamp_s, body);
  if (!attempt.old_secret.empty()) signatures += " " + Sign(attempt.old_secret, id, timestamp_s, body);
  http::ClientRequest request;
  request.method = "POST";
  request.url = attempt.url;
  request.timeout = timeout;
  request.head_is_enough = true;  // nobody reads what a target says besides
  request.headers = {{"Content-Type", "application/json"},
                     {"User-Agent", "Boxoffice-Relay/1"},
                     {"webhook-id", id},
                     {"webhook-timestamp", std::to_string(timestamp_s)},
                     {"webhook-signature", std::move(signatures)},
                     {"ce-specversion", "1.0"},
                     {"ce-id", id},
                     {"ce-type", event.type},
                     {"ce-source", "/boxoffice/" + event.topic},
                     {"ce-time", ToRfc3339(event.time)}};
  if (!event.traceparent.empty()) request.headers.emplace_back("traceparent", event.traceparent);
  request.body = std::move(body);
  return request;
}

std::optional<milliseconds> ParseRetryAfter(std::string_view value, Timestamp now) {
  int64_t seconds = 0;
  const char* end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, seconds);
  if (rest == end && !value.empty() && value.front() != '-') {
    constexpr int64_t kCenturyS = 3'155'760'000;  // what is longer does not fit, or is no less absurd
    return std::chrono::seconds(error == std::errc() ? std::min(seconds, kCenturyS) : kCenturyS);
  }
  tm date{};
  const std::string text(value);
  const char* parsed = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (parsed == nullptr || *parsed != '\0') return std::nullopt;
  const Timestamp at{std::chrono::seconds(::timegm(&date))};
  return std::max(at - now, milliseconds(0));
}

HttpSender::HttpSender(std::chrono::milliseconds timeout, http::TlsOptions tls, AddressPolicy addresses)
    : timeout_(timeout),
      tls_(std::move(tls)),
      addresses_(std::move(addresses)),
      work_(io_.get_executor()),
      thread_([this] { io_.run(); }) {}

HttpSender::~HttpSender() {
  work_.reset();
  io_.stop();
  thread_.join();
}

void HttpSender::Send(const Attempt& attempt, Timestamp now, Done done) {
  http::ClientRequest request = MakeRequest(attempt, now, timeout_);
  request.allow_address = [this](std::span<const uint8_t> bytes) { return Allows(addresses_, bytes); };
  boost::asio::co_spawn(io_, SendOne(std::move(request), tls_, now, std::move(done)), boost::asio::detached);
}

}  // namespace boxoffice::relay
