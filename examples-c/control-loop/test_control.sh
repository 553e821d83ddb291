#!/bin/sh
# The control-loop example end to end. Run by `make test`, which builds the programs.
# Environment: OUT (where they are), RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is).
cd "$(dirname "$0")" || exit 1
root=../..
OUT=${OUT:-$root/target/examples-c/control-loop}
loop=$OUT/control_loop
scratch=$OUT/test
. "$root/tests/lib.sh"
use_uninstalled_library
artifacts=$scratch/artifacts
faulty=$scratch/faulty # holds a faulty guest under the PID's name
mkdir -p "$artifacts" "$faulty"

run() { # run COMMAND...: leaves status, $scratch/out and $scratch/err
    $INSIDE "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
}
run_program() { # run_program PROGRAM ARGUMENT...: a test program of our kind; its lines and counts become ours
    run "$@"
    cat "$scratch/out" "$scratch/err" | grep -Ev '^[0-9]+ passed, [0-9]+ failed$'
    passed=$((passed + $(grep -c '^ok ' "$scratch/out")))
    failed=$((failed + $(grep -c '^FAIL ' "$scratch/out")))
    : >"$scratch/out"
    : >"$scratch/err"
    check "$(basename "$1") ended well" test $status -eq 0
}
below() { # below WORD BOUND: the number after WORD in the output is less than BOUND
    value=$(sed -n "s/.*$1 \(-\{0,1\}[0-9.][0-9.]*\).*/\1/p" "$scratch/out")
    echo "$1: '$value', bound $2"
    [ -n "$value" ] && awk -v value="$value" -v bound="$2" 'BEGIN { exit !(value < bound && value > -bound) }'
}
count() { # count WORD: the integer after WORD in the output
    sed -n "s/.*$1 \([0-9][0-9]*\).*/\1/p" "$scratch/out"
}
counts_in() { # counts_in FILE.json: how many times it has of each series
    python3 -c 'import json, sys
for report in json.load(open(sys.argv[1]))["reports"]:
    for series in report["series"]: print(report["kind"], report["name"] + ":", series["name"], series["count"])' "$1"
}
unprivileged() { # without the right to SCHED_FIFO
    if [ "$(id -u)" = 0 ]; then # stays root, so that it can read the tree wherever it lies
        prlimit --rtprio=0 setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice "$@"
    else
        prlimit --rtprio=0 "$@"
    fi
}

# ---- artifacts ----
for profile in standalone plugin; do
    for guest in pid lqr_kalman; do
        check "$guest compiles for $profile" "$RTWASM" compile "$root/guests/built/$guest.wasm" -o "$artifacts/$guest.$profile.rtw" --profile $profile
    done
    check "the faulty guest compiles for $profile" "$RTWASM" compile "$root/guests/built/faulty_controller.wasm" -o "$faulty/pid.$profile.rtw" --profile $profile
done

# ---- the parts, and the guests against their native twins ----
for profile in standalone plugin; do
    run_program "$OUT/test_control" "$artifacts" $profile
done

# ---- simulated time ----
for profile in standalone plugin; do
    for pair in "pid motor 0.010" "lqr motor 0.003" "lqr pendulum 0.030"; do
        set -- $pair
        run "$loop" --fast --controller "$1" --plant "$2" --artifacts "$artifacts" --profile $profile --seconds 8
        check "--fast, $1 on $2, $profile: exit status 0" test $status -eq 0
        check "--fast, $1 on $2, $profile: steady error below $3" below "max after settling" "$3"
        check "--fast, $1 on $2, $profile: every step called the guest" test "$(count steps) $(count 'guest calls')" = "8000 8000"
        check "--fast, $1 on $2, $profile: no misses, no wake-ups" sh -c 'grep -q "misses 0 " "$0" && ! grep -q "^wake-up" "$0"' "$scratch/out"
    done
done
run "$loop" --fast --controller pid --artifacts "$artifacts" --seconds 0.1
check "a run too short for an error after settling says so" grep -q "max after settling: run too short" "$scratch/out"
run "$loop" --fast --artifacts "$artifacts" --seconds 1 --csv "$scratch/fast.csv" --report "$scratch/fast.json"
check "--fast --report has the calls alone, each once" test "$(counts_in "$scratch/fast.json")" = "func step: call_time 1000"
check "--csv has a header and a line a step" test "$(wc -l <"$scratch/fast.csv")" -eq 1001
check "--csv names its columns" grep -qx "time_s,reference,output,control,measurement_0,wake_up_us" "$scratch/fast.csv"

# ---- a guest that logs ----
logging=$scratch/logging
mkdir -p "$logging"
cat >"$scratch/logging.wat" <<'END'
(module
  (import "rtwasm" "rtw_log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 512) "the gains are set")
  (func (export "init") (param f64) (result i32) (call $log (i32.const 2) (i32.const 512) (i32.const 17)) (i32.const 0))
  (func (export "set_param") (param i32 f64) (result i32) (i32.const 0))
  (func (export "step") (param f64 f64) (result f64) (f64.sub (local.get 0) (local.get 1)))
  (func (export "reset"))
  (func (export "io") (result i32) (i32.const 1024)))
END
for profile in standalone plugin; do
    check "the logging guest compiles for $profile" "$RTWASM" compile "$scratch/logging.wat" -o "$logging/pid.$profile.rtw" --profile $profile
    run "$loop" --fast --controller pid --artifacts "$logging" --profile $profile --seconds 0.1
    check "a guest that logs, $profile: its text is printed" grep -qx "control_loop: the controller says: the gains are set" "$scratch/err"
    run "$loop" --fast --controller pid --artifacts "$artifacts" --profile $profile --seconds 0.1
    check "twin: one that does not, $profile: nothing" sh -c '! grep -q "the controller" "$0"' "$scratch/err"
done

# ---- a guest that fails ----
for profile in standalone plugin; do
    run "$loop" --fast --controller pid --artifacts "$faulty" --profile $profile --seconds 0.5 --csv "$scratch/fault.csv"
    check "faulty guest, $profile: exit status 3" test $status -eq 3
    check "faulty guest, $profile: says where and why" grep -q "^GUEST FAULT at step 100 (0.1000 s)" "$scratch/out"
    check "faulty guest, $profile: the status" grep -q "RTW_ERR_TRAP_DIVIDE_BY_ZERO" "$scratch/out"
    check "faulty guest, $profile: counted once, and the rest of the run in the safe state" \
        sh -c 'grep -q "guest faults 1$" "$0" && grep -q "safe state (0 V) for the 400 steps since" "$0"' "$scratch/out"
    check "faulty guest, $profile: the actuator was driven before and is at 0 after" \
        awk -F, 'NR > 1 { if (NR <= 101 && $4 != 0) driven++; if (NR > 101 && $4 != 0) after++ } END { exit !(NR == 501 && driven > 50 && after == 0) }' "$scratch/fault.csv"
done

# ---- at real pace ----
run "$loop" --seconds 1 --artifacts "$artifacts" --csv "$scratch/paced.csv" --report "$scratch/paced.html"
check "real pace: exit status 0" test $status -eq 0
if [ -n "$INSIDE" ] || chrt -f 80 true 2>/dev/null; then
    check "real pace: SCHED_FIFO is used" grep -q "^scheduling: SCHED_FIFO, priority 80" "$scratch/out"
else
    check "real pace: SCHED_FIFO is refused, and said" grep -q "^SCHED_FIFO not permitted here: " "$scratch/out"
fi
check "real pace: wake-up and call latencies" sh -c 'grep -Eq "^wake-up( +[0-9.]+){6}$" "$0" && grep -Eq "^call( +[0-9.]+){6}$" "$0"' "$scratch/out"
check "real pace: page faults are counted" grep -Eq "^page faults of the real-time thread while it ran: [0-9]+$" "$scratch/out"
check "real pace: each period ran or was skipped" test $(($(count steps) + $(sed -n 's/.*(\([0-9]*\) of them skipped.*/\1/p' "$scratch/out"))) -eq 1000
check "real pace: the trace holds the steps that ran" test "$(wc -l <"$scratch/paced.csv")" -eq $(($(count steps) + 1))
check "real pace: the page has the step and the worker, and is written to its end" \
    sh -c 'grep -q "<h2>func step</h2>" "$0" && grep -q "<h2>worker control-loop</h2>" "$0" && grep -q "</html>" "$0"' "$scratch/paced.html"
run "$loop" --seconds 0.5 --artifacts "$artifacts" --report "$scratch/paced.json"
check "real pace: the statistics count the steps, and a wake-up a period" \
    test "$(counts_in "$scratch/paced.json" | grep -E 'func step|wake_up')" = "$(printf 'func step: call_time %d\nworker control-loop: wake_up_latency 500' "$(count steps)")"

run "$loop" --seconds 1 --artifacts "$artifacts" --priority 0
check "--priority 0: exit status 0" test $status -eq 0
check "--priority 0: normal scheduling" grep -q "^scheduling: normal (--priority 0)" "$scratch/out"

if [ -z "$INSIDE" ]; then
    run unprivileged "$loop" --seconds 1 --artifacts "$artifacts"
    check "without the right to SCHED_FIFO: exit status 0" test $status -eq 0
    check "without the right to SCHED_FIFO: it says what it does instead" \
        grep -Eq "^SCHED_FIFO not permitted here: .+; running with normal scheduling; latencies will be worse$" "$scratch/out"
    check "without the right to SCHED_FIFO: the loop runs all the same" grep -Eq "^wake-up( +[0-9.]+){6}$" "$scratch/out"
else
    skip "without the right to SCHED_FIFO: the emulated machine has no program that takes rights away"
fi

# ---- wrong use ----
wrong() { # wrong STATUS MESSAGE ARGUMENT...
    expected=$1
    message=$2
    shift 2
    run "$loop" "$@"
    check "$*: exit status $expected" test $status -eq "$expected"
    check "$*: says '$message'" grep -qe "$message" "$scratch/err"
}
wrong 2 "unknown option" --no-such-option 1
wrong 2 "value is missing" --rate
wrong 2 "expected 200 to 10000 Hz" --rate 20000
wrong 2 "expected 200 to 10000 Hz" --rate 1kHz
wrong 2 "expected pid or lqr" --controller bang-bang
wrong 2 "expected motor or pendulum" --plant kettle
wrong 2 "expected standalone or plugin" --profile native
wrong 2 "expected 0 to 99" --priority 100
wrong 2 "expected seconds" --seconds -1
wrong 2 "expected a CPU" --cpu one
wrong 2 "less than one period" --seconds 0.001 --rate 200
wrong 2 "use --controller lqr" --controller pid --plant pendulum
wrong 1 "RTW_ERR_IO" --artifacts "$scratch/nowhere"
wrong 1 "setting up the real-time thread" --cpu 1023 --seconds 0.1 --artifacts "$artifacts"
wrong 1 "No such file or directory" --fast --seconds 0.1 --artifacts "$artifacts" --csv "$scratch/no/such/folder.csv"
wrong 1 "No such file or directory" --fast --seconds 0.1 --artifacts "$artifacts" --report "$scratch/no/such/folder.html"
wrong 2 "expected a name that ends in .html" --report "$scratch/latency.svg"
mkdir "$scratch/bad"
cp "$root/guests/built/pid.wasm" "$scratch/bad/pid.standalone.rtw"
wrong 1 "RTW_ERR_PLAIN_WASM" --controller pid --artifacts "$scratch/bad"
cp "$artifacts/pid.plugin.rtw" "$scratch/bad/pid.standalone.rtw"
wrong 1 "RTW_ERR_PROFILE" --controller pid --artifacts "$scratch/bad"
check "a guest without these exports compiles" "$RTWASM" compile "$root/guests/built/minimal.wasm" -o "$scratch/bad/lqr_kalman.standalone.rtw"
wrong 1 "RTW_ERR_NO_EXPORT" --artifacts "$scratch/bad"
run "$loop" --help
check "--help: exit status 0" test $status -eq 0
check "--help: usage" grep -q "^usage: control_loop" "$scratch/out"

finish
