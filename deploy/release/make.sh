#!/usr/bin/env bash
# make.sh PROGRAM WEB VERSION OUT: a release of HEAD in the folder OUT, which must not be there yet: the source, the Debian package of
# what is built, the SDK for npm, what they are made of (CycloneDX), and SHA256SUMS of all. The same input gives the same bytes.
set -euo pipefail
if [[ $# -ne 4 ]]; then
  sed -n '2,3s/^# //p' "$0" >&2
  exit 2
fi
program=$(readlink -f "$1") web=$(readlink -f "$2") version=$3
mkdir -p "$(dirname "$4")"
mkdir "$4"
out=$(readlink -f "$4")
cd "$(dirname "$(readlink -f "$0")")/../.."
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

git archive --format=tar --prefix="boxoffice-$version/" HEAD | gzip -n -9 >"$out/boxoffice-$version.tar.gz"
deploy/debian/make.sh "$program" "$web" "$version" "$out" >/dev/null
npm --prefix web pack --silent --workspace sdk --pack-destination "$out" >/dev/null
deploy/release/sbom.py "$program" "$version" >"$out/boxoffice-$version.cdx.json"
(cd "$out" && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
echo "$out"
