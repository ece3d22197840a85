// Commands to a service in this process: its handler is called with them, and nothing is written or read
// (docs/adr/0013). What the executor's present turn sends is handed over at its end, so that the service has
// all of it at once; a lone command waits for nothing. What the service answers in a burst is one turn here.
// Of many, pieces go on before, so that the two sides work at the same time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/burst.h"
#include "platform/rpc/command_intake.h"
#include "platform/rpc/command_link.h"

namespace boxoffice::rpc {

namespace asio = boost::asio;

// Completions run on `executor`, posted once per burst of outcomes.
template <typename CommandBatch, typename OutcomeBatch>
class LocalCommands final : public CommandLink<CommandBatch, OutcomeBatch> {
 public:
  using Link = CommandLink<CommandBatch, OutcomeBatch>;
  using typename Link::Command;
  using typename Link::Companion;
  using typename Link::Done;
  using typename Link::Outcome;
  using Intake = CommandIntake<CommandBatch, OutcomeBatch>;

  // `name` labels metrics. Deadlines are kept by a timer on `executor`, which must run, as `intake` must
  // live, until this is closed.
  LocalCommands(const std::string& name, asio::any_io_executor executor, Intake& intake,
                obs::Registry& metrics, ClientLimits limits = {})
      : timer_(std::make_shared<asio::steady_timer>(executor)),
        core_(std::make_shared<Core>(name, std::move(executor), intake, metrics, limits)) {
    ScheduleExpiry(core_, timer_);
  }
  ~LocalCommands() override { Close(); }

  // As for every link; where the service is, nothing breaks, so that only Close loses a command.
  void Send(Command&& command, std::chrono::milliseconds timeout, Done done,
            resilience::Priority priority = resilience::Priority::kNormal,
            std::shared_ptr<Companion> /*companion*/ = nullptr) override {
    core_->Send(std::move(command), timeout, std::move(done), priority);
  }
  void OpenStream() override {}
  void Retire() override {}
  void Close() override {
    if (core_->Close()) core_->Post([timer = timer_] { timer->cancel(); });
  }

 private:
  using SteadyClock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kExpiryTick{20};
  static constexpr size_t kPiece = 32;  // commands, or outcomes; docs/performance.md has what it brought

  // What replies hold, on any thread, and longer than the executor lives: once it is closed, nothing of it is
  // used but the lock.
  class Core : public std::enable_shared_from_this<Core> {
   public:
    Core(const std::string& name, asio::any_io_executor executor, Intake& intake, obs::Registry& metrics,
         ClientLimits limits)
        : executor_(std::move(executor)),
          intake_(intake),
          counters_(intake.counters()),
          limits_(limits),
          metrics_(metrics, name) {}

    void Send(Command&& command, std::chrono::milliseconds timeout, Done done,
              resilience::Priority priority) {
      SetTerms(*command.mutable_header(), timeout, priority);
      const auto now = SteadyClock::now();
      std::unique_lock lock(mutex_);
      if (closed_ || !resilience::Admits(priority, InFlightLocked(), limits_.max_in_flight)) {
        const Error error = closed_ ? Error{Code::kUnavailable, "closed", {}}
                                    : Error{Code::kResourceExhausted, "overloaded", {}};
        lock.unlock();
        Completions refused;
        refused.emplace_back(std::move(done), std::unexpected(error));
        Post([refused = std::move(refused)]() mutable { RunAll(refused); });
        return;
      }
      gathered_.push_back({std::move(command), TakeSlotLocked(std::move(done), now, now + timeout)});
      const bool is_piece = gathered_.size() == kPiece;
      const bool due = std::exchange(hand_over_due_, true);
      lock.unlock();
      if (is_piece) {
        HandOver();
      } else if (!due) {
        asio::defer(executor_, [self = this->shared_from_this()] { self->HandOver(); });
      }
    }

    // Gives up on whatever is overdue; whether there is anything to be looked after.
    bool ExpireOverdue() {
      const std::scoped_lock lock(mutex_);
      if (closed_) return false;
      const auto now = SteadyClock::now();
      for (size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i].done == nullptr || slots_[i].deadline > now) continue;
        metrics_.timeouts.Add();
        AnswerLocked(i, Fail(Code::kUnknown, "timeout"));
      }
      if (!answered_.empty() && !std::exchange(answers_due_, true)) PostAnswers();
      return true;
    }

    // False: it was closed before.
    bool Close() {
      std::unique_lock lock(mutex_);
      if (std::exchange(closed_, true)) return false;
      for (const Gathered& one : gathered_) {
        if (!WaitsLocked(one.ticket)) continue;
        AnswerLocked(one.ticket.slot, Fail(Code::kUnavailable, "closed"));
      }
      gathered_.clear();
      for (size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i].done == nullptr) continue;
        metrics_.lost.Add();
        AnswerLocked(i, Fail(Code::kUnknown, "connection_lost", "its caller was closed"));
      }
      if (!answered_.empty()) PostAnswers();
      handed_over_.wait(lock, [this] { return handing_over_ == 0; });
      return true;
    }

    template <typename Work>
    void Post(Work work) {
      asio::post(executor_, std::move(work));
    }

   private:
    // Who waits for an outcome: a slot, and for which of its users it is.
    struct Ticket {
      uint32_t slot;
      uint32_t use;
    };
    struct Slot {
      Done done;  // null: it is free
      SteadyClock::time_point sent;
      SteadyClock::time_point deadline;
      uint32_t use = 0;
    };
    struct Gathered {
      Command command;
      Ticket ticket;
    };
    using Completions = std::vector<std::pair<Done, Result<Outcome>>>;

    [[nodiscard]] size_t InFlightLocked() const { return slots_.size() - free_.size(); }

    Ticket TakeSlotLocked(Done done, SteadyClock::time_point now, SteadyClock::time_point deadline) {
      if (free_.empty()) {
        free_.push_back(static_cast<uint32_t>(slots_.size()));
        slots_.emplace_back();
      }
      const uint32_t index = free_.back();
      free_.pop_back();
      Slot& slot = slots_[index];
      slot.done = std::move(done);
      slot.sent = now;
      slot.deadline = deadline;
      return {index, ++slot.use};
    }

    // False: it has timed out, and perhaps another has its slot.
    [[nodiscard]] bool WaitsLocked(Ticket ticket) const {
      const Slot& slot = slots_[ticket.slot];
      return slot.done != nullptr && slot.use == ticket.use;
    }

    void AnswerLocked(size_t index, Result<Outcome> outcome) {
      answered_.emplace_back(std::exchange(slots_[index].done, nullptr), std::move(outcome));
      free_.push_back(static_cast<uint32_t>(index));
    }

    void HandOver() {
      std::vector<Gathered> all;
      {
        const std::scoped_lock lock(mutex_);
        hand_over_due_ = false;
        if (closed_ || gathered_.empty()) return;
        all.swap(gathered_);
        ++handing_over_;
      }
      metrics_.batch_size.Observe(static_cast<double>(all.size()));
      if (counters_ != nullptr) counters_->commands.Add(all.size());
      {
        const Burst burst;
        for (Gathered& one : all) {
          intake_.Take(std::move(one.command),
                       [self = this->shared_from_this(), ticket = one.ticket](Outcome&& outcome) {
                         self->Answer(ticket, std::move(outcome));
                       });
        }
      }
      all.clear();
      const std::scoped_lock lock(mutex_);
      if (gathered_.empty()) gathered_.swap(all);  // for its room
      if (--handing_over_ == 0) handed_over_.notify_all();
    }

    void Answer(Ticket ticket, Outcome&& outcome) {
      {
        const std::scoped_lock lock(mutex_);
        if (closed_) return;
        const bool failed = outcome.header().has_error();
        if (failed && counters_ != nullptr) counters_->errors.Count(outcome.header().error());
        if (!WaitsLocked(ticket)) return;
        const Slot& slot = slots_[ticket.slot];
        metrics_.seconds.Observe(std::chrono::duration<double>(SteadyClock::now() - slot.sent).count());
        if (failed) {
          metrics_.errors.Count(outcome.header().error());
          AnswerLocked(ticket.slot, std::unexpected(FromProto(outcome.header().error())));
        } else {
          AnswerLocked(ticket.slot, std::move(outcome));
        }
        if (answered_.size() % kPiece == 0) PostAnswers();
        if (std::exchange(answers_due_, true)) return;
      }
      Burst::AtEnd([self = this->shared_from_this()] {
        const std::scoped_lock lock(self->mutex_);
        if (!self->closed_ && !self->answered_.empty()) self->PostAnswers();
      });
    }

    void PostAnswers() {
      Post([self = this->shared_from_this()] {
        Completions all;
        {
          const std::scoped_lock lock(self->mutex_);
          self->answers_due_ = false;
          all.swap(self->answered_);
        }
        RunAll(all);
      });
    }

    static void RunAll(Completions& all) {
      const Burst burst;
      for (auto& [done, outcome] : all) done(std::move(outcome));
    }

    const asio::any_io_executor executor_;
    Intake& intake_;
    CommandCounters* const counters_;
    const ClientLimits limits_;
    LinkMetrics metrics_;
    std::mutex mutex_;
    std::condition_variable handed_over_;
    std::vector<Slot> slots_;
    std::vector<uint32_t> free_;      // of the slots
    std::vector<Gathered> gathered_;  // to be handed over
    Completions answered_;
    bool hand_over_due_ = false;
    bool answers_due_ = false;
    int handing_over_ = 0;
    bool closed_ = false;
  };

  static void ScheduleExpiry(const std::weak_ptr<Core>& core,
                             const std::shared_ptr<asio::steady_timer>& timer) {
    timer->expires_after(kExpiryTick);
    timer->async_wait([core, timer](boost::system::error_code error) {
      const auto self = core.lock();
      if (self != nullptr && !error && self->ExpireOverdue()) ScheduleExpiry(core, timer);
    });
  }

  const std::shared_ptr<asio::steady_timer> timer_;
  const std::shared_ptr<Core> core_;
};

}  // namespace boxoffice::rpc
