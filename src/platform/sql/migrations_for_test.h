// A service's store as each of its versions has left it, for the tests of its migrations.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "platform/sql/migration.h"
#include "platform/sql/postgres.h"
#include "platform/sql/postgres_for_test.h"
#include "platform/sql/sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::sql {

// Calls `expect` with a file for each version: the first one wrote `rows` into it, and that one migrated it
// last.
template <typename Expect>
void ForAFileOfEachVersion(std::span<const Migration> schema, std::string_view rows, Expect expect) {
  for (size_t had = 1; had <= schema.size(); ++had) {
    SCOPED_TRACE(schema[had - 1].name);
    const testbed::TempDir dir;
    const std::filesystem::path file = dir.path() / "service.db";
    {
      Database database = Database::Open(file).value();
      ASSERT_TRUE(database.Migrate(schema.first(1)));
      const Result<void> filled = database.Execute(rows);
      ASSERT_TRUE(filled.has_value()) << filled.error().detail;
      ASSERT_TRUE(database.Migrate(schema.first(had)));
    }
    expect(file);
  }
}

// The same, with a PostgreSQL database.
template <typename Expect>
void ForADatabaseOfEachVersion(const std::string& service, std::span<const Migration> schema,
                               std::string_view rows, Expect expect) {
  for (size_t had = 1; had <= schema.size(); ++had) {
    SCOPED_TRACE(schema[had - 1].name);
    const pg::Config config = pg::PatientConfig(testbed::PostgresServer::Shared().NewDatabase());
    {
      const auto connection = pg::Connection::Open(config).value();
      ASSERT_TRUE(connection->Migrate(service, schema.first(1)));
      const Result<void> filled = connection->Execute(rows);
      ASSERT_TRUE(filled.has_value()) << filled.error().detail;
      ASSERT_TRUE(connection->Migrate(service, schema.first(had)));
    }
    expect(config);
  }
}

}  // namespace boxoffice::sql
