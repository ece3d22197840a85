#!/bin/bash
# runtime.sh BIN OUT [WEB]: lays out, for each executable in BIN, what its image adds to the base, as OUT/NAME/ with
# usr/local/bin/… and a script that installs the Debian packages of the libraries that it is linked with. The packages
# are those that own the libraries here, where it was linked; what those need, apt brings.
set -euo pipefail
bin=$1 out=$2 web=${3-}

# Sets package_of[LIBRARY]; to search the lists of all packages takes a while.
declare -A package_of
find_package_of() {
  local file
  [[ -z ${package_of[$1]-} ]] || return 0
  file=$(readlink -f "$1")
  # Debian's lists name some files by /lib, which is /usr/lib.
  package_of[$1]=$({ dpkg-query -S "$file" 2>/dev/null || dpkg-query -S "${file#/usr}"; } | sed -n '1s/:.*//p')
  [[ -n ${package_of[$1]} ]] || { echo "runtime.sh: no package has $1" >&2; exit 1; }
}

for program in "$bin"/boxoffice "$bin"/boxoffice-*; do
  name=$(basename "$program")
  [[ $name != boxoffice-bench ]] || continue
  needed=$(objdump -p "$program" | sed -n 's/^ *NEEDED *//p')
  libraries=$(ldd "$program" | awk '$3 ~ "^/" { print $1, $3 }' | grep -F -w -f <(printf '%s\n' "$needed") | cut -d' ' -f2)
  packages=()
  for library in $libraries; do
    find_package_of "$library"
    packages+=("${package_of[$library]}")
  done
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  into=$out/${name#boxoffice-}
  install -D -t "$into/usr/local/bin" "$program"
  install -d "$into/usr/local/lib/boxoffice"
  cat >"$into/usr/local/lib/boxoffice/install-libraries" <<SCRIPT
#!/bin/sh
set -e
apt-get update -qq
apt-get install -qq -y --no-install-recommends ${packages[*]}
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log
SCRIPT
  chmod 755 "$into/usr/local/lib/boxoffice/install-libraries"
  echo "$name: ${packages[*]}"
done

# Whoever has a gateway in it serves the web app, from where it looks by itself.
if [[ -n $web ]]; then
  for name in gateway boxoffice; do
    install -d "$out/$name/usr/local/share/boxoffice"
    cp -r "$web" "$out/$name/usr/local/share/boxoffice/web"
  done
fi
