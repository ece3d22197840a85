// Migrations of a file that has rows: what an earlier version has counted is not mistaken for what this one
// would have.
#include <span>
#include <string>

#include <gmock/gmock.h>

#include "platform/sql/migration.h"
#include "platform/sql/sqlite.h"
#include "services/ranking/store_sqlite.h"
#include "testing/temp_dir.h"

namespace boxoffice::sql {
std::span<const Migration> ranking_sqlite_schema();
}  // namespace boxoffice::sql

namespace boxoffice::ranking {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kRows =
    "INSERT INTO show_tally VALUES(7, 3, 1, 5, 1800000000000, 1799999999000);"
    "INSERT INTO hour_tally VALUES(500000, 7, 2, 5);"
    "INSERT INTO processed_event VALUES('ranking', x'01888888888888888888888888888888');"
    "UPDATE summary SET processed = 4, as_of_ms = 1800000000000, rebuilding = 0;";

// The first version knew no amounts.
TEST(RankingSchema, WhatTheFirstVersionHasCountedIsForgottenAndToBeCountedAnew) {
  const testbed::TempDir dir;
  {
    auto database = sql::Database::Open(dir.path() / "ranking.db").value();
    ASSERT_TRUE(database.Migrate(sql::ranking_sqlite_schema().first(1)));
    const auto filled = database.Execute(kRows);
    ASSERT_TRUE(filled.has_value()) << filled.error().detail;
  }
  const auto store = OpenSqliteStore(dir.path() / "ranking.db").value();
  const Loaded loaded = store->Load().value();
  EXPECT_TRUE(loaded.rebuilding);
  EXPECT_EQ(loaded.state, State());
  const std::string bytes = "\x01" + std::string(15, '\x88');
  const EventId event = *EventId::FromBytes(bytes);
  EXPECT_THAT(store->AreProcessed(std::span(&event, 1)).value(), ElementsAre(false));
  Event confirmed{.id = event, .show_id = 7, .seats = 2, .at = FromUnixMs(1'800'000'000'000)};
  confirmed.amount = 300;
  confirmed.currency = "KRW";
  const State counted = Decide(loaded.state, std::span(&confirmed, 1));
  ASSERT_TRUE(store->Save(counted, std::span(&event, 1), 0));
  EXPECT_EQ(store->Load()->state, counted);
}

// A file of this version stays as it is, however often it is opened.
TEST(RankingSchema, WhatThisVersionHasCountedStays) {
  const testbed::TempDir dir;
  const std::string bytes = "\x01" + std::string(15, '\x88');
  const EventId event = *EventId::FromBytes(bytes);
  const Event confirmed{.id = event, .show_id = 7, .seats = 2, .at = FromUnixMs(1'800'000'000'000)};
  const State counted = Decide(State(), std::span(&confirmed, 1));
  {
    const auto store = OpenSqliteStore(dir.path() / "ranking.db").value();
    ASSERT_TRUE(store->Save(counted, std::span(&event, 1), 0));
    ASSERT_TRUE(store->EndRebuild(FromUnixMs(1)).value());
  }
  const Loaded loaded = OpenSqliteStore(dir.path() / "ranking.db").value()->Load().value();
  EXPECT_EQ(loaded.state, counted);
  EXPECT_FALSE(loaded.rebuilding);
  EXPECT_THAT(loaded.state.hours, ::testing::Not(IsEmpty()));
}

}  // namespace
}  // namespace boxoffice::ranking
