#!/bin/sh
# Guests that are set up at compile time: through the compiler's C API (init.c), and through the command.
# built/ has the modules of sine.c and sine.rs, made so:
#   clang-19 --target=wasm32 -std=c99 -O2 -nostdlib -fno-ident -ffp-contract=off -Wl,--no-entry -Wl,--export=__stack_pointer sine.c
#   rustc --target wasm32-unknown-unknown --edition 2024 -C opt-level=2 -C panic=abort -C strip=symbols --crate-type cdylib
#         -C link-arg=--initial-memory=131072 -C link-arg=-zstack-size=16384 -C link-arg=--no-entry sine.rs
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC.
cd "$(dirname "$0")" || exit 1
root=../..
scratch=$root/target/tests/init
. ../lib.sh
use_uninstalled_library
compiler=$(realpath "$(dirname "$RTWASM")/librtwasm_compiler.so")
ln -sf "$compiler" "$scratch/lib/$(objdump -p "$compiler" | awk '$1 == "SONAME" { print $2 }')"
C_FLAGS="-std=c11 -D_GNU_SOURCE $C_WARNINGS -O2 -g -I$root/include -pthread"
# shellcheck disable=SC2086 # lists of words
$CC $C_FLAGS init.c $harness -o "$scratch/init" "$compiler" "$RTWASM_LIBDIR/librtwasm.so" || fail "init.c compiles"

for guest in sine_c sine_rust; do
    for profile in standalone plugin; do
        adopt "$guest $profile" "$scratch/init" $profile built $guest
    done
done

# ---- the command ----
cat >"$scratch/refused.wat" <<'END'
(module
  (import "env" "ask" (func $ask (result i32)))
  (table 2 2 funcref)
  (func (export "asks") (drop (call $ask)))
  (func (export "endless") (loop (br 0)))
  (func (export "_start"))
  (func (export "changes")))
END
sed 's/(func (export "changes"))/(func (export "changes") (table.set 0 (i32.const 0) (ref.null func)))/' "$scratch/refused.wat" >"$scratch/table.wat"
sed 's/(func $ask (result i32))/(memory 1)/; s/(drop (call $ask))//' "$scratch/refused.wat" >"$scratch/memory.wat"
compile() { # compile MODULE INIT...
    module=$1
    shift
    "$RTWASM" compile "$module" -o "$scratch/out.rtw" "$@"
}
refuses "an import that is not provided is named" 'calls the import "env.ask", which is not provided at compile time, in function 1 "asks"' \
    compile "$scratch/refused.wat" --init asks
refuses "a command's main program is not run" 'is a command'"'"'s main program' compile "$scratch/refused.wat" --init _start
refuses "the time limit ends a call" 'endless() did not end' compile "$scratch/refused.wat" --init endless --max-time-ms 1000
refuses "a table that changes cannot be kept" 'unsupported `table.set` instruction' compile "$scratch/table.wat" --init changes
refuses "an imported memory is not there" 'imports "env.ask" (memory 1.. pages)' compile "$scratch/memory.wat" --init changes
refuses "a wrong list is wrong usage" 'expected EXPORT or EXPORT=ARGS' compile "$scratch/refused.wat" --init =1
check "an import that is not called is no obstacle" compile "$scratch/refused.wat" --init changes

cat >"$scratch/libm.wat" <<'END'
(module
  (import "env" "_cosf" (func $cosf (param f32) (result f32)))
  (func (export "cosine") (result f32) (call $cosf (f32.const 0))))
END
check "libm answers" compile "$scratch/libm.wat" --init cosine
"$RTWASM" inspect "$scratch/out.rtw" >"$scratch/out"
check "as the C library does" grep -q 'initialised *cosine() = 1$' "$scratch/out"

check "a guest is set up" compile built/sine_c.wasm --init setup=48000,0.5
"$RTWASM" inspect "$scratch/out.rtw" >"$scratch/out"
check "inspect names the calls with their results" grep -q 'initialised *setup(48000,0.5) = 4096' "$scratch/out"
check "and that the constructors ran" grep -q 'initialised *_initialize()' "$scratch/out"
cp "$scratch/out.rtw" "$scratch/first.rtw"
check "again" compile built/sine_c.wasm --init setup=48000,0.5
check "the same calls make the same artifact" cmp "$scratch/first.rtw" "$scratch/out.rtw"
check "without the guard" compile built/sine_c.wasm --budget off --init setup=48000,0.5

# ---- the gain: instructions of a new guest until its first sample ----
if command -v valgrind >/dev/null && [ -z "$INSIDE" ]; then
    count() { # count GUEST plain|init
        valgrind --tool=callgrind --collect-atstart=no --toggle-collect='count_start*' --callgrind-out-file="$scratch/callgrind" \
            "$scratch/init" plugin built "$1" count "$2" >"$scratch/valgrind.log" 2>&1
        awk '$1 == "totals:" || $1 == "summary:" { total = $2 } END { print total + 0 }' "$scratch/callgrind"
    }
    # Only told of sine_c, whose loop computes its table in as few instructions as it takes to copy the table.
    for guest in sine_c sine_rust; do
        plain=$(count $guest plain)
        init=$(count $guest init)
        echo "$guest: $plain instructions to the first sample, $init if it was set up at compile time"
        check "$guest: both are counted" test "$init" -gt 0 -a "$plain" -gt 0
    done
    check "$guest: fewer instructions" test "$init" -lt "$plain"
else
    skip "instructions of a start" "there is no valgrind"
fi
finish
