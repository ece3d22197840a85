#include "services/reservation/saga_gauges.h"

#include <algorithm>
#include <string>

namespace boxoffice::reservation {
namespace {

// The oldest saga is looked for among those of the oldest reservations: what is stuck is old.
constexpr uint32_t kLookedAt = 500;

}  // namespace

Result<void> MeasureSagas(Reader& reader, obs::Registry& metrics) {
  BOXOFFICE_ASSIGN(const std::vector<SagaCount> counts, reader.CountSagas());
  BOXOFFICE_ASSIGN(const Page page, reader.ListSagas(std::nullopt, ReservationId(), kLookedAt));
  for (const SagaStatus status : {SagaStatus::kRunning, SagaStatus::kParked}) {
    for (int i = 0; i <= static_cast<int>(State::kReleased); ++i) {
      const auto state = static_cast<State>(i);
      const auto of_these = [&](const SagaCount& one) { return one.status == status && one.state == state; };
      const auto found = std::ranges::find_if(counts, of_these);
      metrics
          .GetGauge("boxoffice_saga_unfinished",
                    "Sagas that have not ended, by the reservation's state; parked ones need an operator",
                    {{"status", std::string(StatusName(status))}, {"state", std::string(StateName(state))}})
          .Set(found == counts.end() ? 0 : static_cast<double>(found->count));
    }
    Timestamp oldest = Timestamp::max();
    for (const Reservation& reservation : page.reservations) {
      if (reservation.saga.status == status) oldest = std::min(oldest, reservation.saga.started_at);
    }
    metrics
        .GetGauge("boxoffice_saga_oldest_start_timestamp_seconds",
                  "When the oldest saga began that has not ended; 0: there is none",
                  {{"status", std::string(StatusName(status))}})
        .Set(oldest == Timestamp::max() ? 0 : static_cast<double>(ToUnixMs(oldest)) / 1000);
  }
  return {};
}

}  // namespace boxoffice::reservation
