// The way from a saga to the services and back: messages that are lost, late, doubled and out of order. What
// a participant answers is put into the saga's words here, as the real client and servers do by protos.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "services/payment/service.h"
#include "services/reservation/saga/participants.h"
#include "services/reservation/saga/shows.h"
#include "services/seat/service.h"
#include "services/wallet/service.h"
#include "sim/process.h"

namespace boxoffice::sim {

namespace asio = boost::asio;
using reservation::Reservation;
using reservation::StepResult;

// What a participant answered; the second part is filled in by holds and moves.
struct Reply {
  StepResult result;
  std::vector<reservation::Seat> seats;
  std::string rung;
  milliseconds grace{0};
  int64_t amount = 0;
  std::string currency;
  Timestamp hold_expires_at{};
  reservation::ShowView show;
  reservation::Hall hall;
};
// What the work on a whole show asks of the seat service.
struct ShowAsk {
  enum class What { kGet, kCancel, kSeeSeats, kKeepSeats, kGiveSeatsBack };
  What what = What::kGet;
  int64_t show_id = 0;
};
using Answer = std::function<void(Reply)>;

// Where calls go: a replica of each service that lives, or null.
class Directory {
 public:
  virtual ~Directory() = default;
  struct Target {
    std::shared_ptr<Life> life;
    std::function<void(const Answer&)> run;
  };
  // Each returns how a replica, chosen now, runs the command; without life if none lives.
  virtual Target Seat(seat::Command command, int64_t timeout_us) = 0;
  virtual Target Show(ShowAsk ask) = 0;
  virtual Target Wallet(wallet::Command command, int64_t timeout_us) = 0;
  virtual Target Payment(payment::Command command, int64_t timeout_us) = 0;
  // `key` is the saga's, by whose tombstone a late bind is refused.
  virtual Target Queue(bool bind, SagaId key) = 0;
  // A copy of this action has come to the participant. False: another one had come before it.
  virtual bool NoteFirst(SagaId saga, const std::string& name) = 0;
};

[[nodiscard]] Reply FromError(const Error& error);
[[nodiscard]] Reply ReplyOf(const Result<seat::Outcome>& outcome);
[[nodiscard]] Reply ReplyOf(const Result<wallet::Outcome>& outcome);
[[nodiscard]] Reply ReplyOf(const Result<payment::Outcome>& outcome);

struct Timeouts {
  int64_t step_us = 300'000;
  int64_t payment_us = 1'200'000;
};

class SimParticipants final : public reservation::Participants, public reservation::Shows {
 public:
  SimParticipants(Process& process, Directory& directory, reservation::CancelPolicy policy, Timeouts timeouts)
      : process_(process), directory_(directory), policy_(policy), timeouts_(timeouts) {}
  void UseExecutor(asio::any_io_executor executor) { executor_ = std::move(executor); }
  // Whoever waits for an answer waits no more.
  void DropAll() { waiting_.clear(); }

  asio::awaitable<StepResult> BindQueue(const Reservation& r) override;
  asio::awaitable<StepResult> UnbindQueue(const Reservation& r, SagaId bound_saga) override;
  asio::awaitable<StepResult> CompleteQueue(const Reservation& r) override;
  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override;
  asio::awaitable<StepResult> KeepSeats(Reservation& r) override;
  asio::awaitable<StepResult> ConfirmSeats(const Reservation& r) override;
  asio::awaitable<StepResult> ReleaseSeats(const Reservation& r) override;
  asio::awaitable<StepResult> ReleaseOnly(const Reservation& r, std::vector<uint32_t> seat_nos) override;
  asio::awaitable<StepResult> MoveSeats(Reservation& r) override;
  asio::awaitable<StepResult> DebitWallet(const Reservation& r) override;
  asio::awaitable<StepResult> RefundWallet(const Reservation& r, SagaId debit_saga) override;
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation& r, int64_t amount) override;
  asio::awaitable<StepResult> ApprovePayment(const Reservation& r) override;
  asio::awaitable<StepResult> CancelPayment(const Reservation& r, uint32_t attempt) override;
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation& r, int64_t amount) override;
  asio::awaitable<Result<reservation::CancelPolicy>> GetCancelPolicy(int64_t show_id) override;

  asio::awaitable<Result<reservation::ShowView>> Get(int64_t show_id) override;
  asio::awaitable<Result<void>> Cancel(int64_t show_id) override;
  asio::awaitable<Result<reservation::Hall>> SeeSeats(int64_t show_id) override;
  asio::awaitable<Result<reservation::ShowView>> SetWaitlistFirst(int64_t show_id, bool first) override;

 private:
  using Find = std::function<Directory::Target()>;
  struct Message {
    std::string name;
    std::optional<SagaId> action;  // of this saga; none: an undo
    int64_t timeout_us = 0;
    Find find;
  };
  enum class End { kAnswered, kReplyLost, kRefused };
  asio::awaitable<Reply> Call(Message message);
  asio::awaitable<StepResult> Step(Message message);
  asio::awaitable<Result<Reply>> AskOfShow(std::string name, ShowAsk ask);
  void Send(uint64_t id, const Message& message);
  void Deliver(uint64_t id, const Message& message, int64_t delay_us, End end);
  void Arrive(uint64_t id, Reply reply);

  Process& process_;
  Directory& directory_;
  const reservation::CancelPolicy policy_;
  const Timeouts timeouts_;
  asio::any_io_executor executor_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::move_only_function<void(Reply)>> waiting_;
};

}  // namespace boxoffice::sim
