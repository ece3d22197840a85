#!/bin/bash
# As postgres:15 does: a new data folder gets POSTGRES_PASSWORD and runs what is in /docker-entrypoint-initdb.d.
set -euo pipefail
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  initdb --username=postgres --auth-local=trust --auth-host=scram-sha-256 \
    --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:?}") -D "$PGDATA"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  for script in /docker-entrypoint-initdb.d/*.sh; do
    bash "$script"
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@" -c listen_addresses='*'
