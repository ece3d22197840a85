#!/usr/bin/env bash
# Prints the class path of an Apache Kafka broker (main class kafka.Kafka; kafka.tools.StorageTool formats its data). The
# jars are fetched by Maven once, into a cache outside the tree; whoever comes meanwhile waits.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/kafka"

version=$(sed -n 's/.*<kafka\.version>\(.*\)<.*/\1/p' pom.xml)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/boxoffice
jars=$cache/kafka-$version
if [[ ! -d $jars ]]; then
  if ! command -v mvn >/dev/null; then
    echo "kafka.sh: Maven is missing: ./dev deps test" >&2
    exit 1
  fi
  mkdir -p "$cache"
  exec 9>"$cache/.kafka.lock"
  flock 9
  if [[ ! -d $jars ]]; then
    echo "kafka.sh: fetching Apache Kafka $version" >&2
    fetched=$(mktemp -d "$cache/.fetching.XXXXXX")
    trap 'rm -rf "$fetched"' EXIT
    mvn --batch-mode --quiet dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$fetched/jars" >&2
    mv "$fetched/jars" "$jars"
  fi
fi
echo "$jars/*"
