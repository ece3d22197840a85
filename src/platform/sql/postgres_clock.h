// The time of a PostgreSQL server: deadlines and leases of its data are judged by it, by every replica alike.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/sql/postgres.h"

namespace boxoffice::sql::pg {

// Runs by this machine's steady clock, which nobody sets, and is corrected by each round trip that reads the
// server's time: that lies between sending and receiving, so what is outside those bounds moves to the nearer
// one, and a slow round trip moves nothing. It is right within the shortest recent round trip; it may step
// back by as much. Thread-safe.
class ServerClock final : public Clock {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  // Asks the server for its time. Errors: database_unavailable.
  [[nodiscard]] static Result<std::unique_ptr<ServerClock>> Start(Connection& connection);
  // As if the server's time had been `server_us`, in microseconds since 1970, at some moment in between.
  ServerClock(SteadyTime sent, SteadyTime received, int64_t server_us);

  [[nodiscard]] Timestamp Now() const override;
  // connection.Read(batch), which also tells the time: no further round trip.
  [[nodiscard]] Result<std::vector<Rows>> Read(Connection& connection, Batch batch);
  // Another such observation.
  void Correct(SteadyTime sent, SteadyTime received, int64_t server_us);

 private:
  std::atomic<int64_t> offset_us_;  // from the steady clock to the server's
};

}  // namespace boxoffice::sql::pg
