// Versioned schemas. A service's files schema/sqlite/NNNN_name.sql and schema/postgres/NNNN_name.sql are
// embedded in its library (cmake/Rooms.cmake) as <service>_sqlite_schema() and <service>_postgres_schema(),
// each numbered from 1; a database records the version that it has.
#pragma once

#include <span>
#include <string_view>

namespace boxoffice::sql {

struct Migration {
  int version;  // 1, 2, …, without gaps
  std::string_view name;
  std::string_view sql;
};

}  // namespace boxoffice::sql
