// The server's end of a command stream: batches of commands come in, outcomes go out in whatever order they
// are decided.
//
// A service's Execute method returns `new CommandServer(intake)`; gRPC drives it and it deletes itself when
// the stream has ended and every command is answered. What gathers in a burst of answers, or while a write is
// under way, is the next batch.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include <grpcpp/support/server_callback.h>

#include "base/burst.h"
#include "platform/rpc/command_intake.h"

namespace boxoffice::rpc {

template <typename CommandBatch, typename OutcomeBatch>
class CommandServer final : public grpc::ServerBidiReactor<CommandBatch, OutcomeBatch> {
 public:
  using Intake = CommandIntake<CommandBatch, OutcomeBatch>;
  using Command = typename Intake::Command;
  using Outcome = typename Intake::Outcome;

  // The intake must outlive every stream.
  explicit CommandServer(CommandIntake<CommandBatch, OutcomeBatch>& intake)
      : intake_(intake), counters_(intake.counters()), core_(std::make_shared<Core>(this)) {
    this->StartSendInitialMetadata();  // by which the client knows that the stream was taken
    this->StartRead(&incoming_);
    intake_.Add(*core_);
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
      intake_.Take(std::move(command), [core = core_, sequence](Outcome&& outcome) {
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
    intake_.Remove(*core_);
    delete this;
  }

 private:
  // Outlives the reactor when answers come after the stream is gone; those are dropped (the client asks
  // again).
  class Core final : public OpenStreams::Stream, public std::enable_shared_from_this<Core> {
   public:
    explicit Core(CommandServer* reactor) : reactor_(reactor) {}

    void Answer(Outcome&& outcome) {
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

  Intake& intake_;
  CommandCounters* const counters_;
  std::shared_ptr<Core> core_;
  CommandBatch incoming_;
};

}  // namespace boxoffice::rpc
