// Channels to services in other processes: one of the three factories in which embedded and scaled processes
// differ.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "platform/rpc/channels.h"

namespace boxoffice::module {

// Channels over the network to `peers` (service → where its replicas are, as rpc::ParseReplicas reads it),
// and to sockets in `data_dir` for services that are not among them, or whose address is empty; with `tls`,
// both ends show certificates. Thread-safe.
[[nodiscard]] rpc::ChannelFactory PeerChannels(std::map<std::string, std::string> peers,
                                               std::filesystem::path data_dir,
                                               std::shared_ptr<const rpc::Tls> tls = nullptr);

}  // namespace boxoffice::module
