# shellcheck shell=bash
# Tests, style rules, formatting and clang-tidy.

# The last line is "N passed, N failed", whatever ran.
cmd_test() {
  local preset=release labels=() args=() targets=()
  while [[ $# -gt 0 ]]; do
    case $1 in
      --asan | --tsan | --dev) preset=${1#--} ;;
      -*)
        args+=("$@")
        break
        ;;
      *) labels+=("$1") ;;
    esac
    shift
  done
  if [[ $preset == tsan ]]; then
    # gRPC comes without ThreadSanitizer's instrumentation, and what links it reports races that are none.
    labels+=(tsan)
    targets=(tsan_tests)
  fi
  [[ ${#labels[@]} -eq 0 ]] || args=(-L "^($(IFS='|' && echo "${labels[*]}"))\$" "${args[@]}")

  need_packages packages.txt packages-test.txt packages-scaled.txt packages-package.txt
  build "$preset" "${targets[@]}"
  [[ $preset == tsan ]] || build_web
  export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1:halt_on_error=1}
  export TSAN_OPTIONS=${TSAN_OPTIONS-halt_on_error=1:second_deadlock_stack=1}
  run_ctest "build/$preset" "${args[@]}"
}

# run_ctest DIR [ARG …]: ctest's own output, then one line that says it all; fails if a test failed or none ran.
# With BOXOFFICE_REQUIRE_ALL set, as in CI, a test that was skipped for want of something has failed.
run_ctest() {
  local dir=$1 log summary total failed skipped
  shift
  log=$(mktemp)
  ctest --test-dir "$dir" --output-on-failure --no-tests=error -j3 "$@" 2>&1 | tee "$log" || true
  # "97% tests passed, 1 tests failed out of 34"
  summary=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$log" || true)
  skipped=$(grep -c '\*\*\*Skipped' "$log" || true)
  tell_failures "$log"
  rm -f "$log"
  if [[ -z $summary ]]; then
    echo "0 passed, 1 failed"
    return 1
  fi
  failed=$(sed -E 's/.*, ([0-9]+) tests failed.*/\1/' <<<"$summary")
  total=$(sed -E 's/.*out of ([0-9]+).*/\1/' <<<"$summary")
  if [[ $skipped -gt 0 && -n ${BOXOFFICE_REQUIRE_ALL-} ]]; then
    echo "dev: $skipped tests were skipped, and BOXOFFICE_REQUIRE_ALL is set" >&2
    echo "$((total - failed - skipped)) passed, $((failed + skipped)) failed"
    return 1
  fi
  echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
  [[ $failed -eq 0 ]]
}

# tell_failures LOG: what failed within the tests that failed, and where, so that the end of a long log says it.
tell_failures() {
  local names
  names=$(grep -E '^\[  FAILED  \] .* \([0-9]+ ms\)$|^ *not ok ' "$1" | sort -u || true)
  [[ -n $names ]] || return 0
  grep -m 3 -A 5 -E ': Failure$' "$1" || true
  head -20 <<<"$names"
}

cmd_check() {
  need_packages packages-test.txt
  python3 tests/checks/run.py "$@"
}

cmd_format() {
  need_packages packages-test.txt
  find src tests bench \( -name '*.h' -o -name '*.cc' \) -print0 | xargs -0 -r clang-format-19 -i
}

# clang-tidy can't read GCC's precompiled headers, so it has a build folder of its own, in which only the protobuf
# headers are generated. It finds missing includes too, which a precompiled header hides.
cmd_tidy() {
  local files=("$@") headers=()
  need_packages packages.txt packages-tidy.txt
  cmake -S . -B build/tidy -G Ninja -DCMAKE_BUILD_TYPE=Debug -DBOXOFFICE_PCH=OFF -DCMAKE_CXX_COMPILER=clang++-19 \
    -DCMAKE_CXX_FLAGS=-Wno-unknown-warning-option >/dev/null
  mapfile -t headers < <(ninja -C build/tidy -t targets all | sed -n 's/^\(proto\/.*\.pb\.h\): .*/\1/p')
  [[ ${#headers[@]} -eq 0 ]] || ninja -C build/tidy --quiet "${headers[@]}"
  [[ ${#files[@]} -gt 0 ]] || mapfile -t files < <(find src bench -name '*.cc' ! -path 'src/platform/boost/*' | sort)
  printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P 2 clang-tidy-19 -p build/tidy --quiet --warnings-as-errors='*' 2> >(grep -v 'warnings.* generated' >&2)
}
