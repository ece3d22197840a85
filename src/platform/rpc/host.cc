#include "platform/rpc/host.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "base/check.h"
#include "base/host_port.h"
#include "platform/obs/log.h"
#include "platform/rpc/answer_check.h"
#include "platform/rpc/call_metrics.h"
#include "platform/rpc/status.h"
#include "platform/rpc/tls.h"

namespace boxoffice::rpc {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kHealthEvery{1};

std::shared_ptr<grpc::ServerCredentials> CredentialsFor(const Listen& listen) {
  if (listen.tls == nullptr) return grpc::InsecureServerCredentials();
  CHECK(listen.callers != nullptr, "with TLS goes a table of who may call");
  auto credentials = listen.tls->ForServer();
  credentials->SetAuthMetadataProcessor(CheckCallers(*listen.callers));
  return credentials;
}

// Times a unary call from its arrival to its answer.
class CallTimer final : public grpc::experimental::Interceptor {
 public:
  CallTimer(CallMetrics& calls, std::string_view method) : calls_(calls), method_(method) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Point = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Point::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      calls_.Note(method_, status.ok() ? "ok" : CodeName(FromStatus(status).code),
                  std::chrono::steady_clock::now() - began_);
    }
    methods->Proceed();
  }

 private:
  CallMetrics& calls_;
  const std::string_view method_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// Of the calls to our own services; streams, whose commands count, are none.
class TimeCalls final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit TimeCalls(obs::Registry& metrics) : calls_(metrics, /*client=*/"") {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    constexpr std::string_view kOurs = "/boxoffice.";
    const std::string_view method = info->method();
    if (info->type() != grpc::experimental::ServerRpcInfo::Type::UNARY || !method.starts_with(kOurs))
      return nullptr;
    return new CallTimer(calls_, method.substr(1));
  }

 private:
  CallMetrics calls_;
};

void CountCalls(grpc::ServerBuilder& builder, obs::Registry& metrics) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
  creators.push_back(std::make_unique<TimeCalls>(metrics));
  builder.experimental().SetInterceptorCreators(std::move(creators));
}

// gRPC keeps to itself why it could not listen there, so it is tried once more.
Error WhyNotAt(const std::string& address) {
  asio::generic::stream_protocol::endpoint endpoint;
  if (IsSocket(address)) {
    endpoint = asio::local::stream_protocol::endpoint(address.substr(kUnix.size()));
  } else if (const auto at = ParseHostPort(address)) {
    boost::system::error_code no_ip;
    endpoint = asio::ip::tcp::endpoint(asio::ip::make_address(at->host, no_ip), at->port);
  }
  asio::io_context io;
  asio::generic::stream_protocol::socket socket(io);
  boost::system::error_code error;
  socket.open(endpoint.protocol(), error);
  if (!error) socket.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) socket.bind(endpoint, error);
  if (error == asio::error::address_in_use)
    return {Code::kUnavailable, "port_taken", fmt::format("{} is in use by another program", address)};
  return {Code::kInvalidArgument, "listen_failed",
          fmt::format("{}: {}", address, error ? error.message() : "gRPC can't listen there")};
}

}  // namespace

Result<void> CheckListenAddress(std::string_view address) {
  boost::system::error_code no_ip;
  const auto at = ParseHostPort(address);
  if (at) (void)asio::ip::make_address(at->host, no_ip);
  if (IsSocket(address) || (at && !no_ip)) return {};
  return Fail(Code::kInvalidArgument, "address_invalid",
              fmt::format("an address is IP:PORT, or unix:PATH of at most {} bytes, not \"{}\"",
                          kMaxSocketPath, address));
}

Result<void> Host::Start(grpc::Service& service, const Listen& listen, Health health,
                         const std::vector<grpc::Service*>& beside, OpenStreams* streams) {
  CHECK(server_ == nullptr, "a host starts once");
  RouteGrpcLog();
  streams_ = streams;
  const std::vector<std::string>& addresses = listen.addresses;
  at_addresses_ = !addresses.empty();
  if (at_addresses_) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  }
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  for (grpc::Service* other : beside) builder.RegisterService(other);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Without it two servers would share a port, and half of the calls would go astray.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Callers look after each other's connections every few seconds, also when nobody buys; gRPC's default
  // takes that for an attack.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kKeepAliveMs / 2);
  const auto keep_alive_ms = static_cast<int>(listen.keep_alive.count());
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, keep_alive_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keep_alive_ms / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // as many as it takes
  if (listen.metrics != nullptr) {
    CountCalls(builder, *listen.metrics);
    if (streams != nullptr) streams->CountIn(*listen.metrics);
  }
  std::vector<int> ports(addresses.size(), -1);
  const auto credentials = at_addresses_ ? CredentialsFor(listen) : nullptr;
  for (size_t i = 0; i < addresses.size(); ++i)
    builder.AddListeningPort(addresses[i], credentials, &ports[i]);
  server_ = builder.BuildAndStart();
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (ports[i] <= 0) return std::unexpected(WhyNotAt(addresses[i]));  // the first one that failed ends it
  }
  CHECK(server_ != nullptr);
  if (at_addresses_ && health)
    health_thread_ = std::thread([this, health = std::move(health)] { WatchHealth(health); });
  return {};
}

// Of all services of the server: there is one, besides gRPC's own.
void Host::WatchHealth(const Health& health) {
  std::string last;
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, kHealthEvery, [this] { return stopping_; })) {
    lock.unlock();
    std::string problem = health();
    if (problem.empty() != last.empty()) {
      server_->GetHealthCheckService()->SetServingStatus(problem.empty());
      obs::Log(problem.empty() ? obs::Level::kInfo : obs::Level::kWarning, "health_changed",
               {{"problem", problem}});
    }
    last = std::move(problem);
    lock.lock();
  }
}

void Host::StopWatching() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (health_thread_.joinable()) health_thread_.join();
}

std::shared_ptr<grpc::Channel> Host::InProcessChannel() {
  CHECK(server_ != nullptr, "a channel is asked for after Start");
  // gRPC lets go of a call, and with it of the channel, after the caller has its answer. Were that the last
  // reference, the channel would be torn down on gRPC's own thread while the server goes, and gRPC 1.51
  // aborts. So one reference stays until the process ends; there is a channel for each service that is
  // served.
  static std::mutex mutex;
  static auto& kept = *new std::vector<std::shared_ptr<grpc::Channel>>();
  const std::scoped_lock lock(mutex);
  return kept.emplace_back(
      server_->experimental().InProcessChannelWithInterceptors(ChannelArguments(), CheckAnswers()));
}

void Host::Leave() {
  if (!at_addresses_ || server_ == nullptr || std::exchange(left_, true)) return;
  StopWatching();
  if (auto* health = server_->GetHealthCheckService()) health->Shutdown();
  if (streams_ != nullptr) streams_->Say(v1::FAREWELL_LEAVING);
}

void Host::Drain(std::chrono::milliseconds grace) {
  if (!at_addresses_ || server_ == nullptr) return;
  const auto end = std::chrono::steady_clock::now() + grace;
  Leave();
  if (streams_ != nullptr) {
    streams_->Say(v1::FAREWELL_CLOSING);
    if (!streams_->AwaitNone(grace / 2))
      obs::Log(obs::Level::kWarning, "streams_stay", {{"waited_ms", (grace / 2).count()}});
  }
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  Shutdown(std::max(left, std::chrono::milliseconds(0)));
}

void Host::Shutdown(std::chrono::milliseconds grace) {
  if (server_ == nullptr) return;
  StopWatching();
  if (auto* health = server_->GetHealthCheckService()) health->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  server_->Wait();
  server_.reset();
}

}  // namespace boxoffice::rpc
