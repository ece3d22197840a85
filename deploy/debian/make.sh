#!/usr/bin/env bash
# make.sh PROGRAM WEB VERSION OUT: packs what is built, the program `boxoffice` and the web app, into OUT/boxoffice_VERSION_ARCH.deb
# and prints that path. The same input gives the same bytes: times are SOURCE_DATE_EPOCH, or that of HEAD's commit, which the files of
# a released source have, too. Manual page and completions are what the program itself prints. DEB_COMPRESSION: arguments of
# dpkg-deb, such as "-Zxz -z0" for a quick one.
set -euo pipefail
if [[ $# -ne 4 ]]; then
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
fi
program=$(readlink -f "$1") web=$(readlink -f "$2") version=$3
mkdir -p "$4"
out=$(readlink -f "$4")
cd "$(dirname "$(readlink -f "$0")")/../.."

if [[ -z ${SOURCE_DATE_EPOCH-} ]]; then
  if [[ -e .git ]]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
  else
    SOURCE_DATE_EPOCH=$(stat -c %Y deploy/debian/make.sh)
  fi
fi
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/boxoffice
mkdir -p "$tree/input/completion"
cp -r deploy/debian "$tree/debian"
rm "$tree/debian/make.sh"
ln -s "$program" "$tree/input/boxoffice"
ln -s "$web" "$tree/input/web"
ln -s "$PWD/tools/reference" "$tree/input/reference"
ln -s "$PWD/openapi/boxoffice.yaml" "$tree/input/boxoffice.yaml"
cat >"$tree/debian/changelog" <<CHANGELOG
boxoffice ($version) unstable; urgency=medium

  * Changes are in the history of the source.

 -- Boxoffice maintainers <maintainers@boxoffice.example>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
for shell in bash zsh fish; do
  "$program" completion "$shell" >"$tree/input/completion/$shell"
done
"$program" man >"$tree/input/boxoffice.1"

(cd "$tree" && DEB_RULES_REQUIRES_ROOT=no debian/rules binary) >"$work/log" 2>&1 || {
  tail -n 40 "$work/log" >&2
  exit 1
}
mv "$work"/boxoffice_*.deb "$out/"
echo "$out/boxoffice_${version}_$(dpkg --print-architecture).deb"
