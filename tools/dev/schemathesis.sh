#!/usr/bin/env bash
# Prints a folder with the Python packages of Schemathesis, for PYTHONPATH. Debian has none, so they are taken from PyPI
# (tools/dev/schemathesis/requirements.txt), once, into a cache outside the tree; whoever comes meanwhile waits. For tests:
# nothing that runs needs them.
set -euo pipefail
requirements=$(dirname "$(readlink -f "$0")")/schemathesis/requirements.txt

if [[ $(uname -m) != x86_64 ]]; then
  echo "schemathesis.sh: some of these packages are for x86_64" >&2
  exit 1
fi
name=schemathesis-$(sha256sum "$requirements" | cut -c1-12)

fetch() {
  /usr/bin/python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --target "$1/kept" --requirement "$requirements" >&2
}

# shellcheck source=tools/dev/cache.sh
source "$(dirname "$(readlink -f "$0")")/cache.sh"
fetch_once "$name" "Schemathesis" fetch
echo "$cache/$name"
