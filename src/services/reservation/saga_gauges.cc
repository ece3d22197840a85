#include "services/reservation/saga_gauges.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

namespace boxoffice::reservation {
namespace {

// The oldest saga is looked for among those of the oldest reservations: what is stuck is old.
constexpr uint32_t kLookedAt = 500;
constexpr std::array kUnfinished = {SagaStatus::kRunning, SagaStatus::kParked};

// When the oldest saga of this status began; the epoch: there is none.
Result<Timestamp> OldestStart(Reader& reader, SagaStatus status) {
  BOXOFFICE_ASSIGN(const Page page, reader.ListSagas(status, ReservationId(), kLookedAt));
  const auto started = [](const Reservation& reservation) { return reservation.saga.started_at; };
  const auto oldest = std::ranges::min_element(page.reservations, {}, started);
  return oldest == page.reservations.end() ? Timestamp() : oldest->saga.started_at;
}

}  // namespace

Result<void> MeasureSagas(Reader& reader, obs::Registry& metrics) {
  BOXOFFICE_ASSIGN(const std::vector<SagaCount> counts, reader.CountSagas());
  // Each of its own: an outage that parked more than are looked at hides no saga that is stuck later.
  std::map<SagaStatus, Timestamp> oldest;
  for (const SagaStatus status : kUnfinished) {
    BOXOFFICE_ASSIGN(oldest[status], OldestStart(reader, status));
  }
  for (const SagaStatus status : kUnfinished) {
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
    metrics
        .GetGauge("boxoffice_saga_oldest_start_timestamp_seconds",
                  "When the oldest saga began that has not ended; 0: there is none",
                  {{"status", std::string(StatusName(status))}})
        .Set(static_cast<double>(ToUnixMs(oldest[status])) / 1000);
  }
  return {};
}

}  // namespace boxoffice::reservation
