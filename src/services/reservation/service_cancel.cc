// Cancellations by buyers and operators: what they give back, said before and done.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/reservation/saga/participants.h"
#include "services/reservation/saga/show_reads.h"
#include "services/reservation/service.h"

namespace boxoffice::reservation {

// As it would be decided now.
asio::awaitable<Result<CancelPolicy>> Service::PolicyNow(int64_t show_id) {
  Result<CancelPolicy> policy = co_await participants_.GetCancelPolicy(show_id);
  if (!policy) co_return std::unexpected(ErrorOfSeat(policy.error()));
  if (!HasFee(*policy)) co_return policy;
  auto read = [this, show_id] { return show_reader_.Work({show_id, WorkKind::kCancellation}); };
  const auto work = co_await ReadOn(readers_.get(), read);
  if (!work) co_return std::unexpected(work.error());
  if (*work && Stands((*work)->cancellation)) policy->fee_per_seat = policy->fee_percent = 0;
  co_return policy;
}

asio::awaitable<Result<Answer>> Service::Cancel(CancelRequest request) {
  CancelPolicy policy;
  int64_t show_id = 0;
  if (!request.by_operator) {
    const Result<Reservation> found = co_await Find(request.reservation_id, request.request.key.user_id);
    if (!found) co_return std::unexpected(found.error());
    // What is HELD, or has ended, needs no policy, and does not wait for the seat service; nor does what is
    // given up only while it is HELD.
    if (found->state != State::kHeld && !IsEnd(found->state) && !request.only_held) {
      const Result<CancelPolicy> told = co_await participants_.GetCancelPolicy(found->show_id);
      if (!told) co_return std::unexpected(ErrorOfSeat(told.error()));
      policy = *told;
      show_id = found->show_id;
    }
  }
  BeginOn begin = MakeBeginOn(request.request, request.reservation_id);
  begin.cancel = true;
  begin.cancel_policy = policy;
  begin.show_id = show_id;
  begin.seat_nos = std::move(request.seat_nos);
  begin.only_held = request.only_held;
  begin.by_operator = request.by_operator;
  begin.reason = std::move(request.reason);
  Command command = std::move(begin);
  co_return co_await BeginAndRun(std::move(command), request.request.sent_before);
}

asio::awaitable<Result<CancelQuote>> Service::QuoteCancel(ReservationId id, std::string user_id,
                                                          std::vector<uint32_t> seat_nos) {
  const Result<Reservation> found = co_await Find(id, std::move(user_id));
  if (!found) co_return std::unexpected(found.error());
  const Result<CancelPolicy> policy = co_await PolicyNow(found->show_id);
  if (!policy) co_return std::unexpected(policy.error());
  CancelQuote quote;
  quote.currency = found->currency;
  quote.until = policy->deadline;
  quote.refusal = WhyNotCancel(*found, seat_nos, *policy, /*by_operator=*/false, clock_.Now());
  if (quote.refusal) co_return quote;
  quote.returned = ReturnOf(*found, seat_nos, *policy);
  // Nothing was paid for what is held.
  if (found->state == State::kHeld) quote.returned.amount = quote.returned.fee = 0;
  co_return quote;
}

}  // namespace boxoffice::reservation
