#!/bin/sh
# The doctor: what it finds on copies of machines (fixtures/, unpacked by tree.py), and must not find; that it answers whatever is
# missing or damaged; what it prints, and how it ends. Only the last part looks at the running machine, about which nothing can be
# known beforehand. shellcheck disable=SC2086 # lists of words
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests-doctor
. "$root/tests/lib.sh"
cd "$root" || exit 1
fixtures=$scratch/fixtures
tuned="--root $fixtures/controller --cpu 3 --thread"
judge() { python3 tests/doctor/judge.py "$@"; }

doctor() { # doctor ARGUMENTS...: output in $scratch/out, messages in $scratch/err, its status as ours
    "$RTWASM" doctor "$@" >"$scratch/out" 2>"$scratch/err"
}
ends_with() { # ends_with STATUS ARGUMENTS...: with that status, and nothing on the standard error
    ending=$1
    shift
    doctor "$@"
    status=$?
    [ $status -eq "$ending" ] && [ ! -s "$scratch/err" ] || { echo "it ended with $status"; return 1; }
}
says() { # says TEXT: in what the doctor printed last
    grep -qF -e "$1" "$scratch/out" || { echo "'$1' is not in the output"; return 1; }
}
says_not() { ! says "$1" >/dev/null || { echo "'$1' is in the output"; return 1; }; }

# ---- the copies

tree() { python3 tests/doctor/tree.py "$@"; }
mkdir "$fixtures"
for machine in controller laptop container vm board industrial; do
    check "$machine is unpacked" tree unpack tests/doctor/fixtures/$machine.tree $fixtures/$machine
done
listing() { (cd "$1" && find . -printf '%y %m %p %l\n' | LC_ALL=C sort && find . -type f -exec sha256sum {} + | LC_ALL=C sort); }
packed_again() { # packed_again FOLDER: its text makes the same files, modes and links
    tree pack "$1" >"$scratch/packed" && rm -rf "$scratch/unpacked" && tree unpack "$scratch/packed" "$scratch/unpacked" || return 1
    listing "$1" >"$scratch/wanted"
    listing "$scratch/unpacked" >"$scratch/found"
    diff "$scratch/wanted" "$scratch/found"
}
odd=$scratch/odd
mkdir -p "$odd/a/empty folder" "$odd/private"
: >"$odd/a/empty"
printf 'no end' >"$odd/a/no newline"
printf '\n\n' >"$odd/a/two newlines"
printf '== a/file\nof another\n' >"$odd/a/head"
printf '\000\377\r\n' >"$odd/a/bytes"
printf 'CONFIG_X=y' | gzip -9n >"$odd/a/config.gz"
ln -s ../nowhere "$odd/a/link"
ln -s empty "$odd/a/folder"
printf '#!/bin/sh\n' >"$odd/private/run"
chmod 755 "$odd/private/run"
chmod 700 "$odd/private"
check "what a text cannot simply hold comes back: bytes, links, modes, missing newlines" packed_again "$odd"
lossy() { # a packer that forgets modes
    tree() { [ "$1" = unpack ] && python3 tests/doctor/tree.py "$@" || python3 tests/doctor/tree.py "$@" | sed 's/ (mode 7..)$//'; }
    packed_again "$odd"
}
refuses "twin: a mode that is lost is seen" "private/run" lossy
tree() { python3 tests/doctor/tree.py "$@"; }
tree pack $fixtures/board >"$scratch/board.tree"
check "board is as it would be packed" cmp tests/doctor/fixtures/board.tree "$scratch/board.tree"

# ---- what is found on which machine

for expected in tests/doctor/expected/*; do
    machine=$(basename "$expected")
    case $machine in
        controller) arguments=$tuned; wanted=0 ;;
        *) arguments="--root $fixtures/$machine"; wanted=2 ;;
    esac
    check "$machine: exit status $wanted" ends_with $wanted --json $arguments
    adopt "$machine" judge findings "$scratch/out" "$expected"
    adopt "$machine" judge whole "$scratch/out"
    check "$machine: as text, with the same status" ends_with $wanted $arguments
    check "$machine: a script, with the same status" ends_with $wanted --fix $arguments
    check "$machine: the shell can read the script" sh -n "$scratch/out"
done
sed '/^high governor$/d' tests/doctor/expected/laptop >"$scratch/fewer"
doctor --json --root $fixtures/laptop
refuses "twin: a finding too many is seen" "FAIL high governor (not expected)" judge findings "$scratch/out" "$scratch/fewer"
{ cat tests/doctor/expected/laptop; echo "high cpu-quota"; } >"$scratch/more"
refuses "twin: a finding that is missing is seen" "FAIL high cpu-quota (not found)" judge findings "$scratch/out" "$scratch/more"

# ---- every check can be bad, and is bad for the reason that it names

adopt flips judge flips "$RTWASM" $fixtures/controller tests/doctor/flips.txt "$scratch/flip"

# ---- nothing is known, or nothing right

mkdir "$scratch/empty"
check "an empty root: exit status 1" ends_with 1 --json --root "$scratch/empty"
adopt "an empty root" judge quiet "$scratch/out"
adopt "an empty root" judge whole "$scratch/out"
check "an empty root: nothing to mend" ends_with 1 --fix --root "$scratch/empty"
check "an empty root: the script says so" says "Nothing was found"
adopt removals judge removals "$RTWASM" $fixtures/controller "$scratch/removed"
for machine in controller laptop container vm board industrial; do
    adopt "damaged $machine" judge damage "$RTWASM" $fixtures/$machine "$scratch/damaged"
done

# Words of files stay words: they come into comments only, and no escape sequence comes through.
cp -r $fixtures/laptop "$scratch/hostile"
hostile='$(touch planted); `touch planted`'
printf '           CPU0 CPU1 CPU2 CPU3\n 145: 0 0 5001 0 MSI %s\n' "\$(touch\${IFS}planted)" >"$scratch/hostile/proc/interrupts"
printf '%s\033[2J\n' "$hostile" >"$scratch/hostile/sys/devices/system/clocksource/clocksource0/current_clocksource"
printf '0::/a'\''b%s\n' "$hostile" >"$scratch/hostile/proc/self/cgroup"
mkdir -p "$scratch/hostile/sys/fs/cgroup/a'b$hostile"
echo "10000 100000" >"$scratch/hostile/sys/fs/cgroup/a'b$hostile/cpu.max"
only_in_comments() { ! grep -v '^#' "$scratch/out" | grep -F planted && grep -q '^#.*planted' "$scratch/out"; }
check "hostile words: a script" ends_with 2 --fix --cpu 2 --root "$scratch/hostile"
check "hostile words: the shell can read it" sh -n "$scratch/out"
check "hostile words: in comments only" only_in_comments
no_escapes() { ! grep -q "$(printf '\033')" "$scratch/out"; }
check "hostile words: no escape sequence" no_escapes
check "hostile words: as text" ends_with 2 --root "$scratch/hostile"
check "hostile words: no escape sequence in the text" no_escapes

# ---- classes

verdict() { # verdict CLASS STATUS MACHINE
    check "$3 for $1: exit status $2" ends_with "$2" --class "$1" --root "$fixtures/$3"
    lines=$(grep -cE '^(READY|NOT READY)' "$scratch/out")
    check "$3 for $1: one verdict" [ "$lines" -eq 1 ]
}
verdict audio-128 1 board
verdict audio-32 2 board
verdict control-10khz 2 board
ends_with 1 --class audio-128 --root $fixtures/board
check "for long blocks full preemption is good" says_not "MEDIUM  preemption"
# The facts that boards report in places of their own: the firmware's throttling, the device tree's states of rest, the width of addresses.
ends_with 2 --root $fixtures/board
check "a board that the firmware throttled is told so" says "throttled now"
check "and that its supply was weak" says "under-voltage since boot"
ends_with 2 --root $fixtures/industrial
check "a board's idle states are named" says "HIGH    idle-states"
check "so are addresses of 39 bits" says "addresses have 39 bits"
ends_with 2 --verbose --root $fixtures/industrial
check "a board with a device tree is no virtual machine" says_not "HIGH    virtualised"
ends_with 2 --class control-10khz --root $fixtures/board
check "for 10 kHz it is not" says "HIGH    preemption"
ends_with 2 --class control-10khz --root $fixtures/container
check "an idle state of 100 us is bad at 10 kHz" says "HIGH    idle-states"
ends_with 2 --class audio-128 --root $fixtures/container
check "and good for long blocks" says_not "MEDIUM  idle-states"

# ---- the thread and its CPU

ends_with 0 $tuned
check "what is good is named" says "thread-policy"
check "and no more than named" says_not "SCHED_FIFO, priority 80"
ends_with 0 --verbose $tuned
check "with --verbose it is told" says "SCHED_FIFO, priority 80"
ends_with 0 -v --root $fixtures/controller --cpu 3
check "without --thread its memory is not judged" says "not declared the process of the real-time thread"
ends_with 2 --root $fixtures/controller --cpu 1
check "a CPU that the process may not use" says "CPU 1 was chosen, but this process may use only CPU 3"
ends_with 2 --root $fixtures/controller --cpu 9
check "a CPU that is not there" says "CPU 9 is not online"
ends_with 2 --root $fixtures/laptop --cpu 2
check "interrupts that arrive on the chosen CPU are named" says "145 (iwlwifi)"
ends_with 2 --fix --root $fixtures/laptop --cpu 2
check "and sent to another" says "echo 0 > /proc/irq/145/smp_affinity_list"

cp -r $fixtures/controller "$scratch/awake"
echo 0 >"$scratch/awake/sys/devices/system/cpu/cpu3/cpuidle/state2/disable"
check "a deep idle state is on: exit status 2" ends_with 2 --root "$scratch/awake" --cpu 3
mkdir "$scratch/awake/dev"
printf '\000\000\000\000' >"$scratch/awake/dev/cpu_dma_latency"
check "it is on, and somebody holds /dev/cpu_dma_latency: exit status 0" ends_with 0 --root "$scratch/awake" --cpu 3

# ---- an artifact

"$RTWASM" compile -q --cpu avx2,fma --target x86_64-unknown-linux-gnu guests/built/eq.wasm -o "$scratch/gain.rtw" || fail "gain.rtw compiles"
ends_with 0 --verbose $tuned --artifact "$scratch/gain.rtw"
check "an artifact whose features the machine has" says "has all CPU features"
check "an artifact whose features it lacks: exit status 2" ends_with 2 --root $fixtures/vm --artifact "$scratch/gain.rtw"
check "they are named" says "has_avx2"
check "it is fatal" says "FATAL   artifact"

# ---- the command line

misused() { # misused MESSAGE ARGUMENTS...: exit status 2, the message on the standard error, nothing on the standard output
    message=$1
    shift
    doctor "$@"
    status=$?
    [ $status -eq 2 ] && [ ! -s "$scratch/out" ] && grep -qF -e "rtwasm: error: $message" "$scratch/err" || { echo "it ended with $status"; return 1; }
}
fails() { # fails MESSAGE ARGUMENTS...: the same with exit status 3, which no verdict has
    message=$1
    shift
    doctor "$@"
    status=$?
    [ $status -eq 3 ] && [ ! -s "$scratch/out" ] && grep -qF -e "$message" "$scratch/err" || { echo "it ended with $status"; return 1; }
}
check "an unknown option" misused "unknown option --nothing" --nothing
check "an unknown class" misused "--class audio-1: expected one of audio-128" --class audio-1
check "a CPU that is no number" misused "--cpu x" --cpu x
check "a value that nothing takes" misused "unexpected argument controller" controller
check "--static and --probe" misused "--static and --probe exclude" --static --probe
check "--json and --fix" misused "--json, --fix and --list exclude" --json --fix
check "too long a probe" misused "--probe 61" --probe 61
check "no time for a probe" misused "--probe 0" --probe=0
check "an artifact that is not there" fails "nowhere.rtw" --artifact nowhere.rtw
check "an artifact that is none" fails "RTW_ERR_NOT_ARTIFACT" --artifact Makefile
check "a root that is not there" fails "not a directory" --root "$scratch/nowhere"
check "a root that is a file" fails "not a directory" --root Makefile

# ---- docs/doctor.md has the checks that the command has, with their severities

listed() { "$RTWASM" doctor --list | awk 'NR > 1 { print $1, $2, $3, $4, $5 }' | LC_ALL=C sort; }
documented() { # documented FILE: ID and severities of the rows of its tables
    sed -n 's/^| `\([a-z-]*\)` | \([a-z]*\) | \([a-z]*\) | \([a-z]*\) | \([a-z]*\) |.*/\1 \2 \3 \4 \5/p' "$1" | LC_ALL=C sort
}
same_checks() { # same_checks FILE
    listed >"$scratch/listed"
    documented "$1" >"$scratch/documented"
    [ -s "$scratch/listed" ] && diff -U 0 "$scratch/listed" "$scratch/documented"
}
check "docs/doctor.md has every check, with its severities" same_checks docs/doctor.md
sed '/^| `governor`/d' docs/doctor.md >"$scratch/doctor.md"
refuses "twin: a check that is not documented is found" "-governor" same_checks "$scratch/doctor.md"
sed 's/^| `governor` | medium/| `governor` | high/' docs/doctor.md >"$scratch/doctor.md"
refuses "twin: another severity is found" "+governor high" same_checks "$scratch/doctor.md"

example() { # the C program of the page: it compiles, and ends well
    sed -n '/^```c$/,/^```$/p' docs/doctor.md | grep -v '^```' >"$scratch/example.c"
    $CC -std=c99 $C_WARNINGS -Iinclude "$scratch/example.c" -o "$scratch/example" "$RTWASM_LIBDIR/librtwasm.so" &&
        "$scratch/example"
}
use_uninstalled_library
check "docs/doctor.md: its C program compiles and runs" example

# ---- the running machine

doctor --json
adopt "this machine" judge whole "$scratch/out"
doctor --json --static
adopt "this machine, --static" judge whole "$scratch/out"
doctor --json --class control-1khz --probe 0.05
adopt "this machine, measured" judge whole "$scratch/out"
measured() { # measured ID
    python3 -c 'import json, sys
state = {f["id"]: f["state"] for f in json.load(open(sys.argv[1]))["findings"]}[sys.argv[2]]
sys.exit(0 if state in ("good", "bad") else state)' "$scratch/out" "$1"
}
for probe in wakeup gaps clock-cost shared-core; do
    check "this machine, measured: $probe" measured $probe
done
doctor --json
refuses "twin: what was not measured is told apart" skipped measured wakeup

# The doctor finds what the test does to this machine.
state_of() { # state_of ID: in the report that the doctor printed last
    python3 -c 'import json, sys
print({f["id"]: f["state"] + " " + f["found"] for f in json.load(open(sys.argv[1]))["findings"]}[sys.argv[2]])' "$scratch/out" "$1"
}
is_bad() { state_of "$1" | grep "^bad.*$2"; }
cpu=$(taskset --pid --cpu-list $$ | sed 's/.*[: ,-]//')
taskset --cpu-list "$cpu" sh -c 'while :; do :; done' &
busy=$!
doctor --json --cpu "$cpu"
check "a busy neighbour on the chosen CPU is found" is_bad neighbours "running on CPU $cpu"
kill $busy
wait $busy 2>/dev/null
if chrt --fifo 60 true 2>/dev/null; then
    taskset --cpu-list "$cpu" chrt --fifo 60 sleep 600 &
    idle=$!
    until grep -q '^Name:.sleep' /proc/$idle/status; do :; done
    doctor --json --cpu "$cpu"
    check "a real-time process on the chosen CPU is found" is_bad neighbours "real-time processes on CPU $cpu: .*sleep ($idle)"
    kill $idle
    wait $idle 2>/dev/null
else
    echo "no right to SCHED_FIFO: no real-time neighbour was tried"
fi

in_group() { # in_group FOLDER COMMAND...
    (echo 0 >"$1/cgroup.procs" && shift && "$@")
}
for folder in /sys/fs/cgroup/cpu /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup; do
    group=$folder/rtwasm-doctor-$$
    mkdir "$group" 2>/dev/null || continue
    [ -f "$group/cpu.max" ] && echo "30000 100000" >"$group/cpu.max"
    [ -f "$group/cpu.cfs_quota_us" ] && echo 30000 >"$group/cpu.cfs_quota_us"
    if [ -f "$group/cpu.max" ] || [ -f "$group/cpu.cfs_quota_us" ]; then
        in_group "$group" "$RTWASM" doctor --json >"$scratch/out" 2>"$scratch/err"
        check "a quota on this machine is found" is_bad cpu-quota "30000 us in 100000 us"
        doctor --json
        check "twin: outside of the group there is no such quota" says_not "30000 us in 100000 us"
        quota_tried=yes
    fi
    rmdir "$group"
    [ -z "${quota_tried:-}" ] || break
done
[ -n "${quota_tried:-}" ] || echo "no group with a quota can be made here: none was tried"

if [ "$(uname -m)" = x86_64 ]; then
    "$RTWASM" compile -q guests/built/eq.wasm -o "$scratch/native.rtw" || fail "native.rtw compiles"
    doctor --verbose --artifact "$scratch/native.rtw"
    check "this machine: its own artifact runs here" says "runs here"
fi

finish
