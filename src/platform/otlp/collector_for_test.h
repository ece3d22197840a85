// A collector for tests: receives OTLP over HTTP, and keeps the spans.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "platform/http/server.h"

namespace boxoffice::otlp {

// A span as it came; ids are in hexadecimal, "" for none.
struct Seen {
  std::string trace;
  std::string id;
  std::string parent;
  std::string name;
  int kind = 0;
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
  bool failed = false;
  std::string error;
  std::map<std::string, std::string> attributes;  // numbers as text
  std::map<std::string, std::string> resource;
  std::set<std::pair<std::string, std::string>> links;  // trace, id

  [[nodiscard]] std::string service() const { return Of(resource, "service.name"); }
  [[nodiscard]] std::string attribute(const std::string& key) const { return Of(attributes, key); }

 private:
  static std::string Of(const std::map<std::string, std::string>& values, const std::string& key) {
    const auto found = values.find(key);
    return found == values.end() ? std::string() : found->second;
  }
};

// Thread-safe.
class Collector {
 public:
  Collector() {
    http::Router router;
    http::RouteOptions large;
    large.max_body = 16 << 20;
    router.Add(
        http::Method::kPost, "/v1/traces",
        [this](http::Request& request) -> http::asio::awaitable<http::Response> {
          http::Response response = co_await Take(request);
          co_return response;
        },
        large);
    server_ = http::Server::Listen(io_, std::move(router)).value();
    port_ = server_->port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Collector() { Stop(); }

  // Nobody listens from then on. Again: no effect.
  void Stop() {
    if (!thread_.joinable()) return;
    server_->Stop();
    work_.reset();
    io_.stop();
    thread_.join();
    server_.reset();
  }

  [[nodiscard]] std::string endpoint() const { return fmt::format("http://127.0.0.1:{}", port_); }

  // What it answers from now on, and after how long. What it refuses it does not keep.
  void Answer(int status, std::chrono::milliseconds after = {}, std::string body = {}) {
    const std::scoped_lock lock(mutex_);
    status_ = status;
    after_ = after;
    body_ = std::move(body);
  }

  [[nodiscard]] std::vector<Seen> Got() {
    const std::scoped_lock lock(mutex_);
    return spans_;
  }
  [[nodiscard]] std::vector<Seen> OfTrace(std::string_view trace) {
    std::vector<Seen> spans;
    for (Seen& span : Got()) {
      if (span.trace == trace) spans.push_back(std::move(span));
    }
    return spans;
  }
  [[nodiscard]] size_t requests() {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::string last_header(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    return headers_[name];
  }

 private:
  http::asio::awaitable<http::Response> Take(http::Request& request) {
    std::chrono::milliseconds after{0};
    {
      const std::scoped_lock lock(mutex_);
      ++requests_;
      for (const char* name : {"Content-Type", "X-Tenant", "traceparent"})
        headers_[name] = request.header(name).value_or("");
      after = after_;
    }
    if (after.count() > 0) {
      http::asio::steady_timer timer(io_, after);
      co_await timer.async_wait(http::asio::use_awaitable);
    }
    http::Response response;
    response.content_type = "application/x-protobuf";
    const std::scoped_lock lock(mutex_);
    response.status = status_;
    response.body = body_;
    opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest sent;
    if (!sent.ParseFromString(std::string(request.body()))) response.status = 400;
    if (response.status == 200) Keep(sent);
    co_return response;
  }

  static std::string Hex(const std::string& bytes) {
    std::string text;
    for (const char c : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
    return text;
  }
  template <typename Values>
  static std::map<std::string, std::string> Read(const Values& values) {
    std::map<std::string, std::string> read;
    for (const auto& value : values)
      read[value.key()] = value.value().has_int_value() ? fmt::format("{}", value.value().int_value())
                                                        : value.value().string_value();
    return read;
  }
  void Keep(const opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest& sent) {
    for (const auto& of_resource : sent.resource_spans()) {
      for (const auto& of_scope : of_resource.scope_spans()) {
        for (const auto& span : of_scope.spans()) {
          Seen seen;
          seen.trace = Hex(span.trace_id());
          seen.id = Hex(span.span_id());
          seen.parent = Hex(span.parent_span_id());
          seen.name = span.name();
          seen.kind = span.kind();
          seen.start_ns = span.start_time_unix_nano();
          seen.end_ns = span.end_time_unix_nano();
          seen.failed = span.status().code() == opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR;
          seen.error = span.status().message();
          seen.attributes = Read(span.attributes());
          seen.resource = Read(of_resource.resource().attributes());
          for (const auto& link : span.links()) seen.links.emplace(Hex(link.trace_id()), Hex(link.span_id()));
          spans_.push_back(std::move(seen));
        }
      }
    }
  }

  std::mutex mutex_;
  std::vector<Seen> spans_;
  std::map<std::string, std::string> headers_;
  size_t requests_ = 0;
  int status_ = 200;
  std::chrono::milliseconds after_{0};
  std::string body_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace boxoffice::otlp
