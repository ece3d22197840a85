#include "sim/network.h"

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace boxoffice::sim {
namespace {

using Kind = StepResult::Kind;

Reply Lost(Code code, std::string_view reason) { return FromError({code, std::string(reason), {}}); }

template <typename OutcomeKind>
Kind KindOf(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kDone:
      return Kind::kDone;
    case OutcomeKind::kRefused:
      return Kind::kRefused;
    case OutcomeKind::kAborted:
      return Kind::kAborted;
    case OutcomeKind::kMismatch:
      return Kind::kMismatch;
  }
  return Kind::kUnknown;
}

}  // namespace

Reply FromError(const Error& error) {
  Reply reply;
  const bool not_done = error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
  reply.result.kind = not_done ? Kind::kUnavailable : Kind::kUnknown;
  reply.result.error = error;
  return reply;
}

Reply ReplyOf(const Result<seat::Outcome>& outcome) {
  if (!outcome) return FromError(outcome.error());
  Reply reply;
  reply.result.kind = KindOf(outcome->kind);
  if (reply.result.kind == Kind::kRefused) {
    reservation::Refusal& refusal = reply.result.refusal.emplace();
    refusal.code = seat::RefusalName(outcome->refusal);
    for (const seat::Conflict& conflict : outcome->conflicts) {
      const bool sold = conflict.reason == seat::ConflictReason::kSold;
      refusal.conflicts.push_back({conflict.seat_no, {}, sold ? "sold" : "held"});
    }
  }
  for (size_t i = 0; i < outcome->seats.size(); ++i) {
    const seat::SeatNo no = outcome->seats[i];
    reply.seats.push_back({no, std::to_string(no), outcome->prices[i], "A"});
  }
  if (outcome->rung) reply.rung = seat::RungName(*outcome->rung);
  reply.grace = outcome->grace;
  reply.amount = outcome->amount;
  if (outcome->show) reply.currency = outcome->show->currency.code();
  reply.hold_expires_at = outcome->hold_expires_at;
  return reply;
}

Reply ReplyOf(const Result<wallet::Outcome>& outcome) {
  if (!outcome) return FromError(outcome.error());
  Reply reply;
  reply.result.kind = KindOf(outcome->kind);
  if (reply.result.kind == Kind::kRefused) {
    reservation::Refusal& refusal = reply.result.refusal.emplace();
    if (outcome->refusal == wallet::Refusal::kBalanceTooLow) refusal.code = "balance_too_low";
    if (outcome->refusal == wallet::Refusal::kExceedsDebit) refusal.code = "exceeds_debit";
    refusal.balance = outcome->balance.value_or(Money()).amount;
    refusal.needed = outcome->needed;
  }
  return reply;
}

Reply ReplyOf(const Result<payment::Outcome>& outcome) {
  if (!outcome) return FromError(outcome.error());
  Reply reply;
  reply.result.kind = KindOf(outcome->kind);
  if (outcome->kind == payment::OutcomeKind::kRefused) {
    reply.result.refusal.emplace().code =
        outcome->refusal == payment::Refusal::kDeclined ? "payment_declined" : "payment_refused";
  }
  return reply;
}

void SimParticipants::Arrive(uint64_t id, Reply reply) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;  // it had its answer, or gave up
  auto handler = std::move(found->second);
  waiting_.erase(found);
  handler(std::move(reply));
}

// The request is under way for so long, and so is the reply, which does not find whoever has died.
void SimParticipants::Deliver(uint64_t id, const Message& message, int64_t delay_us, End end) {
  Ground& ground = process_.ground();
  auto answer = [this, id, life = process_.life(), &ground, end](const Reply& reply) {
    if (end == End::kReplyLost || life->dead) return;
    ground.scheduler.After(ground.rng.Between(100, 3'000), life, [this, id, reply] { Arrive(id, reply); });
  };
  auto arrive = [to = &directory_, find = message.find, saga = message.action, name = message.name, end,
                 answer, &ground] {
    const Directory::Target target = find();
    if (!target.life) return answer(Lost(Code::kUnavailable, "connection_refused"));
    // No participant refuses what it has done before: a repeat is answered as the first time was. And one
    // that has not done it, though a copy had come before, knows as little of it as if none had.
    const bool first = saga && to->NoteFirst(*saga, name);
    if (end == End::kRefused && first) {
      Reply refused;
      refused.result.kind = Kind::kRefused;
      refused.result.refusal.emplace().code = "injected";
      return answer(refused);
    }
    ground.scheduler.After(0, target.life, [run = target.run, answer] { run(answer); });
  };
  ground.scheduler.After(delay_us, nullptr, std::move(arrive));
}

void SimParticipants::Send(uint64_t id, const Message& message) {
  if (process_.dead()) return;  // at an effect just before, of the same turn
  Rng& rng = process_.ground().rng;
  const int64_t soon = rng.Between(100, 3'000);
  process_.After(message.timeout_us, [this, id] { Arrive(id, Lost(Code::kUnknown, "timed_out")); });
  switch (process_.At(PointKind::kCall, message.name, message.action.has_value())) {
    case Fault::kCrashBefore:
      return process_.Die(message.name);
    case Fault::kCrashAfter:
      Deliver(id, message, soon, End::kReplyLost);
      return process_.Die(message.name);
    case Fault::kReplyLost:
      return Deliver(id, message, soon, End::kReplyLost);
    case Fault::kDelayed:
      return Deliver(id, message, kLateUs + soon, End::kReplyLost);
    case Fault::kDuplicated:
      Deliver(id, message, soon, End::kAnswered);
      return Deliver(id, message, rng.Between(0, kLateUs), End::kReplyLost);
    case Fault::kNotDone:
      return process_.After(soon, [this, id] { Arrive(id, Lost(Code::kUnavailable, "not_sent")); });
    case Fault::kRefused:
      return Deliver(id, message, soon, End::kRefused);
    default:
      return Deliver(id, message, soon, End::kAnswered);
  }
}

asio::awaitable<Reply> SimParticipants::Call(Message message) {
  auto initiate = [this, &message](auto handler) {
    const uint64_t id = ++last_id_;
    waiting_.emplace(id, [this, handler = std::move(handler)](Reply reply) mutable {
      asio::post(executor_, [handler = std::move(handler), reply = std::move(reply)]() mutable {
        std::move(handler)(std::move(reply));
      });
    });
    Send(id, message);
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Reply)>(initiate,
                                                                                      asio::use_awaitable);
}

asio::awaitable<StepResult> SimParticipants::Step(Message message) {
  Reply reply = co_await Call(std::move(message));
  co_return std::move(reply.result);
}

asio::awaitable<StepResult> SimParticipants::BindQueue(const Reservation& r) {
  return Step({"BindQueue", r.saga.id, timeouts_.step_us,
               [to = &directory_, id = r.saga.id] { return to->Queue(true, id); }});
}
asio::awaitable<StepResult> SimParticipants::UnbindQueue(const Reservation&, SagaId bound_saga) {
  return Step({"UnbindQueue", std::nullopt, timeouts_.step_us,
               [to = &directory_, bound_saga] { return to->Queue(false, bound_saga); }});
}
// Not a step, and nothing depends on it.
asio::awaitable<StepResult> SimParticipants::CompleteQueue(const Reservation&) { co_return StepResult(); }

asio::awaitable<StepResult> SimParticipants::HoldSeats(Reservation& r, Timestamp until) {
  seat::HoldSeats hold;
  hold.saga = r.saga.id;
  hold.reservation = r.id;
  hold.user_id = r.user_id;
  hold.show_id = r.show_id;
  hold.hold_at_least_until = until;
  hold.from_waitlist = r.from_waitlist;
  hold.channels = r.choice.channels;
  if (r.seats.empty() && r.choice.best_count > 0) {
    const reservation::SeatChoice& wish = r.choice;
    hold.best = seat::BestAvailable{wish.best_count, wish.section, wish.category, wish.max_price};
  } else {
    hold.seats = reservation::SeatNumbers(r);
  }
  Message message{"HoldSeats", r.saga.id, timeouts_.step_us,
                  [to = &directory_, us = timeouts_.step_us, hold] { return to->Seat({hold, {}}, us); }};
  Reply reply = co_await Call(std::move(message));
  if (reply.result.kind != Kind::kDone) co_return std::move(reply.result);
  r.seats = reply.seats;
  r.grace = reply.grace;
  if (!reply.rung.empty()) r.rung = reply.rung;
  r.amount = reply.amount;
  r.currency = reply.currency;
  r.hold_expires_at = reply.hold_expires_at;
  co_return std::move(reply.result);
}

asio::awaitable<StepResult> SimParticipants::KeepSeats(Reservation& r) {
  seat::KeepSeats keep{r.saga.id, r.id, r.show_id, reservation::SeatNumbers(r), r.hold_expires_at};
  return Step({"KeepSeats", std::nullopt, timeouts_.step_us,
               [to = &directory_, us = timeouts_.step_us, keep] { return to->Seat({keep, {}}, us); }});
}
asio::awaitable<StepResult> SimParticipants::ConfirmSeats(const Reservation& r) {
  seat::ConfirmSeats confirm{r.saga.id, r.id, r.show_id, reservation::SeatNumbers(r)};
  return Step({"ConfirmSeats", r.saga.id, timeouts_.step_us,
               [to = &directory_, us = timeouts_.step_us, confirm] { return to->Seat({confirm, {}}, us); }});
}
asio::awaitable<StepResult> SimParticipants::ReleaseSeats(const Reservation& r) {
  return ReleaseOnly(r, reservation::SeatNumbers(r));
}
asio::awaitable<StepResult> SimParticipants::ReleaseOnly(const Reservation& r,
                                                         std::vector<uint32_t> seat_nos) {
  seat::ReleaseSeats release{r.saga.id, r.id, r.show_id, std::move(seat_nos)};
  return Step({"ReleaseSeats", std::nullopt, timeouts_.step_us,
               [to = &directory_, us = timeouts_.step_us, release] { return to->Seat({release, {}}, us); }});
}

asio::awaitable<StepResult> SimParticipants::MoveSeats(Reservation& r) {
  seat::MoveSeats move;
  move.saga = r.saga.id;
  move.reservation = r.id;
  move.show_id = r.show_id;
  move.from = r.move.from;
  move.to = r.move.to;
  Message message{"MoveSeats", r.saga.id, timeouts_.step_us,
                  [to = &directory_, us = timeouts_.step_us, move] { return to->Seat({move, {}}, us); }};
  Reply reply = co_await Call(std::move(message));
  if (reply.result.kind == Kind::kDone) r.move.seats = reply.seats;
  co_return std::move(reply.result);
}

asio::awaitable<StepResult> SimParticipants::DebitWallet(const Reservation& r) {
  wallet::Debit debit{r.saga.id, r.id, r.user_id, {r.amount, *Currency::Parse(r.currency)}};
  return Step({"DebitWallet", r.saga.id, timeouts_.step_us,
               [to = &directory_, us = timeouts_.step_us, debit] { return to->Wallet({debit, {}}, us); }});
}
asio::awaitable<StepResult> SimParticipants::RefundWallet(const Reservation& r, SagaId debit_saga) {
  wallet::Refund refund{r.saga.id, r.id, r.user_id, debit_saga};
  return Step({"RefundWallet", std::nullopt, timeouts_.step_us,
               [to = &directory_, us = timeouts_.step_us, refund] { return to->Wallet({refund, {}}, us); }});
}
asio::awaitable<StepResult> SimParticipants::RefundPartOfDebit(const Reservation& r, int64_t amount) {
  wallet::PartialRefund refund{
      r.saga.id, r.id, r.user_id, r.paid_saga, {amount, *Currency::Parse(r.currency)}};
  return Step({"RefundPartOfDebit", std::nullopt, timeouts_.step_us,
               [to = &directory_, us = timeouts_.step_us, refund] { return to->Wallet({refund, {}}, us); }});
}

asio::awaitable<StepResult> SimParticipants::ApprovePayment(const Reservation& r) {
  payment::Approve approve;
  approve.key = {r.id, r.saga.attempt};
  approve.saga = r.saga.id;
  approve.user_id = r.user_id;
  approve.money = {r.amount, *Currency::Parse(r.currency)};
  approve.method = r.payment_method;
  return Step({"ApprovePayment", r.saga.id, timeouts_.payment_us,
               [to = &directory_, us = timeouts_.payment_us, approve] {
                 return to->Payment({approve, {}, {}}, us);
               }});
}
asio::awaitable<StepResult> SimParticipants::CancelPayment(const Reservation& r, uint32_t attempt) {
  payment::Cancel cancel{{r.id, attempt}, r.saga.id};
  return Step(
      {"CancelPayment", std::nullopt, timeouts_.payment_us,
       [to = &directory_, us = timeouts_.payment_us, cancel] { return to->Payment({cancel, {}, {}}, us); }});
}
asio::awaitable<StepResult> SimParticipants::RefundPartOfPayment(const Reservation& r, int64_t amount) {
  payment::GiveBack back{{r.id, r.paid_attempt}, r.saga.id, {amount, *Currency::Parse(r.currency)}};
  return Step(
      {"RefundPartOfPayment", std::nullopt, timeouts_.payment_us,
       [to = &directory_, us = timeouts_.payment_us, back] { return to->Payment({back, {}, {}}, us); }});
}

asio::awaitable<Result<reservation::CancelPolicy>> SimParticipants::GetCancelPolicy(int64_t) {
  co_return policy_;
}

asio::awaitable<Result<Reply>> SimParticipants::AskOfShow(std::string name, ShowAsk ask) {
  Message message{std::move(name), std::nullopt, timeouts_.step_us,
                  [to = &directory_, ask] { return to->Show(ask); }};
  Reply reply = co_await Call(std::move(message));
  if (reply.result.kind != Kind::kDone) co_return std::unexpected(reply.result.error);
  co_return reply;
}
asio::awaitable<Result<reservation::ShowView>> SimParticipants::Get(int64_t show_id) {
  auto reply = co_await AskOfShow("GetShow", {ShowAsk::What::kGet, show_id});
  if (!reply) co_return std::unexpected(reply.error());
  co_return reply->show;
}
asio::awaitable<Result<void>> SimParticipants::Cancel(int64_t show_id) {
  auto reply = co_await AskOfShow("CancelShow", {ShowAsk::What::kCancel, show_id});
  if (!reply) co_return std::unexpected(reply.error());
  co_return Result<void>();
}
asio::awaitable<Result<reservation::Hall>> SimParticipants::SeeSeats(int64_t show_id) {
  auto reply = co_await AskOfShow("SeeSeats", {ShowAsk::What::kSeeSeats, show_id});
  if (!reply) co_return std::unexpected(reply.error());
  co_return std::move(reply->hall);
}
asio::awaitable<Result<reservation::ShowView>> SimParticipants::SetWaitlistFirst(int64_t show_id,
                                                                                 bool first) {
  const auto what = first ? ShowAsk::What::kKeepSeats : ShowAsk::What::kGiveSeatsBack;
  auto reply = co_await AskOfShow("SetWaitlistFirst", {what, show_id});
  if (!reply) co_return std::unexpected(reply.error());
  co_return reply->show;
}

}  // namespace boxoffice::sim
