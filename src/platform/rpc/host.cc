#include "platform/rpc/host.h"

#include <mutex>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/channel_arguments.h>

#include "base/check.h"

namespace boxoffice::rpc {
namespace {

// A seat map of 50,000 seats is some 3 MiB, an audit page less.
constexpr int kMaxMessageBytes = 64 << 20;

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  return arguments;
}

}  // namespace

Result<void> Host::Start(grpc::Service& service, const std::vector<std::string>& addresses,
                         const std::vector<grpc::Service*>& beside) {
  CHECK(server_ == nullptr, "a host starts once");
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  for (grpc::Service* other : beside) builder.RegisterService(other);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Without it two servers would share a port, and half of the calls would go astray.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::vector<int> ports(addresses.size(), -1);
  for (size_t i = 0; i < addresses.size(); ++i) {
    builder.AddListeningPort(addresses[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  server_ = builder.BuildAndStart();
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (server_ == nullptr || ports[i] == 0) {
      return Fail(Code::kUnavailable, "port_taken",
                  fmt::format("can't listen at {}", fmt::join(addresses, ", ")));
    }
  }
  CHECK(server_ != nullptr);
  return {};
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
  return kept.emplace_back(server_->InProcessChannel(Arguments()));
}

void Host::Shutdown(std::chrono::milliseconds grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + grace);
  server_->Wait();
  server_.reset();
}

std::shared_ptr<grpc::Channel> NetworkChannel(const std::string& address) {
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), Arguments());
}

}  // namespace boxoffice::rpc
