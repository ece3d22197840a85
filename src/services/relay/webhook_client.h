// Deliveries as webhooks: CloudEvents 1.0 in HTTP's binary mode, signed as Standard Webhooks 1.0 says.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/result.h"
#include "platform/http/client.h"
#include "services/relay/dispatcher.h"

namespace boxoffice::relay {

// kSecretBytes from the operating system's generator.
[[nodiscard]] std::string RandomSecret();
// As operators see it: "whsec_" and its base64.
[[nodiscard]] std::string FormatSecret(std::string_view secret);

// "v1," and the base64 of HMAC-SHA256 with the secret's bytes over "id.timestamp.body".
[[nodiscard]] std::string Sign(std::string_view secret, std::string_view id, int64_t timestamp_s,
                               std::string_view body);

// A body with `data` reduced to its ids (and the reservation's version, which orders its events):
// Payload::kThin.
[[nodiscard]] std::string ThinBody(std::string_view body);
// The body as a target of this kind is sent it.
[[nodiscard]] std::string BodyFor(Payload payload, std::string_view body);

// The request of an attempt: POST with
//   webhook-id (the event's id: the same at every attempt, so that receivers can drop repeats),
//   webhook-timestamp, webhook-signature (by the secret, and after a space by the one before while that
//   counts); ce-id, ce-type, ce-source "/boxoffice/<topic>", ce-specversion, ce-time; traceparent (the
//   event's; while tracing is on, that of the attempt's own span, below it); and the JSON body.
[[nodiscard]] http::ClientRequest MakeRequest(const Attempt& attempt, Timestamp now,
                                              std::chrono::milliseconds timeout);

// How long after `now` a Retry-After field (RFC 9110, section 10.2.3) asks to wait: whole seconds, or a date;
// 0 for a date that has passed. Anything else: nullopt.
[[nodiscard]] std::optional<milliseconds> ParseRetryAfter(std::string_view value, Timestamp now);

// Sends on a thread of its own, to addresses that the policy allows: judged after a name was looked up, at
// each attempt. It follows no redirect.
class HttpSender final : public Sender {
 public:
  explicit HttpSender(std::chrono::milliseconds timeout = std::chrono::seconds(30), http::TlsOptions tls = {},
                      AddressPolicy addresses = {});
  // Attempts that are under way are cut off; their `done` is not called.
  ~HttpSender() override;
  // An answer of any status has it, and its Retry-After counted from `now`, when it was sent: once its head
  // is there, whatever becomes of its body. Everything else has the error's reason and detail.
  void Send(const Attempt& attempt, Timestamp now, Done done) override;

 private:
  const std::chrono::milliseconds timeout_;
  const http::TlsOptions tls_;
  const AddressPolicy addresses_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace boxoffice::relay
