#!/bin/sh
# Guests as LADSPA plug-ins, in hosts that exist: analyseplugin, applyplugin, and ffmpeg, whose output is compared with the audio example's;
# and in a host of one block (one_block.c), whose thread has a small stack.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests-ladspa
. "$root/tests/lib.sh"
folder=$scratch/ladspa
library=$folder/rtwasm_ladspa.so
guests=$root/guests/built
mkdir -p "$folder"
rtwasm() { "$RTWASM" "$@"; }

check "the plug-in library is built" make_alone -C "$root/plugins"
cp "$root/target/plugins/rtwasm_ladspa.so" "$library"
exports() { [ "$(nm -D --defined-only "$library" | awk '{ print $3 }')" = ladspa_descriptor ]; }
check "it exports ladspa_descriptor and nothing else" exports
for guest in reverb eq drive tone; do
    check "$guest compiles" rtwasm compile -q "$guests/$guest.wasm" --profile plugin -o "$folder/$guest.rtw"
done
check "a program of Faust compiles" rtwasm compile -q "$root/guests/interface/echo.dsp" --profile plugin -o "$folder/echo.rtw"
check "a standalone artifact" rtwasm compile -q "$guests/drive.wasm" -o "$folder/standalone.rtw"
check "an artifact without a description" rtwasm compile -q "$guests/minimal.wasm" --profile plugin -o "$folder/minimal.rtw"

check "analyseplugin lists the plug-ins" says '"Equaliser"' analyseplugin "$library"
for text in '"Band 2: Frequency (Hz)" input, control, 10 to 40000' '"Soft limit" input, control, toggled, default 0' \
    '"Peak" output, control, 0 to 8' '"latency" output, control' '"In 2" input, audio' 'Maker: "rtwasm"' 'Plugin Label: "echo"'; do
    check "analyseplugin: $text" grep -qF -e "$text" "$scratch/said"
done
check "a standalone artifact is refused, with the reason" grep -q "standalone.rtw: .*(RTW_ERR_PROFILE)" "$scratch/said"
check "and one without a description" grep -q "minimal.rtw: the artifact does not describe its guest" "$scratch/said"
count() { [ "$(grep -c 'Plugin Label:' "$scratch/said")" -eq 5 ]; }
check "neither is listed" count
check "RTWASM_LADSPA_PATH names other folders" says '"Reverb"' \
    env RTWASM_LADSPA_PATH="$folder" analyseplugin "$root/target/plugins/rtwasm_ladspa.so"
none() { ! env RTWASM_LADSPA_PATH="$scratch/none" analyseplugin "$library" 2>&1 | grep Label; }
check "twin: a folder that is not there has none" none

# ---- a thread whose stack has no room for guests ----

# shellcheck disable=SC2086 # a list of words
check "a host of one block is built" $CC -std=c11 -D_GNU_SOURCE -O2 $C_WARNINGS "$root/tests/ladspa/one_block.c" -o "$scratch/one_block" -ldl -lpthread
one_block() { RTWASM_LADSPA_PATH=$folder/drive "$scratch/one_block" "$library" drive "$1" >"$scratch/out" 2>"$scratch/err"; }
mkdir -p "$folder/drive"
cp "$folder/drive.rtw" "$folder/drive"
check "a block on a small stack" one_block 200
check "is silent" grep -qx 0 "$scratch/out"
last() { [ "$(wc -l <"$scratch/err")" -eq 2 ] && tail -n 1 "$scratch/err" | grep -q "$1"; }
check "it logs nothing; then the plug-in says once what the stack has and what is needed" \
    last "this thread has 1[0-9]* KiB of stack left and guests need [0-9]* KiB .*(RTW_ERR_STACK_SIZE)"
check "twin: a block on a large stack" one_block 2000
check "has sound" grep -qx 0.5 "$scratch/out"
silent() { [ "$(cat "$scratch/err")" = "the block is done" ]; }
check "and nothing is logged" silent

# ---- their output ----

check "the audio example is built" make_alone -C "$root/examples-c/audio"
use_uninstalled_library
sox "$root/assets/phrase.wav" -b 32 -e floating-point -c 2 "$scratch/in.wav" 2>"$scratch/err"
sox "$root/assets/phrase.wav" -c 2 "$scratch/in16.wav" 2>"$scratch/err"
samples() { sox "$1" -t f32 - 2>/dev/null | head -c "$2"; } # samples FILE BYTES
bytes=$(samples "$scratch/in.wav" 1000000000 | wc -c)
check "the audio example plays through the reverb" "$root/target/examples-c/audio/audio" --fast --chain reverb --set reverb.room=0.8 \
    --set reverb.damping=0.5 --set reverb.width=1 --set reverb.wet=0.5 --set reverb.dry=1 --format float32 --profile plugin \
    --artifacts "$folder" "$scratch/in.wav" "$scratch/example.wav"
samples "$scratch/example.wav" "$bytes" >"$scratch/example.f32"
near() { # near FILE LIMIT: no sample is further from the example's than LIMIT
    samples "$1" "$bytes" >"$scratch/host.f32"
    "$TEST_PYTHON" -c '
import array, sys
one, two = (array.array("f", open(path, "rb").read()) for path in sys.argv[1:3])
most = max((abs(a - b) for a, b in zip(one, two)), default=1)
sys.exit(None if len(one) == len(two) and most <= float(sys.argv[3]) else f"{len(one)} and {len(two)} samples, up to {most} apart")' \
        "$scratch/host.f32" "$scratch/example.f32" "$2"
}
refuses "twin: the input is not near it" "samples, up to" near "$scratch/in.wav" 0.0001
check "ffmpeg runs" ffmpeg -hide_banner -loglevel error -y -i "$scratch/in.wav" \
    -af "ladspa=file=$library:p=reverb:c=c0=0.8|c1=0.5|c2=1|c3=0.5|c4=1" -c:a pcm_f32le "$scratch/ffmpeg.wav"
check "ffmpeg: output equal to the audio example's" near "$scratch/ffmpeg.wav" 0
check "applyplugin runs" applyplugin "$scratch/in16.wav" "$scratch/applied.wav" "$library" reverb 0.8 0.5 1 0.5 1
check "applyplugin: equal but for its 16 bits" near "$scratch/applied.wav" 0.0001
finish
