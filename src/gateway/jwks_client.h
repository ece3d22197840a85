// Asks the identity provider for its keys, whenever they are due.
#pragma once

#include <string>
#include <thread>

#include "platform/auth/jwks.h"
#include "platform/http/client.h"
#include "platform/obs/metrics.h"

namespace boxoffice::gateway {

// Works from its construction to its destruction, which may take as long as a question does (3 s). What is
// not answered, or by something else than 200 with a set of keys, is logged, counted, and asked again.
class JwksClient {
 public:
  // `cache` and `metrics` outlive it.
  JwksClient(std::string url, http::TlsOptions trust, auth::JwksCache& cache, obs::Registry& metrics);

 private:
  void Run(const std::stop_token& stop);
  Result<void> Ask();

  const std::string url_;
  const http::TlsOptions trust_;
  auth::JwksCache& cache_;
  obs::Counter& succeeded_;
  obs::Counter& failed_;
  std::jthread thread_;
};

}  // namespace boxoffice::gateway
