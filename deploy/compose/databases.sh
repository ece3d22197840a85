#!/bin/bash
# A role and a database of its own for each service, in the server that PGHOST names, where they are missing, and for the role the
# password that passwords.sh has made: an earlier version gave it the superuser's. A repeat completes what was broken off.
set -euo pipefail
for service in seat reservation wallet payment relay; do
  password=$(sed -n "s/^postgres:5432:$service:$service://p" /run/boxoffice/passwords/pgpass)
  [[ -n $password ]] || { echo "there is no password for $service yet" >&2; exit 1; }
  # What a program's arguments are, everybody on the machine may see.
  SERVICE=$service PASSWORD=$password psql -qAt -v ON_ERROR_STOP=1 --dbname postgres <<'SQL'
\getenv service SERVICE
\getenv password PASSWORD
SELECT format('CREATE ROLE %I LOGIN', :'service')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
ALTER ROLE :"service" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'service')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
done
