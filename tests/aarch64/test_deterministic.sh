#!/bin/sh
# Holds --deterministic to its promise: x86-64 and aarch64 work out the same, bit for bit. Runs every guest of the repository that works
# something out with the same inputs here and in the emulated machine, and compares digests of results and memories. Two guests make NaNs
# and use relaxed SIMD so that without --deterministic the two differ. Started by suites.sh, which sets CC, RTWASM, RTWASM_LIBDIR and
# INSIDE for the other machine.
# Environment: ROUNDS, how often each guest works (see kernels.c); DETERMINISTIC_RESULT, a file that gets what was shown.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/deterministic
. ../lib.sh
if [ -z "$INSIDE" ] || [ "$(uname -m)" != x86_64 ]; then
    skip "x86-64 and aarch64 agree: this machine is not x86-64, or no other machine is emulated"
    ok "said so"
    finish
    exit
fi
here=$root/target/tools/rtwasm
here_library=$root/target/release/librtwasm.so
LD_LIBRARY_PATH=
for side in here there; do mkdir -p "$scratch/lib-$side"; done
link_name() { # link_name LIBRARY FOLDER
    ln -sf "$(realpath "$1")" "$2/$(objdump -p "$1" | awk '$1 == "SONAME" { print $2 }')"
}
link_name "$here_library" "$scratch/lib-here"
ln -sf "$(realpath "$RTWASM_LIBDIR/librtwasm.so")" "$scratch/lib-there/$(basename "$(ls "$scratch"/lib-here/*)")"
C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -ffp-contract=off -I$root/include -pthread"
# shellcheck disable=SC2086 # lists of words
check "kernels.c for x86-64" gcc $C_FLAGS kernels.c $harness -o "$scratch/kernels-here" "$here_library" -lm
# shellcheck disable=SC2086
check "kernels.c for aarch64" $CC $C_FLAGS kernels.c $harness -o "$scratch/kernels-there" "$RTWASM_LIBDIR/librtwasm.so" -lm

# Levels of the processors, by the folder that their artifacts go to.
levels="v2 there"
if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then levels="v2 v3 there"; else skip "x86-64-v3: this processor lacks AVX2 or FMA"; fi
# Left out: guests that only cross the border to the host, and compute nothing.
guests=
for guest in "$root"/guests/built/*.wasm "$root"/bench/guests/*.wat guests/*.wat; do
    case $guest in */crossings.wat | */services.wat | */shared.wasm) ;; *) guests="$guests $guest" ;; esac
done
names=
for guest in $guests; do
    names="$names $(basename "${guest%.*}")"
done
compile_all() { # compile_all FOLDER [OPTION...]: for each level
    folder=$1
    shift
    for level in $levels; do
        mkdir -p "$scratch/$folder-$level"
        case $level in there) compiler="$RTWASM compile --cpu cortex-a72" ;; *) compiler="$here compile --cpu x86-64-$level" ;; esac
        for profile in standalone plugin; do
            for guest in $guests; do
                case $folder-$level-$guest in fixed-v2-*/fused.wat) continue ;; esac # is refused, see below
                # shellcheck disable=SC2086 # a list of words
                $compiler --quiet --profile $profile "$@" "$guest" -o "$scratch/$folder-$level/$(basename "${guest%.*}").$profile.rtw" || return 1
            done
        done
    done
}
check "all guests compile with --deterministic" compile_all fixed --deterministic
check "all guests compile without" compile_all free

run_all() { # run_all FOLDER: each level's digests go to FOLDER-LEVEL.digests
    for level in $levels; do
        for profile in standalone plugin; do
            here_names=$names
            [ "$1-$level" != fixed-v2 ] || here_names=$(echo " $names " | sed 's/ fused / /')
            # shellcheck disable=SC2086 # lists of words
            case $level in
            there) LD_LIBRARY_PATH=$scratch/lib-there $INSIDE "$scratch/kernels-there" $profile "$scratch/$1-there" $names ;;
            *) LD_LIBRARY_PATH=$scratch/lib-here "$scratch/kernels-here" $profile "$scratch/$1-$level" $here_names ;;
            esac || return 1
        done >"$scratch/$1-$level.digests"
    done
}
check "all guests work with --deterministic" run_all fixed
check "all guests work without" run_all free

agree() { # agree FOLDER NAME PROFILE [LEVEL...]: all levels, or these, have the same line
    wanted="$2 $3"
    among=${4:-$levels}
    [ "$1-$2" != fixed-fused ] || among=$(echo " $among " | sed 's/ v2 / /')
    for level in $among $5; do grep "^$wanted " "$scratch/$1-$level.digests" || echo "$level has none"; done >"$scratch/lines"
    [ "$(grep -c "^$wanted " "$scratch/lines")" -ge 2 ] && [ "$(sort -u "$scratch/lines" | wc -l)" -eq 1 ] && return
    echo "they differ:"
    cat "$scratch/lines"
    return 1
}
refuses "what no instruction of the level does deterministically is refused" "compile for x86-64-v3 or a higher level" \
    "$here" compile --quiet --deterministic --cpu x86-64-v2 guests/fused.wat -o "$scratch/fused.rtw"
for profile in standalone plugin; do
    for name in $names; do
        [ "$name $(echo "$levels" | grep -c v3)" != "fused 0" ] || continue
        check "$name, $profile: x86-64 ($(echo "$levels" | sed 's/ there//')) and aarch64 work out the same" agree fixed "$name" $profile
    done
    for name in nan relaxed fused; do
        refuses "twin: without --deterministic they differ in $name, $profile" "they differ" agree free $name $profile v2 there
    done
    case $levels in *v3*) refuses "twin: and two levels of x86-64 in fused, $profile" "they differ" agree free fused $profile v2 v3 ;; esac
done
for profile in standalone plugin; do
    differ=
    for name in $names; do agree free "$name" $profile >/dev/null || differ="$differ $name"; done
    echo "measured: without --deterministic, $profile, these differ:$differ" | tee -a "$scratch/differ"
done
if [ -n "$DETERMINISTIC_RESULT" ] && [ "$failed" -eq 0 ]; then
    {
        echo "# What the suite deterministic of make test-aarch64 has shown: with --deterministic x86-64 ($(echo "$levels" | sed 's/ there//'), on this machine) and"
        echo "# aarch64 (emulated Cortex-A72) have these digests of all results and of the memory. ROUNDS=${ROUNDS:-100}, denormals as in IEEE 754."
        echo "# $(date -u +%Y-%m-%d), commit $(git -C $root rev-parse --short=12 HEAD), $(qemu-system-aarch64 --version | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p')."
        sed 's/^measured/# measured/' "$scratch/differ"
        cat "$scratch/fixed-there.digests"
    } >"$DETERMINISTIC_RESULT"
fi
finish
