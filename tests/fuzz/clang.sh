#!/bin/sh
# A launcher for CMake: clang.sh CLANG COMPILER COMMAND … runs COMMAND with CLANG in the place of COMPILER, so that some targets of
# a build are compiled by another compiler than the rest of it.
clang=$1
compiler=$2
shift 2
for argument; do
  shift
  [ "$argument" = "$compiler" ] && argument=$clang
  set -- "$@" "$argument"
done
exec "$@"
