#include "sim/buyers.h"

#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace boxoffice::sim {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;
using reservation::State;

constexpr int kMaxTries = 40;
constexpr int64_t kPatienceUs = 4'000'000;  // with one attempt
constexpr int64_t kOperatorLooksUs = 10'000'000;
constexpr int64_t kLooksAgainUs = 1'000'000;

asio::awaitable<Result<reservation::Answer>> Reserve(reservation::Service& service,
                                                     reservation::ReserveRequest request) {
  auto initiate = [&service, request = std::move(request)](auto handler) mutable {
    auto done = [handler = std::move(handler)](Result<reservation::Answer> answer) mutable {
      std::move(handler)(std::move(answer));
    };
    service.Reserve(std::move(request), std::move(done));
  };
  return asio::async_initiate<decltype(asio::use_awaitable), void(Result<reservation::Answer>)>(
      std::move(initiate), asio::use_awaitable);
}

asio::awaitable<Result<reservation::Answer>> Retry(reservation::Service& service, ReservationId id) {
  reservation::Resolve retry{id, "retry", "it was parked", "operator"};
  Result<reservation::Reservation> resolved = co_await service.ResolveSaga(std::move(retry));
  if (!resolved) co_return std::unexpected(resolved.error());
  co_return reservation::Answer{*std::move(resolved), std::nullopt};
}

}  // namespace

void Clients::Ask(Wish wish, Then then) {
  ++open_;
  auto request = std::make_shared<Request>();
  const bool again = !wish.key.empty();
  if (!again) wish.key = fmt::format("key-{}", ++last_key_);
  request->wish = std::move(wish);
  request->then = std::move(then);
  request->index = history_.size();
  Operation op;
  op.kind = request->wish.kind;
  op.buyer = request->wish.buyer;
  op.key = request->wish.key;
  op.invoked = world_.scheduler().Now();
  op.reservation = request->wish.reservation;
  op.amount = request->wish.amount;
  op.all = request->wish.seats.empty();
  op.best = request->wish.best > 0;
  op.again = again;
  op.other_body = request->wish.other_body;
  if (op.kind == Kind::kHold || op.kind == Kind::kPay) op.seats = request->wish.seats;
  history_.push_back(std::move(op));
  if (request->wish.kind == Kind::kTopUp) return SendTopUp(request);
  Send(request);
}

ReservationProcess::Begin<reservation::Answer> Clients::BeginOf(const Request& request) const {
  const Wish wish = request.wish;
  reservation::Request head;
  head.key = {wish.kind == Kind::kMove || wish.by_operator ? "operator" : wish.buyer, wish.key};
  head.request_hash = wish.other_body ? "another hash" : "hash";
  head.sent_before = request.tries > 0 && request.tries % 2 == 0;
  using Coroutine = asio::awaitable<Result<reservation::Answer>>;
  if (wish.for_show) {
    return [id = wish.reservation](reservation::Service& service, reservation::ShowService&) -> Coroutine {
      return service.EndForShow(id);
    };
  }
  switch (wish.kind) {
    case Kind::kConfirm:
      return [head, wish](reservation::Service& service, reservation::ShowService&) -> Coroutine {
        reservation::ConfirmRequest confirm{head, wish.reservation, "token", wish.method};
        return service.Confirm(std::move(confirm));
      };
    case Kind::kCancel:
      return [head, wish](reservation::Service& service, reservation::ShowService&) -> Coroutine {
        reservation::CancelRequest cancel{head, wish.reservation, wish.seats, wish.by_operator, "a call"};
        return service.Cancel(std::move(cancel));
      };
    case Kind::kMove:
      return [head, wish](reservation::Service& service, reservation::ShowService&) -> Coroutine {
        reservation::MoveRequest move{head, wish.reservation, {{wish.seats[0]}, {wish.seats[1]}}, "a pillar"};
        return service.Move(std::move(move));
      };
    default:
      break;
  }
  return [head, wish](reservation::Service& service, reservation::ShowService&) {
    reservation::ReserveRequest reserve;
    reserve.request = head;
    reserve.show_id = World::kShow;
    reserve.choice.seat_nos = wish.seats;
    reserve.choice.best_count = wish.best;
    reserve.choice.channels = World::ChannelsOf(wish.buyer);
    reserve.pay = wish.kind == Kind::kPay;
    reserve.queue_token = "token";
    reserve.payment_method = wish.method;
    return Reserve(service, std::move(reserve));
  };
}

void Clients::Send(const std::shared_ptr<Request>& request) {
  const int attempt = ++request->tries;
  world_.AskReservation<reservation::Answer>(
      OperationName(request->wish.kind), BeginOf(*request),
      [this, request, attempt](const Result<reservation::Answer>& answer) {
        Hear(request, attempt, answer);
      });
  world_.scheduler().After(kPatienceUs, nullptr, [this, request, attempt] {
    if (!request->answered && request->tries == attempt) Again(request);
  });
}

void Clients::Again(const std::shared_ptr<Request>& request) {
  if (request->tries >= kMaxTries) return End(request);
  ++request->tries;  // what the one before is told comes too late
  world_.scheduler().After(world_.rng().Between(100'000, 1'500'000), nullptr, [this, request] {
    if (request->answered) return;
    request->wish.kind == Kind::kTopUp ? SendTopUp(request) : Send(request);
  });
}

void Clients::Hear(const std::shared_ptr<Request>& request, int attempt,
                   const Result<reservation::Answer>& answer) {
  if (request->answered || request->tries != attempt) return;
  Operation& op = history_[request->index];
  op.returned = world_.scheduler().Now();
  if (!answer) {
    const bool no =
        answer.error().code == Code::kNotFound || answer.error().reason == "idempotency_key_reused";
    if (!no) return Again(request);
    op.outcome = Outcome::kFailed;
    op.refusal = answer.error().reason;
    return End(request);
  }
  const reservation::Reservation& r = answer->reservation;
  op.reservation = r.id;
  if (r.saga.status != reservation::SagaStatus::kDone) return Again(request);  // it goes on
  // What its show has ended says so as its failure.
  const bool ended = request->wish.for_show && reservation::IsEnd(r.state);
  if (!answer->refusal && r.failure && !ended) return Again(request);  // of a later saga
  op.version = r.version;
  op.state = r.state;
  if (!r.seats.empty()) op.seats = reservation::SeatNumbers(r.seats);
  if (op.kind != Kind::kCancel) op.amount = r.amount;
  op.held_until = r.hold_expires_at;
  op.outcome = answer->refusal && !ended ? Outcome::kFailed : Outcome::kOk;
  if (op.outcome == Outcome::kFailed) op.refusal = answer->refusal->code;
  if (op.outcome == Outcome::kOk && op.kind == Kind::kCancel && r.returned) op.fee = r.returned->fee;
  End(request);
}

void Clients::SendTopUp(const std::shared_ptr<Request>& request) {
  const int attempt = ++request->tries;
  const Wish& wish = request->wish;
  world_.TopUp(wish.buyer, wish.key, wish.amount,
               [this, request, attempt](const Result<wallet::Outcome>& outcome) {
                 if (request->answered || request->tries != attempt) return;
                 if (!outcome) return Again(request);
                 Operation& op = history_[request->index];
                 op.returned = world_.scheduler().Now();
                 op.outcome = outcome->kind == wallet::OutcomeKind::kDone ? Outcome::kOk : Outcome::kFailed;
                 End(request);
               });
  world_.scheduler().After(kPatienceUs, nullptr, [this, request, attempt] {
    if (!request->answered && request->tries == attempt) Again(request);
  });
}

void Clients::End(const std::shared_ptr<Request>& request) {
  request->answered = true;
  --open_;
  const Operation op = history_[request->index];
  if (op.outcome != Outcome::kUnknown && !op.again) told_[op.buyer].push_back({request->wish, op.outcome});
  if (request->then) request->then(op);
}

void Clients::Crowd(int buyers, int wishes) {
  for (int i = 0; i < buyers; ++i) {
    const std::string buyer = fmt::format("buyer-{}", i + 1);
    Wish top_up;
    top_up.kind = Kind::kTopUp;
    top_up.buyer = buyer;
    top_up.amount = world_.rng().Between(1, 6) * World::kPrice;
    Ask(top_up, [this, buyer, wishes](const Operation&) { Live(buyer, wishes); });
  }
}

void Clients::WatchParked() {
  world_.SettleRefused();
  for (const auto& [id, row] : world_.reservations().rows.reservations()) {
    if (row.saga.status != reservation::SagaStatus::kParked) continue;
    ++retried_;
    // If it does not arrive, the saga is parked still at the next look.
    world_.AskReservation<reservation::Answer>(
        "retry",
        [id](reservation::Service& service, reservation::ShowService&) { return Retry(service, id); },
        [](const Result<reservation::Answer>&) {});
  }
  world_.scheduler().After(kOperatorLooksUs, nullptr, [this] { WatchParked(); });
}

void Clients::CancelShow(milliseconds in) {
  ++open_;  // until it is done
  world_.scheduler().After(in.count() * 1'000, nullptr, [this] { GoOnCancelling(); });
}

// Asks until the intent is on record, and once in a while again.
void Clients::GoOnCancelling() {
  using reservation::Cancellation;
  const auto state = world_.cancellation();
  if (state == reservation::CancellationState::kDone) {
    --open_;
    return;
  }
  if (!state || world_.rng().Chance(5)) {
    world_.AskReservation<Cancellation>(
        "cancel show",
        [](reservation::Service&, reservation::ShowService& shows) -> asio::awaitable<Result<Cancellation>> {
          reservation::BeginCancellation begin{World::kShow, "a storm", "operator"};
          return shows.Cancel(std::move(begin));
        },
        [](const Result<Cancellation>&) {});
  }
  world_.scheduler().After(kLooksAgainUs, nullptr, [this] { GoOnCancelling(); });
}

// One of her requests that were answered, once more; or, by the key of one that was done, another.
std::optional<Clients::Wish> Clients::Repeat(const std::string& buyer) {
  Rng& rng = world_.rng();
  const std::vector<Told>& told = told_[buyer];
  if (told.empty() || !rng.Chance(20)) return std::nullopt;
  const Told& one = told[rng.Below(told.size())];
  Wish wish = one.wish;
  wish.other_body = one.outcome == Outcome::kOk && wish.kind != Kind::kTopUp && rng.Chance(25);
  return wish;
}

void Clients::Live(const std::string& buyer, int wishes) {
  if (wishes == 0) return;
  Rng& rng = world_.rng();
  ++open_;  // while she thinks
  world_.scheduler().After(rng.Between(0, 3'000'000), nullptr, [this, buyer, wishes, &rng] {
    --open_;
    if (auto again = Repeat(buyer))
      return Ask(*std::move(again), [this, buyer, wishes](const Operation&) { Live(buyer, wishes - 1); });
    Wish wish;
    wish.buyer = buyer;
    const auto seats = world_.options().rows * world_.options().row_seats;
    const auto first = static_cast<uint32_t>(rng.Between(1, seats));
    if (rng.Chance(15)) {
      wish.kind = Kind::kTopUp;
      wish.amount = rng.Between(1, 4) * World::kPrice;
    } else {
      wish.kind = rng.Chance(50) ? Kind::kPay : Kind::kHold;
      if (rng.Chance(20)) {
        wish.best = static_cast<uint32_t>(rng.Between(1, 2));
      } else {
        wish.seats = {first};
        if (rng.Chance(50) && first < seats) wish.seats.push_back(first + 1);
      }
      if (rng.Chance(15)) wish.method = "sim:decline";
    }
    if (wish.kind == Kind::kPay && rng.Chance(30)) {  // in another window
      Wish more;
      more.kind = Kind::kTopUp;
      more.buyer = buyer;
      more.amount = rng.Between(1, 4) * World::kPrice;
      Ask(more, nullptr);
    }
    Ask(wish, [this, buyer, wishes](const Operation& op) { GoOn(buyer, wishes - 1, op); });
  });
}

// An operator, beside what its buyer does with it, or about when its hold ends.
void Clients::MeddleWith(const Operation& last) {
  Rng& rng = world_.rng();
  Wish wish;
  wish.buyer = last.buyer;
  wish.reservation = last.reservation;
  wish.seats = {last.seats.front()};
  const bool held = last.state == State::kHeld;
  if (!held && rng.Chance(50)) {
    wish.kind = Kind::kMove;
    const auto seats = world_.options().rows * world_.options().row_seats;
    wish.seats.push_back(static_cast<uint32_t>(rng.Between(1, seats)));
  } else {
    wish.kind = Kind::kCancel;
    wish.by_operator = true;
    if (held || rng.Chance(50)) wish.seats.clear();
  }
  const int64_t hold_us = world_.options().hold_ttl.count() * 1'000;
  const int64_t in_us = held && rng.Chance(50) ? hold_us : 0;
  ++open_;
  world_.scheduler().After(in_us + rng.Between(0, 2'000'000), nullptr, [this, wish] {
    --open_;
    Ask(wish, nullptr);
  });
}

// What she does with what she got.
void Clients::GoOn(const std::string& buyer, int wishes, const Operation& last) {
  Rng& rng = world_.rng();
  const bool has = last.outcome == Outcome::kOk && !last.reservation.IsNil() &&
                   (last.state == State::kHeld || last.state == State::kConfirmed);
  if (has && rng.Chance(20)) MeddleWith(last);
  if (!has || rng.Chance(15)) return Live(buyer, wishes);
  ++open_;
  // Once in a while longer than her hold.
  const int64_t hold_us = world_.options().hold_ttl.count() * 1'000;
  const int64_t thinks_us = rng.Chance(10) ? hold_us + 6'000'000 : rng.Between(0, 2'000'000);
  world_.scheduler().After(thinks_us, nullptr, [this, buyer, wishes, last, &rng] {
    --open_;
    Wish wish;
    wish.buyer = buyer;
    wish.reservation = last.reservation;
    if (last.state == State::kHeld && rng.Chance(75)) {
      wish.kind = Kind::kConfirm;
      if (rng.Chance(15)) wish.method = "sim:decline";
    } else if (last.state == State::kConfirmed && rng.Chance(30)) {
      const auto seats = world_.options().rows * world_.options().row_seats;
      wish.kind = Kind::kMove;
      wish.seats = {last.seats.front(), static_cast<uint32_t>(rng.Between(1, seats))};
    } else {
      wish.kind = Kind::kCancel;
      if (last.state == State::kConfirmed && last.seats.size() > 1 && rng.Chance(50))
        wish.seats = {last.seats.front()};
    }
    Ask(wish, [this, buyer, wishes](const Operation& op) {
      const bool goes_on = op.kind == Kind::kConfirm || op.kind == Kind::kCancel;
      goes_on&& op.outcome == Outcome::kOk ? GoOn(buyer, wishes, op) : Live(buyer, wishes);
    });
  });
}

}  // namespace boxoffice::sim
