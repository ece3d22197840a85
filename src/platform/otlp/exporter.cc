#include "platform/otlp/exporter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "platform/http/url.h"
#include "platform/obs/log.h"

namespace boxoffice::otlp {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int kTries = 5;  // of one request
constexpr milliseconds kFirstPause{1'000};
constexpr milliseconds kLongestPause{30'000};
constexpr std::chrono::seconds kComplainEvery{60};
constexpr std::string_view kPath = "/v1/traces";

std::string Read(const config::Keys::Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? std::string() : std::string(value);
}

// "NAME=VALUE,…" as OpenTelemetry's variable has it: blanks around names and values count for nothing, and a
// value is percent-encoded ("Authorization=Basic%20…"). What is not encoded so stays as it is.
std::vector<std::string> HeadersOf(std::string_view list) {
  std::vector<std::string> headers;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(part.size() + 1, list.size()));
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      if (!Trim(part).empty()) headers.emplace_back(Trim(part));
      continue;
    }
    const std::string_view value = Trim(part.substr(equals + 1));
    headers.push_back(fmt::format("{}={}", Trim(part.substr(0, equals)),
                                  http::PercentDecode(value).value_or(std::string(value))));
  }
  return headers;
}

std::string UrlOf(std::string_view endpoint) {
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  if (endpoint.ends_with(kPath)) return std::string(endpoint);
  return fmt::format("{}{}", endpoint, kPath);
}

std::string SchemeOf(std::string_view url) { return std::string(url.substr(0, url.find_first_of(":+"))); }

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// As OTLP says: what else a collector answers, it would answer again.
bool IsWorthRepeating(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

milliseconds RetryAfterOf(const http::ClientResponse& response) {
  int64_t seconds = 0;
  const std::string_view text = response.header("Retry-After").value_or("");
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::clamp<milliseconds>(std::chrono::seconds(std::clamp<int64_t>(seconds, 0, 3'600)),
                                  milliseconds(0), kLongestPause);
}

obs::Counter& Dropped(obs::Registry& metrics, const char* reason) {
  return metrics.GetCounter("boxoffice_trace_dropped_spans_total", "Spans that nobody got",
                            {{"reason", reason}});
}

}  // namespace

void AddTraceKeys(config::Keys& keys, TraceConfig& config, const config::Keys::Environment& environment) {
  if (config.endpoint.empty()) config.endpoint = Read(environment, "OTEL_EXPORTER_OTLP_ENDPOINT");
  if (config.headers.empty()) config.headers = HeadersOf(Read(environment, "OTEL_EXPORTER_OTLP_HEADERS"));
  if (config.ca_file.empty()) config.ca_file = Read(environment, "OTEL_EXPORTER_OTLP_CERTIFICATE");
  keys.Url("trace.endpoint", config.endpoint,
           "Where spans are sent, by OTLP over HTTP: http://HOST:4318 or https; empty: tracing is off");
  keys.SecretList("trace.headers", config.headers, "NAME=VALUE of a header that the collector wants");
  keys.Path("trace.ca_file", config.ca_file,
            "PEM of the authorities that the collector is trusted by; empty: the system's");
  keys.Number("trace.sample_ratio", config.sample_ratio, 0, 1,
              "Of the traces that begin here, how many are sampled; errors and what is slow are kept always");
  keys.Duration("trace.slow_ms", config.slow, milliseconds(1), milliseconds(600'000),
                "What takes longer is kept, though its trace is not sampled");
  keys.Duration("trace.timeout_ms", config.timeout, milliseconds(100), milliseconds(60'000),
                "For one request to the collector");
  keys.Duration("trace.interval_ms", config.interval, milliseconds(10), milliseconds(60'000),
                "From one request to the next, unless a full batch waits");
  keys.Integer("trace.queue_size", config.queue_size, 1, 1'000'000,
               "Spans that wait to be sent; further ones are dropped, and counted");
  keys.Integer("trace.batch_size", config.batch_size, 1, 10'000, "Spans in one request");
}

Result<void> CheckTraceConfig(const TraceConfig& config) {
  if (config.endpoint.empty()) return {};
  if (!http::IsUrl(UrlOf(config.endpoint))) {
    return Fail(Code::kInvalidArgument, "config",
                "trace.endpoint is http://HOST[:PORT][/PATH], or https, not \"" +
                    config::MaskPassword(config.endpoint) + "\"");
  }
  for (const std::string& header : config.headers) {
    const size_t equals = header.find('=');
    if (equals == std::string::npos || equals == 0 || header.find_first_of("\r\n") != std::string::npos)
      return Fail(Code::kInvalidArgument, "config", "trace.headers: each is NAME=VALUE");
  }
  return {};
}

Result<std::unique_ptr<Exporter>> Exporter::Start(const TraceConfig& config, std::string_view store_url,
                                                  std::string_view bus_url, Random& random,
                                                  obs::Registry& metrics) {
  BOXOFFICE_TRY(CheckTraceConfig(config));
  if (config.endpoint.empty()) return nullptr;
  std::unique_ptr<Exporter> exporter(new Exporter(config, random, metrics));
  obs::StartTracing({.ratio = config.sample_ratio,
                     .slow = config.slow,
                     .queue_size = config.queue_size,
                     .store = SchemeOf(store_url),
                     .bus = SchemeOf(bus_url),
                     .dropped = &exporter->queue_full_});
  exporter->thread_ = std::thread([raw = exporter.get()] { raw->Loop(); });
  return exporter;
}

Exporter::Exporter(const TraceConfig& config, Random& random, obs::Registry& metrics)
    : config_(config),
      url_(UrlOf(config.endpoint)),
      tls_{config.ca_file.string()},
      random_(random),
      resource_{BOXOFFICE_VERSION, Uuid::MakeV7(SystemClock().Now(), random).ToString(), HostName(),
                getpid()},
      exported_(
          metrics.GetCounter("boxoffice_trace_exported_spans_total", "Spans that the collector has taken")),
      queue_full_(Dropped(metrics, "queue_full")),
      failed_(Dropped(metrics, "collector_unavailable")),
      refused_(Dropped(metrics, "collector_refused")) {}

Exporter::~Exporter() {
  obs::StopTracing();
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    obs::ProcessSpans().Interrupt();
    changed_.wait_for(lock, config_.flush, [this] { return ended_; });
    cut_off_ = true;
    if (io_ != nullptr) io_->stop();
  }
  thread_.join();
}

void Exporter::Loop() {
  bool last = false;
  while (!last) {
    last = stopping();
    std::vector<obs::Span> spans =
        obs::ProcessSpans().Take(last ? milliseconds(0) : config_.interval, config_.batch_size);
    SendAll(std::move(spans));
  }
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void Exporter::SendAll(std::vector<obs::Span> spans) {
  std::span<const obs::Span> left = spans;
  while (!left.empty()) {
    const auto batch = left.first(std::min(left.size(), config_.batch_size));
    left = left.subspan(batch.size());
    SendBatch(batch);
  }
}

void Exporter::SendBatch(std::span<const obs::Span> spans) {
  const std::string body = Encode(resource_, spans);
  milliseconds pause = kFirstPause;
  for (int tries = 1;; ++tries) {
    const Outcome outcome = SendOnce(body);
    if (outcome.sent == Sent::kTaken) {
      const uint64_t rejected = std::min<uint64_t>(outcome.rejected, spans.size());
      exported_.Add(spans.size() - rejected);
      refused_.Add(rejected);
      return;
    }
    if (outcome.sent == Sent::kRefused) {
      refused_.Add(spans.size());
      return;
    }
    const milliseconds jittered(
        static_cast<int64_t>(random_.Below(static_cast<uint64_t>(pause.count())) + 1));
    if (tries == kTries || !Wait(std::max(jittered, outcome.retry_after))) {
      failed_.Add(spans.size());
      return;
    }
    pause = std::min(pause * 2, kLongestPause);
  }
}

Exporter::Outcome Exporter::SendOnce(const std::string& body) {
  http::ClientRequest request;
  request.method = "POST";
  request.url = url_;
  request.timeout = config_.timeout;
  request.headers = {{"Content-Type", "application/x-protobuf"},
                     {"User-Agent", fmt::format("Boxoffice/{}", resource_.version)}};
  for (const std::string& header : config_.headers) {
    const size_t equals = header.find('=');
    request.headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
  }
  request.body = body;
  const std::optional<Result<http::ClientResponse>> answer = Fetch(std::move(request));
  if (!answer) return {};
  if (!*answer) {
    Complain(fmt::format("{}: {}", answer->error().reason, answer->error().detail));
    return {};
  }
  const http::ClientResponse& response = **answer;
  if (IsWorthRepeating(response.status)) {
    Complain(fmt::format("it answers {}", response.status));
    return {Sent::kLater, 0, RetryAfterOf(response)};
  }
  if (response.status < 200 || response.status >= 300) {
    Complain(fmt::format("it answers {}", response.status));
    return {Sent::kRefused, 0, {}};
  }
  // It may have taken a part only, which is no reason to repeat (OTLP, "Partial Success").
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse told;
  if (!told.ParseFromString(response.body) || told.partial_success().rejected_spans() <= 0)
    return {Sent::kTaken, 0, {}};
  Complain("it refuses some: " + told.partial_success().error_message());
  return {Sent::kTaken, static_cast<uint64_t>(told.partial_success().rejected_spans()), {}};
}

std::optional<Result<http::ClientResponse>> Exporter::Fetch(http::ClientRequest request) {
  boost::asio::io_context io(1);
  std::optional<Result<http::ClientResponse>> answer;
  {
    const std::scoped_lock lock(mutex_);
    if (cut_off_) return std::nullopt;
    io_ = &io;
  }
  boost::asio::co_spawn(io, http::Fetch(std::move(request), tls_),
                        [&](std::exception_ptr thrown, Result<http::ClientResponse> fetched) {
                          if (thrown) fetched = Fail(Code::kUnknown, "connection_lost", "an exception");
                          answer = std::move(fetched);
                        });
  io.run();
  const std::scoped_lock lock(mutex_);
  io_ = nullptr;
  return answer;
}

bool Exporter::Wait(milliseconds time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

bool Exporter::stopping() {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

// A collector that is away for an hour does not fill the log.
void Exporter::Complain(const std::string& why) {
  const auto now = SteadyClock::now();
  if (complained_ != SteadyClock::time_point() && now - complained_ < kComplainEvery) return;
  complained_ = now;
  obs::Log(obs::Level::kWarning, "trace_export_failed",
           {{"endpoint", config::MaskPassword(config_.endpoint)}, {"detail", why}});
}

}  // namespace boxoffice::otlp
