// Requests and their times, by route.
#pragma once

#include <chrono>
#include <string_view>
#include <unordered_map>

#include "platform/http/server.h"
#include "platform/obs/metrics.h"

namespace boxoffice::gateway {

// An http::AccessHook. Not thread-safe: each thread has its own, which count the same series.
class AccessMetrics {
 public:
  explicit AccessMetrics(obs::Registry& metrics) : metrics_(metrics) {}
  void Count(const http::RequestInfo& info, int status, std::chrono::microseconds time);

 private:
  struct Series {
    obs::Histogram* seconds = nullptr;
    std::unordered_map<int, obs::Counter*> by_status;
  };
  obs::Registry& metrics_;
  // By the address of the route's text, which lives as long as the router, and the method: a registry's
  // look-up by labels costs more than counting.
  std::unordered_map<const char*, std::unordered_map<int, Series>> routes_;
};

}  // namespace boxoffice::gateway
