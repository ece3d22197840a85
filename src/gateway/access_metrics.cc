#include "gateway/access_metrics.h"

#include <string>

namespace boxoffice::gateway {

void AccessMetrics::Count(const http::RequestInfo& info, int status, std::chrono::microseconds time) {
  Series& series = routes_[info.route.data()][static_cast<int>(info.method)];
  obs::Counter*& counter = series.by_status[status];
  if (counter == nullptr) {
    const std::string method(http::MethodName(info.method));
    const std::string route(info.route.empty() ? "none" : info.route);
    series.seconds =
        &metrics_.GetHistogram("boxoffice_http_request_seconds", "From a request's first byte to its answer",
                               obs::SecondsBounds(), {{"method", method}, {"route", route}});
    counter =
        &metrics_.GetCounter("boxoffice_http_requests_total", "Requests answered",
                             {{"method", method}, {"route", route}, {"status", std::to_string(status)}});
  }
  series.seconds->Observe(std::chrono::duration<double>(time).count());
  counter->Add();
}

}  // namespace boxoffice::gateway
