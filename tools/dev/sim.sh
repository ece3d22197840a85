# shellcheck shell=bash
# ./dev sim | crashpoints | mutants: the cores on a virtual clock (tests/sim). ./dev chaos: the scaled system, broken for real.

cmd_sim() { run_simulation seeds "$@"; }
cmd_crashpoints() { run_simulation crashpoints "$@"; }
cmd_mutants() { run_simulation mutants "$@"; }

run_simulation() {
  need_packages packages.txt
  build release boxoffice-sim
  exec build/release/bin/boxoffice-sim "$@"
}

# Kafka is the bus, unless --no-kafka says otherwise.
cmd_chaos() {
  need_packages packages.txt
  need_scaled --scaled "$@"
  build release boxoffice-chaos
  run_program boxoffice-chaos "$@"
}
