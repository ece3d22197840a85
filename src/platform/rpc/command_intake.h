// Where a service takes its commands in, whichever way they come: by a stream (command_server.h), or from a
// caller in this process (command_local.h).
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "platform/resilience/admission.h"
#include "platform/rpc/contract.h"
#include "platform/rpc/open_streams.h"
#include "platform/rpc/rpc_span.h"
#include "platform/rpc/status.h"

namespace boxoffice::rpc {

// What a command's header says to whoever queues it. The caller's time-out counts from the arrival: what the
// way took is left out, so that nothing is dropped too early.
[[nodiscard]] inline resilience::Terms TermsOf(const v1::CommandHeader& header) {
  resilience::Terms terms;
  if (header.priority() == v1::PRIORITY_FINISHING) terms.priority = resilience::Priority::kFinishing;
  if (header.timeout_ms() > 0) {
    terms.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(header.timeout_ms());
  }
  if (obs::TracingOn()) [[unlikely]]
    terms.trace = obs::ParseIfSampled(header.traceparent());
  return terms;
}

// An outcome that carries only an operating failure.
template <typename Outcome>
[[nodiscard]] Outcome ErrorOutcome(const Error& error) {
  Outcome outcome;
  *outcome.mutable_header()->mutable_error() = ToProto(error);
  return outcome;
}

// The outcome's kind on the wire: a participant's action and undo end in one of these four, in every
// contract.
template <typename Proto, typename Kind>
[[nodiscard]] typename Proto::Kind KindToProto(Kind kind) {
  switch (kind) {
    case Kind::kDone:
      return Proto::DONE;
    case Kind::kRefused:
      return Proto::REFUSED;
    case Kind::kAborted:
      return Proto::ABORTED;
    case Kind::kMismatch:
      return Proto::MISMATCH;
  }
  return Proto::KIND_UNSPECIFIED;
}

// Thread-safe. Outlives its streams and its callers in this process: the gRPC server is shut down, and the
// callers are closed, before the service goes.
template <typename CommandBatch, typename OutcomeBatch>
class CommandIntake final : public OpenStreams {
 public:
  using Command = typename std::remove_cvref_t<decltype(std::declval<CommandBatch>().commands(0))>;
  using Outcome = typename std::remove_cvref_t<decltype(std::declval<OutcomeBatch>().outcomes(0))>;
  // Answers one command; calls `reply` exactly once, on any thread, at once or later. Whoever gave the
  // command fills in the sequence of the outcome's header.
  using Reply = std::move_only_function<void(Outcome&&)>;
  using Handler = std::function<void(Command&&, Reply&&)>;

  explicit CommandIntake(Handler handler) : handler_(std::move(handler)) {}

  // The handler of a service that takes its own commands: `parse` (Command → Result<its command>) refuses
  // what is malformed, `submit` (its command, done, terms) calls `done` once with a Result<its outcome>, and
  // `render` makes an Outcome of that. An error of either becomes the outcome's. All three are called from
  // any thread.
  template <typename Parse, typename Submit, typename Render>
  [[nodiscard]] static Handler Translate(Parse parse, Submit submit, Render render) {
    return [parse = std::move(parse), submit = std::move(submit), render = std::move(render)](Command&& proto,
                                                                                              Reply&& reply) {
      auto command = parse(proto);
      if (!command) {
        reply(ErrorOutcome<Outcome>(command.error()));
        return;
      }
      auto done = [render, reply = std::move(reply)](auto outcome) mutable {
        reply(outcome ? render(*outcome) : ErrorOutcome<Outcome>(outcome.error()));
      };
      submit(*std::move(command), std::move(done), TermsOf(proto.header()));
    };
  }

  // Has the service answer a command, as Handler says; within a burst of commands, if there are more.
  void Take(Command&& command, Reply reply) {
    if (obs::TracingOn()) [[unlikely]]
      reply = Traced(command, std::move(reply));
    handler_(std::move(command), std::move(reply));
  }

  // Where its commands are counted, by whoever gives and answers them; null: nowhere. After CountIn.
  [[nodiscard]] CommandCounters* counters() {
    return CountersOf(ServiceOf(*CommandBatch::descriptor()->file()));
  }

 private:
  // Of a sampled command: its span ends before the reply is sent.
  static Reply Traced(Command& command, Reply reply) {
    int body = 0;
    if constexpr (requires { command.body_case(); }) body = static_cast<int>(command.body_case());
    const ServerSpan span(*command.mutable_header(), *Command::descriptor(), body);
    return [span, reply = std::move(reply)](Outcome&& outcome) mutable {
      span.End(outcome.header().has_error() ? &outcome.header().error() : nullptr);
      reply(std::move(outcome));
    };
  }

  const Handler handler_;
};

}  // namespace boxoffice::rpc
