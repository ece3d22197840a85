// A process that serves one service: the whole of every boxoffice-<service>, and of `boxoffice serve
// <service>`.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/module/service_module.h"
#include "platform/obs/log.h"

namespace boxoffice::module {

struct ServeOptions {
  std::filesystem::path data_dir = ".data";
  std::vector<std::string> listen;  // none given: the service's socket in the data folder
  std::map<std::string, std::string>
      peers;  // service → address; not among them: its socket in the data folder
  obs::Level log_level = obs::Level::kInfo;
  bool help = false;
};

// The command line without the program's name. Error: usage (detail: one line).
[[nodiscard]] Result<ServeOptions> ParseServeFlags(std::span<char* const> arguments);

// "debug", "info", "warning" or "error". Error: usage.
[[nodiscard]] Result<obs::Level> ParseLogLevel(std::string_view name);

// Channels over the network to `peers` (as rpc::ParseReplicas reads them), and to sockets in `data_dir` for
// the others. Thread-safe.
[[nodiscard]] rpc::ChannelFactory PeerChannels(std::map<std::string, std::string> peers,
                                               std::filesystem::path data_dir);

using MakeModule = std::function<std::unique_ptr<Module>(const Runtime&)>;

// Runs the module that `make` gives until SIGTERM or SIGINT: reads the flags (--help tells them), opens the
// data folder and its bus, starts the module, prints "ready <service> <address> …", waits, drains and stops.
// Returns the exit code: 0, or 2 after one line on stderr if it can't start. Call it before any thread is
// started.
int ServeMain(int argc, char** argv, std::string_view service, const MakeModule& make);

}  // namespace boxoffice::module
