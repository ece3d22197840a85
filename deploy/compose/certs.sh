#!/bin/sh
# Makes the certificates of the services, once, and gives each volume of /tls only what its service shows: itself, and
# whom it trusts. The authority's key is thrown away, so nobody can issue another one. They are valid for a year;
# docs/howto/rotate-keys.md exchanges them while everything runs. A repeat has no effect.
set -eu
# The last one is written last.
if [ -e /tls/gateway/gateway.key ]; then exit 0; fi
boxoffice certs --force --out /tmp/certs
for service in queue seat reservation wallet payment ranking relay gateway; do
  cp /tmp/certs/ca.crt "/tmp/certs/$service.crt" "/tls/$service/"
  # The gateway's process holds the auditor, who calls as itself.
  if [ "$service" = gateway ]; then cp /tmp/certs/audit.crt /tmp/certs/audit.key /tls/gateway/; fi
  cp "/tmp/certs/$service.key" "/tls/$service/"
done
