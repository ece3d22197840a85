# shellcheck shell=bash
# ./dev fuzz: the parsers and edges under libFuzzer (tests/fuzz), for longer than the tests do.

cmd_fuzz() {
  need_packages packages.txt packages-test.txt
  build release fuzz_targets
  exec python3 tests/fuzz/fuzz.py "$@" --keep build/fuzz build/release/bin
}
