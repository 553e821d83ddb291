#!/bin/sh
# `rtwasm lv2` and the plug-in that it makes, in a host of the test's own (test_plugin.c) and in other hosts: lv2apply, lv2bench, ffmpeg,
# ecasound, and jalv under jackd's dummy driver. Their output is compared with the audio example's.
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests-lv2
. "$root/tests/lib.sh"
here=$root/tests/lv2
specs=/usr/lib/lv2
LV2_PATH=$scratch/bundles:$specs
RTWASM_LV2_LIBRARY=$root/target/plugins/rtwasm_lv2.so
export LV2_PATH RTWASM_LV2_LIBRARY
bundles=$scratch/bundles
artifacts=$scratch/artifacts # of the test's host
guests=$root/guests/built
mkdir -p "$bundles" "$artifacts"
rtwasm() { "$RTWASM" "$@"; }

check "the plug-in library is built" make_alone -C "$root/plugins"
exports() { [ "$(nm -D --defined-only "$RTWASM_LV2_LIBRARY" | awk '{ print $3 }')" = lv2_descriptor ]; }
check "it exports lv2_descriptor and nothing else" exports
needs_nothing() { ! objdump -p "$RTWASM_LV2_LIBRARY" | grep NEEDED | grep -vE 'lib(c|m|gcc_s|ld-linux.*)\.so|ld-linux'; }
check "it needs no library but the system's" needs_nothing

# ---- the command ----

check "a bundle of a module: the command names its URI" says "LV2 plug-in urn:rtwasm:drive" \
    rtwasm lv2 "$guests/drive.wasm" -o "$bundles/drive.lv2"
check "a bundle of an instrument" rtwasm lv2 -q "$guests/tone.wasm" -o "$bundles/tone.lv2"
check "a bundle of an artifact" rtwasm compile -q "$guests/reverb.wasm" --profile plugin -o "$scratch/reverb.rtw"
check "which it copies" rtwasm lv2 "$scratch/reverb.rtw" -o "$bundles/reverb.lv2"
check "byte for byte" cmp "$scratch/reverb.rtw" "$bundles/reverb.lv2/reverb.rtw"
check "a bundle of a program of Faust" rtwasm lv2 -q "$root/guests/interface/echo.dsp" -o "$bundles/echo.lv2"
check "a bundle with options of compile" rtwasm lv2 -q "$guests/eq.wasm" -o "$bundles/eq.lv2" --cpu native
check "a bundle with a URI" rtwasm lv2 -q "$guests/compressor.wasm" -o "$bundles/compressor.lv2" --uri https://example.org/compressor
check "a bundle of a guest that fails" rtwasm lv2 -q "$here/faulty.wat" -o "$bundles/faulty.lv2"
check "twice" rtwasm lv2 -q "$here/faulty.wat" -o "$bundles/faulty.lv2"
check "an artifact for both profiles" rtwasm compile -q "$guests/drive.wasm" --profile both -o "$scratch/both.rtw"
check "is one for a plug-in" rtwasm lv2 "$scratch/both.rtw" -o "$scratch/both.lv2"
rtwasm compile -q "$here/faulty.wat" -o "$artifacts/standalone.rtw"
refuses "a standalone artifact is refused, with the reason" "needs signal handlers" rtwasm lv2 "$artifacts/standalone.rtw" \
    -o "$scratch/no.lv2"
refuses "a guest without a description is refused" "does not describe its guest" rtwasm lv2 -q "$guests/minimal.wasm" -o "$scratch/no.lv2"
refuses "a folder that is no bundle is refused" "is no LV2 bundle" rtwasm lv2 -q "$guests/drive.wasm" -o "$guests"
refuses "a URI with a space is refused" "is not a URI" rtwasm lv2 -q "$guests/drive.wasm" -o "$scratch/no.lv2" --uri "urn:a b"
refuses "a profile is refused" "always has the profile plugin" rtwasm lv2 "$guests/drive.wasm" -o "$scratch/no.lv2" --profile standalone
refuses "a library that is not there is refused" "library is missing" rtwasm lv2 "$guests/drive.wasm" -o "$scratch/no.lv2" \
    --library "$scratch/no.so"
refuses "and one that is none" "is no LV2 plug-in library" rtwasm lv2 "$guests/drive.wasm" -o "$scratch/no.lv2" --library "$RTWASM"
check "none of them has left a bundle" test ! -e "$scratch/no.lv2"

# ---- the description ----

validate() { # validate FILE...: with the ontologies
    # shellcheck disable=SC2046 # a list of words
    sord_validate $(find "$specs" -name '*.ttl') "$@" >"$scratch/validated" 2>&1
    cat "$scratch/validated"
    grep -q '^Found 0 errors among' "$scratch/validated"
}
check "sord_validate: no error in the bundles" validate "$bundles"/*.lv2/*.ttl
sed 's/lv2:minimum 0.0 ;/lv2:minimum "low" ;/; s/lv2:index 0 ;/lv2:index "first" ;/' "$bundles/drive.lv2/plugin.ttl" >"$scratch/wrong.ttl"
refuses "twin: it finds an index that is no number" "error" validate "$scratch/wrong.ttl"
for plug in drive tone reverb echo equaliser faulty; do check "lv2ls lists $plug" says "urn:rtwasm:$plug" lv2ls; done
check "the URI of the command line" says "https://example.org/compressor" lv2ls
check "plugin.ttl: a unit" says "units:unit units:db" cat "$bundles/compressor.lv2/plugin.ttl"
check "plugin.ttl: a group" says "band_1_group" cat "$bundles/eq.lv2/plugin.ttl"
check "lv2info: labels" says "Low shelf" lv2info urn:rtwasm:equaliser
check "lv2info: an author" says "rtwasm" lv2info urn:rtwasm:reverb
check "lv2info: an instrument" says "Instrument" lv2info urn:rtwasm:tone
check "lv2info: the latency's port" says "Has latency:       yes" lv2info urn:rtwasm:reverb

# ---- in a host of our own ----

sed 's/mode/mood/' "$here/faulty.wat" >"$scratch/version.wat"
check "a version with another parameter" rtwasm compile -q --profile plugin "$scratch/version.wat" -o "$artifacts/renamed.rtw"
for part in half:0.5 quarter:0.25; do
    sed "s/(f32.const 0.5)/(f32.const ${part#*:})/" "$here/faulty.wat" >"$scratch/version.wat"
    check "the version of ${part%:*}" rtwasm compile -q --profile plugin "$scratch/version.wat" -o "$artifacts/${part%:*}.rtw"
done
cp "$bundles/drive.lv2/drive.rtw" "$artifacts/drive.rtw"
head -c 2000 "$artifacts/half.rtw" >"$artifacts/broken.rtw"
mkdir -p "$artifacts/incomplete.lv2"
cp "$bundles/drive.lv2/rtwasm_lv2.so" "$bundles/drive.lv2/bundle.txt" "$artifacts/incomplete.lv2"
lilv_flags=$(pkg-config --cflags lilv-0)
lilv_libs=$(pkg-config --libs lilv-0)
# shellcheck disable=SC2086 # lists of words
check "the test's host is built" $CC -std=c11 -D_GNU_SOURCE -O2 -g $C_WARNINGS -I"$root/include" -I"$support" $lilv_flags \
    "$here/test_plugin.c" "$support/check.c" "$support/child.c" "$support/start.c" $lilv_libs -lpthread -ldl -lm -o "$scratch/test_plugin"
adopt plug-in "$scratch/test_plugin" "$bundles" "$artifacts"

# ---- in hosts that exist ----

# The audio example's output, as 32-bit floats, without what it plays behind the input's end.
check "the audio example is built" make_alone -C "$root/examples-c/audio"
use_uninstalled_library
sox "$root/assets/phrase.wav" -b 32 -e floating-point -c 2 "$scratch/in.wav" 2>"$scratch/err"
samples() { sox "$1" -t f32 - 2>/dev/null | head -c "$2"; } # samples FILE BYTES
bytes=$(samples "$scratch/in.wav" 1000000000 | wc -c)
check "the audio example plays through the reverb" "$root/target/examples-c/audio/audio" --fast --chain reverb --set reverb.room=0.8 \
    --set reverb.damping=0.5 --set reverb.width=1 --set reverb.wet=0.5 --set reverb.dry=1 --format float32 --profile plugin \
    --artifacts "$bundles/reverb.lv2" "$scratch/in.wav" "$scratch/example.wav"
samples "$scratch/example.wav" "$bytes" >"$scratch/example.f32"
same_as_example() { # same_as_example FILE
    samples "$1" "$bytes" >"$scratch/host.f32"
    [ "$(wc -c <"$scratch/host.f32")" -eq "$bytes" ] && cmp "$scratch/host.f32" "$scratch/example.f32"
}
changed() { ! same_as_example "$scratch/in.wav"; }
check "which changes it" changed
reverb=urn:rtwasm:reverb
check "lv2apply runs" lv2apply -i "$scratch/in.wav" -o "$scratch/applied.wav" -c room 0.8 -c wet 0.5 $reverb
check "lv2apply: output equal to the audio example's" same_as_example "$scratch/applied.wav"
check "ffmpeg runs" ffmpeg -hide_banner -loglevel error -y -i "$scratch/in.wav" -af "lv2=p=urn\\\\:rtwasm\\\\:reverb:c=room=0.8|wet=0.5" \
    -c:a pcm_f32le "$scratch/ffmpeg.wav"
check "ffmpeg: output equal to the audio example's" same_as_example "$scratch/ffmpeg.wav"
check "ecasound runs" ecasound -q -f:f32_le,2,44100 -i "$scratch/in.wav" -f:f32_le,2,44100 -o "$scratch/ecasound.wav" \
    "-elv2:$reverb,0.8,0.5,1,0.5,1,1,0"
check "ecasound: output equal to the audio example's" same_as_example "$scratch/ecasound.wav"
for plug in $reverb urn:rtwasm:tone urn:rtwasm:echo; do check "lv2bench measures $plug" says "$plug" lv2bench -n 44100 $plug; done
standalone() { LV2_PATH=$scratch/refused:$specs "$@"; }
mkdir -p "$scratch/refused"
cp -r "$bundles/reverb.lv2" "$scratch/refused"
rtwasm compile -q "$guests/reverb.wasm" -o "$scratch/refused/reverb.lv2/reverb.rtw"
refuses "lv2apply with a standalone artifact: refused, with the reason in the log" "RTW_ERR_PROFILE" \
    standalone lv2apply -i "$scratch/in.wav" -o "$scratch/refused.wav" $reverb
# shellcheck disable=SC2016 # the guest's own $mode
sed 's/(f32.eq (local.get $mode) (f32.const 1))/(i32.const 1)/' "$here/faulty.wat" >"$scratch/version.wat"
check "a version that fails at each call" rtwasm compile -q --profile plugin "$scratch/version.wat" -o "$scratch/traps.rtw"
check "another version of the drive" rtwasm compile -q "$guests/drive.wasm" --profile plugin --opt size -o "$scratch/drive.rtw"
adopt jalv "$TEST_PYTHON" "$here/test_jalv.py" "$bundles" "$scratch/drive.rtw" \
    "$scratch/traps.rtw" "$artifacts/quarter.rtw" "$artifacts/half.rtw"
finish
