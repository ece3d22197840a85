#!/usr/bin/env bash
# Buys two seats of the first show that is on sale, with curl and jq, as the user of TOKEN (a JWT) at BOXOFFICE_URL: joins the queue,
# waits for the turn, tops the wallet up, and pays in one step. A command that got no answer, or 5xx, is repeated under its key; so is
# whatever is asked while one waits, or a request that is shed would cost the place.
#   TOKEN=$(boxoffice token --user alice) examples/first_sale.sh
set -euo pipefail
url=${BOXOFFICE_URL:-http://127.0.0.1:8080}
authorization="Authorization: Bearer ${TOKEN:?a user\'s JWT}"
answer=$(mktemp) # curl empties a file before it tries again; to a pipe it would write the body of each try
trap 'rm -f "$answer"' EXIT

# send PATH BODY [HEADER …]: POSTs under one key until the outcome is known.
send() {
  local path=$1 body=$2 key code=0 headers=()
  key=$(cat /proc/sys/kernel/random/uuid)
  shift 2
  for header in "$@"; do headers+=(-H "$header"); done
  curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused -H "$authorization" -H "Idempotency-Key: $key" \
    -H 'Content-Type: application/json' "${headers[@]}" -d "$body" -o "$answer" "$url$path" || code=$?
  cat "$answer"
  return "$code"
}

ask() { curl --fail --silent --show-error --retry 5 --retry-connrefused -H "$authorization" "$@"; }

show=$(ask "$url/v1/concerts?limit=200" | jq -er '[.items[].shows[] | select(.state == "ON_SALE")][0].id')
place=$(ask -X POST "$url/v1/shows/$show/queue")
while [[ $(jq -r .state <<<"$place") == WAITING ]]; do
  sleep "$(jq .refresh_interval_s <<<"$place")"
  place=$(ask -H "X-Queue-Token: $(jq -r .token <<<"$place")" "$url/v1/queue")
done

send /v1/wallet/charges '{"amount": 1000000, "currency": "KRW"}' >/dev/null
body=$(jq -n --arg show "$show" '{show_id: $show, best_available: {count: 2}, pay: true}')
reservation=$(send /v1/reservations "$body" "X-Queue-Token: $(jq -r .token <<<"$place")")
while [[ $(jq -r .state <<<"$reservation") =~ ^(CONFIRMING|COMPENSATING)$ ]]; do # 202: some service is slow; the money is not decided yet
  sleep 1
  reservation=$(ask "$url/v1/reservations/$(jq -r .id <<<"$reservation")")
done
jq -c '{reservation: .id, state, seats: [.seats[].label]}' <<<"$reservation"
