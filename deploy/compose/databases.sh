#!/bin/bash
# A role and a database of its own for each service, in the server that PGHOST names, where they are missing: a repeat has no
# effect, and completes what was broken off.
set -euo pipefail
for service in seat reservation wallet payment relay; do
  psql -qAt -v ON_ERROR_STOP=1 -v service="$service" -v password="$PGPASSWORD" --dbname postgres <<'SQL'
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'service', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'service')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
done
