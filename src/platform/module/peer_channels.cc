#include "platform/module/peer_channels.h"

#include <memory>
#include <mutex>
#include <utility>

#include "platform/module/process.h"

namespace boxoffice::module {

rpc::ChannelFactory PeerChannels(std::map<std::string, std::string> peers, std::filesystem::path data_dir) {
  struct Channels {
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<grpc::Channel>, std::less<>> open;
  };
  return [peers = std::move(peers), data_dir = std::move(data_dir),
          channels = std::make_shared<Channels>()](std::string_view service) {
    const std::scoped_lock lock(channels->mutex);
    const std::string name(service);
    auto& channel = channels->open[name];
    if (channel == nullptr) {
      const auto peer = peers.find(name);
      const bool known = peer != peers.end() && !peer->second.empty();
      channel = rpc::NetworkChannel(known ? peer->second : SocketAddress(data_dir, service));
    }
    return channel;
  };
}

}  // namespace boxoffice::module
