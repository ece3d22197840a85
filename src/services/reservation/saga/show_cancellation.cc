// The cancellation of a show: first its sale ends, then each reservation that has not ended gets a saga of
// its own, in passes, until a whole pass finds none.
#include <array>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "services/reservation/saga/show_reads.h"
#include "services/reservation/saga/show_service.h"

namespace boxoffice::reservation {
namespace {

constexpr uint32_t kPage = 200;
constexpr std::array kNotEnded = {State::kHeld, State::kConfirming, State::kConfirmed, State::kCompensating,
                                  State::kCancelling};
// Those, and what the cancellation ends them as.
constexpr std::array kCounted = {State::kHeld,         State::kConfirming, State::kConfirmed,
                                 State::kCompensating, State::kCancelling, State::kCancelled,
                                 State::kReleased};

}  // namespace

asio::awaitable<Result<CancellationProgress>> ShowService::CountProgress(int64_t show_id) {
  CancellationProgress progress;
  ReservationId after;
  auto count_page = [&]() -> Result<bool> {
    BOXOFFICE_ASSIGN(const Page page, reader_.OfShow(show_id, kCounted, after, kPage));
    for (const Reservation& reservation : page.reservations) CountReservation(progress, reservation);
    if (page.more) after = page.reservations.back().id;
    return page.more;
  };
  while (true) {
    auto more = co_await ReadOn(readers_.get(), count_page);
    if (!more) co_return std::unexpected(more.error());
    if (!*more) co_return progress;
  }
}

// Once the seat service has written that the sale has ended, what it decides from then on holds and sells
// nothing, and whoever holds a seat has had a row since before that: so when a pass that began after what was
// being decided then (`settle`) finds none that has not ended, there is none.
asio::awaitable<Result<ShowWork>> ShowService::RunCancellation(ShowWork work, Lent lease) {
  const int64_t show_id = work.key.show_id;
  Cancellation& cancellation = work.cancellation;
  auto closed = co_await shows_.Cancel(show_id);
  if (!closed) {
    const bool for_good = closed.error().code == Code::kConflict || closed.error().code == Code::kNotFound;
    if (!for_good) co_return std::unexpected(closed.error());
    cancellation.state = CancellationState::kRefused;
    cancellation.finished_at = clock_.Now();
    cancellation.last_error = closed.error().detail;
    work.due_at.reset();
    co_return work;
  }
  cancellation.last_error.clear();
  const Timestamp begun = clock_.Now();
  if (cancellation.closed_at == Timestamp()) cancellation.closed_at = begun;
  const Timestamp settled = cancellation.closed_at + config_.settle;
  bool found_any = false;
  bool ended_any = false;
  std::optional<Error> failed;
  ReservationId after;
  for (bool more = true; more;) {
    auto read = [&] { return reader_.OfShow(show_id, kNotEnded, after, kPage); };
    auto page = co_await ReadOn(readers_.get(), read);
    if (!page) co_return std::unexpected(page.error());
    more = page->more;
    if (page->reservations.empty()) break;
    found_any = true;
    after = page->reservations.back().id;
    auto ended = co_await EndAll(std::move(page->reservations), lease);
    if (!ended) {
      failed = ended.error();
      cancellation.last_error = failed->reason + ": " + failed->detail;
    } else {
      ended_any = ended_any || *ended;
    }
    if (!MayGoOn(lease)) co_return Fail(Code::kUnavailable, "stopping");
  }
  if (failed && !ended_any) co_return std::unexpected(*std::move(failed));
  if (found_any || begun < settled) {
    work.due_at = clock_.Now() + (ended_any ? milliseconds(0) : config_.poll_every);
    co_return work;
  }
  auto progress = co_await CountProgress(show_id);
  if (!progress) co_return std::unexpected(progress.error());
  cancellation.progress = *std::move(progress);
  // Whoever has come since that pass is just being refused, and nobody waits for them.
  cancellation.progress.waiting = 0;
  cancellation.progress.parked = 0;
  cancellation.state = CancellationState::kDone;
  cancellation.finished_at = clock_.Now();
  work.due_at.reset();
  co_return work;
}

// Some at once, the others as room comes. Those whose sagas run are left to them. Whether any has ended; an
// error of one is told when all have been tried.
asio::awaitable<Result<bool>> ShowService::EndAll(std::vector<Reservation> reservations, Lent lease) {
  struct Lanes {
    explicit Lanes(const asio::any_io_executor& executor) : all_done(executor) {
      all_done.expires_at(asio::steady_timer::time_point::max());
    }
    std::vector<ReservationId> ids;
    size_t next = 0;
    size_t running = 0;
    Result<bool> ended_any = false;
    asio::steady_timer all_done;
  };
  const auto lanes = std::make_shared<Lanes>(executor_);
  for (const Reservation& reservation : reservations) {
    if (reservation.saga.status == SagaStatus::kDone) lanes->ids.push_back(reservation.id);
  }
  auto lane = [](ShowService* self, std::shared_ptr<Lanes> shared, Lent lent) -> asio::awaitable<void> {
    while (shared->next < shared->ids.size() && self->MayGoOn(lent)) {
      const ReservationId id = shared->ids[shared->next++];
      auto answer = co_await self->sagas_.EndForShow(id);
      if (!answer) {
        shared->ended_any = std::unexpected(answer.error());
      } else if (shared->ended_any && IsEnd(answer->reservation->state)) {
        *shared->ended_any = true;
      }
    }
    if (--shared->running == 0) shared->all_done.cancel();
  };
  lanes->running = std::min(lanes->ids.size(), config_.max_ended_at_once);
  for (size_t i = lanes->running; i > 0; --i) {
    asio::co_spawn(executor_, lane(this, lanes, lease), asio::detached);
  }
  while (lanes->running > 0) {
    boost::system::error_code cancelled;
    co_await lanes->all_done.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  co_return lanes->ended_any;
}

}  // namespace boxoffice::reservation
