#!/bin/sh
# Builds for aarch64, and runs suites of the tests in an emulated aarch64 machine: their programs are built here and run there. This is
# `make test-aarch64`. The last line is the sum: `N passed, N failed`.
#   test_aarch64.sh [SUITE ...]    only those of suites.sh
# Environment: as for in_machine.sh.
cd "$(dirname "$0")/../.." || exit 1
tests/aarch64/in_machine.sh needs || exit 1
# The command for aarch64 takes as long to build as all of the quick suites may.
targets="aarch64 aarch64-command"
case " $* " in *" quick "*) targets=aarch64 ;; esac
# shellcheck disable=SC2086 # a list of words
${MAKE:-make} -s $targets || { echo "FAIL aarch64: it does not build"; echo "0 passed, 1 failed"; exit 1; }
exec tests/aarch64/in_machine.sh tests/aarch64/suites.sh "$@"
