#!/usr/bin/env bash
# Makes a concert with one show that is on sale at once, over REST, as the operator of TOKEN at BOXOFFICE_URL, and sets how fast its
# queue admits. Prints the show. The keys are made of the concert's title, so a repeat makes nothing twice.
#   TOKEN=$(boxoffice token --user olga --role operator) examples/put_on_sale.sh "First night"
set -euo pipefail
url=${BOXOFFICE_URL:-http://127.0.0.1:8080}
title=${1:?the title of the concert}
key=$(sha256sum <<<"$title" | cut -c1-32)

# ask METHOD PATH BODY: each path has a key of its own, as a key stands for one request.
ask() {
  curl --silent --show-error --fail-with-body -X "$1" -H "Authorization: Bearer ${TOKEN:?an operator\'s JWT}" \
    -H "Idempotency-Key: $key${2//\//-}" -H 'Content-Type: application/json' -d "$3" "$url$2"
}

concert=$(ask POST /v1/admin/concerts "$(jq -n --arg title "$title" '{$title, artist: "The Examples", venue: "Small hall"}')" | jq -r .id)
show=$(ask POST /v1/admin/shows "$(jq -n --arg concert "$concert" '{
  concert_id: $concert, starts_at: "2099-01-01T19:00:00Z", currency: "KRW", prices: {A: 90000, B: 60000},
  grid: [{name: "Front", rows: 5, seats_per_row: 20, category: "A"}, {name: "Back", rows: 10, seats_per_row: 20, category: "B"}]}')")
ask PATCH "/v1/admin/shows/$(jq -r .id <<<"$show")/queue" '{"rate_per_s": 20, "active_cap": 200}' >/dev/null
jq -c '{show: .id, state, capacity}' <<<"$show"
