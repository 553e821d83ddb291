#!/bin/sh
# Artifacts of several parts: compiling, choosing, reading only one; the module inside and `rtwasm recompile`; the reset image.
# Environment: RTWASM (the command), RTWASM_LIBDIR (where librtwasm.so is), CC.
cd "$(dirname "$0")" || exit 1
root=$(realpath ../..)
scratch=$root/target/tests/parts
. ../lib.sh
use_uninstalled_library
compiler=$(realpath "$(dirname "$RTWASM")/librtwasm_compiler.so")
ln -sf "$compiler" "$scratch/lib/$(objdump -p "$compiler" | awk '$1 == "SONAME" { print $2 }')"
case $MACHINE in aarch64) level=aarch64 ;; *) level=x86-64-v2 ;; esac
C_FLAGS="-std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -I$root/include -pthread -DMACHINE_LEVEL=\"$level\""
# shellcheck disable=SC2086 # lists of words
$CC $C_FLAGS parts.c $harness -o "$scratch/parts" "$compiler" "$RTWASM_LIBDIR/librtwasm.so" || fail "parts.c compiles"

RTWASM=$(realpath "$RTWASM") RTWASM_LIBDIR=$(realpath "$RTWASM_LIBDIR")
cd "$scratch" || exit 1
guests=$root/guests/built
# A module that does not describe itself: recompiling keeps the description that is forged below.
cp "$guests/fft1024.wasm" guest.wasm
cp "$guests/pid.wasm" other.wasm
cat >state.wat <<'END'
(module
  (memory (export "memory") 40 80)
  (table 2 funcref) (elem (i32.const 0) func 0)
  (global (export "a") (mut i32) (i32.const -5))
  (global (export "b") (mut i64) (i64.const 0x123456789abcdef0))
  (global (export "c") (mut f32) (f32.const -0.5))
  (global (export "d") (mut f64) (f64.const nan:0x8000000000001))
  (global (export "e") (mut v128) (v128.const i64x2 1 -2))
  (data (i32.const 4090) "across two pages")
  (data (i32.add (i32.mul (i32.const 4090) (i32.const 3)) (i32.const 9)) "computed")
  (data (i32.const 2621430) "the end..")
  (data (i32.const 4092) "over")
  (func (export "change") (param i32)
    (i32.store (i32.const 100000) (local.get 0))
    (i64.store (i32.const 4090) (i64.const 0))
    (global.set 0 (local.get 0))))
END
cat >start.wat <<'END'
(module
  (memory 1) (table 1 funcref) (elem func) (data "x")
  (func $start) (start $start)
  (func (elem.drop 0) (data.drop 0) (table.set 0 (i32.const 0) (ref.null func))))
END
rtwasm() { "$RTWASM" "$@"; }
levels=x86-64-v2,x86-64-v3,x86-64-v4,aarch64
check "several parts compile" rtwasm compile guest.wasm -o fat.rtw --cpu $levels --profile both --embed-source
check "and again" rtwasm compile guest.wasm -o again.rtw --cpu $levels --profile both --embed-source
check "to the same bytes" cmp fat.rtw again.rtw
check "an artifact of an unknown release is forged" python3 "$root/tests/parts/forge.py" fat.rtw old.rtw release
check "and one with older metadata" python3 "$root/tests/parts/forge.py" fat.rtw older.rtw metadata
check "and one of another machine" python3 "$root/tests/parts/forge.py" fat.rtw target.rtw target
for name in one two; do rtwasm keygen $name >/dev/null; done
check "it is signed" rtwasm sign fat.rtw -o signed.rtw --key one.key --key two.key
for profile in standalone plugin; do
    adopt "parts $profile" ./parts $profile .
done

# ---- what inspect tells ----
told() { # told FILE EXPRESSION: of its JSON
    rtwasm inspect "$1" --json >json && python3 -c "import json, sys; told = json.load(open('json')); sys.exit(not ($2))"
}
check "all parts are listed" told fat.rtw "[(p['profile'], p['cpu_level']) for p in told['parts']] == [(p, l) for l in '$levels'.split(',') for p in ('standalone', 'plugin')]"
check "the module is inside" told fat.rtw "told['source']['inside'] and any(s['kind'] == 'source' and s['part'] == 0 for s in told['sections'])"
check "it has one reset image for all parts" told fat.rtw "told['reset'] == {'obstacles': [], 'bytes': told['reset']['bytes']} and sum(s['kind'] == 'reset image' for s in told['sections']) == 1"
rtwasm compile -q start.wat -o start.rtw
check "obstacles are named" told start.rtw "told['reset'] == {'obstacles': ['start_function', 'table_changes', 'drops_segment'], 'bytes': 0}"
rtwasm inspect start.rtw >text
check "in words, too" grep -q 'no reset image *a start function runs when' text
rtwasm inspect fat.rtw >text
check "each part has a line" test "$(grep -c ' bytes of code' text)" -eq 8

# ---- only one part is read ----
reads() { # reads FILE: the bytes of the file that a load of it reads
    strace -f -y -e trace=read,pread64,readv,mmap -o trace ./load "$1" >/dev/null && awk -v file="/$1>" 'index($0, file) && / = [0-9]+$/ { sum += $NF } END { print sum + 0 }' trace
}
cat >load.c <<'END'
#include "rtwasm.h"
int main(int argc, char **argv) {
    rtw_runtime_t *runtime = 0;
    rtw_module_t *module = 0;
    return argc != 2 || rtw_runtime_create(0, &runtime, 0) != RTW_OK || rtw_module_load_file(runtime, argv[1], &module, 0) != RTW_OK;
}
END
$CC -std=c99 -I"$root/include" load.c -o load "$RTWASM_LIBDIR/librtwasm.so" || fail "load.c compiles"
# The first 16 KiB are read at once, and have the header and the table; of the rest, what the chosen part needs.
sections='16384 + sum(s["bytes"] for s in told["sections"] if s["offset"] + s["bytes"] > 16384 and (s["kind"] == "description" or s["part"] == told["part"] and s["kind"] in ("metadata", "code") or s["kind"] in ("reset image", "guest") and s["part"] in (0, told["part"])))'
told fat.rtw True
expected=$(python3 -c "import json; told = json.load(open('json')); print($sections)")
whole=$(stat -c %s fat.rtw)
read_bytes=$(reads fat.rtw)
check "a load reads $read_bytes of $whole bytes: header, table, descriptions, one part, reset image, guest" test "$read_bytes" -eq "$expected" -a "$read_bytes" -lt $((whole / 4))
rtwasm compile -q guest.wasm -o one.rtw --cpu x86-64-v2
check "twin: a file of one part is read nearly whole" test "$(reads one.rtw)" -gt $(($(stat -c %s one.rtw) / 2))

# ---- recompile ----
check "the same artifact comes out" rtwasm recompile -q fat.rtw out.rtw
check "byte for byte" cmp fat.rtw out.rtw
check "in place" rtwasm recompile -q out.rtw out.rtw
check "byte for byte again" cmp fat.rtw out.rtw
check "of a release that is not known" rtwasm recompile -q old.rtw out.rtw
check "its parts run here again, and it keeps the guest's description" told out.rtw "told['runs_here']['ok'] and told['guest_description'] and len(told['parts']) == 8"
check "options replace the artifact's" rtwasm recompile -q fat.rtw out.rtw --cpu x86-64-v2,x86-64-v3 --opt size
check "and the others stay" told out.rtw "len(told['parts']) == 4 and told['opt_level'] == 'size' and told['source']['inside']"
check "profiles alone" rtwasm recompile -q fat.rtw out.rtw --profile plugin
check "leave the machines" told out.rtw "[p['profile'] for p in told['parts']] == ['plugin'] * 4"
refuses "without the module" "does not have its module inside" rtwasm recompile one.rtw out.rtw
check "with the module" rtwasm recompile -q one.rtw out.rtw --source guest.wasm
check "the same artifact" cmp one.rtw out.rtw
check "which embeds it if that is wanted" rtwasm recompile -q one.rtw out.rtw --source guest.wasm --embed-source
check "and has it" told out.rtw "told['source']['inside']"
refuses "with another module" "SHA-256 differs" rtwasm recompile one.rtw out.rtw --source other.wasm
refuses "of a module" "RTW_ERR_PLAIN_WASM" rtwasm recompile guest.wasm out.rtw
refuses "without an output" "missing output" rtwasm recompile fat.rtw
# Signatures do not survive recompile, and the command names those that are gone.
says() { # says WORDS COMMAND...: it succeeds and says this once on the standard error
    words=$1
    shift
    "$@" >/dev/null 2>err && test "$(grep -c "$words" err)" -eq 1
}
one=$(sed -n 's/^rtwasm-public-key //p' one.pub) two=$(sed -n 's/^rtwasm-public-key //p' two.pub)
both=$(printf '%s\n%s\n' "$one" "$two" | sort | paste -sd, | sed 's/,/, /')
check "of a signed artifact: it names the signatures that are gone" says "out.rtw: not signed any more: the signature by $both " rtwasm recompile signed.rtw out.rtw
check "the artifact is as if nobody had signed" cmp fat.rtw out.rtw
rtwasm verify out.rtw --key one.pub >/dev/null 2>&1
check "no key has signed it" test $? -eq 3
check "quietly" rtwasm recompile -q signed.rtw out.rtw
check "without a word" test ! -s check.log
check "and signed anew with one key: it names the other one" says "not signed any more by all: the signature by $two " rtwasm recompile signed.rtw out.rtw --key one.key
check "as by rtwasm sign" sh -c '"$1" sign fat.rtw -o signed-one.rtw --key one.key && cmp signed-one.rtw out.rtw' sh "$RTWASM"
check "with both keys, in place" rtwasm recompile signed.rtw out.rtw --key two.key --key one.key
check "nothing is gone" sh -c '! grep "not signed" check.log && cmp signed.rtw out.rtw'
check "what was not signed is signed" rtwasm recompile -q fat.rtw out.rtw --key one.key
check "the same" cmp signed-one.rtw out.rtw
refuses "with a public key" "it has a public key" rtwasm recompile signed.rtw refused.rtw --key one.pub
check "nothing is written then" test ! -e refused.rtw
rtwasm compile -q state.wat -o init.rtw --init change=7 --embed-source --deterministic --reservation declared --budget off
check "calls, reservation, budget and determinism" rtwasm recompile -q init.rtw out.rtw
check "are kept" cmp init.rtw out.rtw
for list in x86-64-v2,x86-64-v2 aarch64,cortex-a72 x86-64-v2,native x86-64-v2, x86-64-v2,x86-64-v3,fma; do
    rtwasm compile guest.wasm -o refused.rtw --cpu $list --profile both >log 2>&1
    check "--cpu $list is wrong usage" test $? -eq 2 -a ! -e refused.rtw
done
refuses "a target that contradicts the list" "but the target is x86_64" rtwasm compile guest.wasm -o refused.rtw --target x86_64-unknown-linux-gnu --cpu x86-64-v2,aarch64
finish
