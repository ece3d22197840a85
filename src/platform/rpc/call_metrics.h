// Counts and times calls at either end: unary ones by method and outcome; commands, which come by the batch,
// by service, and the failures among them by code.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "boxoffice/rpc/v1/rpc.pb.h"
#include "platform/obs/metrics.h"

namespace boxoffice::rpc {

// Thread-safe. boxoffice_rpc_{client,server}_requests_total and …_request_seconds.
class CallMetrics {
 public:
  // At a client, by its name ("gateway_seat"); "": at the server. `metrics` outlives it.
  CallMetrics(obs::Registry& metrics, std::string client) : metrics_(metrics), client_(std::move(client)) {}
  // `method` as gRPC writes it, without the first slash; `outcome` is "ok" or the name of a Code. Both come
  // from the contract, so they are few.
  void Note(std::string_view method, std::string_view outcome, std::chrono::duration<double> time);

 private:
  struct OfMethod {
    obs::Histogram* seconds = nullptr;
    std::map<std::string, obs::Counter*, std::less<>> by_outcome;
  };
  OfMethod Register(const std::string& method);
  obs::Counter& RegisterOutcome(const std::string& method, const std::string& outcome);

  obs::Registry& metrics_;
  const std::string client_;
  std::mutex mutex_;
  std::map<std::string, OfMethod, std::less<>> methods_;
};

// Commands that were answered with an operating failure, by its code; a refusal is none. Thread-safe.
class CommandErrors {
 public:
  // At a client, by its name; or at the server of a service. `metrics` outlives it.
  enum class End { kClient, kServer };
  CommandErrors(obs::Registry& metrics, End end, std::string name)
      : metrics_(metrics), end_(end), name_(std::move(name)) {}
  void Count(const v1::Error& error);

 private:
  static constexpr size_t kCodes = static_cast<size_t>(Code::kInternal) + 1;
  obs::Counter& Register(Code code);

  obs::Registry& metrics_;
  const End end_;
  const std::string name_;
  std::array<std::atomic<obs::Counter*>, kCodes> counters_{};  // when first needed
};

// What came by the streams of a service. Thread-safe.
class CommandCounters {
 public:
  CommandCounters(obs::Registry& metrics, const std::string& service)
      : commands(metrics.GetCounter("boxoffice_rpc_server_commands_total",
                                    "Commands that came by streams; each is answered once",
                                    {{"service", service}})),
        errors(metrics, CommandErrors::End::kServer, service) {}
  obs::Counter& commands;
  CommandErrors errors;
};

}  // namespace boxoffice::rpc
