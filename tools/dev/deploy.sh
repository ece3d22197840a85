# shellcheck shell=bash
# Packing what was built, and the images, deploy/compose and the package for real.

# version_of_head: the project's version, and that it is none that was released: 0.1.0~git20261126.1530.842dae1. Of a released source:
# the project's version.
version_of_head() {
  [[ -e .git ]] || {
    project_version
    return
  }
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
      --version)
        [[ -n ${2-} ]] || {
          echo "dev package: --version is followed by a version, like 0.1.0" >&2
          return 2
        }
        version=$2 && shift
        ;;
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

# A release of HEAD in build/release-VERSION: source, package, SDK, bill of materials, checksums.
cmd_release() {
  local version=${1-} wanted
  wanted=$(project_version)
  if [[ $# -ne 1 || $version != "$wanted" ]]; then
    echo "dev release: the version of this tree is $wanted, not \"$version\"; it stands in CMakeLists.txt, openapi/boxoffice.yaml and" \
      "web/sdk/package.json" >&2
    return 2
  fi
  if [[ $(sed -n 's/^  version: //p' openapi/boxoffice.yaml | head -n 1) != "$version" ||
    $(sed -n 's/^  "version": "\(.*\)",/\1/p' web/sdk/package.json) != "$version" ]]; then
    echo "dev release: openapi/boxoffice.yaml and web/sdk/package.json have another version than CMakeLists.txt" >&2
    return 2
  fi
  if [[ -n $(git status --porcelain) ]]; then
    echo "dev release: a release is made of what is committed; git status has more" >&2
    return 2
  fi
  if [[ -e build/release-$version ]]; then
    echo "dev release: build/release-$version is there already" >&2
    return 2
  fi
  need_packages packages.txt packages-package.txt
  build release boxoffice
  build_web
  deploy/release/make.sh build/release/bin/boxoffice build/web "$version" "build/release-$version"
}
