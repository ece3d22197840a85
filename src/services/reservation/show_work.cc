#include "services/reservation/show_work.h"

#include "base/check.h"

namespace boxoffice::reservation {

std::string_view CancellationStateName(CancellationState state) {
  switch (state) {
    case CancellationState::kRunning:
      return "running";
    case CancellationState::kDone:
      return "done";
    case CancellationState::kRefused:
      return "refused";
  }
  CHECK(false, "state {}", static_cast<int>(state));
}

void CountReservation(CancellationProgress& progress, const Reservation& reservation) {
  if (!IsEnd(reservation.state)) {
    ++(reservation.saga.status == SagaStatus::kParked ? progress.parked : progress.waiting);
  } else if (!IsEndedByShow(reservation)) {
    return;
  } else if (reservation.state == State::kCancelled) {
    ++progress.refunded;
    const auto& returned = reservation.returned;
    progress.refunded_amounts[reservation.currency] += returned ? returned->amount : reservation.amount;
  } else if (reservation.saga.kind == SagaKind::kRelease) {  // a hold that the show refused had nothing
    ++progress.released;
  }
}

}  // namespace boxoffice::reservation
