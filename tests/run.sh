#!/bin/sh
# Runs every suite, keeps its output below target/test-logs, and ends with the sum: `N passed, N failed`.
# A suite counts its checks in its own last line; one that ends badly without having counted a failure counts as one. One that
# hangs is killed with all that it has started, and so is what a suite leaves running; tests/guard.py says which program it was.
#   tests/run.sh [SUITE ...]     only those suites; `timed`: those that depend on time
# Environment: SUITE_HANG_SECONDS (when a suite counts as hanging), TEST_SIDE_BY_SIDE (how many suites run at a time, 2 otherwise;
# those that depend on time run alone, after the others), TEST_SUITES (a file to be read instead of the list below).
here=$(realpath "$0")
cd "$(dirname "$0")/.." || exit 1
logs=${TEST_LOGS:-target/test-logs}
limit_s=${SUITE_HANG_SECONDS:-2400}

# Runs a suite: first those that make what the others need, each alone; then `suite`, side by side; then `timed`, alone:
# they measure, keep periods or race threads, and what they find under load is worth less.
suites() {
    first build build make -s lib command plugins
    first artifacts build make -s artifacts examples
    suite unit make -s unit
    suite property make -s property
    suite spec make -s spec
    suite header tests/header/test_header.sh
    suite abi tests/abi/test_abi.sh
    suite bindings-api tests/bindings/test_api.sh
    suite python tests/bindings/test_python.sh
    suite lua tests/bindings/test_lua.sh
    suite node tests/bindings/test_node.sh
    suite capi-valgrind tests/capi/test_valgrind.sh
    suite model make -s loom
    suite lint tests/lint/test_lint.sh
    suite cli tests/cli/compile_at_run_time.sh
    suite artifact tests/artifact/test_artifact.sh
    suite init tests/init/test_init.sh
    suite parts tests/parts/test_parts.sh
    suite guests build make -s -C guests check
    suite faust tests/faust/test_faust.sh
    suite dsp tests/dsp/test_dsp.sh
    suite templates tests/templates/test_templates.sh
    suite npm tests/npm/test_npm.sh
    suite shared-buffer make -s -C examples-c/shared-buffer test
    suite minimal make -s -C examples-c/minimal test
    suite cpp tests/cpp/test_cpp.sh
    suite cpp-examples make -s -C examples-c/cpp test
    suite install tests/install/test_install.sh
    suite pages tests/pages/test_pages.sh
    suite docs tests/docs/test_docs.sh
    suite hosts tests/hosts/test_hosts.sh
    suite exhausted tests/exhausted/test_exhausted.sh
    suite memlock tests/memlock/test_memlock.sh
    suite bench-check tests/bench-check/test_bench_check.sh
    suite rivals make -s rivals-check
    suite runner tests/runner/test_runner.sh
    suite musl tests/musl/test_musl.sh
    suite lv2 tests/lv2/test_lv2.sh
    suite tutorial tests/lv2/test_tutorial.sh
    suite ladspa tests/ladspa/test_ladspa.sh
    timed capi tests/capi/test_capi.sh
    timed capi-sanitized tests/capi/test_sanitized.sh
    timed budget tests/budget/test_budget.sh
    timed worker tests/worker/test_worker.sh
    timed watch tests/cli/watch.sh
    timed finding tests/finding/test_finding.sh
    timed statistics tests/statistics/test_statistics.sh
    timed doctor tests/doctor/test_doctor.sh
    timed slot tests/slot/test_slot.sh
    timed audio make -s -C examples-c/audio test
    timed jack make -s -C examples-c/jack test
    timed control-loop make -s -C examples-c/control-loop test
    timed demo tests/demo/test_demo.sh
    timed proofs tests/proofs/run.sh
    timed aarch64 make -s test-aarch64 SUITES=quick
}

build() { # a suite of one check
    "$@" && echo "1 passed, 0 failed"
}

# ---- one suite, run by this script for itself ----

run() { # run NAME COMMAND...: leaves `PASSED FAILED` in NAME.counts
    name=$1
    shift
    log=$logs/$name.log
    started=$(date +%s)
    counted=
    [ "$1" = build ] && shift && counted="1 passed, 0 failed"
    "$TEST_PYTHON" tests/guard.py run --limit "$limit_s" --log "$log" -- "$@" >"$logs/$name.guard"
    status=$?
    [ -n "$counted" ] && [ $status -eq 0 ] && echo "$counted" >>"$log"
    counts=$(awk '
        /^test result: / { passed += $4; failed += $6 }
        /^[0-9]+ passed, [0-9]+ failed/ { own_passed = $1; own_failed = $3 }
        END { print passed + own_passed, failed + own_failed }' "$log")
    passed=${counts% *}
    failed=${counts#* }
    if [ -s "$logs/$name.guard" ]; then
        cat "$logs/$name.guard" >>"$log"
        failed=$((failed + 1))
    elif [ $status -ne 0 ] && [ "$failed" -eq 0 ]; then
        echo "FAIL exit status $status" >>"$log"
        failed=1
    fi
    if [ $status -eq 0 ] && [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then
        echo "FAIL the suite counted nothing" >>"$log"
        failed=1
    fi
    echo "$passed $failed $(($(date +%s) - started))" >"$logs/$name.counts"
    line=$(printf '%-14s %5d passed %3d failed  %4d s' "$name" "$passed" "$failed" $(($(date +%s) - started)))
    if [ "$failed" -ne 0 ]; then
        # In one piece, since another suite may have something to say at the same time.
        line="$line
---- $log
$(grep -nE '^(FAIL|error|Error)|panicked|FAILED' -A 6 "$log" | head -n 80)
---- its end
$(tail -n 40 "$log")
---- to repeat it: tests/run.sh $name    which is: $*"
    fi
    printf '%s\n' "$line"
}

if [ "$1" = --one ]; then
    one=$2
    first() { [ "$one" != "$1" ] || run "$@"; }
    suite() { first "$@"; }
    timed() { first "$@"; }
    if [ -n "$TEST_SUITES" ]; then . "$TEST_SUITES"; else suites; fi
    exit 0
fi

# ---- all of them ----

mkdir -p "$logs"
TEST_ENVIRONMENT=$(realpath "$logs")/environment
export TEST_ENVIRONMENT
env -0 >"$TEST_ENVIRONMENT"
TEST_PYTHON=$(python3 -c 'import sys; print(sys.executable)') # whatever stands before it in the PATH
export TEST_PYTHON
wanted=" $* "
side=
alone=
all=
known=
is_wanted() {
    known="$known $1"
    case "$wanted" in "  " | *" $1 "*) all="$all $1" ;; *) return 1 ;; esac
}
started=$(date +%s)
one() { rm -f "$logs/$1.counts"; "$here" --one "$1"; }
first() { if is_wanted "$1"; then one "$1"; fi; }
suite() { if is_wanted "$1"; then side="$side $1"; fi; }
timed() {
    case "$wanted" in *" timed "*) all="$all $1" ;; *) is_wanted "$1" ;; esac && alone="$alone $1"
    known="$known $1"
}
if [ -n "$TEST_SUITES" ]; then . "$TEST_SUITES"; else suites; fi
total_failed=0
total_passed=0
for name in $*; do
    case "$known timed " in *" $name "*) ;; *) echo "FAIL $name: there is no such suite"; total_failed=$((total_failed + 1)) ;; esac
done
for name in $side; do rm -f "$logs/$name.counts"; done
[ -z "$side" ] || printf '%s\n' $side | xargs -n 1 -P "${TEST_SIDE_BY_SIDE:-2}" "$here" --one
for name in $alone; do one "$name"; done

echo
printf '%-14s %12s %10s %6s\n' suite passed failed s
for name in $all; do
    read -r passed failed took <"$logs/$name.counts" || { passed=0 failed=1 took=0; echo "FAIL $name: it did not come to its counts"; }
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    printf '%-14s %12d %10d %6d\n' "$name" "$passed" "$failed" "$took"
done
echo "$(($(date +%s) - started)) s in all"
echo
echo "$total_passed passed, $total_failed failed"
[ $total_failed -eq 0 ]
