#!/bin/sh
# Counts what calls, setup and kernels cost in instructions and allocations, the cache lines and pages that a cold call touches, and the
# library's size; and compares that with figures.txt. Counts are the same on a busy machine. Run by `make test` and `make bench-check`.
# Left out: traps and cut-offs, whose signals are valgrind's here, and all that only shows in time.
# Environment: RTWASM, RTWASM_LIBDIR, CC as everywhere; UPDATE=1: what is counted becomes figures.txt.
cd "$(dirname "$0")" || exit 1
root=$(realpath ../..)
scratch=$root/target/tests/bench-check
. ../lib.sh
use_uninstalled_library

if [ "$(uname -m)" != x86_64 ]; then
    # The pinned string functions and the processor level are this machine type's.
    check "skipped: what is counted is counted on x86_64" true
    finish
    exit
fi

# ---- what is counted ----
LEVEL=sse42,popcnt
# No processor's own string functions: those that every x86-64 has.
PINNED=glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-SSSE3,-SSE4_1,-SSE4_2,-BMI2,-LZCNT,-MOVBE,-Fast_Unaligned_Copy
key="$(rustc --version | cut -d' ' -f1,2), $(getconf GNU_LIBC_VERSION), $(valgrind --version | tr - ' '), x86_64"

artifacts=$scratch/artifacts
mkdir -p "$artifacts"
kernels=$(sed -n 's/.*kernels\[\] = {\(.*\)};/\1/p' counts.c | tr -d '",')
for profile in standalone plugin; do
    for guest in "$root"/bench/guests/calls.wat "$root"/bench/guests/slot.wat table.wat $(printf "$root/guests/built/%s.wasm " $kernels); do
        name=$(basename "${guest%.*}")
        "$RTWASM" compile -q --profile $profile --cpu $LEVEL "$guest" -o "$artifacts/$name.$profile.rtw" || fail "$name for $profile"
    done
done
build() { # build PROGRAM [FLAG...]
    program=$1
    shift
    $CC -std=gnu99 -D_GNU_SOURCE $C_WARNINGS -O2 -fno-builtin -I"$root/include" -pthread "$@" counts.c -o "$scratch/$program" \
        "$RTWASM_LIBDIR/librtwasm.so"
}
check "counts.c compiles" build counts
check "counts.c compiles with instructions planted" build planted -DPLANTED_INSTRUCTIONS=10
check "counts.c compiles with accesses planted" build touching -DPLANTED_LINES=8
[ "$failed" -eq 0 ] || { finish; exit 1; }

collect() { # collect PROGRAM PROFILE TUNABLES [WHAT [CACHE...]]: callgrind's dumps go to PROGRAM.PROFILE.*
    program=$1 profile_of=$2 tunables=$3 what=${4:-instructions}
    shift $(($# < 4 ? 3 : 4))
    rm -f "$scratch/$program.$profile_of."*
    GLIBC_TUNABLES=$tunables "$TEST_PYTHON" "$guard" run -- valgrind -q --tool=callgrind --collect-atstart=no "$@" \
        --callgrind-out-file="$scratch/$program.$profile_of" "$scratch/$program" "$what" "$profile_of" "$artifacts"
}
instructions() { # instructions PROGRAM PROFILE
    collect "$1" "$2" "$PINNED" && python3 figures.py gather instructions "$scratch/$1.$2".*
}
touched() { # touched PROGRAM PROFILE: two lines of the first cache hide no access, and a sweep clears the last one (counts.c)
    for line in lines:64 pages:4096; do
        bytes=${line#*:}
        cp "$scratch/$1" "$scratch/$1-cold"
        collect "$1-cold" "$2" "$PINNED" "${line%:*}" --cache-sim=yes --I1=$((2 * bytes)),1,"$bytes" --D1=$((2 * bytes)),1,"$bytes" \
            --LL=$((4096 * bytes)),16,"$bytes" 2>"$scratch/caches" || { cat "$scratch/caches" >&2; return 1; }
        python3 figures.py gather "${line%:*}" "$scratch/$1-cold.$2".* || return 1
    done
}
allocations() { # allocations PROFILE: outside the calls, which make none, as tests/proofs shows
    "$scratch/counts" allocations "$1" "$artifacts" | grep -v ' 0 allocations$' | sed 's/\./-allocations./'
}
size_of() { # size_of LIBRARY
    strip -o "$scratch/stripped" "$1" 2>/dev/null && echo "library-stripped $(stat -c %s "$scratch/stripped") bytes"
}
measure() {
    for profile in standalone plugin; do
        instructions counts $profile && allocations $profile && touched counts $profile || return 1
    done
    size_of "$RTWASM_LIBDIR/librtwasm.so"
}
measure >"$scratch/measured" || fail "counting: $(tail -n 3 "$scratch/measured")"
[ "$failed" -eq 0 ] || { finish; exit 1; }
if [ -n "$UPDATE" ]; then
    python3 figures.py update figures.txt "$scratch/measured" "$key"
    exit
fi
compare() { # compare COMMITTED MEASURED [KEY]
    python3 figures.py compare "$1" "$2" "${3:-$key}"
}
if grep -qxF "[$key]" figures.txt; then
    adopt "against figures.txt" python3 figures.py compare figures.txt "$scratch/measured" "$key"
else
    compare figures.txt "$scratch/measured"
fi

# ---- the comparison sees what it is for ----
own=$scratch/own.txt
python3 figures.py update "$own" "$scratch/measured" "$key" >/dev/null
check "what was measured is equal to itself" compare "$own" "$scratch/measured"
instructions planted plugin >"$scratch/planted.figures"
{ grep -v ' instructions$' "$scratch/measured"; grep 'standalone .* instructions$' "$scratch/measured"; cat "$scratch/planted.figures"; } >"$scratch/planted.measured"
refuses "ten more instructions a call are found" "FAIL invoke-empty.plugin:" compare "$own" "$scratch/planted.measured"
check "where they were planted only" sh -c '! python3 figures.py compare "$1" "$2" "$3" | grep "^FAIL .*\(standalone\|kernel\|reset\|load\|instantiate\)"' \
    sh "$own" "$scratch/planted.measured" "$key"
touched touching plugin >"$scratch/touching.figures"
{ grep -v '^cold.*plugin' "$scratch/measured"; cat "$scratch/touching.figures"; } >"$scratch/touching.measured"
refuses "eight more lines a call are found" "FAIL cold-invoke-add-data-lines.plugin:" compare "$own" "$scratch/touching.measured"
refuses "as are eight more pages" "FAIL cold-invoke-add-data-pages.plugin:" compare "$own" "$scratch/touching.measured"
cp "$RTWASM_LIBDIR/librtwasm.so" "$scratch/larger.so"
head -c 100000 /dev/urandom >"$scratch/more"
objcopy --add-section .more="$scratch/more" --set-section-flags .more=alloc,readonly "$scratch/larger.so" 2>/dev/null
{ grep -v '^library' "$scratch/measured"; size_of "$scratch/larger.so"; } >"$scratch/larger.measured"
refuses "a library that has grown is found" "FAIL library-stripped:" compare "$own" "$scratch/larger.measured"
grep -v '^reset.plugin ' "$scratch/measured" >"$scratch/fewer"
refuses "a figure that was not measured is found" "FAIL reset.plugin: was not measured" compare "$own" "$scratch/fewer"
grep -v '^reset.plugin ' "$own" >"$scratch/fewer.txt"
refuses "a figure that was not committed is found" "FAIL reset.plugin: has no figure that was committed" compare "$scratch/fewer.txt" "$scratch/measured"
scaled() { # scaled FACTOR: the measured figures, each as large by that
    awk -v factor="$1" '{ $2 *= factor; print }' "$scratch/measured" >"$scratch/scaled"
    compare "$own" "$scratch/scaled"
}
check "1 % more is within the tolerance" scaled 1.01
refuses "3 % more is not" "+3.0 %" scaled 1.03
refuses "3 % less neither: the next who makes it larger would not be seen" "-3.0 %" scaled 0.97
skips() { compare "$own" "$scratch/measured" "rustc 0.0.0" >"$scratch/skips" && grep -q "^there are no figures for rustc 0.0.0" "$scratch/skips" &&
    [ "$(grep -c '^skipped ' "$scratch/skips")" -eq "$(wc -l <"$scratch/measured")" ]; }
check "with other versions each figure is skipped, by name" skips

# ---- the pinned string functions are ----
check "string functions are there" sh -c 'cat "$1".plugin.* | grep -qE "\) __mem[a-z]*_sse2"' sh "$scratch/counts"
check "none is a newer processor's" sh -c '! cat "$1".* | grep -oE "\) __(mem|str)[a-z]*_[a-z0-9_]*(avx|evex|erms|ssse|sse4)[a-z0-9_]*"' sh "$scratch/counts"
if grep -qw avx2 /proc/cpuinfo; then
    cp "$scratch/counts" "$scratch/unpinned"
    collect unpinned plugin ""
    check "without the pin some are" sh -c 'cat "$1".* | grep -qE "\) __(mem|str)[a-z]*_[a-z0-9_]*(avx|evex|erms)"' sh "$scratch/unpinned"
else
    echo "skipped: without the pin some are, on processors with AVX2"
fi
finish
