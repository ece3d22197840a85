# shellcheck shell=bash
# Configuring and building one preset at a time.

presets="dev release asan tsan"

cmd_build() {
  local preset=release
  if [[ $# -gt 0 && " $presets " == *" $1 "* ]]; then
    preset=$1
    shift
  fi
  need_packages packages.txt packages-test.txt packages-scaled.txt
  build "$preset" "$@"
  [[ $# -gt 0 ]] || build_web
}

# build PRESET [TARGET …]: everything, if no target is named. One build of a preset at a time; a second one waits.
build() {
  local preset=$1 quiet=()
  shift
  mkdir -p build
  (
    exec 9>"build/.$preset.lock"
    flock 9
    if [[ ! -f build/$preset/build.ninja ]]; then
      cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 || {
        cat "build/$preset.configure.log" >&2
        exit 1
      }
      echo "dev: building $preset: minutes the first time, seconds afterwards" >&2
    fi
    [[ -t 1 ]] || quiet=(--quiet)
    # -k 0: one run shows every error. 9>&-: what the build leaves behind must not hold the lock.
    ninja -C "build/$preset" -k 0 "${quiet[@]}" "$@" 9>&- >&2
  )
}

cmd_clean() {
  local preset
  if [[ $# -eq 0 ]]; then
    rm -rf build
    return
  fi
  for preset in "$@"; do
    if [[ " $presets tidy " != *" $preset "* ]]; then
      echo "dev clean: no preset \"$preset\"; there are $presets" >&2
      return 2
    fi
    rm -rf "build/$preset"
  done
}
