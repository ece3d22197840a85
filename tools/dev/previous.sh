#!/usr/bin/env bash
# tools/dev/previous.sh TARGET …: builds executables of the commit before this one, or of $BOXOFFICE_PREVIOUS (a commit, a tag),
# in build/previous/, and leaves them in build/previous/bin. What has not changed since comes from the compiler's cache.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

commit=$(git rev-parse --verify --quiet "${BOXOFFICE_PREVIOUS:-HEAD~1}^{commit}") || {
  echo "previous.sh: there is no commit ${BOXOFFICE_PREVIOUS:-HEAD~1} here; in a shallow clone: git fetch --unshallow" >&2
  exit 1
}
tree=$PWD/build/previous
mkdir -p "$tree"
exec 9>"$tree/.lock"
flock 9
if [[ ! -f $tree/commit || $(<"$tree/commit") != "$commit" ]]; then
  # A tree of its own, from nothing: files of different commits would look older than what was built of them.
  rm -rf "${tree:?}/tree" "${tree:?}/bin" "${tree:?}/commit"
  mkdir "$tree/tree"
  git archive "$commit" | tar -x -C "$tree/tree"
  cmake -S "$tree/tree" --preset release -DBOXOFFICE_TESTS=OFF >"$tree/configure.log" 2>&1 || {
    cat "$tree/configure.log" >&2
    exit 1
  }
  ln -sfn tree/build/release/bin "$tree/bin"
  echo "$commit" >"$tree/commit"
fi
ninja -C "$tree/tree/build/release" --quiet "$@" 9>&-
echo "previous.sh: $(git log -1 --format='%h %s' "$commit")"
