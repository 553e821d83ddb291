#!/bin/sh
# The shared library as the dynamic linker sees it, and the layout of the structs that cross the boundary.
# Every check has a twin: a library, table or header of which the same check must say no.
# shellcheck disable=SC2086 # lists of words
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$root/target/tests-abi
. "$root/tests/lib.sh"
cd "$root" || exit 1
library=$RTWASM_LIBDIR/librtwasm.so
compiler=$(dirname "$RTWASM")/librtwasm_compiler.so
for file in "$library" "$compiler" "$RTWASM"; do
    [ -f "$file" ] || { echo "FAIL $file is missing: make lib command"; exit 1; }
done

python3 tests/header/cheader.py flat include/rtwasm.h >"$scratch/flat.h"

# --- symbols

exports() { nm -D --defined-only "$1" | awk '{ print $NF }' | LC_ALL=C sort; }
exports_exactly() { # exports_exactly LIBRARY HEADER: what is in one and not in the other is shown as a diff
    python3 "$root/tests/header/cheader.py" function "$2" >"$scratch/declared" || return
    exports "$1" >"$scratch/exported"
    diff -U 0 "$scratch/declared" "$scratch/exported"
}
check "librtwasm.so exports the functions of rtwasm.h and nothing else" exports_exactly "$library" include/rtwasm.h
check "librtwasm_compiler.so exports those of rtwasm_compiler.h and nothing else" \
    exports_exactly "$compiler" include/rtwasm_compiler.h
sed 's/^uint32_t rtw_version(void)/uint32_t rtw_planted(void)/' "$scratch/flat.h" >"$scratch/planted.h"
refuses "twin: a function that is declared only is found" "-rtw_planted" exports_exactly "$library" "$scratch/planted.h"
refuses "twin: a function that is exported only is found" "+rtw_version" exports_exactly "$library" "$scratch/planted.h"

# --- what the dynamic section says

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
case $version in 0.*) soversion=${version%.*} ;; *) soversion=${version%%.*} ;; esac

has_soname() { # has_soname LIBRARY NAME
    soname=$(readelf -dW "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
    [ "$soname" = "$2" ] || { echo "the SONAME is '$soname'"; return 1; }
}
has_flags() { # has_flags LIBRARY: bound at load, never unloaded
    flags=$(readelf -dW "$1" | sed -n 's/.*(FLAGS_1).*Flags: //p')
    for flag in NOW NODELETE; do
        case " $flags " in *" $flag "*) ;; *) echo "the flags are '$flags', without $flag"; return 1 ;; esac
    done
}
needs_only_libc() { # needs_only_libc LIBRARY
    others=$(readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -Ev '^(libc|libm|libgcc_s|ld-linux[a-z0-9_-]*)\.so\.[0-9]+$')
    [ -z "$others" ] || { echo "it also needs" $others; return 1; }
}
check "SONAME librtwasm.so.$soversion" has_soname "$library" "librtwasm.so.$soversion"
check "SONAME librtwasm_compiler.so.$soversion" has_soname "$compiler" "librtwasm_compiler.so.$soversion"
check "librtwasm.so: NOW and NODELETE" has_flags "$library"
check "librtwasm_compiler.so: NOW and NODELETE" has_flags "$compiler"
check "librtwasm.so needs nothing but libc, libm, libgcc_s and the dynamic linker" needs_only_libc "$library"
check "librtwasm_compiler.so neither" needs_only_libc "$compiler"
echo 'void planted(void) {}' >"$scratch/planted.c"
$CC -shared -fPIC "$scratch/planted.c" -o "$scratch/libplanted.so" -Wl,-z,lazy -Wl,--no-as-needed -L"$(dirname "$compiler")" -lrtwasm_compiler
refuses "twin: another SONAME is found" "the SONAME is ''" has_soname "$scratch/libplanted.so" "librtwasm.so.$soversion"
refuses "twin: missing flags are found" "without NOW" has_flags "$scratch/libplanted.so"
refuses "twin: another library is found" "librtwasm_compiler.so.$soversion" needs_only_libc "$scratch/libplanted.so"

# --- size, and what is not in it

limit_bytes=1700000
strip -o "$scratch/stripped.so" "$library"
fits() { # fits FILE
    size_bytes=$(stat -c %s "$1")
    [ "$size_bytes" -le $limit_bytes ] || { echo "$size_bytes bytes"; return 1; }
}
check "stripped, it is at most $limit_bytes bytes: $(stat -c %s "$scratch/stripped.so")" fits "$scratch/stripped.so"
refuses "twin: the command is larger" bytes fits "$RTWASM"

no_compiler_in() { # no_compiler_in FILE: neither a symbol of Cranelift's code generator nor a path or message of it
    found=$({ nm "$1"; strings -a "$1"; } 2>/dev/null | grep -c cranelift_codegen)
    [ "$found" -eq 0 ] || { echo "cranelift_codegen: $found times"; return 1; }
}
check "librtwasm.so holds no compiler" no_compiler_in "$library"
refuses "twin: the command does" "cranelift_codegen: " no_compiler_in "$RTWASM"
refuses "twin: so does the compiler" "cranelift_codegen: " no_compiler_in "$compiler"

# Without optimisation at link time, calls from one crate to another go through the global offset table, thousands of them;
# with it, hardly any function of the library's own is left there.
own_got_entries() { # own_got_entries LIBRARY
    { readelf -SW "$1"; readelf -rW "$1"; } | python3 -c '
import re, sys
text = sys.stdin.read()
address, size = (int(number, 16) for number in re.search(r"\] \.got +\w+ +(\w+) \w+ (\w+)", text).groups())
slots = (int(line.split()[0], 16) for line in text.splitlines() if "_RELATIVE " in line)
print(sum(address <= slot < address + size for slot in slots))'
}
optimised_at_link_time() { # optimised_at_link_time LIBRARY
    entries=$(own_got_entries "$1") || return
    [ "$entries" -lt 100 ] || { echo "$entries functions of its own are called through the offset table"; return 1; }
}
check "librtwasm.so was optimised at link time" optimised_at_link_time "$library"
refuses "twin: the compiler was not, by design" "called through the offset table" optimised_at_link_time "$compiler"

# --- layout

table=$root/tests/abi/layout.txt
layout() { python3 "$root/tests/abi/layout.py" "$@"; }
measured_layout_is() { # measured_layout_is TABLE INCLUDE_DIR
    layout probe "$2/rtwasm.h" "$2/rtwasm_compiler.h" >"$scratch/probe.c" || return
    $CC -std=c11 -Wall -Wextra -Werror -I"$2" "$scratch/probe.c" -o "$scratch/probe" && "$scratch/probe" >"$scratch/measured.txt" || return
    diff -U 0 "$1" "$scratch/measured.txt"
}
asserts_hold() { # asserts_hold TABLE COMPILER...
    layout asserts "$1" >"$scratch/asserts.c" || return
    shift
    "$@" -std=c11 $C_WARNINGS -I"$root/include" -fsyntax-only "$scratch/asserts.c"
}
# A later field would lie in the padding, inside the size of older callers, who never set it.
no_padding_in() { # no_padding_in TABLE: none at the end of the structs that grow
    awk '{ split($1, name, ".") }
        name[2] == "" { if (grows && end != size) print "padding at the end of " struct; struct = $1; size = $2; end = 0; grows = struct == "rtw_export_subject_t"; next }
        name[2] == "struct_size" { grows = 1 }
        { end = $2 + $3 }
        END { if (grows && end != size) print "padding at the end of " struct }' "$1" >"$scratch/padding"
    [ -s "$1" ] && [ ! -s "$scratch/padding" ] || { cat "$scratch/padding"; return 1; }
}
check "the headers' layout is the committed one, field for field" measured_layout_is "$table" "$root/include"
check "it holds in C11: gcc" asserts_hold "$table" "$CC"
check "it holds in C11: clang" asserts_hold "$table" "$CLANG"
check "it holds for aarch64" asserts_hold "$table" "$CLANG" --target=aarch64-unknown-linux-gnu -ffreestanding
check "no struct that grows ends in padding" no_padding_in "$table"

sed 's/^rtw_error_t\.message 8 /rtw_error_t.message 12 /' "$table" >"$scratch/planted.txt"
refuses "twin: a moved field is found by the asserts" "offsetof(rtw_error_t, message)" asserts_hold "$scratch/planted.txt" "$CC"
refuses "twin: a moved field is found by measuring" "-rtw_error_t.message 12" measured_layout_is "$scratch/planted.txt" "$root/include"
sed 's/^rtw_slot_stats_t [0-9]* /rtw_slot_stats_t 4000 /' "$table" >"$scratch/padded.txt"
refuses "twin: padding is found" "padding at the end of rtw_slot_stats_t" no_padding_in "$scratch/padded.txt"
mkdir -p "$scratch/include"
cp include/rtwasm_compiler.h "$scratch/include/"
sed 's/^    int32_t cpu;/    uint64_t planted;\n    int32_t cpu;/' "$scratch/flat.h" >"$scratch/include/rtwasm.h"
refuses "twin: a new field is found" "+rtw_thread_config_t.planted 16 8" measured_layout_is "$table" "$scratch/include"
sed 's/^    uint32_t reservation;/    uint64_t reservation;/' include/rtwasm_compiler.h >"$scratch/include/rtwasm_compiler.h"
cp "$scratch/flat.h" "$scratch/include/rtwasm.h"
refuses "twin: a field of the compiler's that grows is found" "+rtw_compile_options_t.reservation 32 8" \
    measured_layout_is "$table" "$scratch/include"

# --- growth: programs that were compiled with other versions of the headers

for variant in older newer; do
    mkdir -p "$scratch/$variant"
    for header in rtwasm.h rtwasm_compiler.h; do
        check "$header can be made $variant" python3 tests/abi/variants.py $variant "$table" include/$header "$scratch/$variant/$header"
    done
done
# The harness is compiled with the headers as they are.
reports=
for source in check child start statuses; do
    $CC -std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g -Iinclude -c tests/support/$source.c -o "$scratch/$source.o" || fail "$source.c compiles"
    reports="$reports $scratch/$source.o"
done
growth() { # growth NAME FLAGS...
    name=$1
    shift
    # shellcheck disable=SC2086 # lists of words
    check "growth.c $name" $CC -std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -g "$@" tests/abi/growth.c $reports -o "$scratch/growth-$name" "$library" "$compiler" \
        -Wl,-rpath,"$(realpath "$RTWASM_LIBDIR"):$(dirname "$(realpath "$compiler")")"
    adopt "growth $name" "$scratch/growth-$name"
}
growth present -Iinclude
growth older -DOLDER -I"$scratch/older"
growth newer -DNEWER -I"$scratch/newer"

# --- what documents and tools say about it

users() { # users PAGE: each exported function has a row with users, and the files that a row names use its functions
    python3 tests/abi/users.py "$1" "$library" "$compiler"
}
check "docs/abi.md names the users of every exported function" users docs/abi.md
planted_row() { # planted_row SED-EXPRESSION WHAT MESSAGE
    sed "$1" docs/abi.md >"$scratch/abi.md"
    refuses "twin: $2 is found" "$3" users "$scratch/abi.md"
}
planted_row '/^| `rtw_module_probe`/d' "a function without a row" "rtw_module_probe has no row"
planted_row '/^| `rtw_slot_invoke`/s/include.rtwasm.hpp/examples-c\/audio\/live.c/' "a file that does not use the function" \
    "examples-c/audio/live.c does not use rtw_slot_invoke"
planted_row '/^| `rtw_slot_invoke`/s/include.rtwasm.hpp/examples-c\/gone.c/' "a file that is not there" "examples-c/gone.c is not there"
planted_row '/^| `rtw_clock_step_ns`/s/| [^|]* |$/| |/' "a function without a user" '`rtw_clock_step_ns`: no user'
planted_row '/^| `rtw_clock_step_ns`/s/| [^|]* |$/| planned: somebody |/' "a planned user that nobody describes" "somebody is no planned user"
planted_row 's/`rtw_slot_invoke`/`rtw_slot_call`/' "a function that is not exported" "rtw_slot_call is no exported function"

mkdir -p "$scratch/same" "$scratch/moved"
cp -r include/* "$scratch/same/"
cp -r include/* "$scratch/moved/"
sed -i 's/^    int32_t cpu;/    uint64_t planted;\n    int32_t cpu;/' "$scratch/moved/rtwasm/thread.h"
check "abidiff finds no difference where there is none" env OLD=include NEW="$scratch/same" tests/abi/abidiff.sh
refuses "twin: a field that moves things is found" "'int32_t cpu' offset changed" env OLD=include NEW="$scratch/moved" tests/abi/abidiff.sh
sed -i 's/^rtw_status_t rtw_slot_end(/rtw_status_t rtw_planted(/' "$scratch/same/rtwasm/slot.h"
refuses "twin: so is a function that has gone" "1 Removed" env OLD=include NEW="$scratch/same" tests/abi/abidiff.sh

# --- artifacts of the pinned release and of the first one of its line, and their module, from `make abi`

if [ "$(uname -m)" = x86_64 ]; then
    use_uninstalled_library
    $CC -std=c99 -D_GNU_SOURCE $C_WARNINGS -O1 -Iinclude tests/abi/run.c -o "$scratch/run" "$library" || fail "run.c compiles"
    for profile in standalone plugin; do
        "$RTWASM" compile -q tests/abi/artifacts/pid.wasm -o "$scratch/now.rtw" --profile $profile --cpu baseline
        "$scratch/run" "$scratch/now.rtw" >"$scratch/expected" || fail "pid.wasm runs in the $profile profile"
        for artifact in tests/abi/artifacts/pid.*.$profile.rtw; do
            "$scratch/run" "$artifact" >"$scratch/found"
            check "$(basename "$artifact") loads, and does what code of today does" cmp "$scratch/expected" "$scratch/found"
        done
        refuses "a release that is not in the table is refused by name" "made by wasmtime 48.0.250; this library holds wasmtime 48.0" \
            sh -c "python3 tests/parts/forge.py $scratch/now.rtw $scratch/unknown.rtw release 250 && $scratch/run $scratch/unknown.rtw >&2"
        "$RTWASM" compile -q tests/abi/artifacts/pid.wasm -o "$scratch/board.rtw" --profile $profile --target aarch64-unknown-linux-gnu
        refuses "a release whose code for aarch64 is wrong is refused by name" "made by wasmtime 48.0.6, whose compiler is known to generate wrong code" \
            sh -c "python3 tests/parts/forge.py $scratch/board.rtw $scratch/unsound.rtw release 6 && $scratch/run $scratch/unsound.rtw >&2"
        refuses "twin: the next one is not, but for the machine" "made for aarch64 linux" \
            sh -c "python3 tests/parts/forge.py $scratch/board.rtw $scratch/sound.rtw release 7 && $scratch/run $scratch/sound.rtw >&2"
    done
    check "both releases are there in both profiles" test "$(ls tests/abi/artifacts/*.rtw | wc -l)" -eq 4
    "$RTWASM" compile -q guests/built/eq.wasm -o "$scratch/now.rtw" --cpu baseline
    "$scratch/run" "$scratch/now.rtw" >"$scratch/found"
    refuses "twin: another guest does something else" "differ" cmp "$scratch/expected" "$scratch/found"
fi

finish
