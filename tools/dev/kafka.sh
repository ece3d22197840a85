#!/usr/bin/env bash
# Prints the class path of an Apache Kafka broker (main class kafka.Kafka; kafka.tools.StorageTool formats its data). The
# jars are fetched by Maven once, into a cache outside the tree; whoever comes meanwhile waits.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/kafka"

version=$(sed -n 's/.*<kafka\.version>\(.*\)<.*/\1/p' pom.xml)
name=kafka-$version

fetch() {
  if ! command -v mvn >/dev/null; then
    echo "kafka.sh: Maven is missing: ./dev deps test" >&2
    exit 1
  fi
  mvn --batch-mode --quiet dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$1/kept" >&2
}

# shellcheck source=tools/dev/cache.sh
source ../cache.sh
fetch_once "$name" "Apache Kafka $version" fetch
echo "$cache/$name/*"
