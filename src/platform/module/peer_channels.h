// Channels to services in other processes: one of the three factories in which embedded and scaled processes
// differ.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "platform/rpc/host.h"

namespace boxoffice::module {

// Channels over the network to `peers` (service → address), and to sockets in `data_dir` for services that
// are not among them, or whose address is empty; one channel for each service. Thread-safe.
[[nodiscard]] rpc::ChannelFactory PeerChannels(std::map<std::string, std::string> peers,
                                               std::filesystem::path data_dir);

}  // namespace boxoffice::module
