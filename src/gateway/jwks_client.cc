#include "gateway/jwks_client.h"

#include <utility>

#include <fmt/format.h>

#include "platform/obs/log.h"

namespace boxoffice::gateway {
namespace {

constexpr std::chrono::milliseconds kTimeout{3'000};
constexpr size_t kMaxSet = 256 * 1024;  // bytes

obs::Counter& Counter(obs::Registry& metrics, const char* outcome) {
  return metrics.GetCounter("boxoffice_jwks_fetches_total", "Looks at the identity provider's keys",
                            {{"outcome", outcome}});
}

}  // namespace

JwksClient::JwksClient(std::string url, http::TlsOptions trust, auth::JwksCache& cache,
                       obs::Registry& metrics)
    : url_(std::move(url)),
      trust_(std::move(trust)),
      cache_(cache),
      succeeded_(Counter(metrics, "succeeded")),
      failed_(Counter(metrics, "failed")),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void JwksClient::Run(const std::stop_token& stop) {
  while (cache_.AwaitDue(stop)) {
    const Result<void> answered = Ask();
    (answered ? succeeded_ : failed_).Add();
    if (answered) continue;
    obs::Log(obs::Level::kWarning, "jwks_fetch_failed",
             {{"url", url_}, {"reason", answered.error().reason}, {"detail", answered.error().detail}});
  }
}

Result<void> JwksClient::Ask() {
  http::ClientRequest request;
  request.url = url_;
  request.headers = {{"Accept", "application/jwk-set+json, application/json"}};
  request.timeout = kTimeout;
  request.max_response = kMaxSet;
  auto response = http::FetchBlocking(std::move(request), trust_);
  if (response && response->status != 200) {
    response = Fail(Code::kUnavailable, "jwks_status",
                    fmt::format("it answered {}; a redirection is not followed", response->status));
  }
  if (response) return cache_.Load(response->body);
  cache_.Failed();
  return std::unexpected(std::move(response).error());
}

}  // namespace boxoffice::gateway
