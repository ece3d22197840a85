// Where a service is served, and how its callers reach it: in the same process or over the network. Callers
// use the generated stub on a channel either way.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include "base/result.h"

namespace boxoffice::rpc {

// How a caller gets a channel to a service by its name ("seat"): one of the three factories in which embedded
// and scaled differ.
using ChannelFactory = std::function<std::shared_ptr<grpc::Channel>(std::string_view service)>;

// A gRPC server for one service. Not thread-safe.
class Host {
 public:
  Host() = default;
  ~Host() { Shutdown(std::chrono::milliseconds(0)); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Serves `service`, and what else it has `beside` it, in this process and at each of `addresses`
  // ("127.0.0.1:9001", "unix:/run/seat.sock"; none: in this process only). All must outlive the host's
  // Shutdown. Errors: port_taken.
  [[nodiscard]] Result<void> Start(grpc::Service& service, const std::vector<std::string>& addresses,
                                   const std::vector<grpc::Service*>& beside = {});
  // A channel that does not leave the process. Only after Start, and not after Shutdown: gRPC 1.51 crashes on
  // a call to an in-process server that was shut down. The module graph stops callers first.
  [[nodiscard]] std::shared_ptr<grpc::Channel> InProcessChannel();
  // Takes no new calls, cancels what is still open after `grace`. Again: no effect.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  std::unique_ptr<grpc::Server> server_;
};

// A channel over the network, with limits and keep-alive as everywhere in Boxoffice.
[[nodiscard]] std::shared_ptr<grpc::Channel> NetworkChannel(const std::string& address);

}  // namespace boxoffice::rpc
