// A process that serves one service: the whole of every boxoffice-<service>, and of `boxoffice serve
// <service>`.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/config/keys.h"
#include "platform/module/program.h"
#include "platform/otlp/exporter.h"
#include "platform/rpc/tls_files.h"

namespace boxoffice::module {

// What every service's process can be told, besides the service's own keys.
struct ProcessConfig {
  std::filesystem::path data = ".data";
  std::vector<std::string> listen;  // empty: the program's default
  std::string log_level = "info";
  std::string log_form = "json";
  std::map<std::string, std::string> peers;  // service → address; "": its socket in the data folder
  std::string store_url;                     // empty: in the data folder
  std::string bus_url;                       // empty: in the data folder
  int bus_partitions = 12;                   // of the topics that migrate makes; so is the next
  int bus_replication_factor = 1;
  rpc::TlsConfig tls;                        // without its files: plain text between services
  std::string admin_listen = "127.0.0.1:0";  // empty: nowhere
  // By ReadConfig: what a service that signs or verifies queue tokens has as its keys (AddTokenKeys), for who
  // compares them; nullopt: it does neither.
  std::optional<std::vector<std::string>> token_keys;
  otlp::TraceConfig trace;
  // From the signal to the draining: the process is not ready any more and tells its callers so, but still
  // serves whoever has nowhere else to go, or has not noticed.
  std::chrono::milliseconds drain_notice{5'000};
  // For what is under way to end.
  std::chrono::milliseconds drain_grace{20'000};
};

// Adds the keys of `config`, which has a peer for each of `program`'s afterwards.
void AddProcessKeys(config::Keys& keys, ProcessConfig& config, const ServiceProgram& program);

// The configuration that a process of `program` has: by `file` (empty: none) and the environment, in the data
// folder `data` (empty: the one that is configured). What is left to the process to choose is chosen. Error:
// config.
[[nodiscard]] Result<ProcessConfig> ReadConfig(const ServiceProgram& program,
                                               const std::filesystem::path& file,
                                               const std::filesystem::path& data);

// Brings the store's schema up to date and creates the topics: what `migrate` does. Again: no effect. Errors:
// data_folder_unwritable, and those of the store and the bus.
[[nodiscard]] Result<void> Prepare(const ProcessConfig& config, const ServiceProgram& program);

// Whether what is configured may be opened, or brought up to date.
using CheckConfig = std::function<Result<void>(const ServiceProgram& program, const ProcessConfig& config)>;

// Does what the command line says; --help tells it all. Call it before any thread is started. `check` comes
// before anything is made.
//   (nothing)      serves until SIGTERM, SIGINT or SIGHUP: opens the data folder, the bus and the store, says
//                  "ready SERVICE ADDRESS …" and "admin ADDRESS", and at the signal is not ready, tells its
//                  callers, waits for the notice, drains within the grace, and stops. SIGINT after the first
//                  signal ends it at once.
//   migrate        brings the store's schema up to date, creates the topics, and ends. With --bus-may-be-away
//                  it logs that the bus does not answer (kUnavailable), and has done its work: serving needs
//                  none at its start.
//   config print   prints the effective configuration, with the origin of each value, without secrets.
// Returns the exit code: 0; 1 if the stop was forced; 2 after one line on stderr if it can't start.
int ServeMain(int argc, char** argv, const ServiceProgram& program, const CheckConfig& check = {});

}  // namespace boxoffice::module
