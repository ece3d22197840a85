#include "platform/sql/postgres_clock.h"

#include <thread>

#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "testing/postgres_server.h"

namespace boxoffice::sql::pg {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kNowUs = 1'800'000'000'000'000;

// How far the clock is from `server_us` now, in milliseconds.
int64_t AheadMs(const ServerClock& clock, SteadyClock::time_point then, int64_t server_us) {
  while (true) {
    const auto before = SteadyClock::now();
    const Timestamp now = clock.Now();
    if (SteadyClock::now() - before > milliseconds(1)) continue;  // something came in between
    const auto since = std::chrono::duration_cast<milliseconds>(before - then);
    return (now - FromUnixMs(server_us / 1000) - since).count();
  }
}

TEST(ServerClockTest, ItGoesOnByItself) {
  const auto then = SteadyClock::now();
  const ServerClock clock(then, then, kNowUs);
  while (SteadyClock::now() < then + milliseconds(20)) std::this_thread::yield();
  EXPECT_NEAR(static_cast<double>(AheadMs(clock, then, kNowUs)), 0, 5);
}

TEST(ServerClockTest, ARoundTripMovesItIntoItsBoundsAndNoFurther) {
  const auto then = SteadyClock::now();
  ServerClock clock(then, then, kNowUs);
  clock.Correct(then, then + milliseconds(100), kNowUs + 5'000'000);
  EXPECT_NEAR(static_cast<double>(AheadMs(clock, then, kNowUs)), 4'900, 5);
  clock.Correct(then, then + milliseconds(100), kNowUs);
  EXPECT_NEAR(static_cast<double>(AheadMs(clock, then, kNowUs)), 0, 5);
}

TEST(ServerClockTest, ASlowRoundTripMovesNothing) {
  const auto then = SteadyClock::now();
  ServerClock clock(then, then, kNowUs);
  clock.Correct(then - milliseconds(8'000), then + milliseconds(8'000), kNowUs + 7'000'000);
  EXPECT_NEAR(static_cast<double>(AheadMs(clock, then, kNowUs)), 0, 5);
}

TEST(ServerClockTest, ItTellsTheServersTimeAndReadsWhatWasAsked) {
  BOXOFFICE_NEED_POSTGRES();
  const auto connection =
      Connection::Open(PatientConfig(testbed::PostgresServer::Shared().NewDatabase())).value();
  const auto clock = ServerClock::Start(*connection).value();
  Batch batch;
  batch.Add("SELECT 7");
  const auto results = clock->Read(*connection, std::move(batch)).value();
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0][0].Int(0), 7);
  const auto apart = clock->Now() - SystemClock().Now();  // the same machine
  EXPECT_NEAR(static_cast<double>(apart.count()), 0, 1'000);
}

}  // namespace
}  // namespace boxoffice::sql::pg
