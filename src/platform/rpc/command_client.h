// The client's end of a command stream: what the executor's present turn sends, or gathers while a write is
// under way, is one batch; a lone command waits for nothing. One stream per client; when it breaks, commands
// that were sent are *unknown*, and the next command opens a new one. Nothing is written before the server
// has taken the stream, so that one which is about to go either has the stream among those that it waits for,
// or has got nothing. When it says that it closes, the stream ends once all is answered that was sent on it.
// Callers of a service go through a CommandPeer (command_peer.h), which has one of these for each replica.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include "base/burst.h"
#include "base/check.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/call_metrics.h"
#include "platform/rpc/command_link.h"
#include "platform/rpc/status.h"

namespace boxoffice::rpc {

namespace asio = boost::asio;

// Thread-safe. Completions run on `executor`, posted once per batch of outcomes.
template <typename CommandBatch, typename OutcomeBatch>
class CommandClient final : public CommandLink<CommandBatch, OutcomeBatch> {
 public:
  using Link = CommandLink<CommandBatch, OutcomeBatch>;
  using typename Link::Command;
  using typename Link::Companion;
  using typename Link::Done;
  using typename Link::Outcome;
  using Reactor = grpc::ClientBidiReactor<CommandBatch, OutcomeBatch>;
  // Starts the stream: `stub->async()->Execute(context, reactor)`.
  using Open = std::function<void(grpc::ClientContext*, Reactor*)>;
  // A command that a stream that ended did not take, given back to be sent elsewhere.
  struct Unsent {
    Command command;
    Done done;
    std::shared_ptr<Companion> companion;
    bool maybe_sent = false;  // its write failed: it may have got through all the same
    bool broken = false;      // the stream broke, rather than being retired
  };
  // What the client tells whoever has more than one; called on any thread.
  struct Events {
    std::function<void(std::vector<Unsent>)> give_back;
    std::function<void(v1::Farewell)> farewell;  // before what it makes to be given back
  };

  // `name` labels metrics. Deadlines are kept by a timer on `executor`, which must run until this is
  // destroyed. With `give_back`, commands that were not sent come back by it rather than as errors.
  CommandClient(const std::string& name, asio::any_io_executor executor, Open open, obs::Registry& metrics,
                ClientLimits limits = {}, Events events = {})
      : core_(std::make_shared<Core>(name, std::move(executor), std::move(open), metrics, limits,
                                     std::move(events))) {
    core_->ScheduleExpiry();
  }
  ~CommandClient() override { Close(); }

  void Send(Command&& command, std::chrono::milliseconds timeout, Done done,
            resilience::Priority priority = resilience::Priority::kNormal,
            std::shared_ptr<Companion> companion = nullptr) override {
    core_->Send(std::move(command), timeout, std::move(done), priority, std::move(companion));
  }
  void OpenStream() override { core_->OpenStream(); }
  void Retire() override { core_->Retire(); }
  void Close() override { core_->Close(); }

 private:
  using SteadyClock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kExpiryTick{20};
  // A server that has not said by then that it has taken the stream is one of before it did so.
  static constexpr std::chrono::milliseconds kAcceptLimit{1'000};

  struct Waiting {
    Done done;
    SteadyClock::time_point sent;
    SteadyClock::time_point deadline;
    std::shared_ptr<Companion> companion;
  };
  using Completions = std::vector<std::pair<Done, Result<Outcome>>>;

  class Core;

  // One stream. Owned by gRPC: deletes itself in OnDone.
  class Stream final : public Reactor {
   public:
    explicit Stream(std::shared_ptr<Core> core) : core_(std::move(core)) {}
    void Start(const Open& open) {
      context_.set_wait_for_ready(false);
      open(&context_, this);
      this->StartRead(&incoming_);
      this->AddHold();  // writes start from other threads than the reactor's
      this->StartCall();
    }
    void OnReadInitialMetadataDone(bool ok) override {
      if (ok) core_->Accepted(this);
    }
    void OnReadDone(bool ok) override {
      if (!ok) {
        // Where gRPC could not read the message, nobody else ends the call, and its commands would wait for
        // ever.
        context_.TryCancel();
        core_->Broken(this);
        return;
      }
      core_->Received(this, incoming_);
      incoming_.Clear();
      this->StartRead(&incoming_);
    }
    void OnWriteDone(bool ok) override { core_->Written(this, ok); }
    void OnDone(const grpc::Status& status) override {
      // Its owner waits in Close until Released, and is to be the last to let go of it: its timer belongs to
      // an executor that may go next.
      Core* const core = core_.get();
      core->Ended(this, status);
      delete this;  // with the context, which holds the channel: only then may Close return, and the channel
                    // go
      core->Released();
    }

   private:
    friend class Core;
    std::shared_ptr<Core> core_;
    grpc::ClientContext context_;
    OutcomeBatch incoming_;
    CommandBatch outgoing_;
    // Guarded by the core's mutex.
    SteadyClock::time_point opened_ = SteadyClock::now();
    bool accepted_ = false;  // by the server
    bool writing_ = false;
    bool released_ = false;
    bool broken_ = false;
    bool retired_ = false;      // takes no more commands
    bool half_closed_ = false;  // and has told so
    std::unordered_map<uint64_t, Waiting> in_flight_;
  };

  class Core : public std::enable_shared_from_this<Core> {
   public:
    Core(const std::string& name, asio::any_io_executor executor, Open open, obs::Registry& metrics,
         ClientLimits limits, Events events)
        : executor_(executor),
          open_(std::move(open)),
          limits_(limits),
          events_(std::move(events)),
          timer_(executor),
          metrics_(metrics, name) {}

    void Send(Command&& command, std::chrono::milliseconds timeout, Done done, resilience::Priority priority,
              std::shared_ptr<Companion> companion) {
      std::unique_lock lock(mutex_);
      if (closed_ || !resilience::Admits(priority, waiting_count_, limits_.max_in_flight)) {
        const Error error = closed_ ? Error{Code::kUnavailable, "closed", {}}
                                    : Error{Code::kResourceExhausted, "overloaded", {}};
        lock.unlock();
        Complete(std::move(done), std::unexpected(error));
        return;
      }
      const uint64_t sequence = ++last_sequence_;
      command.mutable_header()->set_sequence(sequence);
      SetTerms(*command.mutable_header(), timeout, priority);
      *pending_.add_commands() = std::move(command);
      const auto now = SteadyClock::now();
      pending_waiting_.emplace_back(sequence,
                                    Waiting{std::move(done), now, now + timeout, std::move(companion)});
      ++waiting_count_;
      if (stream_ == nullptr && !StartStreamLocked(lock)) return;
      if (!stream_->accepted_ || std::exchange(write_due_, true)) return;
      lock.unlock();
      asio::defer(executor_, [weak = this->weak_from_this()] {
        if (const auto self = weak.lock()) self->WriteGathered();
      });
    }

    void OpenStream() {
      std::unique_lock lock(mutex_);
      if (closed_ || stream_ != nullptr || !StartStreamLocked(lock)) return;
      WriteIfReadyLocked();
    }

    void Accepted(Stream* stream) {
      const std::scoped_lock lock(mutex_);
      stream->accepted_ = true;
      if (stream_ == stream) WriteIfReadyLocked();
    }

    void Received(Stream* stream, OutcomeBatch& batch) {
      if (batch.farewell() != v1::FAREWELL_NONE) [[unlikely]]
        HearFarewell(stream, batch.farewell());
      Completions completions;
      completions.reserve(static_cast<size_t>(batch.outcomes_size()));
      {
        const std::scoped_lock lock(mutex_);
        const auto now = SteadyClock::now();
        for (Outcome& outcome : *batch.mutable_outcomes()) {
          auto node = stream->in_flight_.extract(outcome.header().sequence());
          if (node.empty()) continue;  // timed out before
          --waiting_count_;
          metrics_.seconds.Observe(std::chrono::duration<double>(now - node.mapped().sent).count());
          if (outcome.header().has_error()) {
            metrics_.errors.Count(outcome.header().error());
            completions.emplace_back(std::move(node.mapped().done),
                                     std::unexpected(FromProto(outcome.header().error())));
          } else {
            completions.emplace_back(std::move(node.mapped().done), std::move(outcome));
          }
        }
        HalfCloseIfAnsweredLocked(stream);
      }
      CompleteAll(std::move(completions));
    }

    void Written(Stream* stream, bool ok) {
      Leftover leftover;
      {
        const std::scoped_lock lock(mutex_);
        stream->writing_ = false;
        if (!ok) {
          TakeBackLocked(stream, leftover);
        } else if (limits_.keep_written) {
          KeepWrittenLocked(stream);
        }
        if (ok && stream->retired_ && !stream->broken_) {
          HalfCloseIfAnsweredLocked(stream);
        } else if (!ok || stream != stream_) {
          AbandonLocked(stream, leftover);
        } else {
          WriteIfReadyLocked();
        }
      }
      Finish(std::move(leftover));
    }

    // The peer ended the stream, or the connection broke.
    void Broken(Stream* stream) {
      Leftover leftover;
      {
        const std::scoped_lock lock(mutex_);
        stream->broken_ = true;
        AbandonLocked(stream, leftover);
      }
      Finish(std::move(leftover));
    }

    void Retire() {
      Leftover leftover;
      {
        const std::scoped_lock lock(mutex_);
        if (stream_ == nullptr) return;
        RetireLocked(leftover);
      }
      Finish(std::move(leftover));
    }

    void Ended(Stream* stream, const grpc::Status& status) {
      Completions completions;
      {
        const std::scoped_lock lock(mutex_);
        const Error lost{Code::kUnknown, "connection_lost", status.error_message()};
        for (auto& [sequence, waiting] : stream->in_flight_) {
          completions.emplace_back(std::move(waiting.done), std::unexpected(lost));
        }
        waiting_count_ -= completions.size();
        metrics_.lost.Add(completions.size());
        std::erase(retired_, stream);
      }
      CompleteAll(std::move(completions));
    }

    // gRPC and this client have let go of a stream.
    void Released() {
      const std::scoped_lock lock(mutex_);
      --streams_;
      all_ended_.notify_all();
    }

    // Waits until gRPC has let go of the stream, because completions are posted to an executor that may go
    // next.
    void Close() {
      std::unique_lock lock(mutex_);
      if (!std::exchange(closed_, true))
        asio::post(executor_, [self = this->shared_from_this()] { self->timer_.cancel(); });
      if (stream_ != nullptr) stream_->context_.TryCancel();
      for (Stream* stream : retired_) stream->context_.TryCancel();
      all_ended_.wait(lock, [this] { return streams_ == 0; });
    }

    // Wakes every tick while this lives, and gives up on what is past its deadline.
    void ScheduleExpiry() {
      timer_.expires_after(kExpiryTick);
      timer_.async_wait([weak = this->weak_from_this()](boost::system::error_code error) {
        const auto self = weak.lock();
        if (!self || error) return;
        self->ExpireOverdue();
        {
          const std::scoped_lock lock(self->mutex_);
          if (self->closed_) return;
        }
        self->ScheduleExpiry();
      });
    }

   private:
    // What a stream that ends leaves, to be dealt with outside the lock.
    struct Leftover {
      Completions completions;
      std::vector<Unsent> unsent;
    };

    // False: it ended, or was retired, while it started, and what waited has been given back.
    bool StartStreamLocked(std::unique_lock<std::mutex>& lock) {
      Stream* stream = stream_ = new Stream(this->shared_from_this());
      ++streams_;
      stream->writing_ = true;  // until started
      lock.unlock();
      stream->Start(open_);
      lock.lock();
      stream->writing_ = false;
      if (stream_ == stream) return true;
      HalfCloseIfAnsweredLocked(stream);  // the hold was kept, as writing_ was set
      if (!std::exchange(stream->released_, true)) stream->RemoveHold();
      return false;
    }

    void HearFarewell(Stream* stream, v1::Farewell farewell) {
      if (events_.farewell) events_.farewell(farewell);
      if (farewell != v1::FAREWELL_CLOSING) return;
      Leftover leftover;
      {
        const std::scoped_lock lock(mutex_);
        if (stream_ == stream) RetireLocked(leftover);
      }
      Finish(std::move(leftover));
    }

    void RetireLocked(Leftover& leftover) {
      Stream* stream = std::exchange(stream_, nullptr);
      stream->retired_ = true;
      retired_.push_back(stream);
      TakePendingLocked(leftover, /*broken=*/false);
      HalfCloseIfAnsweredLocked(stream);
    }

    void WriteGathered() {
      const std::scoped_lock lock(mutex_);
      write_due_ = false;
      if (stream_ != nullptr) WriteIfReadyLocked();
    }

    void WriteIfReadyLocked() {
      if (!stream_->accepted_ || stream_->writing_ || write_due_) return;
      if (pending_.commands_size() > 0) WriteLocked();
    }

    void WriteLocked() {
      const auto count = std::min(static_cast<size_t>(pending_.commands_size()), limits_.max_batch);
      stream_->outgoing_.Clear();
      if (count == static_cast<size_t>(pending_.commands_size())) {
        stream_->outgoing_.Swap(&pending_);
      } else {
        for (size_t i = 0; i < count; ++i)
          *stream_->outgoing_.add_commands() = std::move(*pending_.mutable_commands(static_cast<int>(i)));
        pending_.mutable_commands()->DeleteSubrange(0, static_cast<int>(count));
      }
      for (size_t i = 0; i < count; ++i) stream_->in_flight_.insert(std::move(pending_waiting_[i]));
      pending_waiting_.erase(pending_waiting_.begin(),
                             pending_waiting_.begin() + static_cast<ptrdiff_t>(count));
      metrics_.batch_size.Observe(static_cast<double>(count));
      stream_->writing_ = true;
      stream_->StartWrite(&stream_->outgoing_);
    }

    // From now on commands open a new stream. What was not written was certainly not done; what was written
    // stays with the old stream until it has ended.
    void AbandonLocked(Stream* stream, Leftover& leftover) {
      if (stream_ == stream) {
        stream_ = nullptr;
        TakePendingLocked(leftover, /*broken=*/true);
      }
      if (!stream->writing_ && !std::exchange(stream->released_, true)) stream->RemoveHold();
    }

    // What was not written goes elsewhere, or was certainly not done.
    void TakePendingLocked(Leftover& leftover, bool broken) {
      for (size_t i = 0; i < pending_waiting_.size(); ++i) {
        TakeLocked(std::move(*pending_.mutable_commands(static_cast<int>(i))),
                   std::move(pending_waiting_[i].second), /*maybe_sent=*/false, broken, leftover);
      }
      pending_waiting_.clear();
      pending_.Clear();
    }

    void KeepWrittenLocked(Stream* stream) {
      for (Command& command : *stream->outgoing_.mutable_commands()) {
        const auto found = stream->in_flight_.find(command.header().sequence());
        if (found == stream->in_flight_.end() || found->second.companion == nullptr) continue;
        found->second.companion->command = std::move(command);
      }
    }

    // What a write that failed was about. gRPC says that it is not on the wire, but a part of it may be.
    void TakeBackLocked(Stream* stream, Leftover& leftover) {
      if (!events_.give_back) return;  // stays with the stream, as unknown
      for (Command& command : *stream->outgoing_.mutable_commands()) {
        auto node = stream->in_flight_.extract(command.header().sequence());
        if (node.empty()) continue;  // timed out before
        TakeLocked(std::move(command), std::move(node.mapped()), /*maybe_sent=*/true, /*broken=*/true,
                   leftover);
      }
    }

    void TakeLocked(Command&& command, Waiting&& waiting, bool maybe_sent, bool broken, Leftover& leftover) {
      --waiting_count_;
      if (events_.give_back) {
        leftover.unsent.push_back(
            {std::move(command), std::move(waiting.done), std::move(waiting.companion), maybe_sent, broken});
      } else {
        leftover.completions.emplace_back(std::move(waiting.done), Fail(Code::kUnavailable, "not_sent"));
      }
    }

    void Finish(Leftover leftover) {
      CompleteAll(std::move(leftover.completions));
      if (!leftover.unsent.empty()) events_.give_back(std::move(leftover.unsent));
    }

    void HalfCloseIfAnsweredLocked(Stream* stream) {
      if (!stream->retired_ || stream->half_closed_ || stream->writing_ || !stream->in_flight_.empty())
        return;
      stream->half_closed_ = true;
      if (stream->released_) return;  // it broke meanwhile
      stream->StartWritesDone();
      stream->released_ = true;
      stream->RemoveHold();
    }

    void ExpireOverdue() {
      Completions completions;
      {
        const std::scoped_lock lock(mutex_);
        const auto now = SteadyClock::now();
        if (stream_ != nullptr) ExpireLocked(stream_, now, completions);
        for (Stream* stream : retired_) ExpireLocked(stream, now, completions);
        metrics_.timeouts.Add(completions.size());
        ExpirePendingLocked(now, completions);
        waiting_count_ -= completions.size();
        if (stream_ != nullptr && !stream_->accepted_ && now - stream_->opened_ > kAcceptLimit) {
          stream_->accepted_ = true;
          WriteIfReadyLocked();
        }
      }
      CompleteAll(std::move(completions));
    }

    void ExpireLocked(Stream* stream, SteadyClock::time_point now, Completions& completions) {
      for (auto it = stream->in_flight_.begin(); it != stream->in_flight_.end();) {
        if (it->second.deadline > now) {
          ++it;
          continue;
        }
        completions.emplace_back(std::move(it->second.done), Fail(Code::kUnknown, "timeout"));
        it = stream->in_flight_.erase(it);
      }
      HalfCloseIfAnsweredLocked(stream);
    }

    // What could not be written in time, because the connection does not come about or takes nothing, is
    // never sent.
    void ExpirePendingLocked(SteadyClock::time_point now, Completions& completions) {
      const auto overdue = [&](const auto& entry) { return entry.second.deadline <= now; };
      if (std::ranges::none_of(pending_waiting_, overdue)) return;
      int kept = 0;
      for (size_t i = 0; i < pending_waiting_.size(); ++i) {
        if (overdue(pending_waiting_[i])) {
          completions.emplace_back(std::move(pending_waiting_[i].second.done),
                                   Fail(Code::kUnavailable, "deadline_passed"));
          continue;
        }
        pending_.mutable_commands()->SwapElements(kept, static_cast<int>(i));
        std::swap(pending_waiting_[static_cast<size_t>(kept)], pending_waiting_[i]);
        ++kept;
      }
      pending_.mutable_commands()->DeleteSubrange(kept, pending_.commands_size() - kept);
      pending_waiting_.resize(static_cast<size_t>(kept));
    }

    void Complete(Done done, Result<Outcome>&& outcome) {
      Completions completions;
      completions.emplace_back(std::move(done), std::move(outcome));
      CompleteAll(std::move(completions));
    }
    void CompleteAll(Completions completions) {
      if (completions.empty()) return;
      asio::post(executor_, [completions = std::move(completions)]() mutable {
        const Burst burst;
        for (auto& [done, outcome] : completions) done(std::move(outcome));
      });
    }

    asio::any_io_executor executor_;
    const Open open_;
    const ClientLimits limits_;
    const Events events_;
    asio::steady_timer timer_;
    LinkMetrics metrics_;
    std::mutex mutex_;
    std::condition_variable all_ended_;
    Stream* stream_ = nullptr;      // where commands are written now
    std::vector<Stream*> retired_;  // those that are left to end
    size_t streams_ = 0;            // that gRPC still holds
    uint64_t last_sequence_ = 0;
    CommandBatch pending_;
    std::vector<std::pair<uint64_t, Waiting>> pending_waiting_;
    size_t waiting_count_ = 0;
    bool write_due_ = false;  // at the end of the executor's present turn
    bool closed_ = false;
  };

  std::shared_ptr<Core> core_;
};

}  // namespace boxoffice::rpc
