#include "platform/sql/postgres_clock.h"

#include <algorithm>
#include <utility>

namespace boxoffice::sql::pg {
namespace {

constexpr std::string_view kTellTime = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

int64_t Microseconds(ServerClock::SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace

Result<std::unique_ptr<ServerClock>> ServerClock::Start(Connection& connection) {
  Batch batch;
  batch.Add(kTellTime);
  const SteadyTime sent = std::chrono::steady_clock::now();
  BOXOFFICE_ASSIGN(const std::vector<Rows> results, connection.Read(batch));
  return std::make_unique<ServerClock>(sent, std::chrono::steady_clock::now(), results[0][0].Int(0));
}

ServerClock::ServerClock(SteadyTime sent, SteadyTime received, int64_t server_us)
    : offset_us_(server_us - Microseconds(sent + (received - sent) / 2)) {}

Timestamp ServerClock::Now() const {
  const int64_t now_us = Microseconds(std::chrono::steady_clock::now()) + offset_us_.load();
  return FromUnixMs(now_us / 1000);
}

Result<std::vector<Rows>> ServerClock::Read(Connection& connection, Batch batch) {
  batch.Add(kTellTime);
  const SteadyTime sent = std::chrono::steady_clock::now();
  BOXOFFICE_ASSIGN(std::vector<Rows> results, connection.Read(batch));
  Correct(sent, std::chrono::steady_clock::now(), results.back()[0].Int(0));
  results.pop_back();
  return results;
}

// Of two threads that correct it at once either may win: both are right.
void ServerClock::Correct(SteadyTime sent, SteadyTime received, int64_t server_us) {
  const int64_t offset = offset_us_.load();
  const int64_t corrected =
      std::clamp(offset, server_us - Microseconds(received), server_us - Microseconds(sent));
  if (corrected != offset) offset_us_.store(corrected);
}

}  // namespace boxoffice::sql::pg
