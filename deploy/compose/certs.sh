#!/bin/sh
# Makes the certificates of the services, once, and gives each volume of /tls only what its service shows: itself, and
# whom it trusts. The authority's key is thrown away, so nobody can issue another one. They are valid for a year;
# docs/howto/rotate-keys.md exchanges them while everything runs. A repeat has no effect; what was broken off begins anew.
set -eu
if [ -e /tls/gateway/gateway.key ]; then exit 0; fi
boxoffice certs --force --out /tmp/certs
for service in queue seat reservation wallet payment ranking relay; do
  cp /tmp/certs/ca.crt "/tmp/certs/$service.crt" "/tmp/certs/$service.key" "/tls/$service/"
done
# The gateway's process holds the auditor, who calls as itself.
cp /tmp/certs/ca.crt /tmp/certs/gateway.crt /tmp/certs/audit.crt /tmp/certs/audit.key /tls/gateway/
cp /tmp/certs/gateway.key /tls/gateway/gateway.key.new
# Its key says that all is there: it has its name once all is on the disk.
sync
mv /tls/gateway/gateway.key.new /tls/gateway/gateway.key
