// An external acquirer over HTTP: what is asked of it, and how its answers and webhooks are read. README.md
// has the protocol.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/result.h"
#include "platform/http/client.h"
#include "platform/obs/metrics.h"
#include "platform/obs/warning_pace.h"
#include "platform/resilience/breaker.h"
#include "services/payment/provider.h"

namespace boxoffice::payment {

struct AcquirerConfig {
  std::string url;      // "https://acquirer.example/v1", without a slash at the end; empty: there is none
  std::string api_key;  // sent as a bearer token; empty: none is sent
  // "whsec_…"; what is signed by any of them is believed. Empty: webhooks are refused.
  std::vector<std::string> webhook_secrets;
  std::chrono::milliseconds timeout{0};  // for each call; 0 is for the module to fill in (AcquirerOf)
  http::TlsOptions tls;
  // Of approvals. An answer that comes within `timeout` is never slow.
  resilience::BreakerConfig breaker;
};

struct Reading;  // what an answer says

// By what is wrong. Each payment that is in doubt is asked for every second.
using WarningPaces = std::map<std::string, obs::WarningPace>;

// Only what an answer says for certain is a verdict: a status and a body of the protocol. Everything else
// (another status, a body that can't be read, another key or other money than was asked for, a lost
// connection) is kUnknown, and is asked for again. Works on a thread of its own; thread-safe.
//
// While its circuit breaker is open it is away, and no approval is sent: one that comes all the same is
// answered kUnknown at once, as an earlier one under the same key may have got there. What settles or gives
// back is asked all the same.
class HttpProvider final : public Provider {
 public:
  // `metrics` outlives it. Errors: config (kInvalidArgument: the URL, the API key or a secret is none, or a
  // time-out is less than 100 ms).
  [[nodiscard]] static Result<std::unique_ptr<HttpProvider>> Make(AcquirerConfig config,
                                                                  obs::Registry& metrics);
  // Calls that are under way are cut off; their callbacks are not called.
  ~HttpProvider() override;

  // 1 to 48 visible characters without a blank: the acquirer's own name for what pays, such as a card's
  // token.
  [[nodiscard]] bool Accepts(std::string_view instrument) const override;
  [[nodiscard]] bool IsAway() const override;
  void Approve(const ProviderRequest& request, Callback callback) override;
  void Query(const ProviderRequest& request, Callback callback) override;
  void Cancel(const ProviderRequest& request, Callback callback) override;
  void Refund(const ProviderRequest& request, Callback callback) override;
  [[nodiscard]] Result<Notice> ReadWebhook(const WebhookRequest& request, Timestamp now) const override;

 private:
  using Read = Reading (*)(const ProviderRequest&, const http::ClientResponse&);
  // Hears whether there was an answer, and no fault. Empty: nobody counts it.
  using Answered = std::move_only_function<void(bool)>;
  HttpProvider(AcquirerConfig config, std::vector<std::string> secrets, obs::Registry& metrics);
  [[nodiscard]] http::ClientRequest Prepare(const ProviderRequest& request, std::string method,
                                            std::string_view path, std::string_view key,
                                            std::string body) const;
  void Send(const ProviderRequest& request, http::ClientRequest call, Read read, Callback callback,
            Answered answered = {});

  const AcquirerConfig config_;
  const std::vector<std::string> secrets_;  // their bytes
  const std::shared_ptr<resilience::Breaker> breaker_;
  WarningPaces paces_;  // of thread_ alone
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::jthread thread_;
};

}  // namespace boxoffice::payment
