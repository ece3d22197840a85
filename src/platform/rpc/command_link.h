// A caller's way for commands to one replica of a service: a stream (command_client.h), or none, where the
// service is in this process (command_local.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "platform/obs/metrics.h"
#include "platform/resilience/admission.h"
#include "platform/rpc/call_metrics.h"

namespace boxoffice::rpc {

struct ClientLimits {
  size_t max_batch = 256;
  // Commands without an outcome; beyond: overloaded. New work is refused from four fifths of it on.
  size_t max_in_flight = 65'536;
  // Commands that were written are put into their companions, to be sent again if they are lost.
  bool keep_written = false;
};

// What a link counts, by the name of its caller. Thread-safe.
struct LinkMetrics {
  LinkMetrics(obs::Registry& metrics, const std::string& name)
      : batch_size(metrics.GetHistogram("boxoffice_rpc_batch_size", "Commands in one message",
                                        obs::SizeBounds(), {{"client", name}})),
        timeouts(metrics.GetCounter("boxoffice_rpc_timeouts_total", "Commands without an outcome in time",
                                    {{"client", name}})),
        lost(metrics.GetCounter("boxoffice_rpc_lost_total", "Commands whose stream broke",
                                {{"client", name}})),
        seconds(metrics.GetHistogram("boxoffice_rpc_command_seconds", "From sending a command to its outcome",
                                     obs::SecondsBounds(), {{"client", name}})),
        errors(metrics, CommandErrors::End::kClient, name) {}
  obs::Histogram& batch_size;
  obs::Counter& timeouts;
  obs::Counter& lost;
  obs::Histogram& seconds;
  CommandErrors errors;
};

// Says to the service what its caller wants of a command.
inline void SetTerms(v1::CommandHeader& header, std::chrono::milliseconds timeout,
                     resilience::Priority priority) {
  header.set_timeout_ms(static_cast<uint32_t>(timeout.count()));
  if (priority == resilience::Priority::kFinishing) header.set_priority(v1::PRIORITY_FINISHING);
}

// Thread-safe.
template <typename CommandBatch, typename OutcomeBatch>
class CommandLink {
 public:
  using Command = typename std::remove_cvref_t<decltype(std::declval<CommandBatch>().commands(0))>;
  using Outcome = typename std::remove_cvref_t<decltype(std::declval<OutcomeBatch>().outcomes(0))>;
  using Done = std::move_only_function<void(Result<Outcome>&&)>;
  // What the caller wants beside a command while that is on its way.
  struct Companion {
    std::optional<Command> command;  // with keep_written, once it was written
  };

  CommandLink() = default;
  virtual ~CommandLink() = default;
  CommandLink(const CommandLink&) = delete;
  CommandLink& operator=(const CommandLink&) = delete;

  // Sends a command and calls `done` once: with its outcome, or with the error of its header, or
  //   timeout, connection_lost (kUnknown): it may have been done; repeat it, commands are idempotent;
  //   overloaded (kResourceExhausted), closed, not_sent, deadline_passed (kUnavailable): it was not sent.
  // `companion` comes back with the command if that is given back.
  virtual void Send(Command&& command, std::chrono::milliseconds timeout, Done done,
                    resilience::Priority priority, std::shared_ptr<Companion> companion) = 0;

  // Opens the stream before there is a command, so that the server has whom to tell that it goes. Again: no
  // effect.
  virtual void OpenStream() = 0;

  // Sends nothing more on the stream that is open: it ends when what it was sent is answered. What waits to
  // be written is given back; the next command opens a new stream.
  virtual void Retire() = 0;

  // Takes no more commands, gives up on those that are under way (connection_lost), and returns when nobody
  // has anything of it any more but what was posted to its executor. Not on one of gRPC's threads. Again: no
  // effect.
  virtual void Close() = 0;
};

}  // namespace boxoffice::rpc
