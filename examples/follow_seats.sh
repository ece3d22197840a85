#!/usr/bin/env bash
# Follows the seats of a show as others buy them (server-sent events), and prints each event as a line, until it is ended, or for
# SECONDS.
#   examples/follow_seats.sh SHOW [SECONDS]
set -euo pipefail
url=${BOXOFFICE_URL:-http://127.0.0.1:8080}
show=${1:?the id of a show}

status=0
curl --silent --show-error --fail --no-buffer --max-time "${2:-0}" -H 'Accept: text/event-stream' "$url/v1/shows/$show/seats/events" |
  sed -un 's/^data: *//p' || status=$?
[[ $status -eq 0 || $status -eq 28 ]] # 28: the time was over
