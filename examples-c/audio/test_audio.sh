#!/bin/sh
# The audio example end to end: its WAV files, its effects, and the program from the outside: what it makes of sounds, and what
# it says when something is wrong. Run by `make test`, which builds the programs. Wants sox, and alsa-utils for a recording.
# Environment: OUT (where the programs are), RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is).
set -u
cd "$(dirname "$0")" || exit 1
root=../..
OUT=${OUT:-$root/target/examples-c/audio}
RTWASM=${RTWASM:-$root/target/tools/rtwasm}
audio=$OUT/audio
phrase=$root/assets/phrase.wav
voice=/usr/share/sounds/alsa/Front_Center.wav
scratch=$OUT/test
artifacts=$scratch/artifacts # both profiles side by side
faulty=$scratch/faulty       # the reverb is one that fails
rm -rf "$scratch"
mkdir -p "$artifacts" "$faulty" "$scratch/lib" "$scratch/plain" || exit 1

# Programs ask for the library by its SONAME; an uninstalled build has the plain name only.
libdir=${RTWASM_LIBDIR:-$root/target/release}
soname=$(objdump -p "$libdir/librtwasm.so" | awk '$1 == "SONAME" { print $2 }')
[ -n "$soname" ] || {
    echo "FAIL $libdir/librtwasm.so: not built, or without a SONAME"
    exit 1
}
ln -s "$(realpath "$libdir/librtwasm.so")" "$scratch/lib/$soname"
LD_LIBRARY_PATH=$scratch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

for guest in eq reverb compressor; do
    for profile in standalone plugin; do
        "$RTWASM" compile -q "$root/guests/built/$guest.wasm" -o "$artifacts/$guest.$profile.rtw" --profile "$profile" || exit 1
    done
    cp "$artifacts/$guest.standalone.rtw" "$scratch/plain/$guest.rtw" || exit 1
    cp "$artifacts/$guest.standalone.rtw" "$faulty/$guest.rtw" || exit 1
done
"$RTWASM" compile -q test_faulty.wat -o "$faulty/reverb.rtw" || exit 1

passed=0
failed=0

ok() {
    echo "ok $*"
    passed=$((passed + 1))
}

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# verdict STATUS WHAT: for the check that has just run
verdict() {
    if [ "$1" -eq 0 ]; then ok "$2"; else fail "$2"; fi
}

# adopt COMMAND...: a test of our kind; its lines and counts become ours
adopt() {
    if "$@" > "$scratch/said" 2> "$scratch/complaints"; then status=0; else status=$?; fi
    grep -E '^(ok|FAIL) ' "$scratch/said"
    passed=$((passed + $(grep -c '^ok ' "$scratch/said")))
    failed=$((failed + $(grep -c '^FAIL ' "$scratch/said")))
    cat "$scratch/complaints"
    [ "$status" -eq 0 ] && [ ! -s "$scratch/complaints" ]
    verdict $? "$(basename "$1"): ended well"
}

# play OUT OPTION...: runs the example; its words are in $scratch/said, its status in $status. The input is $in.
# No budget unless an option gives one: on a busy machine an effect waits for the CPU, and would be cut off for that.
in=$phrase
play() {
    out=$1
    shift
    rm -f "$out"
    if "$audio" --artifacts "$artifacts" --budget 0 "$@" "$in" "$out" > "$scratch/said" 2> "$scratch/complaints"; then
        status=0
    else
        status=$?
    fi
}

# played WHAT: it succeeded, without a complaint
played() {
    [ "$status" -eq 0 ] && [ ! -s "$scratch/complaints" ] && [ -s "$out" ]
    verdict $? "$1"
}

# stat FILE FIELD [SOX EFFECT...]: a line of sox's statistics, such as "RMS     amplitude"
stat_of() {
    stat_file=$1 stat_field=$2
    shift 2
    sox "$stat_file" -n "$@" stat 2>&1 | sed -n "s/^$stat_field: *//p"
}

# holds EXPRESSION: awk's truth
holds() {
    awk "BEGIN { exit !($1) }"
}

frames_of() { soxi -s "$1"; }

# ---- the parts ----

adopt ./test_wav.sh "$OUT/test_wav" "$scratch"
adopt "$OUT/test_effects" standalone "$artifacts" "$voice"
adopt "$OUT/test_effects" plugin "$artifacts" "$voice"
"$OUT/make_phrase" "$scratch/phrase.wav" && cmp "$scratch/phrase.wav" "$phrase"
verdict $? "assets/make_phrase.c writes assets/phrase.wav, byte for byte"

# ---- the default chain ----

for file in "$phrase" "$voice"; do
    in=$file
    name=$(basename "$file" .wav)
    play "$scratch/$name.wav" --fast --tail 1.5
    played "$name: through all three effects"
    rate=$(soxi -r "$file")
    [ "$(frames_of "$out")" -eq $(($(frames_of "$file") + rate * 3 / 2)) ] && [ "$(soxi -r "$out")" -eq "$rate" ] &&
        [ "$(soxi -c "$out")" -eq 1 ]
    verdict $? "$name: as long as the input and its tail, same rate, mono"
    loudest=$(stat_of "$out" "Maximum amplitude")
    lowest=$(stat_of "$out" "Minimum amplitude")
    holds "$loudest > 0.3 && $loudest <= 0.9661 && $lowest >= -0.9661"
    verdict $? "$name: $lowest .. $loudest, below the ceiling of -0.3 dB"
    early=$(stat_of "$out" "RMS     amplitude" trim "$(frames_of "$file")s" 0.3)
    late=$(stat_of "$out" "RMS     amplitude" trim "$(($(frames_of "$file") + rate))s" 0.3)
    holds "$early > 0.0002 && $late < 0.5 * $early"
    verdict $? "$name: the reverb rings on after the end and dies away (RMS $early, then $late)"
    blocks=$(((($(frames_of "$file") + rate * 3 / 2) + (3 * rate + 1000) / 2000 + 127) / 128))
    calls=$(awk '$1 == "eq" || $1 == "reverb" || $1 == "compressor" { print $2 } $1 == "whole" { print $3 }' "$scratch/said" |
        sort -u)
    [ "$calls" = "$blocks" ]
    verdict $? "$name: $blocks blocks, each table counts as many calls ($calls)"
    holds "$(awk '$1 == "whole" { print ($4 > 0 && $4 <= $5 && $6 <= $7 && $7 <= $8 && $8 <= $9 && $9 <= $10) }' "$scratch/said")"
    verdict $? "$name: the chain's figures are in order"
done

# ---- settings that must leave the sound alone, and ones that must not ----

in=$phrase
flat="--set eq.1.gain=0 --set eq.4.gain=0 --set eq.6.gain=0"
# shellcheck disable=SC2086 # the settings are words
play "$scratch/flat.wav" --fast --tail 0 --chain eq $flat
played "flat equaliser"
cmp -s "$out" "$phrase"
verdict $? "flat equaliser: the output is the input, byte for byte"

play "$scratch/dry.wav" --fast --tail 0 --chain reverb --set reverb.wet=0 --set reverb.dry=1
cmp -s "$out" "$phrase"
verdict $? "dry reverb: the output is the input, byte for byte"

play "$scratch/idle.wav" --fast --tail 0 --chain compressor --set compressor.threshold=0 --set compressor.makeup=0 \
    --set compressor.ceiling=0
cmp -s "$out" "$phrase"
verdict $? "idle compressor: its latency is taken out, the output is the input, byte for byte"

# shellcheck disable=SC2086
play "$scratch/half.wav" --fast --tail 0 --chain eq $flat --set eq.output=-6.0206 --format float32
before=$(stat_of "$phrase" "RMS     amplitude")
after=$(stat_of "$out" "RMS     amplitude")
holds "$after / $before > 0.499 && $after / $before < 0.501"
verdict $? "-6.02 dB halve the RMS amplitude ($before to $after)"

play "$scratch/squeezed.wav" --fast --tail 0 --chain compressor --set compressor.threshold=-40 --set compressor.ratio=8 \
    --set compressor.attack=0.05 --set compressor.makeup=20
crest_before=$(echo "$(stat_of "$phrase" "Maximum amplitude") $before" | awk '{ print $1 / $2 }')
crest_after=$(echo "$(stat_of "$out" "Maximum amplitude") $(stat_of "$out" "RMS     amplitude")" | awk '{ print $1 / $2 }')
holds "$crest_after < 0.6 * $crest_before"
verdict $? "compressed: the crest factor falls from $crest_before to $crest_after"

# ---- the same samples whatever the way they are made ----

play "$scratch/reference.wav" --fast --seconds 1 --tail 0.5
played "one second of it"
for variant in "--block 64" "--block 512" "--block 17" "--block 4096" "--profile plugin" "--artifacts $scratch/plain"; do
    # shellcheck disable=SC2086
    play "$scratch/variant.wav" --fast --seconds 1 --tail 0.5 $variant
    cmp -s "$scratch/reference.wav" "$scratch/variant.wav"
    verdict $? "same output with $(echo "$variant" | sed "s|$scratch/||")"
done

play "$scratch/paced.wav" --seconds 1 --tail 0.5 --report "$scratch/paced.html"
[ "$status" -eq 0 ] && cmp -s "$scratch/reference.wav" "$out"
verdict $? "same output at the pace of the sample clock"
grep -q '^wake-up late' "$scratch/said" && grep -q '^missed deadlines: [0-9]* of ' "$scratch/said"
verdict $? "paced: wake-up lateness and missed deadlines are reported"
blocks=$(sed -n 's/^missed deadlines: [0-9]* of //p' "$scratch/said")
for subject in 'func 1 eq' 'func 2 reverb' 'func 3 compressor' 'recorder whole chain' 'recorder wake-up late'; do
    grep -q "<h2>$subject</h2>" "$scratch/paced.html" && grep -q '</html>' "$scratch/paced.html"
    verdict $? "the page has $subject and is written to its end"
done
counts_in() { # counts_in FILE.json: how many times it has of each subject
    python3 -c 'import json, sys
for report in json.load(open(sys.argv[1]))["reports"]: print(report["kind"], report["name"], report["series"][0]["count"])' "$1"
}
play "$scratch/unpaced.wav" --fast --seconds 1 --tail 0.5 --report "$scratch/unpaced.json"
played "without pacing, with the statistics as JSON"
counts_in "$scratch/unpaced.json" > "$scratch/counts"
printf '%s\n' "func 1 eq $blocks" "func 2 reverb $blocks" "func 3 compressor $blocks" "recorder whole chain $blocks" | cmp -s - "$scratch/counts"
verdict $? "the statistics as JSON count every block once, the rehearsal's not, and have no wake-ups"
for format in csv hlog prom; do
    play "$scratch/unpaced.wav" --fast --seconds 0.1 --chain eq --report "$scratch/unpaced.$format"
    [ "$status" -eq 0 ] && grep -q 'whole.chain' "$scratch/unpaced.$format"
    verdict $? "the whole chain is in the statistics as .$format"
done
play "$scratch/unpaged.wav" --fast --seconds 1 --tail 0.5 --report "$scratch/no/such/folder.html"
[ "$status" -eq 1 ] && grep -q 'no/such/folder.html' "$scratch/complaints"
verdict $? "a page that cannot be written is named"

sox -R "$voice" "$scratch/stereo.wav" remix 1 1v0.3
in=$scratch/stereo.wav
play "$scratch/stereo-out.wav" --fast --tail 0.5
played "stereo"
[ "$(soxi -c "$out")" -eq 2 ]
verdict $? "stereo stays stereo"

# ---- without the right to real-time scheduling ----

# Root stays root, so that it can read the tree wherever it lies, but for the one capability.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then
        prlimit --rtprio=0 setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice "$@"
    else
        prlimit --rtprio=0 "$@"
    fi
}
unprivileged "$audio" --artifacts "$artifacts" --seconds 1 --tail 0.5 "$phrase" "$scratch/ordinary.wav" > "$scratch/said"
verdict $? "goes on without real-time scheduling"
grep -q "no real-time scheduling, .*RLIMIT_RTPRIO" "$scratch/said" && cmp -s "$scratch/ordinary.wav" "$scratch/reference.wav"
verdict $? "says so, and the output is the same"

# ---- an effect that fails ----

# fails_in OUT OPTION...: plays with the reverb that traps in its 300th block
fails_in() {
    name=$1
    shift
    play "$scratch/$name.wav" --artifacts "$faulty" --chain reverb --tail 0 --format float32 "$@"
}
# raw FILE ...: its samples from there on
raw() {
    file=$1
    shift
    sox "$file" -t f32 - "$@"
}
in=$phrase
blocks=$((($(frames_of "$phrase") + 127) / 128))
sox "$phrase" -e float -b 32 "$scratch/phrase-float.wav"
fails_in dry --fast --standby 0 --fade 0
wanted="effect 'reverb' failed in block 299: .*RTW_ERR_TRAP_UNREACHABLE.*; 1 faults, 0 spares taken, $((blocks - 299)) blocks without it"
[ "$status" -eq 3 ] && grep -q "$wanted" "$scratch/said"
verdict $? "failing effect: reported with block and reason, exit status 3"
raw "$out" trim $((299 * 128))s > "$scratch/failed.raw"
raw "$scratch/phrase-float.wav" trim $((299 * 128))s > "$scratch/phrase.raw"
cmp -s "$scratch/failed.raw" "$scratch/phrase.raw" && [ -s "$scratch/phrase.raw" ]
verdict $? "failing effect: from the failed block on the sound passes by it"
fails_in silent --fast --standby 0 --fade 0 --on-failure silence
holds "$(stat_of "$out" "Maximum amplitude" trim 0 $((299 * 128))s) > 0.01" &&
    holds "$(stat_of "$out" "Maximum amplitude" trim $((299 * 128))s) == 0"
verdict $? "failing effect: silence from there on, where that is wanted"
fails_in held --fast --standby 0 --on-failure hold
raw "$out" trim $((298 * 128))s 128s > "$scratch/last.raw"
raw "$out" trim $((301 * 128))s 128s > "$scratch/later.raw"
raw "$out" trim $((300 * 128))s 128s > "$scratch/between.raw"
cmp -s "$scratch/last.raw" "$scratch/between.raw" && ! cmp -s "$scratch/last.raw" "$scratch/later.raw"
verdict $? "failing effect: its last block again and again, back and forth, where that is wanted"

# A sine shows every jump: its own samples are never farther apart than 0.032.
sox -R -n -r 44100 -b 32 -e float "$scratch/sine.wav" synth 2 sine 440 gain -6
in=$scratch/sine.wav
for policy in dry silence hold; do
    fails_in "smooth-$policy" --fast --standby 0 --on-failure $policy
    smooth=$(stat_of "$out" "Maximum delta")
    holds "$smooth < 0.045"
    verdict $? "failing effect, $policy: no click (steps of $smooth at most)"
done
fails_in clicks --fast --standby 0 --on-failure dry --fade 0
holds "$(stat_of "$out" "Maximum delta") > 0.1"
verdict $? "without the fade there is one, and it is seen ($(stat_of "$out" "Maximum delta"))"
fails_in spares
holds "$(stat_of "$out" "Maximum delta") < 0.045" && [ "$status" -eq 3 ]
verdict $? "no click going on with a spare either, twice"
grep -q "2 faults, 2 spares taken, 2 blocks without it" "$scratch/said"
verdict $? "spares: each takes over at once"
raw "$out" trim $((310 * 128))s 128s > "$scratch/spare.raw"
raw "$scratch/sine.wav" trim $((310 * 128))s 128s vol -1 > "$scratch/turned.raw"
cmp -s "$scratch/spare.raw" "$scratch/turned.raw"
verdict $? "spares: the effect is heard again"
in=$phrase
play "$scratch/faulty-chain.wav" --artifacts "$faulty" --fast --tail 0
[ "$status" -eq 3 ] && holds "$(stat_of "$out" "RMS     amplitude" trim 2) > 0.01"
verdict $? "failing effect: the others go on"
# ---- an effect that speaks ----

sed -e 's/^(module$/(module (import "rtwasm" "rtw_log" (func $log (param i32 i32 i32))) (import "env" "sinf" (func (param f32) (result f32)))/' \
    -e '/(export "init")/s/(i32.const 0))$/(call $log (i32.const 2) (i32.const 16) (i32.const 19)) (i32.const 0))/' \
    -e 's/^  (func (export "latency")/  (data (i32.const 16) "room for 2 channels")\n&/' -e 's/const 300/const 0/' test_faulty.wat > "$scratch/speaks.wat"
"$RTWASM" compile -q "$scratch/speaks.wat" -o "$faulty/reverb.rtw" || exit 1
fails_in speaks --fast
[ "$status" -eq 0 ] && grep -qx "audio: an effect says: room for 2 channels" "$scratch/said" "$scratch/complaints"
verdict $? "an effect that logs: its text is printed"
play "$scratch/quiet.wav" --artifacts "$faulty" --chain eq --tail 0 --fast
! grep -q "an effect says" "$scratch/said" "$scratch/complaints"
verdict $? "one that does not: none"
sed 's/(then unreachable)/(then (loop $for_ever (br $for_ever)))/' test_faulty.wat > "$scratch/spins.wat"
"$RTWASM" compile -q "$scratch/spins.wat" -o "$faulty/reverb.rtw" || exit 1
fails_in spins --fast --standby 0 --fade 0 --budget 20
[ "$status" -eq 3 ] && grep -q "failed in block 299: .*RTW_ERR_BUDGET" "$scratch/said"
verdict $? "an effect that never ends is cut off"

# ---- new versions while it plays ----

watched=$scratch/watched
mkdir "$watched"
version() { # version GAIN: an equaliser that multiplies
    sed "s/300/0/; s/f32.neg (/f32.mul (f32.const $1) (/" test_faulty.wat > "$scratch/version.new"
    mv "$scratch/version.new" "$scratch/version.wat"
}
version 1.5
"$RTWASM" watch -q "$scratch/version.wat" -o "$watched/eq.rtw" --exec "echo compiled >> '$scratch/compiled'" &
watcher=$!
until [ -s "$scratch/compiled" ] || ! kill -0 $watcher; do :; done
in=$scratch/sine.wav
play "$scratch/untouched.wav" --artifacts "$watched" --chain eq --tail 0 --format float32 --fast
raw "$out" > "$scratch/version-a.raw"
# The second version comes while the first one is heard.
out=$scratch/exchanged.wav
"$audio" --artifacts "$watched" --chain eq --tail 0 --format float32 --watch --fade 0 "$in" "$out" > "$scratch/said" 2> "$scratch/complaints" &
player=$!
until grep -q '^watching' "$scratch/said" || ! kill -0 $player; do :; done
version 0.5
wait $player
status=$?
kill $watcher
wait $watcher 2> "$scratch/check.log"
[ "$status" -eq 0 ] && grep -q "effect 'eq': 1 new versions taken while it played" "$scratch/said"
verdict $? "a new version is taken while it plays"
raw "$in" vol 0.5 > "$scratch/version-b.raw"
raw "$out" > "$scratch/exchanged.raw"
python3 - "$scratch/version-a.raw" "$scratch/version-b.raw" "$scratch/exchanged.raw" << 'END'
import sys
a, b, found = (open(path, "rb").read() for path in sys.argv[1:])
block = 128 * 4
assert len(a) == len(b) == len(found) and a != b
at = [found[i : i + block] == a[i : i + block] for i in range(0, len(a), block)].index(False) * block
assert 0 < at < len(a) and found[at:] == b[at:], at
END
verdict $? "its output is the old version's before and the new one's after, to the last bit"

# ---- damaged files, and pipes: played to their end, with a note ----

# plays_as WAV NOTE OTHER: WAV plays like OTHER, to the last bit, and NOTE is all that standard error has
plays_as() {
    in=$3
    play "$scratch/other.wav" --fast --tail 0
    [ "$status" -eq 0 ] && [ ! -s "$scratch/complaints" ]
    verdict $? "$(basename "$3") plays without a word"
    in=$1
    play "$scratch/played.wav" --fast --tail 0
    [ "$status" -eq 0 ] && grep -q -- "$2" "$scratch/complaints" && [ "$(wc -l < "$scratch/complaints")" -eq 1 ] &&
        cmp -s "$scratch/played.wav" "$scratch/other.wav"
    verdict $? "$(basename "$1") plays like $(basename "$3"): $(sed "s|$scratch/||g" "$scratch/complaints")"
}

head -c 100000 "$phrase" > "$scratch/truncated.wav"
sox -R --ignore-length "$scratch/truncated.wav" "$scratch/shorter.wav" 2> "$scratch/said"
plays_as "$scratch/truncated.wav" "it is cut off" "$scratch/shorter.wav"
ffmpeg -loglevel error -nostdin -i "$phrase" -c:a copy -f wav - > "$scratch/piped.wav"
plays_as "$scratch/piped.wav" "sizes are not known" "$phrase"
sox -R -n -r 44100 -c 6 -b 16 "$scratch/six.wav" synth 0.1 sine 100 sine 200 sine 300 sine 400 sine 500 sine 600
sox -R "$scratch/six.wav" "$scratch/two.wav" remix 1 2
plays_as "$scratch/six.wav" "of its 6 channels the first 2 are played" "$scratch/two.wav"
in=$phrase
play "$scratch/other.wav" --fast
# shellcheck disable=SC2002 # a pipe is the point
cat "$phrase" | "$audio" --artifacts "$artifacts" --fast - - 2> "$scratch/said" | cat > "$scratch/played.wav"
cmp -s "$scratch/played.wav" "$scratch/other.wav" && grep -q "^output: -, " "$scratch/said"
verdict $? "from a pipe to a pipe it plays the same, and the tables go to standard error"

# ---- errors ----

# refused STATUS TEXT OPTION...: ends with that status, says TEXT, leaves no file
refused() {
    expected=$1 text=$2
    shift 2
    play "$scratch/refused.wav" --fast "$@"
    [ "$status" -eq "$expected" ] && grep -q -- "$text" "$scratch/complaints" && [ ! -e "$out" ]
    verdict $? "refused with status $status: $(head -n 1 "$scratch/complaints" | sed "s|$scratch/||g")"
}

echo "this is no sound" > "$scratch/text.wav"
sox -R -n -r 4000 -b 16 "$scratch/slow.wav" synth 0.1 sine 100
sox -R -n -r 44100 -b 16 "$scratch/empty.wav" trim 0 0
in=$scratch/text.wav && refused 1 "not a WAV file"
in=$scratch/none.wav && refused 1 "cannot open"
in=$scratch/slow.wav && refused 1 "sample rate out of range"
in=$scratch/empty.wav && refused 1 "no sound"
in=$phrase
refused 1 "cannot load" --artifacts "$scratch/nowhere"
cp "$phrase" "$faulty/eq.rtw"
refused 1 "RTW_ERR_NOT_ARTIFACT" --artifacts "$faulty"
cp "$root/guests/built/eq.wasm" "$faulty/eq.rtw"
refused 1 "RTW_ERR_PLAIN_WASM" --artifacts "$faulty"
refused 1 "RTW_ERR_PROFILE" --artifacts "$scratch/plain" --profile plugin
cp "$artifacts/eq.plugin.rtw" "$scratch/plain/eq.rtw"
refused 1 "RTW_ERR_PROFILE" --artifacts "$scratch/plain"
refused 1 "value out of range" --set compressor.ratio=0.5
refused 1 "value out of range" --set eq.2.gain=99
refused 2 "unknown parameter" --set eq.7.gain=1
refused 2 "unknown parameter" --set reverb.volume=1
refused 2 "EFFECT.PARAM=VALUE" --set volume=1
refused 2 "wants a number" --set eq.2.gain=loud
refused 2 "unknown effect" --chain eq,flanger
refused 2 "unknown effect" --chain eq,
refused 2 "from 16 to 4096" --block 8
refused 2 "whole number" --block 64.5
refused 2 "unknown profile" --profile server
refused 2 "unknown option" --loud yes
refused 2 "unknown way to go on" --on-failure scream
refused 2 "from 0 to 16" --standby 17
refused 2 "one file too many" third.wav
refused 2 "ends in .html, .json, .csv, .hlog or .prom" --report "$scratch/latency.svg"
refused 2 "ends in .html, .json, .csv, .hlog or .prom" --report report

play "$scratch/no such folder/out.wav" --fast
[ "$status" -eq 1 ] && grep -q "cannot create" "$scratch/complaints"
verdict $? "refused with status $status: an output that cannot be created"
"$audio" --help > "$scratch/said" && grep -q -- "--chain" "$scratch/said"
verdict $? "--help lists the options"
if "$audio" > "$scratch/said" 2> "$scratch/complaints"; then status=0; else status=$?; fi
[ "$status" -eq 2 ] && grep -q "^usage:" "$scratch/complaints"
verdict $? "no arguments: usage, status 2"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
