#!/bin/sh
# Runs every suite, keeps its output below target/test-logs, and ends with the sum: `N passed, N failed`.
# A suite counts its checks in its own last line; one that ends badly without having counted a failure counts as one.
#   tests/run.sh [SUITE ...]     only those suites
cd "$(dirname "$0")/.." || exit 1
logs=target/test-logs
mkdir -p $logs
wanted=" $* "
total_passed=0
total_failed=0

suite() { # suite NAME COMMAND...
    name=$1
    shift
    case "$wanted" in "  " | *" $name "*) ;; *) return ;; esac
    log=$logs/$name.log
    started=$(date +%s)
    "$@" >"$log" 2>&1
    status=$?
    counts=$(awk '
        /^test result: / { passed += $4; failed += $6 }
        /^[0-9]+ passed, [0-9]+ failed/ { own_passed = $1; own_failed = $3 }
        END { print passed + own_passed, failed + own_failed }' "$log")
    passed=${counts% *}
    failed=${counts#* }
    if [ $status -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
    if [ $status -eq 0 ] && [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then
        echo "the suite counted nothing" >>"$log"
        failed=1
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    printf '%-14s %5d passed %3d failed  %4d s\n' "$name" "$passed" "$failed" $(($(date +%s) - started))
    if [ "$failed" -ne 0 ]; then
        echo "---- $log"
        grep -nE '^(FAIL|error|Error)|panicked|FAILED|counted nothing' "$log" | head -40
        echo "---- its end"
        tail -n 40 "$log"
        echo "----"
    fi
}

build() { # a suite of one check
    "$@" && echo "1 passed, 0 failed"
}

suite build build make -s lib command
suite unit make -s unit
suite header tests/header/test_header.sh
suite abi tests/abi/test_abi.sh
suite capi tests/capi/test_capi.sh
suite capi-sanitized tests/capi/test_sanitized.sh
suite capi-valgrind tests/capi/test_valgrind.sh
suite budget tests/budget/test_budget.sh
suite worker tests/worker/test_worker.sh
suite worker-loom cargo test --locked -q -p rtwasm-worker-loom
suite cli tests/cli/compile_at_run_time.sh
suite watch tests/cli/watch.sh
suite finding tests/finding/test_finding.sh
suite statistics tests/statistics/test_statistics.sh
suite doctor tests/doctor/test_doctor.sh
suite slot tests/slot/test_slot.sh
suite guests build make -s -C guests check
suite artifacts build make -s artifacts examples
suite minimal make -s -C examples-c/minimal test
suite audio make -s -C examples-c/audio test
suite control-loop make -s -C examples-c/control-loop test
suite install tests/install/test_install.sh
suite demo tests/demo/test_demo.sh
suite docs tests/docs/test_docs.sh
suite hosts tests/hosts/test_hosts.sh
suite memlock tests/memlock/test_memlock.sh
suite proofs tests/proofs/run.sh

echo
echo "$total_passed passed, $total_failed failed"
[ $total_failed -eq 0 ]
