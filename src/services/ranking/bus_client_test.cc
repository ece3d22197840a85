// What the bus is told of a store that fails.
#include "services/ranking/bus_client.h"

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <utility>

#include <gmock/gmock.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "boxoffice/bus/v1/events.pb.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/obs/metrics.h"
#include "services/ranking/store_for_test.h"
#include "services/ranking/store_sqlite.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::ranking {
namespace {

using std::chrono::milliseconds;

// Does not know whether it has saved anything, and has not, as where the disk's fsync fails.
class UnsureStore final : public ForwardingStore {
 public:
  UnsureStore(std::unique_ptr<Store> store, const std::atomic<bool>& unsure, std::atomic<int>& failures)
      : ForwardingStore(std::move(store)), unsure_(unsure), failures_(failures) {}

  Result<void> Save(const State& changed, std::span<const EventId> counted, Hour oldest) override {
    if (!unsure_) return ForwardingStore::Save(changed, counted, oldest);
    ++failures_;
    return Fail(Code::kUnknown, "commit_unknown");
  }

 private:
  const std::atomic<bool>& unsure_;
  std::atomic<int>& failures_;
};

bus::Event Booking(const EventId& id, Timestamp at) {
  boxoffice::bus::v1::ReservationEvent body;
  body.set_show_id(7);
  body.add_seat_nos(1);
  body.set_at_ms(ToUnixMs(at));
  body.set_amount(1'000);
  body.set_currency("KRW");
  return {id, "reservation", id.ToString(), "reservation.confirmed", "", body.SerializeAsString(), at};
}

TEST(BusClient, WhileTheStoreDoesNotKnowWhetherItHasSavedNoEventIsParked) {
  const testbed::TempDir dir;
  const ManualClock clock;
  SeededRandom random(1);
  obs::Registry metrics;
  std::atomic<bool> unsure = true;
  std::atomic<int> failures = 0;
  RankingService service(
      std::make_unique<UnsureStore>(OpenSqliteStore(dir.path() / "ranking.db").value(), unsure, failures),
      clock);
  ASSERT_TRUE(service.Load());
  const auto bus = bus::SqliteBus::Open({.file = dir.path() / "bus.db",
                                         .min_gap = milliseconds(0),
                                         .retry_backoff = milliseconds(1),
                                         .max_retry_backoff = milliseconds(1)},
                                        clock, metrics)
                       .value();
  ASSERT_TRUE(bus->Publish(std::array{Booking(EventId::Make(clock.Now(), random), clock.Now()),
                                      Booking(EventId::Make(clock.Now(), random), clock.Now())}));
  ASSERT_TRUE(Subscribe(service, *bus));
  // Two keys that are blamed are dead letters after six deliveries each, and given no more.
  EXPECT_TRUE(testbed::Eventually([&] { return failures > 20; }));
  EXPECT_TRUE(bus->DeadLetters(10)->empty());
  unsure = false;
  EXPECT_TRUE(testbed::Eventually([&] { return service.GetAudit().processed == 2; }));
  EXPECT_EQ(service.GetAudit().shows[7].confirmed, 2);
  EXPECT_TRUE(bus->DeadLetters(10)->empty());
}

}  // namespace
}  // namespace boxoffice::ranking
