// Migrations of a store that has rows: what an earlier version wrote is read as it was meant.
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/sql/migration.h"
#include "platform/sql/migrations_for_test.h"
#include "services/relay/store_postgres.h"
#include "services/relay/store_sqlite.h"
#include "testing/postgres_server.h"

namespace boxoffice::sql {
std::span<const Migration> relay_sqlite_schema();
std::span<const Migration> relay_postgres_schema();
}  // namespace boxoffice::sql

namespace boxoffice::relay {
namespace {

using ::testing::ElementsAre;

constexpr Timestamp kMade = FromUnixMs(1'800'000'000'000);

// Of the first version: a target with a delivery that is due and one that is dead, and one that was deleted.
constexpr std::string_view kSqliteRows =
    "INSERT INTO target(operation_key, url, event_types, secret, enabled, disabled_reason, created_at_ms, "
    "deleted) VALUES('op1', 'https://a.example/hook', 'seat.held,seat.sold', x'0102', 1, '', 1800000000000, "
    "0), ('op2', 'https://b.example/', '', x'03', 0, 'it answered 410 Gone', 1800000000000, 1);"
    "INSERT INTO event VALUES(x'01888888888888888888888888888888', 'seat', x'6b', 'seat.held', '', "
    "1800000000000, '{}');"
    "INSERT INTO delivery(target_id, event_id, key, state, attempts, next_attempt_at_ms, last_status, "
    "last_error, created_at_ms) VALUES(1, x'01888888888888888888888888888888', x'6b', 0, 2, 1800000000000, "
    "503, '', 1800000000000), (1, x'01888888888888888888888888888888', x'6c', 2, 10, NULL, 503, '', "
    "1800000000000);"
    "INSERT INTO processed_event VALUES('relay', x'01888888888888888888888888888888');";
constexpr std::string_view kPostgresRows =
    "INSERT INTO target(operation_key, url, event_types, secret, enabled, disabled_reason, created_at_ms, "
    "deleted) VALUES('op1', 'https://a.example/hook', 'seat.held,seat.sold', '\\x0102', true, '', "
    "1800000000000, false), ('op2', 'https://b.example/', '', '\\x03', false, 'it answered 410 Gone', "
    "1800000000000, true);"
    "INSERT INTO event VALUES('01888888-8888-8888-8888-888888888888', 'seat', '\\x6b', 'seat.held', '', "
    "1800000000000, '{}');"
    "INSERT INTO delivery(target_id, event_id, key, state, attempts, next_attempt_at_ms, last_status, "
    "last_error, created_at_ms) VALUES(1, '01888888-8888-8888-8888-888888888888', '\\x6b', 0, 2, "
    "1800000000000, 503, '', 1800000000000), (1, '01888888-8888-8888-8888-888888888888', '\\x6c', 2, 10, "
    "NULL, 503, '', 1800000000000);"
    "INSERT INTO processed_event VALUES('relay', '01888888-8888-8888-8888-888888888888');";

// Whatever the store: it goes on where the first version has ended.
void ExpectGoesOn(Store& store) {
  const std::vector<Target> targets = store.LoadTargets().value();
  ASSERT_EQ(targets.size(), 2);
  Target expected;
  expected.id = 1;
  expected.operation_key = "op1";
  expected.url = "https://a.example/hook";
  expected.event_types = {"seat.held", "seat.sold"};
  expected.payload = Payload::kFull;  // as it was sent until then
  expected.secret = std::string("\1\2", 2);
  expected.created_at = kMade;
  EXPECT_EQ(targets[0], expected);
  EXPECT_TRUE(targets[1].deleted);
  EXPECT_EQ(targets[1].disabled_reason, "it answered 410 Gone");

  const std::string bytes = "\x01" + std::string(15, '\x88');
  const EventId event = *EventId::FromBytes(bytes);
  EXPECT_THAT(store.AreProcessed(std::span(&event, 1)).value(), ElementsAre(true));
  const std::vector<Outgoing> due = store.Due(1, kMade, 10, {}, 0).value();
  ASSERT_EQ(due.size(), 1);
  EXPECT_EQ(due[0].event.id, event);
  EXPECT_EQ(due[0].delivery.attempts, 2);
  EXPECT_EQ(store.Prune(kMade, 10).value(), 0);
  EXPECT_EQ(store.Prune(kMade + milliseconds(1), 10).value(), 1) << "when it ended was not kept";

  Target changed = targets[0];
  changed.rate_per_s = 5;
  changed.past_filters = {{kMade, {"seat.held"}, {7}}};
  ASSERT_TRUE(store.ChangeTarget(changed));
  ++changed.version;
  EXPECT_EQ(store.LoadTargets().value()[0], changed);
}

TEST(RelaySchema, AFileOfEachVersionIsBroughtUpToDateWithItsRows) {
  sql::ForAFileOfEachVersion(sql::relay_sqlite_schema(), kSqliteRows,
                             [](const auto& file) { ExpectGoesOn(*OpenSqliteStore(file).value()); });
}

TEST(RelaySchema, ADatabaseOfEachVersionIsBroughtUpToDateWithItsRows) {
  BOXOFFICE_NEED_POSTGRES();
  sql::ForADatabaseOfEachVersion(
      "relay", sql::relay_postgres_schema(), kPostgresRows,
      [](const auto& config) { ExpectGoesOn(*OpenPostgresStore(config).value()); });
}

}  // namespace
}  // namespace boxoffice::relay
