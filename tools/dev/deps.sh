# shellcheck shell=bash
# Installing Debian packages: only those that are missing, so that it costs nothing when there are none.

cmd_deps() {
  case ${1-} in
    "") need_packages packages.txt ;;
    test) need_packages packages.txt packages-test.txt packages-scaled.txt ;;
    tidy) need_packages packages.txt packages-tidy.txt ;;
    *)
      echo "dev deps: test or tidy, not \"$1\"" >&2
      return 2
      ;;
  esac
}

# need_packages LIST …: installs what is missing of the lists in tools/dev/, or says what to do.
need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "dev: this is not Debian 12. The packages that Boxoffice needs are listed in tools/dev/*.txt" >&2
    return 2
  fi
  local wanted=() missing=() as_root=()
  mapfile -t wanted < <(cd tools/dev && sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@" | sort -u)
  # dpkg-query fails when it does not know a package at all: such a package is missing too.
  mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}") \
    <({ dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true; } |
      sed -n 's/ installed$//p' | sort -u))
  [[ ${#missing[@]} -gt 0 ]] || return 0

  if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
      echo "dev: run this as root, or install sudo. Missing: apt-get install ${missing[*]}" >&2
      return 2
    fi
    as_root=(sudo)
  fi
  echo "dev: installing ${#missing[@]} packages: ${missing[*]}" >&2
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "${missing[@]}" </dev/null >"${TMPDIR:-/tmp}/boxoffice-apt.$$.log" 2>&1 || {
    tail -n 20 "${TMPDIR:-/tmp}/boxoffice-apt.$$.log" >&2
    echo "dev: could not install: ${missing[*]}" >&2
    return 2
  }
  rm -f "${TMPDIR:-/tmp}/boxoffice-apt.$$.log"
}
