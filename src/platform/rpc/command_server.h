// The server's end of a command stream: batches of commands come in, outcomes go out in whatever order they
// are decided.
//
// A service's Execute method returns `new CommandServer<CommandBatch, OutcomeBatch>(handler, streams)`; gRPC
// drives it and it deletes itself when the stream has ended and every command is answered. What gathers in a
// burst of answers, or while a write is under way, is the next batch.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <grpcpp/support/server_callback.h>

#include "base/burst.h"
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

template <typename CommandBatch, typename OutcomeBatch>
class CommandServer final : public grpc::ServerBidiReactor<CommandBatch, OutcomeBatch> {
 public:
  using Command = typename std::remove_cvref_t<decltype(std::declval<CommandBatch>().commands(0))>;
  using Outcome = typename std::remove_cvref_t<decltype(std::declval<OutcomeBatch>().outcomes(0))>;
  // Answers one command; calls `reply` exactly once, on any thread, at once or later. The header's sequence
  // is filled in here.
  using Reply = std::move_only_function<void(Outcome)>;
  using Handler = std::function<void(Command, Reply)>;

  // The handler of a service that takes its own commands: `parse` (Command → Result<its command>) refuses
  // what is malformed, `submit` (its command, done, terms) calls `done` once with a Result<its outcome>, and
  // `render` makes an Outcome of that. An error of either becomes the outcome's. All three are called from
  // any thread.
  template <typename Parse, typename Submit, typename Render>
  [[nodiscard]] static Handler Translate(Parse parse, Submit submit, Render render) {
    return [parse = std::move(parse), submit = std::move(submit), render = std::move(render)](Command proto,
                                                                                              Reply reply) {
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

  // Both must outlive every stream: the gRPC server is shut down before the service goes.
  CommandServer(const Handler& handler, OpenStreams& streams)
      : handler_(handler),
        streams_(streams),
        counters_(streams.CountersOf(ServiceOf(*CommandBatch::descriptor()->file()))),
        core_(std::make_shared<Core>(this)) {
    this->StartSendInitialMetadata();  // by which the client knows that the stream was taken
    this->StartRead(&incoming_);
    streams_.Add(*core_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      core_->EndReading();
      return;
    }
    if (counters_ != nullptr) counters_->commands.Add(static_cast<uint64_t>(incoming_.commands_size()));
    const Burst burst;
    for (Command& command : *incoming_.mutable_commands()) {
      const uint64_t sequence = command.header().sequence();
      if (obs::TracingOn()) [[unlikely]] {
        HandleTraced(std::move(command), sequence);
        continue;
      }
      handler_(std::move(command), [core = core_, sequence](Outcome outcome) {
        outcome.mutable_header()->set_sequence(sequence);
        core->Answer(std::move(outcome));
      });
    }
    incoming_.Clear();
    this->StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override { core_->Written(ok); }
  void OnDone() override {
    core_->Detach();
    streams_.Remove(*core_);
    delete this;
  }

 private:
  // Outlives the reactor when answers come after the stream is gone; those are dropped (the client asks
  // again).
  class Core final : public OpenStreams::Stream, public std::enable_shared_from_this<Core> {
   public:
    explicit Core(CommandServer* reactor) : reactor_(reactor) {}

    void Answer(Outcome outcome) {
      {
        const std::scoped_lock lock(mutex_);
        if (reactor_ == nullptr || broken_) return;
        if (outcome.header().has_error() && reactor_->counters_ != nullptr) [[unlikely]]
          reactor_->counters_->errors.Count(outcome.header().error());
        *pending_.add_outcomes() = std::move(outcome);
        if (std::exchange(write_due_, true)) return;
      }
      Burst::AtEnd([self = this->shared_from_this()] { self->WriteGathered(); });
    }
    void Tell(v1::Farewell farewell) override {
      const std::scoped_lock lock(mutex_);
      if (reactor_ == nullptr || broken_ || finished_) return;
      pending_.set_farewell(farewell);
      if (!writing_) WriteLocked();
    }
    void Written(bool ok) {
      const std::scoped_lock lock(mutex_);
      writing_ = false;
      if (!ok) broken_ = true;
      if (!broken_ && write_due_) return;
      if (!broken_ && (pending_.outcomes_size() > 0 || pending_.farewell() != v1::FAREWELL_NONE)) {
        WriteLocked();
      } else {
        FinishIfEndedLocked();
      }
    }
    void EndReading() {
      const std::scoped_lock lock(mutex_);
      reading_ended_ = true;
      if (!writing_) FinishIfEndedLocked();
    }
    void Detach() {
      const std::scoped_lock lock(mutex_);
      reactor_ = nullptr;
    }

   private:
    void WriteGathered() {
      const std::scoped_lock lock(mutex_);
      write_due_ = false;
      if (reactor_ != nullptr && !broken_ && !writing_ && !finished_) WriteLocked();
    }
    void WriteLocked() {
      writing_ = true;
      outgoing_.Clear();
      outgoing_.Swap(&pending_);
      reactor_->StartWrite(&outgoing_);
    }
    // Answers that come later are dropped: whoever closed the stream no longer waits.
    void FinishIfEndedLocked() {
      if (!reading_ended_ || finished_) return;
      finished_ = true;
      reactor_->Finish(grpc::Status::OK);
    }

    std::mutex mutex_;
    CommandServer* reactor_;
    OutcomeBatch pending_;
    OutcomeBatch outgoing_;
    bool writing_ = false;
    bool write_due_ = false;  // at the end of a burst
    bool broken_ = false;
    bool reading_ended_ = false;
    bool finished_ = false;
  };

  void HandleTraced(Command command, uint64_t sequence) {
    int body = 0;
    if constexpr (requires { command.body_case(); }) body = static_cast<int>(command.body_case());
    const ServerSpan span(*command.mutable_header(), *Command::descriptor(), body);
    handler_(std::move(command), [core = core_, sequence, span](Outcome outcome) {
      span.End(outcome.header().has_error() ? &outcome.header().error() : nullptr);
      outcome.mutable_header()->set_sequence(sequence);
      core->Answer(std::move(outcome));
    });
  }

  const Handler& handler_;
  OpenStreams& streams_;
  CommandCounters* const counters_;
  std::shared_ptr<Core> core_;
  CommandBatch incoming_;
};

}  // namespace boxoffice::rpc
