#!/bin/sh
# The suites that run in the emulated machine, each a script of its own that knows nothing of it: its compilers make programs for
# aarch64, and lib.sh has each program run there. Started by test_aarch64.sh.
#   suites.sh [SUITE ...]
# Environment: AARCH64_RESULT, a file in which each suite that ran to its end gets a line: counts, date, commit, machine; and a line
# for each thing that it skips, with the reason.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/aarch64/tests/all
suites_inside=$INSIDE
unset INSIDE
. ../lib.sh
wanted=" $* "
absolute=$(realpath $root)
machine="$(qemu-system-aarch64 --version | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p'), 2 ${MACHINE_CPU:-cortex-a72}"

# The command, for that machine.
cat >"$scratch/rtwasm" <<SCRIPT
#!/bin/sh
case \$1 in
compile) shift; exec "$absolute/target/tools/rtwasm" compile --target aarch64-unknown-linux-gnu "\$@" ;;
*) exec "$absolute/target/tools/rtwasm" "\$@" ;;
esac
SCRIPT
chmod +x "$scratch/rtwasm"
environment="MACHINE=aarch64 RTWASM=$absolute/target/aarch64/tests/all/rtwasm
    RTWASM_LIBDIR=$absolute/target/aarch64/aarch64-unknown-linux-gnu/release CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++
    CAPI_CPU=${MACHINE_LEVEL:-cortex-a72}"

suite() { # suite NAME COMMAND...
    name=$1
    shift
    case "$wanted" in "  " | *" $name "*) ;; *) return ;; esac
    started=$(date +%s)
    before="$passed $failed"
    # shellcheck disable=SC2086 # a list of words
    PROGRAM_HANG_SECONDS=1800 adopt "$name" env $environment INSIDE="$suites_inside" CLANG="clang-19 --target=aarch64-linux-gnu" "$@"
    set -- $before
    # The proofs print a table instead of a line for each check.
    own=$(sed -n '$s/^\([0-9]*\) passed, .*/\1/p' "$scratch/adopt.out")
    [ $((passed - $1)) -ge "${own:-0}" ] || passed=$(($1 + own))
    printf 'suite %-14s %5d passed %3d failed  %4d s\n' "$name" $((passed - $1)) $((failed - $2)) $(($(date +%s) - started))
    [ -n "$AARCH64_RESULT" ] || return 0
    commit=$(git -C $root rev-parse --short=12 HEAD)
    git -C $root diff --quiet HEAD -- . ':!tests/aarch64/result.txt' || commit=$commit-changed
    grep -aE '^skipped: |^ok .*skipped: ' "$scratch/adopt.out" | sed 's/.*skipped: //' | sort -u >"$scratch/skips"
    { grep -v "^$name " "$AARCH64_RESULT" 2>/dev/null
        printf '%-18s %5d passed %3d failed %3d skipped  %s  %s  %s\n' "$name" $((passed - $1)) $((failed - $2)) "$(wc -l <"$scratch/skips")" \
            "$(date -u +%Y-%m-%d)" "$commit" "$machine"
        sed "s/^/$(printf '%-18s' "$name")   skipped: /" "$scratch/skips"
    } >"$scratch/result"
    cp "$scratch/result" "$AARCH64_RESULT"
}

# For `make test`: what makes aarch64 another machine for calls. Only where it is named.
case "$wanted" in *" quick "*)
    wanted="$wanted quick-packages quick-glibc quick-capi quick-hosts quick-exports quick-same-results "
    suite quick-packages ./test_packages.sh
    suite quick-glibc ./test_glibc.sh
    suite quick-capi env CAPI_ONLY="test_traps test_thread test_stats" ../capi/test_capi.sh
    suite quick-hosts ../hosts/test_hosts.sh float registers publish
    suite quick-exports ../statistics/test_statistics.sh
    suite quick-same-results env ROUNDS=20 ./test_deterministic.sh
    ;;
esac
suite packages ./test_packages.sh
suite glibc ./test_glibc.sh
suite deterministic env ROUNDS=${ROUNDS:-200} ${AARCH64_RESULT:+DETERMINISTIC_RESULT="$absolute/tests/aarch64/deterministic.txt"} ./test_deterministic.sh
suite capi ../capi/test_capi.sh
suite budget ../budget/test_budget.sh cutoff stale long
suite slot ../slot/test_slot.sh
suite worker env WORKER_SUBMISSIONS=${WORKER_SUBMISSIONS:-100000} ../worker/test_worker.sh
suite control-loop make -s -C $root/examples-c/control-loop test OUT="$absolute/target/aarch64/examples-c/control-loop" \
    RTWASM_LIBS="-L$absolute/target/aarch64/aarch64-unknown-linux-gnu/release -lrtwasm"
suite hosts env HOSTS_OFFLINE=1 ../hosts/test_hosts.sh
suite proofs env INSIDE_HANG_SECONDS=900 PROOF_CALLS=20000 PROOF_FAULTS=2000 ../proofs/run.sh
finish
