// How many sagas have not ended, and how old the oldest is, as metrics.
#pragma once

#include "platform/obs/metrics.h"
#include "services/reservation/store.h"

namespace boxoffice::reservation {

// Sets boxoffice_saga_unfinished and boxoffice_saga_oldest_start_timestamp_seconds to what the store has, so
// that all replicas say the same. Errors: the reader's; the gauges stay as they are.
[[nodiscard]] Result<void> MeasureSagas(Reader& reader, obs::Registry& metrics);

}  // namespace boxoffice::reservation
