#include "platform/bus/bus_factory.h"

#include <gmock/gmock.h>

#include "testing/temp_dir.h"

namespace boxoffice::bus {
namespace {

TEST(BusFactoryTest, TheDefaultIsALogInTheDataFolder) {
  const testbed::TempDir dir;
  const SystemClock clock;
  obs::Registry metrics;
  ASSERT_TRUE(PrepareBus(DefaultBusUrl(dir.path()), {"seat"}));
  EXPECT_TRUE(std::filesystem::exists(dir.path() / "bus.db"));
  const auto bus = OpenBus(DefaultBusUrl(dir.path()), clock, metrics);
  ASSERT_TRUE(bus) << bus.error().detail;
  EXPECT_TRUE((*bus)->Read("seat", 0, 1).value().empty());
}

TEST(BusFactoryTest, AnotherSchemeIsRefusedWithThoseThatThereAre) {
  const SystemClock clock;
  obs::Registry metrics;
  for (const std::string url : {"", "carrier-pigeon:x", "sqlite"}) {
    const auto bus = OpenBus(url, clock, metrics);
    ASSERT_FALSE(bus) << url;
    EXPECT_EQ(bus.error().reason, "bus_url");
    EXPECT_THAT(bus.error().detail, testing::HasSubstr("sqlite:FILE"));
    EXPECT_FALSE(PrepareBus(url, {}));
  }
}

}  // namespace
}  // namespace boxoffice::bus
