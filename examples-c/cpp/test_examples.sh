#!/bin/sh
# The C++ examples against good artifacts and bad ones. Run by `make test`, which builds them.
# Environment: OUT (where the binaries are), RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is).
cd "$(dirname "$0")" || exit 1
root=../..
OUT=${OUT:-$root/target/examples-c/cpp}
scratch=$OUT/test
. "$root/tests/lib.sh"
use_uninstalled_library

run() { # run PROGRAM ARGUMENT...: leaves status, $scratch/out and $scratch/err
    program=$1
    shift
    "$OUT/$program" "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
}

# ---- the controller ----

for profile in standalone plugin; do
    check "the guest compiles for $profile" "$RTWASM" compile -q --profile $profile "$root/guests/built/pid.wasm" -o "$scratch/pid.$profile.rtw"
    run pid "$scratch/pid.$profile.rtw"
    check "$profile: exit status 0" test $status -eq 0
    check "$profile: the motor has its speed" grep -Eq '^(99|100)\.[0-9]+ rad/s after [0-9]+ steps \(RTW_OK\)$' "$scratch/out"
    check "$profile: the worker's figures" grep -Eq '^wake-up p99 [0-9.]+ us, step p99 [0-9.]+ us, [0-9]+ misses$' "$scratch/out"
    check "$profile: nothing on standard error" test ! -s "$scratch/err"
done

run pid
check "no argument: exit status 2" test $status -eq 2
run pid "$scratch/missing.rtw"
check "a missing file: exit status 1" test $status -eq 1
check "a missing file: its status and name" grep -q "missing.rtw.*RTW_ERR_IO" "$scratch/err"
check "another guest compiles" "$RTWASM" compile -q "$root/guests/built/minimal.wasm" -o "$scratch/other.rtw"
run pid "$scratch/other.rtw"
check "another guest: exit status 1" test $status -eq 1
check "another guest: what it lacks" grep -q "init.*RTW_ERR_NO_EXPORT" "$scratch/err"

# ---- the effect ----

check "the sound is mono" sox "$root/assets/phrase.wav" -c 1 -b 16 "$scratch/in.wav" trim 0 2 remix 1
factors() { # factors FROM...: the output's samples are the input's times these, one after the other, from a block's beginning after the half
    sox "$scratch/in.wav" -t f32 "$scratch/in.f32" && sox "$scratch/out.wav" -t f32 "$scratch/out.f32" || return
    "$TEST_PYTHON" - "$scratch/in.f32" "$scratch/out.f32" "$@" <<'END'
import array, sys
given, made = (array.array("f", open(path, "rb").read()) for path in sys.argv[1:3])
found = [(made[at] / given[at], at) for at in range(min(len(given), len(made))) if given[at] != 0]
changes = [at for (one, _), (next_one, at) in zip(found, found[1:]) if one != next_one]
seen = [found[0][0]] + [ratio for ratio, at in found if at in changes]
print(f"{len(given)} and {len(made)} frames, factors {seen}, changes at {changes}")
late = all(at >= len(given) / 2 - 128 for at in changes)
sys.exit(not (len(given) == len(made) and late and seen == [float(factor) for factor in sys.argv[3:]]))
END
}
for version in half:0.5:256 quarter:0.25:256 refusing:0.25:64; do
    gain=${version#*:}
    sed "s/(f32.const 0.5)/(f32.const ${gain%:*})/; s/(i32.const 256)/(i32.const ${gain#*:})/" "$root/tests/lv2/faulty.wat" >"$scratch/version.wat"
    for profile in standalone plugin; do
        name=${version%%:*}.$profile.rtw
        check "$name compiles" "$RTWASM" compile -q --profile $profile "$scratch/version.wat" -o "$scratch/$name"
    done
done
for profile in standalone plugin; do
    run effect "$scratch/in.wav" "$scratch/out.wav" "$scratch/half.$profile.rtw" "$scratch/quarter.$profile.rtw"
    check "$profile: exit status 0" test $status -eq 0
    check "$profile: the second version takes over" factors 0.5 0.25
    check "$profile: the calls' times" grep -Eq '^Faulty: [0-9]+ calls, p99 [0-9.]+ us, max [0-9.]+ us of [0-9]+ us$' "$scratch/out"
    check "$profile: both have played" grep -q '^versions played: 2, faults: 0$' "$scratch/out"
    check "$profile: nothing on standard error" test ! -s "$scratch/err"
    run effect "$scratch/in.wav" "$scratch/out.wav" "$scratch/half.$profile.rtw" "$scratch/refusing.$profile.rtw"
    check "$profile, a second version that refuses the frames: exit status 1" test $status -eq 1
    check "$profile: and why" grep -q "the guest refuses [0-9]* Hz and 128 frames: rtw_init returned 1 (RTW_ERR_ARGUMENT)" "$scratch/err"
    check "$profile: the first version has played on" factors 0.5
done
run effect "$scratch/in.wav" "$scratch/out.wav" "$scratch/other.rtw" "$scratch/other.rtw"
check "a guest without a description: exit status 1" test $status -eq 1
check "a guest without a description: its status" grep -q "RTW_ERR_UNSUPPORTED" "$scratch/err"
run effect "$scratch/none.wav" "$scratch/out.wav" "$scratch/half.plugin.rtw" "$scratch/half.plugin.rtw"
check "a missing sound: its name" grep -q "none.wav" "$scratch/err"
run effect "$scratch/in.wav"
check "too few arguments: exit status 2" test $status -eq 2

finish
