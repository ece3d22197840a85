// How a caller reaches a service by its name ("seat"): one of the three factories in which embedded and
// scaled differ.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "base/result.h"

namespace boxoffice::rpc {

class BreakerBoard;
class OpenStreams;
class Tls;

// A seat map of 50,000 seats is some 3 MiB, an audit page less.
inline constexpr int kMaxMessageBytes = 64 << 20;
// A connection on which nothing comes is tried this often, by either end, and given up after another
// kKeepAliveTimeoutMs: so a peer that has stopped without a word (a machine is gone) is noticed.
inline constexpr int kKeepAliveMs = 10'000;
inline constexpr int kKeepAliveTimeoutMs = 5'000;

// Limits and keep-alive, as everywhere in Boxoffice.
[[nodiscard]] grpc::ChannelArguments ChannelArguments();

// "unix:PATH" is a socket, of whose path the kernel takes no more.
inline constexpr std::string_view kUnix = "unix:";
inline constexpr size_t kMaxSocketPath = 107;
// Whether it is "unix:PATH", and the path is neither empty nor longer.
[[nodiscard]] bool IsSocket(std::string_view address);

// Where the replicas of a service are.
struct Replicas {
  std::vector<std::string> fixed;  // each is one: "10.0.0.1:9001", "unix:/run/seat.sock"
  // Or each address that this name has, asked for again and again; with the port. Empty: fixed.
  std::string dns_name;
  std::string port;
};

// Reads "HOST:PORT", "unix:PATH", several of these separated by commas, or "dns:NAME:PORT". Error:
// address_invalid (detail: which).
[[nodiscard]] Result<Replicas> ParseReplicas(std::string_view text);

// A channel to one address over the network. `service` is what the server's certificate must name; with
// `tls` only.
[[nodiscard]] std::shared_ptr<grpc::Channel> NetworkChannel(const std::string& address,
                                                            std::string_view service = {},
                                                            const Tls* tls = nullptr);

// A channel on which every call fails at once.
[[nodiscard]] const std::shared_ptr<grpc::Channel>& NoChannel();

// A service in this process.
struct InProcess {
  InProcess() = default;
  InProcess(std::shared_ptr<grpc::Channel> to,  // NOLINT(*-explicit-*): all that some services have
            OpenStreams* intake = nullptr)
      : channel(std::move(to)), commands(intake) {}

  std::shared_ptr<grpc::Channel> channel;
  OpenStreams* commands = nullptr;  // its CommandIntake; null: commands go over the channel, too
};

// Cheap to copy; copies share everything. Thread-safe, where the function that it was made of is.
class ChannelFactory {
 public:
  ChannelFactory() = default;
  // Of a function that finds a service in this process.
  template <typename Function>
    requires(!std::same_as<std::remove_cvref_t<Function>, ChannelFactory> &&
             std::is_invocable_r_v<InProcess, Function&, std::string_view>)
  ChannelFactory(Function find)  // NOLINT(*-explicit-*): a lambda is a factory
      : shared_(Make(Find(std::move(find)))) {}

  // Over the network: `address_of` tells where a service is, as ParseReplicas reads it.
  using AddressOf = std::function<std::string(std::string_view service)>;
  [[nodiscard]] static ChannelFactory Network(AddressOf address_of, std::shared_ptr<const Tls> tls = nullptr);

  // Whether both ends of its channels show certificates.
  [[nodiscard]] bool HasTls() const;
  // Another factory of channels to the same places, on which the caller shows another certificate: for a room
  // that calls as itself (`service`) from a process that has another name. Only where HasTls(). Errors: those
  // of Tls::Load (tls.h).
  [[nodiscard]] Result<ChannelFactory> As(std::string_view service, const std::filesystem::path& certificate,
                                          const std::filesystem::path& key) const;

  // A channel to the service, the same at each call: to the first of its replicas that can be reached, where
  // there are several. For whoever needs neither balance nor breaker; callers that serve buyers go through a
  // Peer (peer.h).
  [[nodiscard]] std::shared_ptr<grpc::Channel> operator()(std::string_view service) const;

  // The service in this process. Only where ReplicasOf gives none.
  [[nodiscard]] InProcess Local(std::string_view service) const;
  // Where its replicas are. nullopt: it is in this process, and operator() leads to it.
  [[nodiscard]] std::optional<Replicas> ReplicasOf(std::string_view service) const;
  // A new channel to one of them.
  [[nodiscard]] std::shared_ptr<grpc::Channel> ChannelTo(std::string_view service,
                                                         const std::string& address) const;
  // The breakers of all callers that use this factory or a copy.
  [[nodiscard]] BreakerBoard& board() const;

  explicit operator bool() const { return shared_ != nullptr; }

 private:
  using Find = std::function<InProcess(std::string_view)>;
  struct Shared;
  static std::shared_ptr<Shared> Make(Find find);
  std::shared_ptr<Shared> shared_;
};

}  // namespace boxoffice::rpc
