#!/usr/bin/env bash
# Prints a folder with the JSON schemas of CycloneDX. Debian has none, so they are taken out of a package of PyPI
# (tools/dev/cyclonedx/requirements.txt), once, into a cache outside the tree; whoever comes meanwhile waits. For tests: nothing that
# runs needs them.
set -euo pipefail
requirements=$(dirname "$(readlink -f "$0")")/cyclonedx/requirements.txt
name=cyclonedx-$(sha256sum "$requirements" | cut -c1-12)

fetch() {
  /usr/bin/python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --dest "$1" --requirement "$requirements" >&2
  /usr/bin/python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$1"/*.whl "$1/all"
  mv "$1/all/cyclonedx/schema/_res" "$1/kept"
}

# shellcheck source=tools/dev/cache.sh
source "$(dirname "$(readlink -f "$0")")/cache.sh"
fetch_once "$name" "CycloneDX's schemas" fetch
echo "$cache/$name"
