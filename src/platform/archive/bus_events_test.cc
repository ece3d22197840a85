#include "platform/archive/bus_events.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <malloc.h>

#include "base/clock.h"
#include "base/random.h"
#include "platform/bus/sqlite_bus.h"
#include "platform/obs/metrics.h"
#include "testing/temp_dir.h"

namespace boxoffice::archive {
namespace {

using ::testing::ElementsAre;

const std::vector<std::string> kTopics{"reservation", "seat"};

class BusEventsTest : public ::testing::Test {
 protected:
  std::unique_ptr<bus::Bus> Open(const std::string& name) {
    bus::SqliteBusConfig config;
    config.file = dir_.path() / name;
    return bus::SqliteBus::Open(std::move(config), clock_, metrics_).value();
  }
  bus::Event Make(const std::string& topic, const std::string& body) {
    const Timestamp now = FromUnixMs(1'800'000'000'000);
    return {EventId::Make(now, random_), topic, "key", topic + ".happened", "00-trace", body, now};
  }
  static Dump Of(bus::Bus& bus) {
    return [&bus](Sink& sink) { return DumpEvents(bus, kTopics, sink); };
  }
  static std::vector<std::string> Bodies(bus::Bus& bus, const std::string& topic) {
    std::vector<std::string> bodies;
    const auto page = bus.Read(topic, {}, 1'000);
    EXPECT_TRUE(page.has_value());
    for (const bus::Record& record : page->records) bodies.push_back(record.event.body);
    return bodies;
  }

  testbed::TempDir dir_;
  SystemClock clock_;
  obs::Registry metrics_;
  SeededRandom random_{3};
};

TEST_F(BusEventsTest, AnotherBusHasThemAllInTheirOrder) {
  const auto from = Open("from");
  const std::vector<bus::Event> events{Make("seat", "1"), Make("reservation", "a"), Make("seat", "2"),
                                       Make("reservation", "b")};
  ASSERT_TRUE(from->Publish(events));
  const auto to = Open("to");
  ASSERT_TRUE(LoadEvents(*to, kTopics, Of(*from)));
  EXPECT_THAT(Bodies(*to, "seat"), ElementsAre("1", "2"));
  EXPECT_THAT(Bodies(*to, "reservation"), ElementsAre("a", "b"));
  EXPECT_EQ(DigestOf(Of(*to))->ToHex(), DigestOf(Of(*from))->ToHex());
}

TEST_F(BusEventsTest, ARepeatHasNoEffectAndOneThatWasBrokenOffGoesOn) {
  const auto from = Open("from");
  const bus::Event twice = Make("seat", "2");
  const std::vector<bus::Event> events{Make("seat", "1"), twice, twice, Make("seat", "3")};
  ASSERT_TRUE(from->Publish(events));
  const auto to = Open("to");
  ASSERT_TRUE(to->Publish(std::span(events).first(2)));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(LoadEvents(*to, kTopics, Of(*from)));
    EXPECT_THAT(Bodies(*to, "seat"), ElementsAre("1", "2", "2", "3"));
  }
}

TEST_F(BusEventsTest, ABusWithOtherEventsIsRefusedAndLeftAsItIs) {
  const auto from = Open("from");
  ASSERT_TRUE(from->Publish(std::vector{Make("seat", "1")}));
  const auto to = Open("to");
  ASSERT_TRUE(to->Publish(std::vector{Make("seat", "of another system")}));
  EXPECT_EQ(LoadEvents(*to, kTopics, Of(*from)).error().reason, "target_not_empty");
  EXPECT_THAT(Bodies(*to, "seat"), ElementsAre("of another system"));
}

TEST_F(BusEventsTest, EventsOfATopicThatTheArchiveDoesNotHaveAreRefusedToo) {
  const auto from = Open("from");
  ASSERT_TRUE(from->Publish(std::vector{Make("seat", "1")}));
  const auto to = Open("to");
  ASSERT_TRUE(to->Publish(std::vector{Make("reservation", "of another system")}));
  EXPECT_EQ(LoadEvents(*to, kTopics, Of(*from)).error().reason, "target_not_empty");
  EXPECT_THAT(Bodies(*to, "seat"), ElementsAre());
}

TEST_F(BusEventsTest, ATopicWhoseEventsStandApartIsRefused) {
  const auto from = Open("from");
  ASSERT_TRUE(from->Publish(std::vector{Make("seat", "1"), Make("reservation", "a")}));
  const auto to = Open("to");
  const Dump twice = [&from](Sink& sink) -> Result<void> {
    BOXOFFICE_TRY(Of(*from)(sink));
    return Of(*from)(sink);
  };
  EXPECT_EQ(LoadEvents(*to, kTopics, twice).error().reason, "archive_schema");
  EXPECT_THAT(Bodies(*to, "reservation"), ElementsAre());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they bring an allocator of their own
// A bus that is full already: 300 million events must not want a machine of their own.
TEST_F(BusEventsTest, ARepeatHoldsTheIdsOfOneTopicAtATime) {
  constexpr size_t kEvents = 50'000;
  const auto bus = Open("bus");
  std::vector<bus::Event> events;
  for (const std::string& topic : kTopics) {
    for (size_t i = 0; i < kEvents; ++i) events.push_back(Make(topic, ""));
  }
  ASSERT_TRUE(bus->Publish(events));
  const auto in_use = [] {
    const struct mallinfo2 info = mallinfo2();
    return static_cast<int64_t>(info.uordblks + info.hblkhd);
  };
  ASSERT_TRUE(DigestOf(Of(*bus)));  // the database has its pages in memory
  const int64_t before = in_use();
  int64_t most = 0;
  ASSERT_TRUE(LoadEvents(*bus, kTopics, [&](Sink& sink) -> Result<void> {
    BOXOFFICE_TRY(Of(*bus)(sink));
    most = std::max(most, in_use() - before);
    return {};
  }));
  EXPECT_LT(most, static_cast<int64_t>(kEvents * sizeof(EventId) * 3 / 2));
  EXPECT_EQ(DigestOf(Of(*bus))->rows(), static_cast<int64_t>(events.size()));
}
#endif

TEST_F(BusEventsTest, WhatIsPublishedAfterAMomentIsNotOfIt) {
  const auto bus = Open("bus");
  ASSERT_TRUE(bus->Publish(std::vector{Make("seat", "1"), Make("reservation", "a"), Make("seat", "2")}));
  const auto ends =
      bus::OpenEnds("sqlite:" + (dir_.path() / "bus").string(), {"reservation", "seat", "wallet"});
  ASSERT_TRUE(ends.has_value());
  const bus::Ends moment = (*ends)->Read(bus::kEndsWithin).value();
  ASSERT_TRUE(bus->Publish(std::vector{Make("seat", "3"), Make("wallet", "w")}));
  const auto to = Open("to");
  const std::vector<std::string> all{"reservation", "seat", "wallet"};
  ASSERT_TRUE(LoadEvents(*to, all, [&](Sink& sink) { return DumpEventsUpTo(*bus, moment, sink); }));
  EXPECT_THAT(Bodies(*to, "seat"), ElementsAre("1", "2"));
  EXPECT_THAT(Bodies(*to, "reservation"), ElementsAre("a"));
  EXPECT_THAT(Bodies(*to, "wallet"), ElementsAre());
}

TEST_F(BusEventsTest, ATopicThatNobodyKnowsIsRefused) {
  const auto from = Open("from");
  ASSERT_TRUE(from->Publish(std::vector{Make("seat", "1")}));
  const auto to = Open("to");
  const std::vector<std::string> topics{"reservation"};
  EXPECT_EQ(LoadEvents(*to, topics, Of(*from)).error().reason, "archive_schema");
}

}  // namespace
}  // namespace boxoffice::archive
