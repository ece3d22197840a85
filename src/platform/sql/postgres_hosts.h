// The hosts of a PostgreSQL URL, looked up. libpq itself would look each up for as long as that takes,
// whatever its connect_timeout.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace boxoffice::dns {
class Lookup;
}

namespace boxoffice::sql::pg {

// Lists for libpq, an element for each address, in their order; "" where what is said already will do.
struct Hosts {
  std::string names;  // host: by which sslmode=verify-full judges the certificate, and libpq finds a password
  std::string addresses;  // hostaddr
  std::string ports;      // port
  bool operator==(const Hosts&) const = default;
};

// Within `connect_timeout`, or that of the URL, in all: the names are asked for at once, and one that hangs
// or can't be found is left out. Sockets and addresses ask nobody, and where hostaddr is said, or the URL
// can't be read, nothing is. What it leaves open the variables say (PGHOST, …), as to libpq; a service
// (pg_service.conf) that it names itself, libpq reads alone. Errors: database_unavailable (kUnavailable: none
// was found).
[[nodiscard]] Result<Hosts> LookUpHosts(const std::string& url, std::chrono::seconds connect_timeout,
                                        dns::Lookup& lookup);

}  // namespace boxoffice::sql::pg
