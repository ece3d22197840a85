// Versioned schemas. A service's files schema/sqlite/NNNN_name.sql and schema/postgres/NNNN_name.sql are
// embedded in its library (cmake/Rooms.cmake) as <service>_sqlite_schema() and <service>_postgres_schema(),
// each numbered from 1; a database records the version that it has.
//
// A migration of PostgreSQL says, by a line `-- serves_from: N`, the oldest version whose programs may be
// started on what it leaves, with none of a newer version beside them (docs/adr/0017). SQLite serves its
// newest alone.
#pragma once

#include <span>
#include <string_view>

namespace boxoffice::sql {

struct Migration {
  int version;  // 1, 2, …, without gaps
  std::string_view name;
  std::string_view sql;
  int serves_from = 0;  // 0: it doesn't say, and serves nobody older
};

}  // namespace boxoffice::sql
