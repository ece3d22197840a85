#!/usr/bin/env bash
# Buys two seats of the first show that is on sale, with curl and jq, as the user of TOKEN (a JWT) at BOXOFFICE_URL: joins the queue,
# waits for the turn, tops the wallet up, and pays in one step. A command that got no answer, 429 or 5xx is repeated under its key; so
# is whatever is asked while one waits, or a request that is shed would cost the place.
#   TOKEN=$(boxoffice token --user alice) examples/first_sale.sh
set -euo pipefail
url=${BOXOFFICE_URL:-http://127.0.0.1:8080}
authorization="Authorization: Bearer ${TOKEN:?a user\'s JWT}"
answer=$(mktemp) # curl empties a file before it tries again; to a pipe it would write the body of each try
trap 'rm -f "$answer"' EXIT

# ask PATH [OPTION …]: asks until there is an answer that tells. curl itself asks again, after a pause or what Retry-After says: after
# 429, 500, 502 to 504, no answer in time, and a connection that is refused or breaks. It does not know a command that still runs.
ask() {
  local path=$1 status
  shift
  : >"$answer"
  for _ in {1..60}; do
    status=$(curl --silent --show-error --max-time 30 --retry 5 --retry-all-errors -H "$authorization" "$@" \
      -o "$answer" -w '%{http_code}' "$url$path") || status=000
    [[ $status == 409 && $(jq -r .code "$answer") == idempotency_key_running ]] || break
    sleep 1
  done
  if [[ $status != 2* ]]; then
    echo "$path: $status $(cat "$answer")" >&2
    return 1
  fi
  cat "$answer"
}

# send PATH BODY [OPTION …]: POSTs under one key, and tells it when it gives up: a new key is a new wish.
send() {
  local path=$1 body=$2 key
  key=$(cat /proc/sys/kernel/random/uuid)
  shift 2
  ask "$path" -H "Idempotency-Key: $key" -H 'Content-Type: application/json' -d "$body" "$@" && return
  echo "asked under Idempotency-Key $key" >&2
  return 1
}

show=$(ask '/v1/concerts?when=upcoming&limit=200' | jq -er '[.items[].shows[] | select(.state == "ON_SALE")][0].id')
place=$(ask "/v1/shows/$show/queue" -X POST)
while [[ $(jq -r .state <<<"$place") == WAITING ]]; do
  sleep "$(jq .refresh_interval_s <<<"$place")"
  place=$(ask /v1/queue -H "X-Queue-Token: $(jq -r .token <<<"$place")")
done

send /v1/wallet/charges '{"amount": 1000000, "currency": "KRW"}' >/dev/null
body=$(jq -n --arg show "$show" '{show_id: $show, best_available: {count: 2}, pay: true}')
reservation=$(send /v1/reservations "$body" -H "X-Queue-Token: $(jq -r '.admission // .token' <<<"$place")")
while [[ $(jq -r .state <<<"$reservation") =~ ^(CONFIRMING|COMPENSATING)$ ]]; do # 202: some service is slow; the money is not decided yet
  sleep 1
  reservation=$(ask "/v1/reservations/$(jq -r .id <<<"$reservation")")
done
jq -c '{reservation: .id, state, seats: [.seats[].label]}' <<<"$reservation"
