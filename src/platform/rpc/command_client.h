// The client's end of a command stream: a lone command is sent at once; what gathers while a write is under
// way is the next batch. One stream per client; when it breaks, commands that were sent are *unknown*, and
// the next command opens a new one.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include "base/check.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/status.h"

namespace boxoffice::rpc {

namespace asio = boost::asio;

struct ClientLimits {
  size_t max_batch = 256;
  size_t max_in_flight = 65'536;  // commands without an outcome; beyond: overloaded
};

// Thread-safe. Completions run on `executor`, posted once per batch of outcomes.
template <typename CommandBatch, typename OutcomeBatch>
class CommandClient {
 public:
  using Command = typename std::remove_cvref_t<decltype(std::declval<CommandBatch>().commands(0))>;
  using Outcome = typename std::remove_cvref_t<decltype(std::declval<OutcomeBatch>().outcomes(0))>;
  using Done = std::move_only_function<void(Result<Outcome>)>;
  using Reactor = grpc::ClientBidiReactor<CommandBatch, OutcomeBatch>;
  // Starts the stream: `stub->async()->Execute(context, reactor)`.
  using Open = std::function<void(grpc::ClientContext*, Reactor*)>;

  // `name` labels metrics. Deadlines are kept by a timer on `executor`, which must run until this is
  // destroyed.
  CommandClient(std::string name, asio::any_io_executor executor, Open open, obs::Registry& metrics,
                ClientLimits limits = {})
      : core_(
            std::make_shared<Core>(std::move(name), std::move(executor), std::move(open), metrics, limits)) {
    core_->ScheduleExpiry();
  }
  ~CommandClient() { core_->Close(); }
  CommandClient(const CommandClient&) = delete;
  CommandClient& operator=(const CommandClient&) = delete;

  // Sends a command and calls `done` once: with its outcome, or with the error of its header, or
  //   timeout, connection_lost (kUnknown): it may have been done; repeat it, commands are idempotent;
  //   overloaded (kResourceExhausted), closed (kUnavailable): it was not sent.
  void Send(Command command, std::chrono::milliseconds timeout, Done done) {
    core_->Send(std::move(command), timeout, std::move(done));
  }

  // The same for coroutines that run on `executor`.
  asio::awaitable<Result<Outcome>> Execute(Command command, std::chrono::milliseconds timeout) {
    // A local, because GCC 12 destroys temporaries inside co_await expressions twice.
    auto initiate = [this, &command, timeout](auto handler) {
      Send(std::move(command), timeout, [handler = std::move(handler)](Result<Outcome> outcome) mutable {
        std::move(handler)(std::move(outcome));
      });
    };
    co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Result<Outcome>)>(
        initiate, asio::use_awaitable);
  }

 private:
  using SteadyClock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kExpiryTick{20};

  struct Waiting {
    Done done;
    SteadyClock::time_point deadline;
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
    void OnReadDone(bool ok) override {
      if (!ok) {
        core_->Broken(this);
        return;
      }
      core_->Received(incoming_);
      incoming_.Clear();
      this->StartRead(&incoming_);
    }
    void OnWriteDone(bool ok) override { core_->Written(this, ok); }
    void OnDone(const grpc::Status& status) override {
      const auto core = core_;
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
    bool writing_ = false;
    bool released_ = false;
    std::unordered_map<uint64_t, Waiting> in_flight_;
  };

  class Core : public std::enable_shared_from_this<Core> {
   public:
    Core(std::string name, asio::any_io_executor executor, Open open, obs::Registry& metrics,
         ClientLimits limits)
        : executor_(executor),
          open_(std::move(open)),
          limits_(limits),
          timer_(executor),
          batch_size_(metrics.GetHistogram("boxoffice_rpc_batch_size", "Commands in one message",
                                           obs::SizeBounds(), {{"client", name}})),
          timeouts_(metrics.GetCounter("boxoffice_rpc_timeouts_total", "Commands without an outcome in time",
                                       {{"client", name}})),
          lost_(metrics.GetCounter("boxoffice_rpc_lost_total", "Commands whose stream broke",
                                   {{"client", name}})) {}

    void Send(Command command, std::chrono::milliseconds timeout, Done done) {
      std::unique_lock lock(mutex_);
      if (closed_ || waiting_count_ >= limits_.max_in_flight) {
        const Error error = closed_ ? Error{Code::kUnavailable, "closed", {}}
                                    : Error{Code::kResourceExhausted, "overloaded", {}};
        lock.unlock();
        Complete(std::move(done), std::unexpected(error));
        return;
      }
      const uint64_t sequence = ++last_sequence_;
      command.mutable_header()->set_sequence(sequence);
      command.mutable_header()->set_timeout_ms(static_cast<uint32_t>(timeout.count()));
      *pending_.add_commands() = std::move(command);
      pending_waiting_.emplace_back(sequence, Waiting{std::move(done), SteadyClock::now() + timeout});
      ++waiting_count_;
      if (stream_ == nullptr) {
        stream_ = new Stream(this->shared_from_this());
        ++streams_;
        Stream* stream = stream_;
        stream->writing_ = true;  // until started
        lock.unlock();
        stream->Start(open_);
        lock.lock();
        stream->writing_ = false;
        if (stream_ != stream) {  // broke meanwhile; the hold was kept because writing_ was set
          if (!std::exchange(stream->released_, true)) stream->RemoveHold();
          return;
        }
      }
      if (!stream_->writing_ && pending_.commands_size() > 0) WriteLocked();
    }

    void Received(OutcomeBatch& batch) {
      Completions completions;
      completions.reserve(static_cast<size_t>(batch.outcomes_size()));
      {
        const std::scoped_lock lock(mutex_);
        if (stream_ == nullptr) return;
        for (Outcome& outcome : *batch.mutable_outcomes()) {
          auto node = stream_->in_flight_.extract(outcome.header().sequence());
          if (node.empty()) continue;  // timed out before
          --waiting_count_;
          if (outcome.header().has_error()) {
            completions.emplace_back(std::move(node.mapped().done),
                                     std::unexpected(FromProto(outcome.header().error())));
          } else {
            completions.emplace_back(std::move(node.mapped().done), std::move(outcome));
          }
        }
      }
      CompleteAll(std::move(completions));
    }

    void Written(Stream* stream, bool ok) {
      Completions completions;
      {
        const std::scoped_lock lock(mutex_);
        stream->writing_ = false;
        if (!ok || stream != stream_) {
          AbandonLocked(stream, completions);
        } else if (pending_.commands_size() > 0) {
          WriteLocked();
        }
      }
      CompleteAll(std::move(completions));
    }

    // The peer ended the stream, or the connection broke.
    void Broken(Stream* stream) {
      Completions completions;
      {
        const std::scoped_lock lock(mutex_);
        AbandonLocked(stream, completions);
      }
      CompleteAll(std::move(completions));
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
        lost_.Add(completions.size());
      }
      CompleteAll(std::move(completions));
    }

    // gRPC and this client have let go of a stream.
    void Released() {
      const std::scoped_lock lock(mutex_);
      --streams_;
      all_ended_.notify_all();
    }

    // Ends the stream and waits until gRPC has let go of it, because completions are posted to an executor
    // that may go next.
    void Close() {
      asio::post(executor_, [self = this->shared_from_this()] { self->timer_.cancel(); });
      std::unique_lock lock(mutex_);
      closed_ = true;
      if (stream_ != nullptr) stream_->context_.TryCancel();
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
      batch_size_.Observe(static_cast<double>(count));
      stream_->writing_ = true;
      stream_->StartWrite(&stream_->outgoing_);
    }

    // From now on commands open a new stream. What was not written was certainly not done; what was written
    // stays with the old stream until it has ended.
    void AbandonLocked(Stream* stream, Completions& completions) {
      if (stream_ == stream) {
        stream_ = nullptr;
        for (auto& [sequence, waiting] : pending_waiting_) {
          completions.emplace_back(std::move(waiting.done), Fail(Code::kUnavailable, "not_sent"));
        }
        waiting_count_ -= pending_waiting_.size();
        pending_waiting_.clear();
        pending_.Clear();
      }
      if (!stream->writing_ && !std::exchange(stream->released_, true)) stream->RemoveHold();
    }

    void ExpireOverdue() {
      Completions completions;
      {
        const std::scoped_lock lock(mutex_);
        if (stream_ == nullptr) return;
        const auto now = SteadyClock::now();
        for (auto it = stream_->in_flight_.begin(); it != stream_->in_flight_.end();) {
          if (it->second.deadline > now) {
            ++it;
            continue;
          }
          completions.emplace_back(std::move(it->second.done), Fail(Code::kUnknown, "timeout"));
          it = stream_->in_flight_.erase(it);
        }
        waiting_count_ -= completions.size();
        timeouts_.Add(completions.size());
      }
      CompleteAll(std::move(completions));
    }

    void Complete(Done done, Result<Outcome> outcome) {
      Completions completions;
      completions.emplace_back(std::move(done), std::move(outcome));
      CompleteAll(std::move(completions));
    }
    void CompleteAll(Completions completions) {
      if (completions.empty()) return;
      asio::post(executor_, [completions = std::move(completions)]() mutable {
        for (auto& [done, outcome] : completions) done(std::move(outcome));
      });
    }

    asio::any_io_executor executor_;
    const Open open_;
    const ClientLimits limits_;
    asio::steady_timer timer_;
    obs::Histogram& batch_size_;
    obs::Counter& timeouts_;
    obs::Counter& lost_;
    std::mutex mutex_;
    std::condition_variable all_ended_;
    Stream* stream_ = nullptr;  // where commands are written now
    size_t streams_ = 0;        // that gRPC still holds
    uint64_t last_sequence_ = 0;
    CommandBatch pending_;
    std::vector<std::pair<uint64_t, Waiting>> pending_waiting_;
    size_t waiting_count_ = 0;
    bool closed_ = false;
  };

  std::shared_ptr<Core> core_;
};

}  // namespace boxoffice::rpc
