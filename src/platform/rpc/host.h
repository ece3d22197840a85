// Where a service is served: in this process, and at addresses. Callers use the generated stub on a channel
// either way (channels.h).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include "base/result.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/callers.h"
#include "platform/rpc/channels.h"
#include "platform/rpc/open_streams.h"

namespace boxoffice::rpc {

class Tls;

// Where a service listens besides its own process, and how its callers are told apart.
struct Listen {
  Listen() = default;
  // Plain text, to whoever comes.
  Listen(std::vector<std::string> where) : addresses(std::move(where)) {}  // NOLINT(*-explicit-*)
  Listen(std::initializer_list<std::string> where) : addresses(where) {}   // NOLINT(*-explicit-*)
  Listen(std::vector<std::string> where, std::shared_ptr<const Tls> with_tls,
         const CallerTable& who = CallerTable::Declared())
      : addresses(std::move(where)), tls(std::move(with_tls)), callers(&who) {}

  [[nodiscard]] auto begin() const { return addresses.begin(); }
  [[nodiscard]] auto end() const { return addresses.end(); }

  std::vector<std::string> addresses;    // "127.0.0.1:9001", "unix:/run/seat.sock"
  std::shared_ptr<const Tls> tls;        // null: none
  const CallerTable* callers = nullptr;  // with TLS: who may call; outlives the host
  obs::Registry* metrics = nullptr;      // where calls are counted; outlives the host; null: nowhere
  // A caller with open calls that says nothing is tried after so long, and after half as long again its
  // connection is given up: otherwise those of a machine that is gone would hold up a drain for two hours.
  std::chrono::milliseconds keep_alive{kKeepAliveMs};
};

// That `address` is one to listen at: IP:PORT, or unix:PATH of at most kMaxSocketPath bytes. Error:
// address_invalid.
[[nodiscard]] Result<void> CheckListenAddress(std::string_view address);

// A gRPC server for one service, with gRPC's health and reflection services beside it. Not thread-safe.
class Host {
 public:
  // Empty while the service can do its work: what grpc.health.v1 answers. Called from a thread of the host's.
  using Health = std::function<std::string()>;

  Host() = default;
  ~Host() { Shutdown(std::chrono::milliseconds(0)); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Serves `service`, and what else it has `beside` it, in this process and at each of the addresses (none:
  // in this process only). All must outlive the host's Shutdown. `health` is asked once a second; without it,
  // the service counts as healthy while it is served. `streams` are the command streams of the service, if it
  // takes commands. The addresses pass CheckListenAddress. Errors: port_taken, listen_failed (no such address
  // of this machine, no such folder, not allowed).
  [[nodiscard]] Result<void> Start(grpc::Service& service, const Listen& listen, Health health = {},
                                   const std::vector<grpc::Service*>& beside = {},
                                   OpenStreams* streams = nullptr);
  // A channel that does not leave the process. Only after Start, and not after Shutdown: gRPC 1.51 crashes on
  // a call to an in-process server that was shut down. The module graph stops callers first.
  [[nodiscard]] std::shared_ptr<grpc::Channel> InProcessChannel();
  // The service for callers in this process, with such a channel. They are closed before Shutdown.
  [[nodiscard]] InProcess ForThisProcess() { return {InProcessChannel(), streams_}; }
  // Tells callers over the network that it is about to go: health turns to not serving, and the callers of
  // every command stream hear that they should go elsewhere. Serves on all the same. A host without an
  // address, or that was not started, does nothing. Again: no effect.
  void Leave();
  // Leaves; tells command streams that it closes, which end once what they have sent is answered; then sends
  // gRPC's GOAWAY, so that no command crosses it; and returns when every caller is gone, or after `grace`,
  // with what is left cancelled. Streams of callers that don't understand get half of the grace. Callers in
  // this process are not concerned, so that a host without an address does nothing. Again: no effect.
  void Drain(std::chrono::milliseconds grace);
  // Takes no new calls, cancels what is still open after `grace`. Again: no effect.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  void WatchHealth(const Health& health);
  void StopWatching();

  std::unique_ptr<grpc::Server> server_;
  OpenStreams* streams_ = nullptr;
  bool at_addresses_ = false;
  bool left_ = false;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread health_thread_;
};

}  // namespace boxoffice::rpc
