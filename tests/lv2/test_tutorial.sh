#!/bin/sh
# Runs docs/tutorial.md as a new user would: in an empty folder, with an installed rtwasm, each command in its order.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests-tutorial
. "$root/tests/lib.sh"
here=$root/tests/lv2
prefix=$scratch/prefix
LIBDIR_BUILT=$RTWASM_LIBDIR
TOOLS_BUILT=$(dirname "$RTWASM")
export LIBDIR_BUILT TOOLS_BUILT
check "the plug-in libraries are built" make_alone -C "$root/plugins"
check "rtwasm is installed" "$root/packaging/install.sh" "$prefix"
mkdir -p "$scratch/work" "$scratch/home" "$scratch/tools"
# The page says clang and wasm-ld; here they have numbers.
ln -sf "$(command -v "$CLANG")" "$scratch/tools/clang"
ln -sf "$(command -v wasm-ld-19)" "$scratch/tools/wasm-ld"
installed() { # installed COMMAND...: as somebody who has rtwasm in $prefix and a home of their own, with a JACK server of their own
    (cd "$scratch/work" && env -u LV2_PATH HOME="$scratch/home" PATH="$prefix/bin:$scratch/tools:$PATH" \
        PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib" JACK_DEFAULT_SERVER=rtwasm-tutorial JACK_NO_AUDIO_RESERVATION=1 JACK_NO_START_SERVER=1 "$@")
}
number=$(python3 "$here/tutorial.py" "$root/docs/tutorial.md" "$scratch")
check "the page shows $number commands" test "$number" -ge 15
# jalv gets a command and the end of its input; the server ends with the script.
{
    echo 'trap "kill \$!" EXIT'
    cat "$scratch/commands.sh"
} >"$scratch/script.sh"
run_page() { printf 'monitors\n' | installed sh "$scratch/script.sh" >"$scratch/out" 2>&1; }
check "each command succeeds" run_page
check "rtwasm inspect prints the guest" grep -q 'guest "Tremolo": 2 in, 2 out, 2 parameters, 1 meter' "$scratch/out"
check "lv2ls lists it" grep -qx "urn:rtwasm:tremolo" "$scratch/out"
check "lv2info prints its parameters" grep -q "Symbol: *speed" "$scratch/out"
check "jalv plays it" grep -q "rtwasm: Tremolo: 2 in, 2 out" "$scratch/out"
check "and prints its meters" grep -q "gain = [0-9]" "$scratch/out"
loudness() { sox "$1" -n stat 2>&1 | awk '/^RMS.*amplitude/ { print $3 }'; }
differ() { # differ ONE OTHER: one file is louder than the other, or softer, by a tenth
    awk -v one="$(loudness "$scratch/work/$1")" -v other="$(loudness "$scratch/work/$2")" \
        'BEGIN { exit !(one > 0 && other > 0 && (one > other * 1.1 || other > one * 1.1)) }'
}
check "the tremolo changes the sound" differ tremolo/tone.wav tremolo/wobbling.wav
check "the echo changes it too" differ tremolo/mono.wav tremolo/echoing.wav
same() { ! differ "$1" "$1"; }
check "twin: a sound is as loud as itself" same tremolo/tone.wav
check "rtwasm bench calls the guest by its interface" \
    grep -q "rtw_process(i32:128) after rtw_init(f64:48000,i32:128), audio, 128 frames at 48000 Hz" "$scratch/out"
replaced() { ! cmp -s "$scratch/work/tremolo/tremolo.rtw" "$scratch/home/.lv2/tremolo.lv2/tremolo.rtw"; }
check "the bundle has the new version" replaced
finish
