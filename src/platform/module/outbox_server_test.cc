#include "platform/module/outbox_server.h"

#include <atomic>

#include <gmock/gmock.h>

#include "platform/module/process.h"
#include "platform/rpc/host.h"
#include "testing/fake_bus.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::module {
namespace {

using std::chrono::milliseconds;

class BrokenBus final : public testbed::FakeBus {
 public:
  std::atomic<bool> broken{true};
  Result<void> Publish(std::span<const bus::Event>) override {
    if (broken) return Fail(Code::kUnavailable, "down");
    return {};
  }
};

TEST(OutboxServerTest, TellsHowManyEventsWaitAndForHowLong) {
  // Before the first thread, as in every process of ours: other tests of this program send it SIGTERM, which
  // gRPC's threads must not take.
  const StopSignals signals;
  const testbed::TempDir dir;
  const auto file = dir.path() / "service.db";
  ManualClock clock;
  SeededRandom random(1);
  obs::Registry metrics;
  auto database = sql::Database::Open(file).value();
  ASSERT_TRUE(database.Execute(outbox::kOutboxSchema));
  {
    outbox::Writer writer(database);
    auto transaction = sql::Transaction::Begin(database).value();
    for (int i = 0; i < 2; ++i) {
      const bus::Event event{
          EventId::Make(clock.Now(), random), "seat", "key", "seat.held", "", "body", clock.Now()};
      ASSERT_TRUE(writer.Append({&event, 1}));
      clock.Advance(milliseconds(500));
    }
    ASSERT_TRUE(transaction.Commit());
  }
  BrokenBus bus;
  const Runtime runtime{clock, random, metrics, bus, {}, {}, {}, {}, {}};
  outbox::PublisherConfig config;
  config.min_poll = config.max_poll = config.backoff = config.max_backoff = milliseconds(1);
  const auto outbox =
      StartOutbox(runtime, "test", [&] { return outbox::OpenSqliteTable(file); }, config).value();
  rpc::Host host;
  ASSERT_TRUE(host.Start(outbox->server, {}));
  const auto stub = outbox::v1::OutboxService::NewStub(host.InProcessChannel());
  const auto ask = [&stub] {
    grpc::ClientContext context;
    outbox::v1::OutboxStatus status;
    EXPECT_TRUE(stub->GetStatus(&context, {}, &status).ok());
    return status;
  };
  EXPECT_EQ(ask().pending(), 2);
  EXPECT_EQ(ask().oldest_age_ms(), 1000);
  clock.Advance(milliseconds(500));
  EXPECT_EQ(ask().oldest_age_ms(), 1500);
  bus.broken = false;
  EXPECT_TRUE(testbed::Eventually([&] { return ask().pending() == 0; }));
  EXPECT_FALSE(ask().has_oldest_age_ms());
  host.Shutdown(milliseconds(0));
}

}  // namespace
}  // namespace boxoffice::module
