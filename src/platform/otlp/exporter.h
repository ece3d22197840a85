// Sends the spans of this process (platform/obs/span.h) to a collector, by OTLP over HTTP in protobuf.
//
// One thread sends what has gathered, one request at a time; nobody else waits for it. What a collector can
// not take is kept and sent again for a while, in which the queue fills and then drops; whatever is dropped
// is counted (boxoffice_trace_dropped_spans_total).
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "platform/config/keys.h"
#include "platform/http/client.h"
#include "platform/obs/metrics.h"
#include "platform/obs/span.h"
#include "platform/otlp/encode.h"

namespace boost::asio {
class io_context;
}

namespace boxoffice::otlp {

struct TraceConfig {
  // The collector's base, "http://127.0.0.1:4318": spans go to /v1/traces below it. Empty: tracing is off.
  std::string endpoint;
  std::vector<std::string> headers;           // "NAME=VALUE" each, with every request
  std::filesystem::path ca_file;              // PEM; empty: the system's authorities
  double sample_ratio = 0.01;                 // of traces that begin here
  std::chrono::milliseconds slow{1'000};      // what takes longer is kept
  std::chrono::milliseconds timeout{10'000};  // of one request
  std::chrono::milliseconds interval{1'000};  // from one request to the next, unless a full batch waits
  size_t queue_size = 8'192;                  // spans that wait
  size_t batch_size = 512;                    // of one request, at most
  std::chrono::milliseconds flush{1'000};     // at the end, for all that waits
};

// The keys are [trace]'s. Where the variables OTEL_EXPORTER_OTLP_ENDPOINT, …_HEADERS and …_CERTIFICATE of the
// environment are set, they are the defaults.
void AddTraceKeys(config::Keys& keys, TraceConfig& config, const config::Keys::Environment& environment);

// Error: config, for an endpoint that is no URL, or a header without a name.
[[nodiscard]] Result<void> CheckTraceConfig(const TraceConfig& config);

class Exporter {
 public:
  // Turns tracing on in this process, and sends until it is destroyed; null where the configuration names no
  // endpoint. `store_url` and `bus_url` say by their schemes what the process' stores and bus are, for
  // attributes. One at a time. `metrics` outlives it. Error: config.
  [[nodiscard]] static Result<std::unique_ptr<Exporter>> Start(const TraceConfig& config,
                                                               std::string_view store_url,
                                                               std::string_view bus_url, Random& random,
                                                               obs::Registry& metrics);
  // Turns tracing off, sends what waits, for `flush` at most, and drops the rest.
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

 private:
  enum class Sent : uint8_t { kTaken, kLater, kRefused };

  Exporter(const TraceConfig& config, Random& random, obs::Registry& metrics);
  void Loop();
  // All of these, in requests of at most batch_size.
  void SendAll(std::vector<obs::Span> spans);
  void SendBatch(std::span<const obs::Span> spans);
  // What came of it: with kTaken, how many spans the collector refused; with kLater, how long it asks to
  // wait.
  struct Outcome {
    Sent sent = Sent::kLater;
    uint64_t rejected = 0;
    std::chrono::milliseconds retry_after{0};
  };
  [[nodiscard]] Outcome SendOnce(const std::string& body);
  // nullopt: it was cut off.
  [[nodiscard]] std::optional<Result<http::ClientResponse>> Fetch(http::ClientRequest request);
  // False: stopping.
  [[nodiscard]] bool Wait(std::chrono::milliseconds time);
  [[nodiscard]] bool stopping();
  void Complain(const std::string& why);

  const TraceConfig config_;
  const std::string url_;
  const http::TlsOptions tls_;
  Random& random_;
  Resource resource_;
  obs::Counter& exported_;
  obs::Counter& queue_full_;
  obs::Counter& failed_;
  obs::Counter& refused_;
  std::chrono::steady_clock::time_point complained_{};  // of the thread

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool cut_off_ = false;                   // nothing is waited for any more
  bool ended_ = false;                     // the thread has
  boost::asio::io_context* io_ = nullptr;  // of the request that is under way
  std::thread thread_;
};

}  // namespace boxoffice::otlp
