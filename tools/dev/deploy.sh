# shellcheck shell=bash
# Packing what was built, and the images, deploy/compose and the package for real.

# version_of_head: the project's version, and that it is none that was released: 0.1.0~git20261126.1530.842dae1.
version_of_head() {
  echo "$(project_version)~git$(TZ=UTC0 git log -1 --date=format-local:%Y%m%d.%H%M --format=%cd.%h)"
}

project_version() {
  sed -n 's/^project(boxoffice VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt
}

# A .deb in build/package.
cmd_package() {
  local version=
  while [[ $# -gt 0 ]]; do
    case $1 in
      --version) version=${2-} && shift ;;
      *)
        echo "dev package: no flag \"$1\"; there is --version V" >&2
        return 2
        ;;
    esac
    shift
  done
  need_packages packages.txt packages-package.txt
  build release boxoffice
  build_web
  deploy/debian/make.sh build/release/bin/boxoffice build/web "${version:-$(version_of_head)}" build/package
}

# Not a part of ./dev test: it needs root, and builds for long.
cmd_test-deploy() {
  local which=all
  if [[ ${1-} == images || ${1-} == package ]]; then
    which=$1
    shift
  fi
  need_packages packages.txt packages-deploy.txt packages-package.txt
  if [[ $which != package ]]; then
    /usr/bin/python3 tests/deploy/live.py "$@"
  fi
  if [[ $which != images ]]; then
    build_web
    /usr/bin/python3 tests/deploy/package_live.py "$@"
  fi
}
