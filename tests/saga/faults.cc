#include "saga/faults.h"

#include <algorithm>
#include <future>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "base/check.h"

namespace boxoffice::faults {

using Kind = StepResult::Kind;

std::string_view FaultName(Fault fault) {
  switch (fault) {
    case Fault::kNotSent:
      return "not sent";
    case Fault::kReplyLost:
      return "reply lost";
    case Fault::kRepeated:
      return "repeated";
    case Fault::kDelayed:
      return "delayed";
  }
  return "";
}

FaultyParticipants::FaultyParticipants(asio::any_io_executor executor, std::unique_ptr<Participants> real,
                                       const Clock& clock, Random& random)
    : executor_(std::move(executor)), real_(std::move(real)), clock_(clock), random_(random) {}

void FaultyParticipants::Arm(const std::string& user_id, Orders orders) {
  const std::scoped_lock lock(mutex_);
  Buyer& buyer = buyers_[user_id];
  buyer.orders = std::move(orders);
  buyer.calls = 0;
  buyer.journal.clear();
}

std::vector<std::string> FaultyParticipants::Journal(const std::string& user_id) {
  const std::scoped_lock lock(mutex_);
  return buyers_[user_id].journal;
}

ReservationId FaultyParticipants::Thief(const std::string& user_id) {
  const std::scoped_lock lock(mutex_);
  const auto& thief = buyers_[user_id].thief;
  return thief ? thief->id : ReservationId();
}

FaultyParticipants::Ordered FaultyParticipants::Count(const Sent& sent) {
  const std::scoped_lock lock(mutex_);
  Buyer& buyer = buyers_[sent.reservation.user_id];
  Ordered ordered;
  const int number = buyer.calls++;
  buyer.journal.push_back(sent.call);
  if (const auto& injection = buyer.orders.injection) {
    const bool hit = injection->all_of.empty()
                         ? number >= injection->from && number < injection->from + injection->times
                         : injection->all_of == sent.call;
    if (hit) ordered.fault = injection->fault;
  }
  if (buyer.orders.lose_seats_before == sent.call) {
    buyer.orders.lose_seats_before.clear();
    ordered.lose_seats = true;
  }
  if (ordered.fault != Fault::kNotSent) buyer.sent.push_back(sent);
  return ordered;
}

asio::awaitable<StepResult> FaultyParticipants::Carry(Sent sent, Reservation* filled_in) {
  const Ordered ordered = Count(sent);
  if (ordered.lose_seats) co_await LoseSeats(sent.reservation);
  StepResult lost;
  lost.kind = Kind::kUnknown;
  lost.error = Error{Code::kUnknown, "injected", sent.call};
  if (ordered.fault == Fault::kNotSent) {
    lost.kind = Kind::kUnavailable;
    lost.error.code = Code::kUnavailable;
    co_return lost;
  }
  if (ordered.fault == Fault::kDelayed) co_return lost;
  Reservation reservation = sent.reservation;
  StepResult result = co_await sent.forward(*real_, reservation);
  if (ordered.fault == Fault::kRepeated) {
    reservation = sent.reservation;
    result = co_await sent.forward(*real_, reservation);
  }
  if (ordered.fault == Fault::kReplyLost) co_return lost;
  if (filled_in != nullptr && result.kind == Kind::kDone) *filled_in = std::move(reservation);
  co_return result;
}

// As if the hold had lapsed and the next buyer had been faster.
asio::awaitable<void> FaultyParticipants::LoseSeats(Reservation reservation) {
  Reservation thief = reservation;
  if (reservation.saga.kind == reservation::SagaKind::kMove) {
    thief.seats.clear();
    thief.choice = {.seat_nos = reservation.move.to};
  } else {
    reservation.saga.id = SagaId::Make(clock_.Now(), random_);
    const StepResult freed = co_await real_->ReleaseSeats(reservation);
    CHECK(freed.kind == Kind::kDone, "{}", freed.error.detail);
  }
  thief.id = ReservationId::Make(clock_.Now(), random_);
  thief.saga.id = SagaId::Make(clock_.Now(), random_);
  thief.user_id = "thief-of-" + reservation.user_id;
  const StepResult held = co_await real_->HoldSeats(thief, Timestamp());
  CHECK(held.kind == Kind::kDone, "{} {}", ReasonOf(held), held.error.detail);
  const std::scoped_lock lock(mutex_);
  buyers_[reservation.user_id].thief = std::move(thief);
}

asio::awaitable<StepResult> FaultyParticipants::Send(Sent sent) {
  co_return co_await sent.forward(*real_, sent.reservation);
}

void FaultyParticipants::ReleaseThieves() {
  std::vector<std::future<StepResult>> answers;
  {
    const std::scoped_lock lock(mutex_);
    for (auto& [user_id, buyer] : buyers_) {
      if (!buyer.thief) continue;
      Sent release{"ReleaseSeats", false, *std::exchange(buyer.thief, std::nullopt),
                   [](Participants& real, Reservation& r) { return real.ReleaseSeats(r); }};
      answers.push_back(asio::co_spawn(executor_, Send(std::move(release)), asio::use_future));
    }
  }
  for (auto& answer : answers) {
    const StepResult released = answer.get();
    CHECK(released.kind == Kind::kDone, "{}", released.error.detail);
  }
}

std::map<std::string, std::vector<Resent>> FaultyParticipants::ResendAll(
    const std::vector<std::string>& user_ids, bool backwards) {
  struct Pending {
    std::string user_id;
    Resent resent;
    std::future<StepResult> answer;
  };
  std::vector<Pending> pending;
  {
    const std::scoped_lock lock(mutex_);
    for (const std::string& user_id : user_ids) {
      std::vector<Sent> sent = buyers_[user_id].sent;
      if (backwards) std::ranges::reverse(sent);
      for (Sent& call : sent) {
        Resent resent{call.call, call.action, call.reservation.saga.id, {}};
        pending.push_back(
            {user_id, resent, asio::co_spawn(executor_, Send(std::move(call)), asio::use_future)});
      }
    }
  }
  std::map<std::string, std::vector<Resent>> all;
  for (Pending& one : pending) {
    one.resent.answer = one.answer.get().kind;
    all[one.user_id].push_back(std::move(one.resent));
  }
  return all;
}

asio::awaitable<StepResult> FaultyParticipants::BindQueue(const Reservation& reservation) {
  return Carry(
      {"BindQueue", true, reservation, [](Participants& real, Reservation& r) { return real.BindQueue(r); }});
}

asio::awaitable<StepResult> FaultyParticipants::UnbindQueue(const Reservation& reservation,
                                                            SagaId bound_saga) {
  return Carry({"UnbindQueue", false, reservation, [bound_saga](Participants& real, Reservation& r) {
                  return real.UnbindQueue(r, bound_saga);
                }});
}

asio::awaitable<StepResult> FaultyParticipants::CompleteQueue(const Reservation& reservation) {
  return real_->CompleteQueue(reservation);
}

asio::awaitable<StepResult> FaultyParticipants::HoldSeats(Reservation& reservation, Timestamp until) {
  milliseconds grace{0};
  {
    const std::scoped_lock lock(mutex_);
    grace = buyers_[reservation.user_id].orders.grace;
  }
  const auto hold = [until, grace](Participants& real, Reservation& r) -> asio::awaitable<StepResult> {
    StepResult held = co_await real.HoldSeats(r, until);
    r.grace = grace;
    co_return held;
  };
  return Carry({"HoldSeats", true, reservation, hold}, &reservation);
}

asio::awaitable<StepResult> FaultyParticipants::KeepSeats(Reservation& reservation) {
  return Carry(
      {"KeepSeats", false, reservation, [](Participants& real, Reservation& r) { return real.KeepSeats(r); }},
      &reservation);
}

asio::awaitable<StepResult> FaultyParticipants::ConfirmSeats(const Reservation& reservation) {
  return Carry({"ConfirmSeats", true, reservation,
                [](Participants& real, Reservation& r) { return real.ConfirmSeats(r); }});
}

asio::awaitable<StepResult> FaultyParticipants::ReleaseSeats(const Reservation& reservation) {
  return Carry({"ReleaseSeats", false, reservation,
                [](Participants& real, Reservation& r) { return real.ReleaseSeats(r); }});
}

asio::awaitable<StepResult> FaultyParticipants::ReleaseOnly(const Reservation& reservation,
                                                            std::vector<uint32_t> seat_nos) {
  return Carry({"ReleaseOnly", false, reservation,
                [seat_nos](Participants& real, Reservation& r) { return real.ReleaseOnly(r, seat_nos); }});
}

asio::awaitable<StepResult> FaultyParticipants::MoveSeats(Reservation& reservation) {
  return Carry(
      {"MoveSeats", true, reservation, [](Participants& real, Reservation& r) { return real.MoveSeats(r); }},
      &reservation);
}

asio::awaitable<StepResult> FaultyParticipants::RefundPartOfDebit(const Reservation& reservation,
                                                                  int64_t amount) {
  return Carry({"RefundPartOfDebit", false, reservation,
                [amount](Participants& real, Reservation& r) { return real.RefundPartOfDebit(r, amount); }});
}

asio::awaitable<StepResult> FaultyParticipants::RefundPartOfPayment(const Reservation& reservation,
                                                                    int64_t amount) {
  return Carry({"RefundPartOfPayment", false, reservation, [amount](Participants& real, Reservation& r) {
                  return real.RefundPartOfPayment(r, amount);
                }});
}

asio::awaitable<StepResult> FaultyParticipants::DebitWallet(const Reservation& reservation) {
  return Carry({"DebitWallet", true, reservation,
                [](Participants& real, Reservation& r) { return real.DebitWallet(r); }});
}

asio::awaitable<StepResult> FaultyParticipants::RefundWallet(const Reservation& reservation,
                                                             SagaId debit_saga) {
  return Carry({"RefundWallet", false, reservation, [debit_saga](Participants& real, Reservation& r) {
                  return real.RefundWallet(r, debit_saga);
                }});
}

asio::awaitable<StepResult> FaultyParticipants::ApprovePayment(const Reservation& reservation) {
  return Carry({"ApprovePayment", true, reservation,
                [](Participants& real, Reservation& r) { return real.ApprovePayment(r); }});
}

asio::awaitable<StepResult> FaultyParticipants::CancelPayment(const Reservation& reservation,
                                                              uint32_t attempt) {
  return Carry({"CancelPayment", false, reservation,
                [attempt](Participants& real, Reservation& r) { return real.CancelPayment(r, attempt); }});
}

asio::awaitable<Result<reservation::CancelPolicy>> FaultyParticipants::GetCancelPolicy(int64_t show_id) {
  return real_->GetCancelPolicy(show_id);
}

}  // namespace boxoffice::faults
