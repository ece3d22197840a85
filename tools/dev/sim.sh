# shellcheck shell=bash
# ./dev sim | crashpoints | mutants: the cores on a virtual clock (tests/sim).

cmd_sim() { run_simulation seeds "$@"; }
cmd_crashpoints() { run_simulation crashpoints "$@"; }
cmd_mutants() { run_simulation mutants "$@"; }

run_simulation() {
  need_packages packages.txt
  build release boxoffice-sim
  exec build/release/bin/boxoffice-sim "$@"
}
