#include "boxoffice/places.h"

#include <algorithm>
#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "boxoffice/service_programs.h"
#include "testing/temp_dir.h"

namespace boxoffice {
namespace {

using ::testing::HasSubstr;

class PlacesTest : public ::testing::Test {
 protected:
  PlacesTest() {
    for (const module::ServiceProgram& program : ServicePrograms())
      Write(program.service + ".toml", "data = \"" + (dir_.path() / "data").string() + "\"\n");
  }
  void Write(const std::string& file, const std::string& text) { std::ofstream(dir_.path() / file) << text; }
  PlacesOptions Configured() { return {.config = dir_.path()}; }
  static std::string StoreOf(const Places& places, const std::string& service) {
    const auto found = std::ranges::find_if(
        places.all(), [&](const Place& place) { return place.program.service == service; });
    return found != places.all().end() ? found->config.store_url : std::string();
  }

  testbed::TempDir dir_;
};

// Else a backup of services whose stores stand there would be one of the SQLite files that are left in the
// folder.
TEST_F(PlacesTest, WhatAUnitsVariablesSayOfAServiceIsSoForTheseCommandsToo) {
  Write("services.env", "BOXOFFICE_BUS_URL=kafka:broker:9092\n");
  Write("seat.env", "# of this one\nBOXOFFICE_STORE_URL='postgresql://seat@db/seat'\n");
  {
    const auto running = Places::OpenRunning(Configured());
    ASSERT_TRUE(running.has_value()) << running.error().detail;
    EXPECT_EQ(StoreOf(**running, "seat"), "postgresql://seat@db/seat");
    EXPECT_THAT(StoreOf(**running, "wallet"), HasSubstr("sqlite:"));
    EXPECT_EQ((*running)->bus_url(), "kafka:broker:9092");
  }
  const auto stopped = Places::Open(Configured());
  ASSERT_TRUE(stopped.has_value()) << stopped.error().detail;
  EXPECT_EQ(StoreOf(**stopped, "seat"), "postgresql://seat@db/seat");
}

TEST_F(PlacesTest, VariablesThatCantBeReadAreNotPassedOver) {
  std::filesystem::create_directory(dir_.path() / "wallet.env");
  for (const auto& opened : {Places::OpenRunning(Configured()), Places::Open(Configured())}) {
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().reason, "config");
    EXPECT_THAT(opened.error().detail, HasSubstr("wallet.env"));
  }
}

// As deploy/compose and the chart have it: the queue publishes nothing, and is told of no bus.
TEST_F(PlacesTest, WhoHasNoEventsNeedNotNameTheBus) {
  for (const module::ServiceProgram& program : ServicePrograms()) {
    if (program.service != "queue") Write(program.service + ".env", "BOXOFFICE_BUS_URL=kafka:broker:9092\n");
  }
  const auto places = Places::OpenRunning(Configured());
  ASSERT_TRUE(places.has_value()) << places.error().detail;
  EXPECT_EQ((*places)->bus_url(), "kafka:broker:9092");
}

TEST_F(PlacesTest, TheKeysOfQueueTokensAreToldOfWhoHasThem) {
  Write("gateway.env", "BOXOFFICE_TOKEN_KEYS=k1=sixteen-bytes-ok,k2=sixteen-bytes-ok\n");
  const auto places = Places::OpenRunning(Configured());
  ASSERT_TRUE(places.has_value()) << places.error().detail;
  for (const Place& place : (*places)->all()) {
    const std::string& service = place.program.service;
    const auto& keys = place.config.token_keys;
    EXPECT_EQ(keys.has_value(), service == "queue" || service == "gateway") << service;
    EXPECT_EQ(keys ? keys->size() : 0U, service == "gateway" ? 2U : 0U) << service;
  }
}

TEST_F(PlacesTest, ThoseWhoHaveEventsNameOneBus) {
  for (const char* service : {"seat", "ranking", "gateway"}) {
    Write(std::string(service) + ".env", "BOXOFFICE_BUS_URL=kafka:broker:9092\n");
    const auto places = Places::OpenRunning(Configured());
    ASSERT_FALSE(places.has_value()) << service;
    EXPECT_THAT(places.error().detail, HasSubstr("different buses"));
    std::filesystem::remove(dir_.path() / (std::string(service) + ".env"));
  }
}

}  // namespace
}  // namespace boxoffice
