#!/bin/bash
# Makes a password for each service's role in PostgreSQL, once: a line that libpq reads (PGPASSFILE), in the volume of that service
# alone, and all of them in one more, for who makes the roles (databases.sh) and for commands. libpq takes no file that others may
# read. A repeat has no effect, and completes what was broken off.
set -euo pipefail
umask 077
all=/passwords/all/pgpass
: >"$all.new"
for service in seat reservation wallet payment relay; do
  file=/passwords/$service/pgpass
  if [[ ! -e $file ]]; then
    password=$(od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf 'postgres:5432:%s:%s:%s\n' "$service" "$service" "$password" >"$file.new"
    # It has its name once all of it is on the disk.
    sync
    mv "$file.new" "$file"
  fi
  cat "$file" >>"$all.new"
done
sync
mv "$all.new" "$all"
