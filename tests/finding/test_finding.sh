#!/bin/sh
# Plants causes of lateness, one by one, and has the tools name them; each beside its twin, in which nothing is planted and the cause
# must not be named. Judged is what was counted and ratios within one run, never how long anything took.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/finding
. "$root/tests/lib.sh"
guests=$root/tests/finding/guests
cd "$root" || exit 1

look() { # look COMMAND FILE...: see there
    python3 "$root/tests/finding/look.py" "$@"
}

bench() { # bench NAME ARGUMENTS...: runs and keeps the result as NAME.json
    result=$scratch/$1.json
    shift
    "$RTWASM" bench --json "$@" >"$result" 2>"$scratch/err"
}

bisect() { # bisect NAME ARGUMENTS...: the same
    result=$scratch/$1.json
    shift
    "$RTWASM" bisect --json "$@" >"$result" 2>"$scratch/err"
}

names() { # names SUSPECT: whether the last result does
    look suspects "$result" | grep -qx "$1"
}

does_not_name() { # does_not_name SUSPECT: whether there is a result, and it does not
    look suspects "$result" >"$scratch/suspects" && ! grep -qx "$1" "$scratch/suspects"
}

# ---- an instance that nobody has prepared

check "unprepared: bench runs" bench unprepared "$guests/lazy.wat" --scenario audio --calls 200 --unprepared
check "unprepared: bench names it" names unprepared
# shellcheck disable=SC2016 # the inner shell expands
check "unprepared: page faults in the first cycle of a fresh process were counted" \
    sh -c 'test "$(python3 tests/finding/look.py value "$1" first_cycle_faults)" -gt 0' - "$result"
check "unprepared: bisect runs" bisect unprepared-bisect "$guests/lazy.wat" --unprepared --only prepare --time 1
check "unprepared: bisect finds the first cycle faster once prepared" look faster "$result" "prepare done" first_cycle
check "prepared: bench runs" bench prepared "$guests/lazy.wat" --scenario audio --calls 200
check "prepared: bench does not name it" does_not_name unprepared
check "prepared: nothing faulted in the first cycle" test "$(look value "$result" first_cycle_faults)" = 0
check "prepared: bisect runs" bisect prepared-bisect "$guests/lazy.wat" --only prepare --time 1
check "prepared: bisect finds nothing to gain" look quiet "$result" "prepare left out"
check "prepared: measuring is not taken for allocations of the engine" does_not_name allocations

# ---- checks in the code, as other engines interrupt calls

for kind in epoch off; do
    check "--budget $kind: it compiles" "$RTWASM" compile -q --budget $kind "$guests/room.wat" -o "$scratch/$kind.rtw"
    check "--budget $kind: bench runs" bench "$kind" "$scratch/$kind.rtw" --func process --args i32:16 --calls 500 --processes 0
    if [ $kind = epoch ]; then
        check "epoch checks: bench names them" names budget
    else
        check "no checks: bench does not name them" does_not_name budget
    fi
    check "--budget $kind: bisect runs" bisect $kind-bisect "$guests/room.wat" --func process --args i32:16 \
        --budget $kind --only budget --processes 0 --time 2
    if [ $kind = epoch ]; then
        check "epoch checks: bisect finds it faster without" look faster "$result" "budget off" p50
        check "epoch checks: bisect finds it faster with the guard" look faster "$result" "budget guard" p50
    else
        check "no checks: bisect finds nothing to gain" look quiet "$result" "budget epoch"
    fi
done

# ---- a tail that dies away among the denormals

check "denormals: bench runs" bench tail "$guests/tail.wat" --seconds 1 --processes 0
check "denormals: bench names them" names denormals
check "denormals: bisect runs" bisect tail-bisect "$guests/tail.wat" --only denormals --processes 0 --time 2
check "denormals: bisect finds it faster with them flushed" look faster "$result" "denormals flush" p50
check "a tail cut to zero: bench runs" bench tail_cut "$guests/tail_cut.wat" --seconds 1 --processes 0
check "a tail cut to zero: bench does not name denormals" does_not_name denormals
check "a tail cut to zero: bisect runs" bisect tail_cut-bisect "$guests/tail_cut.wat" --only denormals --processes 0 --time 2
check "a tail cut to zero: the median does not gain from flushing" \
    sh -c '! python3 tests/finding/look.py faster "$1" "denormals flush" p50' - "$result"

# ---- somebody busy on the same CPU

cpu=$(sed -n 's/^Cpus_allowed_list:.*[^0-9]\([0-9]*\)$/\1/p' /proc/self/status)
taskset -c "$cpu" sh -c 'while :; do :; done' &
neighbour=$!
trap 'kill $neighbour 2>/dev/null' EXIT
check "a busy neighbour on CPU $cpu: bench runs" bench neighbour "$guests/gain.wat" --func gain --args i32:20 --cpu "$cpu" \
    --seconds 1 --processes 0
check "a busy neighbour: bench names it" names neighbour
# shellcheck disable=SC2016
check "a busy neighbour: involuntary switches were counted" \
    sh -c 'test "$(python3 tests/finding/look.py value "$1" evidence involuntary_switches)" -gt 0' - "$result"
check "a busy neighbour: bisect runs" bisect neighbour-bisect "$guests/gain.wat" --func gain --args i32:20 --cpu "$cpu" \
    --only scheduling --processes 0 --time 16
check "a busy neighbour: bisect names it" names neighbour
if chrt -f 50 true 2>/dev/null; then
    # Where a hypervisor takes the CPU away too, the worst cases of twins differ as well, and the verdict stays open.
    check "a busy neighbour: bisect finds the worst case shorter with SCHED_FIFO" look shorter "$result" "scheduling FIFO 50" max
    check "a busy neighbour: bisect does not find it shorter with the twin" \
        sh -c '! python3 tests/finding/look.py shorter "$1" twin max' - "$result"
    # The twin has the same neighbour and the remedy. A real-time thread that never slept would be stopped by the kernel.
    check "a busy neighbour that SCHED_FIFO keeps off: bench runs" bench no-neighbour "$guests/gain.wat" --scenario periodic \
        --period 1000 --func gain --args i32:20 --cpu "$cpu" --fifo 50 --calls 500 --processes 0
    check "a busy neighbour that SCHED_FIFO keeps off: it is not named" does_not_name neighbour
else
    echo "SCHED_FIFO is not permitted here: the neighbour has no twin"
fi
kill "$neighbour"
wait "$neighbour" 2>/dev/null

# ---- a CPU quota

group=
quota() { # quota MICROSECONDS-OF-100000 | none: a control group with that, or nothing where that cannot be
    if [ -w /sys/fs/cgroup/cpu/cgroup.procs ] && mkdir -p /sys/fs/cgroup/cpu/rtwasm-finding-$$ 2>/dev/null; then
        group=/sys/fs/cgroup/cpu/rtwasm-finding-$$
        limit=$1
        [ "$1" = none ] && limit=-1
        echo "$limit" >$group/cpu.cfs_quota_us
    elif grep -qw cpu /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null && mkdir -p /sys/fs/cgroup/rtwasm-finding-$$ 2>/dev/null; then
        group=/sys/fs/cgroup/rtwasm-finding-$$
        limit=$1
        [ "$1" = none ] && limit=max
        echo "$limit 100000" >$group/cpu.max
    else
        return 1
    fi
}

inside() { # inside COMMAND...: in the group
    # shellcheck disable=SC2016
    sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$group" "$@"
}

bench_inside() { # bench_inside NAME ARGUMENTS...
    result=$scratch/$1.json
    shift
    inside "$RTWASM" bench --json "$@" >"$result" 2>"$scratch/err"
}

doctor_finds() { # doctor_finds STATE COMMAND...: whether the doctor that it runs tells this of quotas
    state=$1
    shift
    "$@" --json >"$scratch/doctor.json"
    python3 -c '
import json, sys
found = {f["id"]: f["state"] for f in json.load(open(sys.argv[1]))["findings"]}
print(found["cpu-quota"])
sys.exit(found["cpu-quota"] != sys.argv[2])' "$scratch/doctor.json" "$state"
}

if quota 20000; then
    check "a quota: bench runs" bench_inside quota "$guests/gain.wat" --func gain --args i32:20 --seconds 1 --processes 0
    check "a quota: bench names it" names quota
    result=$scratch/quota-bisect.json
    # shellcheck disable=SC2016
    check "a quota: bisect runs" sh -c 'out=$1; shift; exec "$@" >"$out"' - "$result" \
        sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$group" \
        "$RTWASM" bisect --json "$guests/gain.wat" --func gain --args i32:20 --only denormals --processes 0 --time 1
    check "a quota: bisect names it" names quota
    check "a quota: the doctor names it" doctor_finds bad inside "$RTWASM" doctor
    quota none
    check "the same group without a quota: bench runs" bench_inside no-quota "$guests/gain.wat" --func gain --args i32:20 \
        --seconds 1 --processes 0
    check "the same group without a quota: bench does not name it" does_not_name quota
    check "the same group without a quota: the doctor does not name it" doctor_finds good inside "$RTWASM" doctor
    rmdir "$group"
else
    echo "control groups cannot be made here: a quota is looked for in files alone"
    for limit in "20000 100000" "max 100000"; do
        tree=$scratch/tree-${limit%% *}
        mkdir -p "$tree/proc/self" "$tree/sys/fs/cgroup/it"
        echo "0::/it" >"$tree/proc/self/cgroup"
        echo "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0" | tee "$tree/proc/self/mounts" >"$tree/proc/mounts"
        echo "$limit" >"$tree/sys/fs/cgroup/it/cpu.max"
        state=bad
        [ "${limit%% *}" = max ] && state=good
        check "a quota of $limit in a copy of a machine's files: the doctor says $state" \
            doctor_finds $state "$RTWASM" doctor --root "$tree"
    done
fi

# ---- a report tells nobody's name

HOME=/home/adalovelace USER=adalovelace "$RTWASM" report "$guests/gain.wat" --func gain --args i32:1 --seconds 0.2 --processes 1 \
    --json >"$scratch/report.json"
check "a report is JSON with figures" look value "$scratch/report.json" figures steady_ns p99
check "a report has the module's facts" test "$(look value "$scratch/report.json" module functions)" = 1
check "a report has no name of host, user or folder" \
    sh -c '! grep -Fi -e adalovelace -e "$(hostname)" -e "$2" "$1"' - "$scratch/report.json" "$root"
check "a report does not hold the module" test "$(look value "$scratch/report.json" module base64)" = None
"$RTWASM" report --compare "$scratch/report.json" "$scratch/report.json" >"$scratch/same" 2>&1
check "a report compared with itself has no difference" grep -q '^no difference; ' "$scratch/same"
sed 's/"kernel": "[^"]*"/"kernel": "9.9"/' "$scratch/report.json" >"$scratch/other.json"
"$RTWASM" report --compare "$scratch/report.json" "$scratch/other.json" >"$scratch/differs" 2>&1
check "a report compared with one from another kernel says so" grep -q '^machine.kernel: .* -> 9.9$' "$scratch/differs"

# ---- the walk's commands, as docs/finding-latency.md shows them, only shorter

walk=$scratch/walk
mkdir -p "$walk"
cp "$guests"/*.wat "$guests"/print.wasm "$walk"
"$RTWASM" compile -q --budget epoch "$guests/room.wat" -o "$walk/slow.rtw"
sed -n 's/^    \$ rtwasm //p' docs/finding-latency.md | sed -e 's/--seconds 5/--seconds 0.5/' -e 's/--time [0-9]*//' -e '/^bisect/s/$/ --time 1/' \
    >"$scratch/commands"
check "the walk shows commands" test "$(wc -l <"$scratch/commands")" -ge 12
while read -r command; do
    case $command in
    doctor*) most=2 ;; # its verdict
    *--fifo*) chrt -f 50 true 2>/dev/null && most=0 || most=1 ;;
    *) most=0 ;;
    esac
    # The second report is one that somebody has made later.
    [ -f "$walk/before.json" ] && cp "$walk/before.json" "$walk/after.json"
    # shellcheck disable=SC2016,SC2086 # the inner shell expands; a command is words
    check "the walk: rtwasm $command" sh -c 'cd "$1" && most=$2 && shift 2 && "$@"; [ $? -le "$most" ]' - "$walk" $most \
        "$RTWASM" $command
done <"$scratch/commands"

finish
