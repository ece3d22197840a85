#!/bin/bash
# PostgreSQL runs this once, when its volume is new: a role and a database of its own for each service.
set -euo pipefail
for service in seat reservation wallet payment relay; do
  psql -v ON_ERROR_STOP=1 -v service="$service" -v password="$POSTGRES_PASSWORD" --username postgres <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
done
