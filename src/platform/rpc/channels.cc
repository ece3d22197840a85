#include "platform/rpc/channels.h"

#include <algorithm>
#include <map>
#include <mutex>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "base/check.h"
#include "base/host_port.h"
#include "platform/obs/log.h"
#include "platform/rpc/answer_check.h"
#include "platform/rpc/callers.h"
#include "platform/rpc/peer.h"
#include "platform/rpc/tls.h"

namespace boxoffice::rpc {
namespace {

constexpr std::string_view kDns = "dns:";
// A replica that comes back is found within a quarter of a second.
constexpr int kFirstReconnectMs = 100;
constexpr int kMaxReconnectMs = 250;

bool IsHostPort(std::string_view text) {
  const auto parsed = ParseHostPort(text);
  return parsed && parsed->port > 0;
}

std::unexpected<Error> Invalid(std::string_view text) {
  return Fail(
      Code::kInvalidArgument, "address_invalid",
      fmt::format("\"{}\" is not HOST:PORT (a port of 1 to 65535), unix:PATH (of at most {} bytes) or "
                  "dns:NAME:PORT",
                  text, kMaxSocketPath));
}

// What gRPC's own resolver makes of several addresses: whichever can be reached, looked for again when the
// connection ends. It takes no names, so they are looked up here, once; what has no IPv4 address (a socket,
// too) is left out.
std::string AnyOf(const std::vector<std::string>& addresses) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::resolver resolver(io);
  std::vector<std::string> found;
  for (const std::string& address : addresses) {
    if (address.starts_with(kUnix)) continue;
    const size_t colon = address.rfind(':');
    boost::system::error_code error;
    for (const auto& entry : resolver.resolve(boost::asio::ip::tcp::v4(), address.substr(0, colon),
                                              address.substr(colon + 1), error))
      found.push_back(fmt::format("{}:{}", entry.endpoint().address().to_string(), entry.endpoint().port()));
  }
  return found.empty() ? addresses.front() : fmt::format("ipv4:{}", fmt::join(found, ","));
}

std::string TargetOf(const Replicas& replicas) {
  if (!replicas.dns_name.empty()) return fmt::format("dns:{}:{}", replicas.dns_name, replicas.port);
  if (replicas.fixed.empty()) return {};
  return replicas.fixed.size() == 1 ? replicas.fixed.front() : AnyOf(replicas.fixed);
}

}  // namespace

grpc::ChannelArguments ChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // as many as it takes
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  // What http_proxy names is the way out of a company's network, not the one between our own services.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

bool IsSocket(std::string_view address) {
  return address.starts_with(kUnix) && address.size() > kUnix.size() &&
         address.size() <= kUnix.size() + kMaxSocketPath;
}

Result<Replicas> ParseReplicas(std::string_view text) {
  Replicas replicas;
  if (text.starts_with(kDns)) {
    const std::string_view rest = text.substr(kDns.size());
    if (!IsHostPort(rest) || rest.contains(',')) return Invalid(text);
    const size_t colon = rest.rfind(':');
    replicas.dns_name = rest.substr(0, colon);
    replicas.port = rest.substr(colon + 1);
    return replicas;
  }
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view address = text.substr(0, comma);
    if (!IsSocket(address) && (address.starts_with(kUnix) || !IsHostPort(address))) return Invalid(address);
    if (std::ranges::find(replicas.fixed, address) == replicas.fixed.end())
      replicas.fixed.emplace_back(address);
    if (comma == text.size()) return replicas;
    text.remove_prefix(comma + 1);
  }
}

std::shared_ptr<grpc::Channel> NetworkChannel(const std::string& address, std::string_view service,
                                              const Tls* tls) {
  RouteGrpcLog();
  grpc::ChannelArguments arguments = ChannelArguments();
  if (tls != nullptr) arguments.SetSslTargetNameOverride(ServerName(service));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      address, tls != nullptr ? tls->ForChannel() : grpc::InsecureChannelCredentials(), arguments,
      CheckAnswers());
}

// There is one, which stays until the process ends and has had a call: gRPC 1.51 ends its threads with the
// last channel that had one, and aborts where that channel goes on one of these threads, as it may when the
// answer is there and its caller has let go.
const std::shared_ptr<grpc::Channel>& NoChannel() {
  struct Kept {
    std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel("", /*creds=*/nullptr, {});
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub{channel};
    grpc::ClientContext context;
    grpc::Slice nothing;
    grpc::ByteBuffer request{&nothing, 1};
    grpc::ByteBuffer response;
  };
  static const Kept& kept = [] -> const Kept& {
    auto& made = *new Kept();
    made.stub.UnaryCall(&made.context, "/none", {}, &made.request, &made.response,
                        [](const grpc::Status&) {});
    return made;
  }();
  return kept.channel;
}

struct ChannelFactory::Shared {
  Find find;  // in this process
  AddressOf address_of;
  std::shared_ptr<const Tls> tls;
  BreakerBoard board;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<grpc::Channel>, std::less<>> channels;
};

std::shared_ptr<ChannelFactory::Shared> ChannelFactory::Make(Find find) {
  auto shared = std::make_shared<Shared>();
  shared->find = std::move(find);
  return shared;
}

ChannelFactory ChannelFactory::Network(AddressOf address_of, std::shared_ptr<const Tls> tls) {
  ChannelFactory factory;
  factory.shared_ = std::make_shared<Shared>();
  factory.shared_->address_of = std::move(address_of);
  factory.shared_->tls = std::move(tls);
  return factory;
}

bool ChannelFactory::HasTls() const { return shared_->tls != nullptr; }

Result<ChannelFactory> ChannelFactory::As(std::string_view service, const std::filesystem::path& certificate,
                                          const std::filesystem::path& key) const {
  CHECK(HasTls(), "only channels with certificates can show another one");
  BOXOFFICE_ASSIGN(auto tls,
                   shared_->tls->With({std::string(service), shared_->tls->config().ca, certificate, key}));
  return Network(shared_->address_of, std::move(tls));
}

std::shared_ptr<grpc::Channel> ChannelFactory::operator()(std::string_view service) const {
  CHECK(shared_ != nullptr, "a factory that was made of something");
  if (shared_->find) return Local(service).channel;
  const std::optional<Replicas> replicas = ReplicasOf(service);
  const std::scoped_lock lock(shared_->mutex);
  auto& channel = shared_->channels[std::string(service)];
  if (channel == nullptr) channel = NetworkChannel(TargetOf(*replicas), service, shared_->tls.get());
  return channel;
}

InProcess ChannelFactory::Local(std::string_view service) const { return shared_->find(service); }

std::optional<Replicas> ChannelFactory::ReplicasOf(std::string_view service) const {
  if (shared_->find) return std::nullopt;
  auto replicas = ParseReplicas(shared_->address_of(service));
  if (replicas) return *std::move(replicas);
  // Whoever reads the configuration has refused it before; calls fail with no_replica.
  obs::Log(obs::Level::kError, "address_invalid",
           {{"service", service}, {"detail", replicas.error().detail}});
  return Replicas{};
}

std::shared_ptr<grpc::Channel> ChannelFactory::ChannelTo(std::string_view service,
                                                         const std::string& address) const {
  return NetworkChannel(address, service, shared_->tls.get());
}

BreakerBoard& ChannelFactory::board() const { return shared_->board; }

}  // namespace boxoffice::rpc
