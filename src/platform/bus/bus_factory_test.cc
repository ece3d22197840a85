#include "platform/bus/bus_factory.h"

#include <gmock/gmock.h>

#include "testing/kafka_broker.h"
#include "testing/temp_dir.h"

namespace boxoffice::bus {
namespace {

TEST(BusFactoryTest, TheDefaultIsALogInTheDataFolder) {
  const testbed::TempDir dir;
  const SystemClock clock;
  obs::Registry metrics;
  ASSERT_TRUE(PrepareBus(DefaultBusUrl(dir.path()), {.published = {"seat"}}));
  EXPECT_TRUE(std::filesystem::exists(dir.path() / "bus.db"));
  const auto bus = OpenBus(DefaultBusUrl(dir.path()), clock, metrics);
  ASSERT_TRUE(bus) << bus.error().detail;
  EXPECT_TRUE((*bus)->Read("seat", {}, 1).value().records.empty());
}

TEST(BusFactoryTest, AKafkaClusterHasWhatWasPreparedAndCanBeUsedAtOnce) {
  BOXOFFICE_NEED_KAFKA();
  const SystemClock clock;
  SeededRandom random(SystemSeed());
  obs::Registry metrics;
  const std::string url = ClusterBusUrl(testbed::KafkaBroker::Shared().address());
  BusNeeds needs{.published = {"factory"}, .group = "factories", .consumed = {"factory"}};
  needs.partitions = 2;
  for (int i = 0; i < 2; ++i) {  // again: no effect
    const auto prepared = PrepareBus(url, needs);
    ASSERT_TRUE(prepared) << prepared.error().detail;
  }
  const auto bus = OpenBus(url, clock, metrics);
  ASSERT_TRUE(bus) << bus.error().detail;
  Event event;
  event.id = EventId::Make(clock.Now(), random);
  event.topic = "factory";
  event.key = "k";
  event.type = "factory.opened";
  event.time = clock.Now();
  const auto published = (*bus)->Publish({&event, 1});
  ASSERT_TRUE(published) << published.error().detail;
  EXPECT_EQ((*bus)->Read("factory", {}, 10).value().records.size(), 1U);
}

TEST(BusFactoryTest, SettingsOfTheClusterStandInItsUrl) {
  BOXOFFICE_NEED_KAFKA();
  const SystemClock clock;
  obs::Registry metrics;
  const std::string cluster = ClusterBusUrl(testbed::KafkaBroker::Shared().address());
  const std::string url = cluster + "?security.protocol=plaintext&prefix=two%2E&client.id=of%20two";
  ASSERT_TRUE(PrepareBus(url, {.published = {"settings"}}));
  const auto bus = OpenBus(url, clock, metrics);
  ASSERT_TRUE(bus) << bus.error().detail;
  EXPECT_TRUE((*bus)->Read("settings", {}, 1).has_value());
  const auto whole = OpenBus(cluster, clock, metrics);
  ASSERT_TRUE(whole) << whole.error().detail;
  EXPECT_TRUE((*whole)->Read("two.settings", {}, 1).has_value())
      << "the prefix is a part of the topic's name";
}

TEST(BusFactoryTest, AWrongSettingIsRefusedAndNoValueIsRepeated) {
  const SystemClock clock;
  obs::Registry metrics;
  for (const std::string query :
       {"?sasl.password=hunter%2", "?hunter2", "?=hunter2", "?sasl.password=hunter2%zz"}) {
    const auto bus = OpenBus("kafka:127.0.0.1:1" + query, clock, metrics);
    ASSERT_FALSE(bus) << query;
    EXPECT_EQ(bus.error().reason, "bus_url");
    EXPECT_THAT(bus.error().detail, testing::Not(testing::HasSubstr("hunter")));
  }
  EXPECT_EQ(OpenBus("kafka:", clock, metrics).error().reason, "bus_url");
  const auto unknown = OpenBus("kafka:127.0.0.1:1?no.such.setting=1", clock, metrics);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, "bus_config");
  EXPECT_THAT(unknown.error().detail, testing::HasSubstr("no.such.setting"));
}

// librdkafka takes them all, and looks for a broker that there can't be.
TEST(BusFactoryTest, BrokersThatAreNoAddressesAreRefusedAndNotRepeated) {
  const SystemClock clock;
  obs::Registry metrics;
  for (const char* brokers : {"//127.0.0.1:1", "//user:hunter2@broker:9092", "broker", "broker:99999",
                              "broker:0", "broker:9092,", "broker:9092,other"}) {
    const auto bus = OpenBus(std::string("kafka:") + brokers, clock, metrics);
    ASSERT_FALSE(bus) << brokers;
    EXPECT_EQ(bus.error().reason, "bus_url");
    EXPECT_THAT(bus.error().detail,
                testing::AllOf(testing::HasSubstr("HOST:PORT"), testing::Not(testing::HasSubstr("hunter"))));
  }
}

// Kafka would take no topic of these, and say so to nobody but who makes it.
TEST(BusFactoryTest, APrefixThatNoTopicCanHaveIsRefused) {
  const SystemClock clock;
  obs::Registry metrics;
  for (const std::string& prefix : {std::string("a%20b"), std::string("a/"), std::string(201, 'a')}) {
    const auto bus = OpenBus("kafka:127.0.0.1:1?prefix=" + prefix, clock, metrics);
    ASSERT_FALSE(bus) << prefix;
    EXPECT_EQ(bus.error().reason, "bus_url");
    EXPECT_THAT(bus.error().detail, testing::HasSubstr("prefix"));
  }
  EXPECT_TRUE(OpenBus("kafka:127.0.0.1:1?prefix=A-b_1.", clock, metrics));
}

// No client could be made with any of these.
TEST(BusFactoryTest, ASettingThatKeepsEventsInOrderCantBeChanged) {
  const SystemClock clock;
  obs::Registry metrics;
  const auto bus = OpenBus(
      "kafka:127.0.0.1:1?enable.idempotence=x&acks=x&message.timeout.ms=x&partitioner=x&enable.auto.commit=x",
      clock, metrics);
  EXPECT_TRUE(bus) << bus.error().detail;
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
  const auto mistyped = OpenBus("Kafka://me:hunter2@b:9092?sasl.password=hunter2", clock, metrics);
  EXPECT_THAT(mistyped.error().detail,
              testing::AllOf(testing::HasSubstr("Kafka:"), testing::Not(testing::HasSubstr("hunter"))));
}

}  // namespace
}  // namespace boxoffice::bus
