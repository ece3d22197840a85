#include "platform/module/peer_channels.h"

#include <utility>

#include "platform/module/process.h"

namespace boxoffice::module {

rpc::ChannelFactory PeerChannels(std::map<std::string, std::string> peers, std::filesystem::path data_dir,
                                 std::shared_ptr<const rpc::Tls> tls) {
  const auto address_of = [peers = std::move(peers),
                           data_dir = std::move(data_dir)](std::string_view service) {
    const auto peer = peers.find(std::string(service));
    const bool known = peer != peers.end() && !peer->second.empty();
    return known ? peer->second : SocketAddress(data_dir, service);
  };
  return rpc::ChannelFactory::Network(address_of, std::move(tls));
}

}  // namespace boxoffice::module
