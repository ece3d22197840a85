#include "services/reservation/participant_client.h"

#include <algorithm>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace boxoffice::reservation {
namespace {

using Kind = StepResult::Kind;

// Code::kUnknown and whatever leaves doubt is unknown; only what was certainly refused before it had an
// effect is unavailable.
StepResult FromError(Error error) {
  const bool not_done = error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
  return {not_done ? Kind::kUnavailable : Kind::kUnknown, std::nullopt, std::move(error)};
}

// Every participant's outcome has the same four kinds.
template <typename Outcome>
Kind KindFrom(const Outcome& outcome) {
  switch (outcome.kind()) {
    case Outcome::DONE:
      return Kind::kDone;
    case Outcome::REFUSED:
      return Kind::kRefused;
    case Outcome::ABORTED:
      return Kind::kAborted;
    case Outcome::MISMATCH:
      return Kind::kMismatch;
    default:
      return Kind::kUnknown;
  }
}

std::string Bytes(const auto& id) { return std::string(id.bytes()); }

// Of an outcome, or of what it offers instead.
std::vector<Seat> SeatsOf(const auto& outcome) {
  std::vector<Seat> seats;
  for (const auto& seat : outcome.seats()) {
    seats.push_back({seat.seat_no(), seat.label(), seat.price(), seat.category()});
  }
  return seats;
}

// What each command's body has in common, besides the header.
template <typename Command, typename Body>
void Name(Command& command, Body& body, const Reservation& reservation) {
  if (const obs::SpanContext& step = reservation.saga.mark.step) {
    obs::WriteTraceparent(step, *command.mutable_header()->mutable_traceparent());
  } else {
    command.mutable_header()->set_traceparent(reservation.saga.traceparent);
  }
  body.mutable_saga_id()->assign(reservation.saga.id.bytes());
  body.mutable_reservation_id()->assign(reservation.id.bytes());
}

std::string_view StateWord(queue::v1::SessionState state) {
  switch (state) {
    case queue::v1::WAITING:
      return "WAITING";
    case queue::v1::ACTIVE:
      return "ACTIVE";
    case queue::v1::COMPLETED:
      return "COMPLETED";
    case queue::v1::EXPIRED:
      return "EXPIRED";
    default:
      return "";
  }
}

// What each participant's outcome says.
const queue::v1::BindOutcome& BodyOf(const queue::v1::Outcome& outcome) { return outcome.bind(); }
const seat::v1::SeatOutcome& BodyOf(const seat::v1::Outcome& outcome) { return outcome.seats(); }
const wallet::v1::WalletOutcome& BodyOf(const wallet::v1::Outcome& outcome) { return outcome.wallet(); }
const payment::v1::PaymentOutcome& BodyOf(const payment::v1::Outcome& outcome) { return outcome.payment(); }

Refusal RefusalOf(const queue::v1::BindOutcome& bind) {
  Refusal refusal;
  refusal.code = bind.refusal();
  refusal.queue_state = StateWord(bind.state());
  return refusal;
}

Refusal RefusalOf(const seat::v1::SeatOutcome& seats) {
  Refusal refusal;
  refusal.code = seats.refusal();
  refusal.detail = seats.detail();
  for (const auto& conflict : seats.conflicts()) {
    refusal.conflicts.push_back({conflict.seat_no(), conflict.label(), conflict.reason()});
  }
  refusal.seat_limit = seats.seat_limit();
  refusal.seats_owned = seats.seats_owned();
  refusal.alternative.rung = seats.alternative().rung();
  refusal.alternative.seats = SeatsOf(seats.alternative());
  refusal.alternative.amount = seats.alternative().amount();
  return refusal;
}

Refusal RefusalOf(const wallet::v1::WalletOutcome& wallet) {
  Refusal refusal;
  refusal.code = wallet.refusal();
  refusal.balance = wallet.balance().amount();
  refusal.needed = wallet.needed();
  return refusal;
}

Refusal RefusalOf(const payment::v1::PaymentOutcome& payment) {
  Refusal refusal;
  refusal.code = payment.refusal();
  refusal.provider_code = payment.provider_code();
  return refusal;
}

template <typename Outcome>
StepResult ResultOf(const Result<Outcome>& answer) {
  if (!answer) return FromError(answer.error());
  const auto& body = BodyOf(*answer);
  StepResult result{KindFrom(body), std::nullopt, {}};
  if (result.kind == Kind::kRefused) result.refusal = RefusalOf(body);
  return result;
}

// Sends a command, and resumes with what its outcome says. Every step but the first ones of a new reservation
// finishes what was begun.
template <typename Client>
asio::awaitable<StepResult> CallStep(Client& client, typename Client::Command&& command, milliseconds timeout,
                                     rpc::Priority priority = rpc::Priority::kFinishing) {
  auto initiate = [&client, command = std::move(command), timeout, priority](auto handler) mutable {
    auto done = [handler = std::move(handler)](Result<typename Client::Outcome>&& answer) mutable {
      std::move(handler)(ResultOf(answer));
    };
    client.Send(std::move(command), timeout, std::move(done), priority);
  };
  return asio::async_initiate<decltype(asio::use_awaitable), void(StepResult)>(std::move(initiate),
                                                                               asio::use_awaitable);
}

// `timeout`: of its calls. One that is answered in time is not slow: a payment takes as long as its provider
// may, and were that counted, payments that need no provider would be refused.
std::shared_ptr<rpc::Peer> MakePeer(std::string_view service, milliseconds timeout,
                                    const asio::any_io_executor& executor,
                                    const rpc::ChannelFactory& channels, obs::Registry& metrics) {
  rpc::PeerOptions options;
  options.name = fmt::format("reservation-{}", service);
  options.service = service;
  options.breaker.slow_after = std::max(options.breaker.slow_after, timeout);
  return std::make_shared<rpc::Peer>(std::move(options), channels, executor, metrics);
}

// What begins a reservation is new work. What goes on with one, by a confirmation or a cancellation, finishes
// what was begun, and so does every step after the seats are held, and every undo.
rpc::Priority BeginningOf(const Reservation& reservation) {
  const bool is_new = reservation.saga.kind == SagaKind::kHold ||
                      reservation.saga.kind == SagaKind::kOneShot ||
                      reservation.saga.kind == SagaKind::kOffer;
  return is_new ? rpc::Priority::kNormal : rpc::Priority::kFinishing;
}

}  // namespace

ParticipantClient::ParticipantClient(asio::any_io_executor executor, const rpc::ChannelFactory& channels,
                                     obs::Registry& metrics, CallTimeouts timeouts)
    : executor_(executor),
      timeouts_(timeouts),
      seat_peer_(MakePeer("seat", timeouts.step, executor, channels, metrics)),
      seat_stubs_(seat_peer_, slot_, &seat::v1::SeatService::NewStub),
      queue_(
          MakePeer("queue", timeouts.step, executor, channels, metrics), executor,
          [](const auto& channel) { return rpc::OpenExecute(queue::v1::QueueService::NewStub(channel)); },
          metrics),
      seat_(
          seat_peer_, executor,
          [](const auto& channel) { return rpc::OpenExecute(seat::v1::SeatService::NewStub(channel)); },
          metrics),
      wallet_(
          MakePeer("wallet", timeouts.step, executor, channels, metrics), executor,
          [](const auto& channel) { return rpc::OpenExecute(wallet::v1::WalletService::NewStub(channel)); },
          metrics),
      payment_(
          MakePeer("payment", timeouts.payment, executor, channels, metrics), executor,
          [](const auto& channel) { return rpc::OpenExecute(payment::v1::PaymentService::NewStub(channel)); },
          metrics) {}

asio::awaitable<StepResult> ParticipantClient::BindQueue(const Reservation& reservation) {
  queue::v1::Command command;
  auto& bind = *command.mutable_bind();
  Name(command, bind, reservation);
  bind.set_token(reservation.queue_token);
  bind.set_user_id(reservation.user_id);
  bind.set_show_id(reservation.show_id);
  return CallStep(queue_, std::move(command), timeouts_.step, BeginningOf(reservation));
}

asio::awaitable<StepResult> ParticipantClient::UnbindQueue(const Reservation& reservation,
                                                           SagaId bound_saga) {
  queue::v1::Command command;
  auto& unbind = *command.mutable_unbind();
  Name(command, unbind, reservation);
  unbind.set_saga_id(Bytes(bound_saga));
  unbind.set_user_id(reservation.user_id);
  unbind.set_show_id(reservation.show_id);
  return CallStep(queue_, std::move(command), timeouts_.step);
}

asio::awaitable<StepResult> ParticipantClient::CompleteQueue(const Reservation& reservation) {
  queue::v1::Command command;
  auto& complete = *command.mutable_complete();
  Name(command, complete, reservation);
  complete.set_saga_id(Bytes(reservation.bound_saga));  // that of the hold, where there was one
  complete.set_user_id(reservation.user_id);
  complete.set_show_id(reservation.show_id);
  return CallStep(queue_, std::move(command), timeouts_.step);
}

asio::awaitable<StepResult> ParticipantClient::HoldSeats(Reservation& reservation, Timestamp until) {
  seat::v1::Command command;
  auto& hold = *command.mutable_hold();
  Name(command, hold, reservation);
  hold.set_user_id(reservation.user_id);
  hold.set_show_id(reservation.show_id);
  hold.set_hold_at_least_until_ms(ToUnixMs(until));
  hold.set_from_waitlist(reservation.from_waitlist);
  for (const std::string& channel : reservation.choice.channels) hold.add_channels(channel);
  if (reservation.seats.empty() && reservation.choice.best_count > 0) {
    auto& best = *hold.mutable_best_available();
    best.set_count(reservation.choice.best_count);
    best.set_section(reservation.choice.section);
    best.set_category(reservation.choice.category);
    best.set_max_price(reservation.choice.max_price);
    best.set_accessible(reservation.choice.accessible);
  } else {
    for (const uint32_t seat_no : SeatNumbers(reservation)) hold.mutable_seats()->add_seat_nos(seat_no);
  }
  const auto answer = co_await seat_.Execute(std::move(command), timeouts_.step, BeginningOf(reservation));
  StepResult result = ResultOf(answer);
  if (result.kind != Kind::kDone) co_return result;
  const seat::v1::SeatOutcome& held = answer->seats();
  reservation.seats = SeatsOf(held);
  reservation.grace = milliseconds(held.grace_ms());
  // A later saga of the reservation names the seats, and is told none.
  if (!held.rung().empty()) reservation.rung = held.rung();
  reservation.amount = held.amount();
  reservation.currency = held.currency();
  reservation.hold_expires_at = FromUnixMs(held.hold_expires_at_ms());
  co_return result;
}

asio::awaitable<StepResult> ParticipantClient::KeepSeats(Reservation& reservation) {
  seat::v1::Command command;
  auto& hold = *command.mutable_hold();
  Name(command, hold, reservation);
  hold.set_user_id(reservation.user_id);
  hold.set_show_id(reservation.show_id);
  for (const uint32_t seat_no : SeatNumbers(reservation)) hold.mutable_seats()->add_seat_nos(seat_no);
  hold.set_keep_until_ms(ToUnixMs(reservation.hold_expires_at));
  const auto answer = co_await seat_.Execute(std::move(command), timeouts_.step, rpc::Priority::kFinishing);
  StepResult result = ResultOf(answer);
  // A replica of the version before takes it for a hold, shortens nothing, and tells until when that lasts.
  if (result.kind == Kind::kDone) {
    const Timestamp held_until = FromUnixMs(answer->seats().hold_expires_at_ms());
    reservation.hold_expires_at = std::max(reservation.hold_expires_at, held_until);
  }
  // Only such a one refuses it: the seats are others' by now.
  if (!MayComeRight(result.kind)) result = StepResult();
  co_return result;
}

asio::awaitable<StepResult> ParticipantClient::ConfirmSeats(const Reservation& reservation) {
  seat::v1::Command command;
  auto& confirm = *command.mutable_confirm();
  Name(command, confirm, reservation);
  confirm.set_show_id(reservation.show_id);
  for (const uint32_t seat_no : SeatNumbers(reservation)) confirm.add_seat_nos(seat_no);
  return CallStep(seat_, std::move(command), timeouts_.step);
}

asio::awaitable<StepResult> ParticipantClient::ReleaseSeats(const Reservation& reservation) {
  return ReleaseOnly(reservation, SeatNumbers(reservation));
}

asio::awaitable<StepResult> ParticipantClient::ReleaseOnly(const Reservation& reservation,
                                                           std::vector<uint32_t> seat_nos) {
  seat::v1::Command command;
  auto& release = *command.mutable_release();
  Name(command, release, reservation);
  release.set_show_id(reservation.show_id);
  for (const uint32_t seat_no : seat_nos) release.add_seat_nos(seat_no);
  return CallStep(seat_, std::move(command), timeouts_.step);
}

asio::awaitable<StepResult> ParticipantClient::MoveSeats(Reservation& reservation) {
  seat::v1::Command command;
  auto& move = *command.mutable_move();
  Name(command, move, reservation);
  move.set_show_id(reservation.show_id);
  for (const uint32_t seat_no : reservation.move.from) move.add_from_seat_nos(seat_no);
  for (const uint32_t seat_no : reservation.move.to) move.add_to_seat_nos(seat_no);
  const auto answer = co_await seat_.Execute(std::move(command), timeouts_.step, rpc::Priority::kFinishing);
  StepResult result = ResultOf(answer);
  if (result.kind == Kind::kDone) reservation.move.seats = SeatsOf(answer->seats());
  co_return result;
}

asio::awaitable<StepResult> ParticipantClient::DebitWallet(const Reservation& reservation) {
  wallet::v1::Command command;
  auto& debit = *command.mutable_debit();
  Name(command, debit, reservation);
  debit.set_user_id(reservation.user_id);
  debit.mutable_money()->set_amount(reservation.amount);
  debit.mutable_money()->set_currency(reservation.currency);
  return CallStep(wallet_, std::move(command), timeouts_.step);
}

asio::awaitable<StepResult> ParticipantClient::RefundWallet(const Reservation& reservation,
                                                            SagaId debit_saga) {
  wallet::v1::Command command;
  auto& refund = *command.mutable_refund();
  Name(command, refund, reservation);
  refund.set_user_id(reservation.user_id);
  refund.set_debit_saga_id(Bytes(debit_saga));
  return CallStep(wallet_, std::move(command), timeouts_.step);
}

asio::awaitable<StepResult> ParticipantClient::RefundPartOfDebit(const Reservation& reservation,
                                                                 int64_t amount) {
  wallet::v1::Command command;
  auto& refund = *command.mutable_partial_refund();
  Name(command, refund, reservation);
  refund.set_user_id(reservation.user_id);
  refund.set_debit_saga_id(Bytes(reservation.paid_saga));
  refund.mutable_money()->set_amount(amount);
  refund.mutable_money()->set_currency(reservation.currency);
  return CallStep(wallet_, std::move(command), timeouts_.step);
}

asio::awaitable<StepResult> ParticipantClient::ApprovePayment(const Reservation& reservation) {
  payment::v1::Command command;
  auto& approve = *command.mutable_approve();
  Name(command, approve, reservation);
  approve.set_attempt(reservation.saga.attempt);
  approve.set_user_id(reservation.user_id);
  approve.mutable_money()->set_amount(reservation.amount);
  approve.mutable_money()->set_currency(reservation.currency);
  approve.set_method(reservation.payment_method);
  return CallStep(payment_, std::move(command), timeouts_.payment);
}

asio::awaitable<StepResult> ParticipantClient::CancelPayment(const Reservation& reservation,
                                                             uint32_t attempt) {
  payment::v1::Command command;
  auto& cancel = *command.mutable_cancel();
  Name(command, cancel, reservation);
  cancel.set_attempt(attempt);
  return CallStep(payment_, std::move(command), timeouts_.payment);
}

asio::awaitable<StepResult> ParticipantClient::RefundPartOfPayment(const Reservation& reservation,
                                                                   int64_t amount) {
  payment::v1::Command command;
  auto& refund = *command.mutable_refund();
  Name(command, refund, reservation);
  refund.set_attempt(reservation.paid_attempt);
  refund.mutable_money()->set_amount(amount);
  refund.mutable_money()->set_currency(reservation.currency);
  return CallStep(payment_, std::move(command), timeouts_.payment);
}

asio::awaitable<Result<CancelPolicy>> ParticipantClient::GetCancelPolicy(int64_t show_id) {
  seat::v1::GetShowRequest request;
  request.set_id(show_id);
  request.set_fresh(true);
  auto start = [this](auto... arguments) { seat_stubs_->async()->GetShow(arguments...); };
  auto show = co_await rpc::Ask<seat::v1::Show>(executor_, slot_, request, timeouts_.step, start);
  if (!show) co_return std::unexpected(show.error());
  co_return PolicyOf(*show);
}

CancelPolicy PolicyOf(const seat::v1::Show& show) {
  const int64_t deadline_ms =
      show.cancel_deadline_ms() != 0 ? show.cancel_deadline_ms() : show.starts_at_ms();
  CancelPolicy policy;
  policy.deadline = FromUnixMs(deadline_ms);
  // Who is faster than the cancellation of her show, which gives all back, loses nothing by it.
  if (show.state() == seat::v1::CANCELLED) return policy;
  policy.fee_per_seat = show.cancel_fee_per_seat();
  policy.fee_percent = show.cancel_fee_percent();
  return policy;
}

}  // namespace boxoffice::reservation
