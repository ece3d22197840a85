#include "boxoffice/places.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "boxoffice/service_programs.h"
#include "testing/postgres_server.h"
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

// The unit has them when it connects (PGPASSWORD, too); these commands connect when no service's are there
// any more.
TEST_F(PlacesTest, WhatAUnitsVariablesSayOfItsConnectionHoldsOnceTheyAreGone) {
  BOXOFFICE_NEED_POSTGRES();
  const std::string url = testbed::PostgresServer::Shared().NewDatabase();
  ASSERT_TRUE(FindServiceProgram("seat")->migrate(url).has_value());
  const std::string database = url.substr(url.rfind('/') + 1);
  Write("seat.env",
        fmt::format("BOXOFFICE_STORE_URL=postgresql://boxoffice@127.0.0.1\nPGPORT={}\nPGDATABASE={}\n",
                    testbed::PostgresServer::Shared().port(), database));
  Write("wallet.env", "BOXOFFICE_STORE_URL=postgresql://wallet@db/wallet\n");
  for (const auto& opened : {Places::OpenRunning(Configured()), Places::Open(Configured())}) {
    ASSERT_TRUE(opened.has_value()) << opened.error().detail;
    EXPECT_EQ(std::getenv("PGDATABASE"), nullptr);
    EXPECT_EQ(StoreOf(**opened, "wallet"), "postgresql://wallet@db/wallet") << "another one's are not its";
    const auto snapshot = FindServiceProgram("seat")->rows.snapshot(StoreOf(**opened, "seat"));
    ASSERT_TRUE(snapshot.has_value()) << snapshot.error().detail;
    const Result<void> taken = (*snapshot)->Take();
    EXPECT_TRUE(taken.has_value()) << taken.error().detail;
  }
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

// Else it were of either form from then on, and empty stores would be sold from, and backed up.
TEST_F(PlacesTest, NoServiceMakesAStoreOfItsOwnInAFolderOfOwnServers) {
  const std::filesystem::path folder = dir_.path() / "own";
  std::filesystem::create_directories(folder / "postgres" / "data");
  const auto check = [&folder](const char* service, const std::string& store_url) {
    return CheckStoreOfFolder(*FindServiceProgram(service), {.data = folder, .store_url = store_url});
  };
  const std::string in_folder = "sqlite:" + folder.string();
  const Result<void> refused = check("seat", in_folder);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "no_data_folder");
  EXPECT_THAT(refused.error().detail, HasSubstr("--config " + (folder / "config").string()));
  EXPECT_TRUE(check("seat", "postgresql://seat@db/seat")) << "its store is elsewhere";
  EXPECT_TRUE(check("gateway", in_folder)) << "it has none";
  std::ofstream(folder / "seat.db") << "";
  EXPECT_TRUE(check("seat", in_folder)) << "both forms have run there";
}

// Else its consumers would go on with another log, and what they have not read would be left in the first.
TEST_F(PlacesTest, AFolderOfOwnServersKeepsItsBus) {
  const std::filesystem::path with_kafka = dir_.path() / "with";
  std::filesystem::create_directories(with_kafka / "kafka");
  EXPECT_TRUE(CheckBusOfFolder(with_kafka, /*kafka=*/false)) << "its Kafka was never made";
  std::ofstream(with_kafka / "kafka" / "ports") << "1 2\n";
  EXPECT_TRUE(CheckBusOfFolder(with_kafka, /*kafka=*/true));
  const Error left = CheckBusOfFolder(with_kafka, /*kafka=*/false).error();
  EXPECT_EQ(left.reason, "other_bus");
  EXPECT_THAT(left.detail, HasSubstr("leave --no-kafka out"));

  const std::filesystem::path without = dir_.path() / "without";
  EXPECT_TRUE(CheckBusOfFolder(without, /*kafka=*/true)) << "it is new";
  EXPECT_TRUE(CheckBusOfFolder(without, /*kafka=*/false)) << "it is new";
  std::filesystem::create_directories(without);
  std::ofstream(without / "bus.db");
  EXPECT_TRUE(CheckBusOfFolder(without, /*kafka=*/false));
  EXPECT_THAT(CheckBusOfFolder(without, /*kafka=*/true).error().detail, HasSubstr("give --no-kafka"));
  const auto import =
      Places::Open({.data = without, .own_servers = true, .make = true, .kafka_class_path = "jars"});
  ASSERT_FALSE(import.has_value());
  EXPECT_EQ(import.error().reason, "other_bus");
  EXPECT_FALSE(std::filesystem::exists(without / "postgres"));
}

}  // namespace
}  // namespace boxoffice
