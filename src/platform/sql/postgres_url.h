// What the environment says of a PostgreSQL connection, written into its URL.
#pragma once

#include <functional>
#include <string>

namespace boxoffice::sql::pg {

// The value of a variable; null: there is none.
using Variables = std::function<const char*(const char* name)>;

// A URL that says what `url` does and, of what that leaves open, what `variables` say (PGPASSWORD, PGPORT,
// PGSSLROOTCERT, …): so a connection that is made once they are gone, on whatever thread, is the same one.
// Left out are what Connection says by itself whatever they are, and PGSERVICEFILE, for which a URL has no
// word; and a variable goes before what the service of PGSERVICE says. What libpq can't read stays as it is.
// A password stands in it as in any URL: show it by config::MaskPassword.
[[nodiscard]] std::string WithVariables(const std::string& url, const Variables& variables);

}  // namespace boxoffice::sql::pg
