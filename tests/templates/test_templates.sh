#!/bin/sh
# The templates of guests/templates: each, as committed, runs in both profiles and equals the native filter; where its tool is there or
# can be fetched, it is also built, and what is built runs as well.
#   test_templates.sh [kept]    kept: only the committed modules; fetches nothing
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/templates
. ../lib.sh
use_uninstalled_library
templates=$root/guests/templates
build=$scratch/build
mkdir -p "$build"

# shellcheck disable=SC2086 # a list of words
native() { # native FILE OUTPUT [MORE...]: compiles a file of the test
    file=$1
    output=$2
    shift 2
    $CC -std=c99 -D_GNU_SOURCE $C_WARNINGS -O2 -ffp-contract=off -I$root/include -I$root/guests/include -pthread "$file" -o "$output" "$@"
}
check "the filter compiles natively" native $templates/src/biquad.c "$build/biquad.o" -c
# shellcheck disable=SC2086 # a list of words
check "the host compiles" native host.c "$build/host" "$build/biquad.o" $harness "$RTWASM_LIBDIR/librtwasm.so" -lm
[ "$failed" -eq 0 ] || { finish; exit 1; }

limit_of() { # the largest distance from the native filter in dB: Faust computes the coefficients in single precision
    case $1 in faust) echo -100 ;; *) echo same ;; esac
}

run() { # run NAME MODULE ROWS
    for profile in standalone plugin; do
        check "$1 compiles for $profile" "$RTWASM" compile -q --profile $profile "$2" -o "$build/$1.$profile.rtw"
        adopt "$1 $profile" "$build/host" $profile "$build" "$1" "$(limit_of "$1")" "$3"
    done
}

# ---- as committed ----
for name in $(cut -d'|' -f1 names.txt); do run "$name" "$templates/built/$name.wasm" "$scratch/rows"; done
check "the profiles agree" python3 $support/table.py make "$scratch/rows" names.txt "$scratch/table.md"
check "the documented table is this one" python3 $support/table.py same "$scratch/table.md" $root/docs/toolchains.md
sed 's/every bit/every other bit/' "$scratch/table.md" >"$scratch/planted.md"
refuses "twin: another result is found" "every other bit" python3 $support/table.py same "$scratch/planted.md" $root/docs/toolchains.md

# ---- proposals ----
while IFS='|' read -r verdict subject module; do
    case $verdict in "#"*) continue ;; esac
    printf '%s' "$module" >"$scratch/proposal.wat"
    if [ "$verdict" = accepted ]; then
        check "$subject is accepted" "$RTWASM" compile "$scratch/proposal.wat" -o "$scratch/proposal.rtw"
        cp "$scratch/check.log" "$scratch/said.log"
        check "and named" grep -E "proposals: uses .*$subject(,|$)" "$scratch/said.log"
    else
        refuses "refused: $subject" "$subject" "$RTWASM" compile "$scratch/proposal.wat" -o "$scratch/proposal.rtw"
    fi
    check "the page has $subject" grep -qF "$(echo "$subject" | sed 's/, which is off//; s/^is //; s/^this is a //')" $root/docs/toolchains.md
done <proposals.txt
[ "${1:-}" != kept ] || { finish; exit; }

# ---- built here ----
./tools.sh "$root/target/toolchains" >"$scratch/tools" 2>"$scratch/absent"
tool() { sed -n "s|^$1=||p" "$scratch/tools"; }
fresh=$(realpath "$scratch")/fresh
mkdir -p "$fresh"
built() { # built NAME TOOL: builds a template with it
    if ! grep -q "^$2=" "$scratch/tools"; then
        skip "$1 is built here: $(grep "^$2: " "$scratch/absent" || echo "a tool is missing")"
        return
    fi
    check "$1 is built" make -s -C $templates "OUT=$fresh" "CLANG=$(tool CLANG)" "LIBCXX=$(tool LIBCXX)" "ZIG=$(tool ZIG)" "ASC=$(tool ASC)" \
        "RUSTC=$(tool RUSTC)" "EMCC=$(tool EMCC)" "FAUST=$(tool FAUST)" "$fresh/$1.wasm"
    [ -s "$fresh/$1.wasm" ] || return
    run "$1" "$fresh/$1.wasm" "$scratch/fresh.rows"
    bytes="other bytes than"
    cmp -s "$fresh/$1.wasm" "$templates/built/$1.wasm" && bytes="the bytes of"
    echo "$1: $bytes the committed module"
}
built clang CLANG
built wasi-c CLANG
built wasi-cpp LIBCXX
built zig ZIG
built assemblyscript ASC
built rust RUSTC
built emscripten EMCC
built faust FAUST
finish
