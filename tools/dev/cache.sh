# shellcheck shell=bash
# What tests fetch once, and keep outside the tree.

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/boxoffice

# fetch_once NAME WHAT FUNCTION: FUNCTION is called with an empty folder, unless $cache/NAME is there, and leaves in its
# folder kept/ what becomes that; whoever comes meanwhile waits. For a script of its own: it sets the trap EXIT.
fetch_once() {
  local folder=$cache/$1
  [[ ! -d $folder ]] || return 0
  mkdir -p "$cache"
  exec 9>"$cache/.${1%%-*}.lock"
  flock 9
  [[ ! -d $folder ]] || return 0
  echo "$(basename "$0"): fetching $2" >&2
  fetched=$(mktemp -d "$cache/.fetching.XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  "$3" "$fetched"
  mv "$fetched/kept" "$folder"
}
