#!/bin/sh
# The demo from the outside: what it leaves and what it says, with the bundled phrase and with a recording; without the right
# to real-time scheduling; with a guest that fails; and what it refuses. The programs are built before (`make examples artifacts`).
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests/demo
. "$root/tests/lib.sh"
demo=$root/examples-c/demo.sh
phrase=$root/assets/phrase.wav
recording=/usr/share/sounds/alsa/Front_Center.wav # of alsa-utils

looks_at() { # looks_at WAV OUTDIR SAID
    python3 "$root/tests/demo/check_demo.py" "$@"
}

plays() { # plays NAME WAV: a whole run, and what it left
    name=$1
    "$demo" "$2" "$scratch/$name" >"$scratch/$name.said" 2>"$scratch/$name.complaints"
    ended=$?
    check "$name: the demo ends well" test "$ended" -eq 0
    check "$name: nothing on standard error" test ! -s "$scratch/$name.complaints"
    adopt "$name" looks_at "$2" "$scratch/$name" "$scratch/$name.said"
}

plays phrase "$phrase"
if [ -r "$recording" ]; then
    plays recording "$recording"
else
    echo "left out: there is no $recording"
fi

# ---- the checks can fail: each of these plants one fault in a copy of what the first run left ----

catches() { # catches WHAT MESSAGE: the planted fault is found
    refuses "planted: $1" "FAIL $2" looks_at "$phrase" "$scratch/planted" "$scratch/planted.said"
    fresh_copy
}

fresh_copy() {
    rm -rf "$scratch/planted"
    cp -r "$scratch/phrase" "$scratch/planted"
    cp "$scratch/phrase.said" "$scratch/planted.said"
}

fresh_copy
sox "$phrase" "$scratch/planted/audio.wav" pad 0 2
catches "the input as output" "sound: the effects have changed it"
sox "$scratch/phrase/audio.wav" "$scratch/planted/audio.wav" trim 0 -1
catches "an output that is cut" "sound: "
sed -i '$d' "$scratch/planted/audio.html"
catches "a page that is cut" "page audio.html: it is written to its end"
sed -i 's/recorder whole chain/recorder half a chain/' "$scratch/planted/audio.html"
catches "a page without the whole chain" "page audio.html: a section about 'recorder whole chain'"
sed -i 's/>p99.9</>p99.8</' "$scratch/planted/control-loop.html"
catches "a page without its p99.9" "page control-loop.html: 'worker control-loop': p50, p99, p99.9, max are in its table"
sed -i 's/<rect /<desc /' "$scratch/planted/control-loop.html"
catches "a histogram without bars" "page control-loop.html: 'func step': its histogram has bars"
sed -i '/^reverb/d' "$scratch/planted/audio.txt"
catches "a table without a row" "table: row 'reverb'"
awk '$1 == "eq" { t = $5; $5 = $9; $9 = t } { print }' "$scratch/phrase/audio.txt" >"$scratch/planted/audio.txt"
catches "percentiles in disorder" "table: 'eq': percentiles rise"
grep -v '^missed deadlines' "$scratch/phrase.said" >"$scratch/planted.said"
catches "a table that is not shown" "the demo shows both tables"

# ---- without the right to real-time scheduling ----

# Root stays root, so that it can read the tree wherever it lies, but for the one capability.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then
        prlimit --rtprio=0 setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice "$@"
    else
        prlimit --rtprio=0 "$@"
    fi
}

sox -R "$phrase" "$scratch/short.wav" trim 0 0.5
unprivileged "$demo" "$scratch/short.wav" "$scratch/ordinary" >"$scratch/ordinary.said" 2>&1
ended=$?
check "without real-time scheduling: the demo ends well" test $ended -eq 0
check "without real-time scheduling: the audio host says so" grep -q "^no real-time scheduling" "$scratch/ordinary.said"
check "without real-time scheduling: the control loop says so" grep -q "^SCHED_FIFO not permitted" "$scratch/ordinary.said"
adopt ordinary looks_at "$scratch/short.wav" "$scratch/ordinary" "$scratch/ordinary.said"

# ---- when something is wrong; the programs of this tree, other artifacts ----

tree=$scratch/tree
mkdir -p "$tree/examples-c" "$tree/target/artifacts"
cp "$demo" "$tree/examples-c"
refuses "not built: it says what to run" "make demo" "$tree/examples-c/demo.sh" "$phrase" "$scratch/none"
ln -s "$root/target/release" "$root/target/examples-c" "$tree/target"
cp "$root"/target/artifacts/*.standalone.rtw "$tree/target/artifacts"
"$RTWASM" compile --quiet "$root/examples-c/audio/test_faulty.wat" -o "$tree/target/artifacts/reverb.standalone.rtw"
"$tree/examples-c/demo.sh" "$scratch/short.wav" "$scratch/faulty" >"$scratch/faulty.said" 2>&1
ended=$?
check "a guest that fails: exit status 3" test $ended -eq 3
check "a guest that fails: the audio host's account is shown" grep -q "effect 'reverb' failed" "$scratch/faulty.said"

refuses "no arguments" "usage: " "$demo"
refuses "no such file" "there is no such file" "$demo" "$scratch/none.wav" "$scratch/refused"
echo "this is no sound" >"$scratch/text.wav"
mkdir -p "$scratch/refused"
echo "of an earlier run" >"$scratch/refused/audio.wav"
refuses "not a sound" "not a WAV file" "$demo" "$scratch/text.wav" "$scratch/refused"
check "not a sound: nothing of an earlier run is left" test ! -e "$scratch/refused/audio.wav"

finish
